/* Rules of policies: patterns, scopes, and what the members of a rule say together. Pure; owns nothing. */
#include "auth/identity.h"
#include "gateway/config/checks.h"
#include "gateway/core/settings.h"

bool check_pattern(struct span value, struct text *problem)
{
    if (value.size > 0 && value.size <= POLICY_MAX_PATTERN_BYTES)
        return true;
    mistake_add_value(problem, value);
    text_addf(problem, " is no pattern: write 1 to %d bytes; * is any run of characters, ? is one",
              POLICY_MAX_PATTERN_BYTES);
    return false;
}

bool check_scope(struct span value, struct text *problem)
{
    bool fine = value.size > 0 && value.size <= POLICY_MAX_PATTERN_BYTES;
    for (size_t i = 0; i < value.size && fine; i++)
        fine = value.at[i] > ' ' && value.at[i] < '\x7f' && value.at[i] != '"' && value.at[i] != '\\';
    if (fine)
        return true;
    mistake_add_value(problem, value);
    text_add_literal(problem, " is no scope: visible ASCII without blanks, quotes and backslashes");
    return false;
}

/* A mistake at who's member of that name. */
static void say(const struct node *entry, const char *member, const char *label, const char *sentence,
                struct mistakes *mistakes)
{
    const struct node *who = node_find(entry, SPAN("who"));
    const struct node *found = who && who->kind == NODE_MAPPING ? node_find(who, span_of(member)) : NULL;
    text_addf(mistake(mistakes, found ? found->at : entry->at), "%s.who: %s", label, sentence);
}

static bool names_any(const struct policy_names *names)
{
    return names->tools.count + names->resources.count + names->prompts.count > 0;
}

/* Whether a caller with one of these proofs could be meant; none named means any. */
static bool proves(const struct policy_rule_settings *rule, unsigned proofs)
{
    return rule->who.proofs == 0 || rule->who.proofs & proofs;
}

void check_policy_rule(const struct node *entry, void *record, const char *label, struct mistakes *mistakes)
{
    enum {
        TOKENS = 1U << IDENTITY_JWT | 1U << IDENTITY_INTROSPECTION,
        KEYS = 1U << IDENTITY_API_KEY,
        CERTIFICATES = 1U << IDENTITY_CERTIFICATE,
    };
    const struct policy_rule_settings *rule = record;
    bool keys = rule->who.keys.count > 0, subjects = rule->who.subjects.count > 0;
    bool issuers = rule->who.issuers.count > 0;
    if (!names_any(&rule->allow) && !names_any(&rule->deny))
        text_addf(mistake(mistakes, entry->at),
                  "%s: allows nothing and denies nothing: name tools, resources or prompts", label);
    if (keys && (subjects || issuers))
        say(entry, "keys", label, "an API key has no subject and no issuer: write two rules", mistakes);
    if (keys && !proves(rule, KEYS))
        say(entry, "keys", label, "proofs leaves out api_key, so no key is meant", mistakes);
    if (subjects && !proves(rule, TOKENS | CERTIFICATES))
        say(entry, "subjects", label, "proofs leaves out certificate and tokens, so no subject is meant", mistakes);
    if (issuers && !proves(rule, TOKENS))
        say(entry, "issuers", label, "proofs leaves out jwt and introspection, so no issuer is meant", mistakes);
    if (rule->who.scopes.count > 0 && !proves(rule, TOKENS | KEYS))
        say(entry, "scopes", label, "only API keys and tokens have scopes, and proofs leaves them out", mistakes);
}

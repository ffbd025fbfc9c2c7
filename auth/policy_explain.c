/* Says why, by the functions that judge. Owns nothing. */
#include "auth/policy_priv.h"

static void add_quoted(struct text *out, struct span value)
{
    text_add_json_string(out, value);
}

static void add_rule(struct text *out, const struct policy_rule_settings *rule, const char *file)
{
    text_add_literal(out, "rule ");
    add_quoted(out, span_of(rule->name));
    text_addf(out, " (%s:%u:%u)", file, rule->place.line, rule->place.column);
}

static void add_missing_scopes(struct text *out, const struct policy_rule_settings *rule,
                               const struct identity *identity)
{
    const struct name_list *scopes = &rule->who.scopes;
    const char *separator = "its scope is missing: ";
    for (size_t i = 0; i < scopes->count; i++)
        if (!identity || !identity_has_scope(identity, span_of(scopes->name[i]))) {
            text_addf(out, "%s%s", separator, scopes->name[i]);
            separator = ", ";
        }
}

static void add_obstacle(struct text *out, const struct rule *rule, const struct policy_caller *caller)
{
    static const char *const words[] = {
        [OBSTACLE_ENDPOINT] = "it is for other endpoints",    [OBSTACLE_PROOF] = "it is for other proofs",
        [OBSTACLE_KEY] = "it is for API keys of other names", [OBSTACLE_SUBJECT] = "it is for other subjects",
        [OBSTACLE_ISSUER] = "it is for other issuers",
    };
    enum policy_obstacle obstacle = policy_obstacle(rule, caller);
    if (obstacle == OBSTACLE_SCOPE)
        add_missing_scopes(out, rule->settings, caller->identity);
    else
        text_add(out, span_of(words[obstacle]));
}

static void add_verdict(struct text *out, enum policy_verdict verdict, const struct policy_reason *reason,
                        const struct policy_caller *caller, const char *file)
{
    text_add(out, verdict == POLICY_ALLOWED ? SPAN("allowed: ") : SPAN("denied: "));
    if (!reason->rule) {
        text_add_literal(out, "no rule for this caller allows it\n");
        return;
    }
    add_rule(out, reason->rule, file);
    if (verdict == POLICY_SCOPE_MISSING) {
        text_add_literal(out, " would allow it, but ");
        add_missing_scopes(out, reason->rule, caller->identity);
    } else {
        text_add(out, verdict == POLICY_ALLOWED ? SPAN(" allows ") : SPAN(" denies "));
        add_quoted(out, reason->pattern);
    }
    text_add_char(out, '\n');
}

static void add_others(struct text *out, const struct policy *policy, const struct policy_caller *caller,
                       enum policy_kind kind, struct span name, const char *file)
{
    for (size_t i = 0; i < policy->rules; i++) {
        const struct rule *rule = &policy->rule[i];
        const struct glob *denies = policy_denies(rule, kind, name);
        const struct glob *says = denies ? denies : policy_allows(rule, kind, name);
        if (!says || policy_obstacle(rule, caller) == OBSTACLE_NONE)
            continue;
        text_add_literal(out, "  not for this caller: ");
        add_rule(out, rule->settings, file);
        text_add(out, denies ? SPAN(", which denies ") : SPAN(", which allows "));
        add_quoted(out, says->pattern);
        text_add_literal(out, ": ");
        add_obstacle(out, rule, caller);
        text_add_char(out, '\n');
    }
}

enum policy_verdict policy_explain(const struct policy *policy, const struct policy_caller *caller,
                                   enum policy_kind kind, struct span name, const char *file, struct text *out)
{
    struct policy_view view;
    struct policy_reason reason;
    policy_view(policy, caller, &view);
    if (!policy) {
        text_add_literal(out, "allowed: there is no policy\n");
        return POLICY_ALLOWED;
    }
    enum policy_verdict verdict =
        kind == POLICY_RESOURCE ? policy_check_uri(&view, name, &reason) : policy_check(&view, kind, name, &reason);
    add_verdict(out, verdict, &reason, caller, file);
    add_others(out, policy, caller, kind, name, file);
    return verdict;
}

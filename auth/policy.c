/* Rules compiled to patterns, and their judgement: first which rules are for a caller, a bit each, then what those say
   of a name. Nothing is remembered between checks; a check allocates nothing. */
#include "auth/policy_priv.h"

#include <errno.h>

/* ---- compiling ---- */

static int compile(const struct name_list *names, struct globs *globs)
{
    globs->glob = calloc(names->count + 1, sizeof(*globs->glob));
    if (!globs->glob)
        return -ENOMEM;
    for (; globs->count < names->count; globs->count++)
        globs->glob[globs->count] = glob_of(span_of(names->name[globs->count]));
    return 0;
}

static int compile_names(const struct policy_names *names, struct globs globs[POLICY_KINDS])
{
    int result = compile(&names->tools, &globs[POLICY_TOOL]);
    if (result == 0)
        result = compile(&names->resources, &globs[POLICY_RESOURCE]);
    if (result == 0)
        result = compile(&names->resources, &globs[POLICY_TEMPLATE]);
    return result == 0 ? compile(&names->prompts, &globs[POLICY_PROMPT]) : result;
}

static int compile_rule(const struct policy_rule_settings *settings, struct rule *rule)
{
    rule->settings = settings;
    int result = compile(&settings->who.keys, &rule->keys);
    if (result == 0)
        result = compile(&settings->who.subjects, &rule->subjects);
    if (result == 0)
        result = compile(&settings->endpoints, &rule->paths);
    if (result == 0)
        result = compile_names(&settings->allow, rule->allow);
    return result == 0 ? compile_names(&settings->deny, rule->deny) : result;
}

static void free_rule(struct rule *rule)
{
    free(rule->keys.glob);
    free(rule->subjects.glob);
    free(rule->paths.glob);
    for (unsigned kind = 0; kind < POLICY_KINDS; kind++) {
        free(rule->allow[kind].glob);
        free(rule->deny[kind].glob);
    }
}

int policy_new(const struct policy_rule_settings *rule, size_t count, struct policy **ret_policy)
{
    struct policy *policy = calloc(1, sizeof(*policy) + count * sizeof(policy->rule[0]));
    int result = policy ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && result == 0; i++) {
        policy->rules++;
        result = compile_rule(&rule[i], &policy->rule[i]);
    }
    if (result < 0) {
        policy_free(policy);
        return result;
    }
    *ret_policy = policy;
    return 0;
}

void policy_free(struct policy *policy)
{
    for (size_t i = 0; policy && i < policy->rules; i++)
        free_rule(&policy->rule[i]);
    free(policy);
}

/* ---- sameness ---- */

static bool same_list(const struct name_list *a, const struct name_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; i < a->count && same; i++)
        same = strcmp(a->name[i], b->name[i]) == 0;
    return same;
}

static bool same_names(const struct policy_names *a, const struct policy_names *b)
{
    return same_list(&a->tools, &b->tools) && same_list(&a->resources, &b->resources) &&
           same_list(&a->prompts, &b->prompts);
}

static bool same_rule(const struct policy_rule_settings *a, const struct policy_rule_settings *b)
{
    return same_list(&a->who.keys, &b->who.keys) && same_list(&a->who.subjects, &b->who.subjects) &&
           same_list(&a->who.issuers, &b->who.issuers) && same_list(&a->who.scopes, &b->who.scopes) &&
           a->who.proofs == b->who.proofs && same_list(&a->endpoints, &b->endpoints) &&
           same_names(&a->allow, &b->allow) && same_names(&a->deny, &b->deny);
}

bool policy_same(const struct policy_rule_settings *a, size_t a_count, const struct policy_rule_settings *b,
                 size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; i < a_count && same; i++)
        same = same_rule(&a[i], &b[i]);
    return same;
}

/* ---- for whom ---- */

static const struct glob *find(const struct globs *globs, struct span text)
{
    for (size_t i = 0; i < globs->count; i++)
        if (glob_matches(&globs->glob[i], text))
            return &globs->glob[i];
    return NULL;
}

static bool is_listed(const struct name_list *list, const char *text)
{
    for (size_t i = 0; text && i < list->count; i++)
        if (strcmp(list->name[i], text) == 0)
            return true;
    return false;
}

static enum identity_proof proof_of(const struct policy_caller *caller)
{
    return caller->identity ? caller->identity->proof : IDENTITY_ANONYMOUS;
}

static struct span subject_of(const struct policy_caller *caller)
{
    return caller->identity ? span_of(caller->identity->subject) : SPAN("");
}

static bool is_key(const struct rule *rule, const struct policy_caller *caller)
{
    return proof_of(caller) == IDENTITY_API_KEY && find(&rule->keys, subject_of(caller));
}

/* A key that is called as somebody else's subject is not that somebody. */
static bool is_subject(const struct rule *rule, const struct policy_caller *caller)
{
    enum identity_proof proof = proof_of(caller);
    bool has_subject = proof == IDENTITY_CERTIFICATE || proof == IDENTITY_JWT || proof == IDENTITY_INTROSPECTION;
    return has_subject && find(&rule->subjects, subject_of(caller));
}

static bool has_scopes(const struct policy_rule_settings *settings, const struct identity *identity)
{
    for (size_t i = 0; i < settings->who.scopes.count; i++)
        if (!identity || !identity_has_scope(identity, span_of(settings->who.scopes.name[i])))
            return false;
    return true;
}

static bool is_endpoint(const struct rule *rule, const struct policy_caller *caller)
{
    return rule->paths.count == 0 || find(&rule->paths, caller->path) ||
           (!span_absent(caller->address) && find(&rule->paths, caller->address));
}

enum policy_obstacle policy_obstacle(const struct rule *rule, const struct policy_caller *caller)
{
    const struct policy_rule_settings *settings = rule->settings;
    if (!is_endpoint(rule, caller))
        return OBSTACLE_ENDPOINT;
    if (settings->who.proofs && !(settings->who.proofs & 1U << proof_of(caller)))
        return OBSTACLE_PROOF;
    if (rule->keys.count > 0 && !is_key(rule, caller))
        return OBSTACLE_KEY;
    if (rule->subjects.count > 0 && !is_subject(rule, caller))
        return OBSTACLE_SUBJECT;
    if (settings->who.issuers.count > 0 &&
        !is_listed(&settings->who.issuers, caller->identity ? caller->identity->issuer : NULL))
        return OBSTACLE_ISSUER;
    return has_scopes(settings, caller->identity) ? OBSTACLE_NONE : OBSTACLE_SCOPE;
}

/* Of whom more can be asked than has been shown. */
static bool can_have_scopes(enum identity_proof proof)
{
    return proof == IDENTITY_API_KEY || proof == IDENTITY_JWT || proof == IDENTITY_INTROSPECTION;
}

void policy_view(const struct policy *policy, const struct policy_caller *caller, struct policy_view *ret_view)
{
    *ret_view = (struct policy_view){.policy = policy};
    for (size_t i = 0; policy && i < policy->rules; i++) {
        enum policy_obstacle obstacle = policy_obstacle(&policy->rule[i], caller);
        if (obstacle == OBSTACLE_NONE)
            ret_view->applies[i / 64] |= UINT64_C(1) << i % 64;
        else if (obstacle == OBSTACLE_SCOPE && can_have_scopes(proof_of(caller)))
            ret_view->lacks_scope[i / 64] |= UINT64_C(1) << i % 64;
    }
}

/* ---- what ---- */

const struct glob *policy_denies(const struct rule *rule, enum policy_kind kind, struct span name)
{
    return find(&rule->deny[kind], name);
}

static struct span before_variables(struct span uri_template)
{
    struct span rest = uri_template;
    return span_cut(&rest, '{');
}

const struct glob *policy_allows(const struct rule *rule, enum policy_kind kind, struct span name)
{
    const struct globs *globs = &rule->allow[kind];
    if (kind != POLICY_TEMPLATE)
        return find(globs, name);
    struct span start = before_variables(name);
    for (size_t i = 0; i < globs->count; i++)
        if (glob_matches(&globs->glob[i], name) || glob_reaches(&globs->glob[i], start))
            return &globs->glob[i];
    return NULL;
}

typedef const struct glob *(*rule_says)(const struct rule *rule, enum policy_kind kind, struct span name);

/* The first rule of those in `bits` that says so. */
static bool any_says(const struct policy_view *view, const uint64_t bits[POLICY_WORDS], rule_says says,
                     enum policy_kind kind, struct span name, struct policy_reason *reason)
{
    for (unsigned word = 0; word < POLICY_WORDS; word++)
        for (uint64_t left = bits[word]; left; left &= left - 1) {
            const struct rule *rule = &view->policy->rule[word * 64 + (unsigned)__builtin_ctzll(left)];
            const struct glob *glob = says(rule, kind, name);
            if (!glob)
                continue;
            if (reason)
                *reason = (struct policy_reason){rule->settings, glob->pattern};
            return true;
        }
    return false;
}

enum policy_verdict policy_check(const struct policy_view *view, enum policy_kind kind, struct span name,
                                 struct policy_reason *ret_reason)
{
    if (ret_reason)
        *ret_reason = (struct policy_reason){0};
    if (!view->policy)
        return POLICY_ALLOWED;
    if (name.size > POLICY_MAX_NAME_BYTES || any_says(view, view->applies, policy_denies, kind, name, ret_reason))
        return POLICY_HIDDEN;
    if (any_says(view, view->applies, policy_allows, kind, name, ret_reason))
        return POLICY_ALLOWED;
    if (any_says(view, view->lacks_scope, policy_allows, kind, name, ret_reason))
        return POLICY_SCOPE_MISSING;
    return POLICY_HIDDEN;
}

const char *policy_kind_name(enum policy_kind kind)
{
    static const char *const names[POLICY_KINDS] = {"tool", "resource", "resource template", "prompt"};
    return names[kind];
}

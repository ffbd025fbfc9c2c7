/* Who may see and use what. A policy is a list of rules, compiled once and then immutable; any thread.

   A rule is for a caller if everything that it says of callers holds, and for an endpoint if it names that one or none.
   Without any rule everything is allowed. With one, a name is

       hidden         if a rule for the caller denies it, whatever else allows it,
       allowed        else, if a rule for the caller allows it,
       scope missing  else, if a rule would allow it that is for the caller but for scopes that its credential lacks,
       hidden         else.

   Hidden names do not exist for the caller. A missing scope is said only to callers whose credential has scopes: keys
   and tokens. Names are those of tools and prompts, the URIs of resources, and the texts of resource templates: a
   template is allowed if some URI that begins as it does may be, the URIs that are read by it are judged each for
   itself. Scopes have no order here: a scope that implies others is named in their rules, too. */
#pragma once
#include "auth/identity.h"
#include "auth/policy_settings.h"
#include "gateway/base/text.h"

enum policy_kind { POLICY_TOOL, POLICY_RESOURCE, POLICY_TEMPLATE, POLICY_PROMPT, POLICY_KINDS };

enum { POLICY_MAX_NAME_BYTES = 4096 }; /* a longer name is hidden: its matching would cost too much */

struct policy;
/* Borrows the rules, which must outlive it. Count 1 to POLICY_MAX_RULES. 0 or -ENOMEM. */
MUST_USE int policy_new(const struct policy_rule_settings *rule, size_t count, struct policy **ret_policy);
void policy_free(struct policy *policy); /* NULL is fine */
/* Whether two lists of rules say the same, wherever they stand in their files. */
bool policy_same(const struct policy_rule_settings *a, size_t a_count, const struct policy_rule_settings *b,
                 size_t b_count);

struct policy_caller {
    const struct identity *identity; /* NULL: anonymous */
    struct span path, address;       /* of the listener, as configured; "stdio" and absent for standard input */
};

/* The rules that are for one caller. Borrows the policy. */
enum { POLICY_WORDS = POLICY_MAX_RULES / 64 };
struct policy_view {
    const struct policy *policy; /* NULL: there is none, and all is allowed */
    uint64_t applies[POLICY_WORDS];
    uint64_t lacks_scope[POLICY_WORDS]; /* would apply */
};
/* `policy` NULL: none. */
void policy_view(const struct policy *policy, const struct policy_caller *caller, struct policy_view *ret_view);

enum policy_verdict { POLICY_ALLOWED, POLICY_SCOPE_MISSING, POLICY_HIDDEN }; /* the later, the less */
struct policy_reason {
    const struct policy_rule_settings *rule; /* that decided; NULL: none speaks of the name */
    struct span pattern;                     /* of that rule */
};
/* `ret_reason` may be NULL; else it is always set. */
enum policy_verdict policy_check(const struct policy_view *view, enum policy_kind kind, struct span name,
                                 struct policy_reason *ret_reason);

/* Of a URI that a client made up and a template takes: the patterns must say the same of what it becomes when whoever
   reads it decodes it (RFC 3986, 2.4), or "%73ecret" would be no "secret". An allowed one that a pattern names without
   wildcards is as it is. What has "." or ".." for a segment is hidden: it names something else than it seems to. */
enum policy_verdict policy_check_uri(const struct policy_view *view, struct span uri, struct policy_reason *ret_reason);

/* The same, in words: a line with the verdict and the rule, and one for each rule that is not for this caller although
   it speaks of the name. `file` names the configuration. */
enum policy_verdict policy_explain(const struct policy *policy, const struct policy_caller *caller,
                                   enum policy_kind kind, struct span name, const char *file, struct text *out);
const char *policy_kind_name(enum policy_kind kind); /* "tool" */

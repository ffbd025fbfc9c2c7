/* What the policy costs each request, function by function: to be far below 1 µs. */
#include <stdio.h>

#include "auth/policy.h"
#include "tests/bench/rows.h"

enum { RULES = 20, PATTERNS = 10, PATTERN_BYTES = 32 };

/* ---- the policy: as many rules and patterns as an operator would write, and some more ---- */

static char texts[RULES][PATTERNS][PATTERN_BYTES];
static char *pattern[RULES][PATTERNS];
static struct policy_rule_settings rules[RULES];
static struct policy *policy;
static struct identity *caller;
static struct policy_view view;

/* Each rule allows ten patterns; five are for the caller by their scope, the others for keys. */
static int make_policy(void)
{
    static char *scope[] = {(char *)(uintptr_t) "tools"}, *key[] = {(char *)(uintptr_t) "ci-*"};
    struct span scopes[] = {SPAN("read"), SPAN("tools")};
    for (unsigned r = 0; r < RULES; r++) {
        for (unsigned p = 0; p < PATTERNS; p++) {
            (void)snprintf(texts[r][p], PATTERN_BYTES, p % 2 ? "group%u_%u_*" : "group%u_tool_%u", r, p);
            pattern[r][p] = texts[r][p];
        }
        rules[r].allow.tools = (struct name_list){pattern[r], PATTERNS};
        if (r < 5)
            rules[r].who.scopes = (struct name_list){scope, 1};
        else
            rules[r].who.keys = (struct name_list){key, 1};
    }
    struct identity_facts facts = {.proof = IDENTITY_JWT,
                                   .subject = SPAN("agent-7"),
                                   .issuer = SPAN("https://issuer.example"),
                                   .scope = scopes,
                                   .scopes = ARRAY_SIZE(scopes)};
    int result = policy_new(rules, RULES, &policy);
    return result == 0 ? identity_new(&facts, &caller) : result;
}

static bool see(void)
{
    policy_view(policy, &(struct policy_caller){caller, SPAN("/mcp"), SPAN("127.0.0.1:8080")}, &view);
    return view.applies[0] == 0x1f;
}

static bool check_first(void)
{
    return policy_check(&view, POLICY_TOOL, SPAN("group0_tool_0"), NULL) == POLICY_ALLOWED;
}

static bool check_last(void)
{
    return policy_check(&view, POLICY_TOOL, SPAN("group4_9_free"), NULL) == POLICY_ALLOWED;
}

static bool check_none(void)
{
    return policy_check(&view, POLICY_TOOL, SPAN("disk_free"), NULL) == POLICY_HIDDEN;
}

static bool see_and_check(void)
{
    return see() && check_last();
}

/* ---- measuring ---- */

static const struct bench_row rows[] = {
    {"policy: which of 20 rules are for a caller", see}, {"policy check, allowed by the first pattern", check_first},
    {"policy check, allowed by the 50th", check_last},   {"policy check, no pattern of 50 matches", check_none},
    {"policy, both for one call", see_and_check},
};

int main(void)
{
    int failed = make_policy() != 0 || !see() || bench_rows(rows, ARRAY_SIZE(rows));
    identity_unref(caller);
    policy_free(policy);
    return failed;
}

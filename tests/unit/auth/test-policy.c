/* Unit tests of auth/policy.h: rules in, callers and names in, verdicts and reasons out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/policy.h"

#include <stdio.h>

/* Lists of up to four. */
struct list {
    const char *name[4];
};

static struct name_list names(const struct list *list)
{
    struct name_list names = {.name = (char **)(uintptr_t)list->name};
    while (names.count < ARRAY_SIZE(list->name) && list->name[names.count])
        names.count++;
    return names;
}

enum rule_name { READERS, KEYS, AGENTS, ADMINS, DENIERS, LOCALS, ISSUED, BOTH, RULES };
static const struct row {
    const char *name;
    struct list keys, subjects, issuers, scopes, endpoints;
    unsigned proofs;
    struct list tools, resources, prompts, no_tools, no_resources;
} rows[RULES] = {
    [READERS] = {.name = "readers", .tools = {{"read_*"}}, .resources = {{"file:///pub/*"}}, .prompts = {{"hello"}}},
    [KEYS] = {.name = "keys", .keys = {{"ci", "ci-*"}}, .tools = {{"disk_*"}}, .no_tools = {{"disk_format"}}},
    [AGENTS] = {.name = "agents", .subjects = {{"agent-?"}}, .tools = {{"run"}}, .endpoints = {{"/agents", "/a/*"}}},
    [ADMINS] = {.name = "admins", .scopes = {{"admin", "write"}}, .tools = {{"*"}}, .no_resources = {{"*secret*"}}},
    [DENIERS] = {.name = "deniers", .proofs = 1U << IDENTITY_ANONYMOUS, .no_tools = {{"read_all"}}},
    [LOCALS] = {.name = "locals", .proofs = 1U << IDENTITY_LOCAL, .tools = {{"*"}}, .endpoints = {{"stdio"}}},
    [ISSUED] = {.name = "issued", .issuers = {{"https://i.example"}}, .prompts = {{"*"}}},
    [BOTH] = {.name = "exact", .resources = {{"file:///x/a%20b", "file:///x/p%41", "note:*"}}},
};
static struct policy_rule_settings rules[RULES];

static struct policy *make(void)
{
    struct policy *policy = NULL;
    for (size_t i = 0; i < RULES; i++)
        rules[i] = (struct policy_rule_settings){
            .place = {(unsigned)i + 1, 5},
            .name = (char *)(uintptr_t)rows[i].name,
            .who = {names(&rows[i].keys), names(&rows[i].subjects), names(&rows[i].issuers), names(&rows[i].scopes),
                    rows[i].proofs},
            .endpoints = names(&rows[i].endpoints),
            .allow = {names(&rows[i].tools), names(&rows[i].resources), names(&rows[i].prompts)},
            .deny = {names(&rows[i].no_tools), names(&rows[i].no_resources)},
        };
    assert_int_equal(policy_new(rules, RULES, &policy), 0);
    return policy;
}

/* NULL: anonymous, and nobody asked. `scope` may have two, with a blank between. */
static struct identity *who(enum identity_proof proof, const char *subject, const char *issuer, const char *scopes)
{
    struct span scope[4], rest = span_of(scopes);
    size_t count = 0;
    struct identity *identity = NULL;
    while (!span_absent(rest) && rest.size > 0)
        scope[count++] = span_cut(&rest, ' ');
    assert_int_equal(identity_new(&(struct identity_facts){.proof = proof,
                                                           .subject = span_of(subject),
                                                           .issuer = span_of(issuer),
                                                           .scope = scope,
                                                           .scopes = count},
                                  &identity),
                     0);
    return identity;
}

#define NOBODY                 IDENTITY_ANONYMOUS, "", NULL, ""
#define KEY(name, scopes)      IDENTITY_API_KEY, name, NULL, scopes
#define TOKEN(subject, scopes) IDENTITY_JWT, subject, "https://i.example", scopes
#define ALLOWED                POLICY_ALLOWED
#define HIDDEN                 POLICY_HIDDEN
#define MISSING                POLICY_SCOPE_MISSING

static const struct {
    enum identity_proof proof;
    const char *subject, *issuer, *scopes, *path;
    enum policy_kind kind;
    const char *name;
    enum policy_verdict verdict;
    int rule; /* -1: none */
    const char *comment;
} checks[] = {
    {NOBODY, "/mcp", POLICY_TOOL, "read_one", ALLOWED, READERS, "a rule without conditions is for everyone"},
    {NOBODY, "/mcp", POLICY_TOOL, "write", HIDDEN, -1, "what no rule names"},
    {NOBODY, "/mcp", POLICY_TOOL, "read_all", HIDDEN, DENIERS, "a denial beats an allowance in another rule"},
    {KEY("x", ""), "/mcp", POLICY_TOOL, "read_all", ALLOWED, READERS, "which is for others"},
    {NOBODY, "/mcp", POLICY_PROMPT, "read_one", HIDDEN, -1, "the kinds are apart"},
    {NOBODY, "/mcp", POLICY_PROMPT, "hello", ALLOWED, READERS, "a prompt"},
    {NOBODY, "/mcp", POLICY_TOOL, "anything", HIDDEN, -1, "nobody is told of scopes who has no credential"},
    {IDENTITY_CERTIFICATE, "CN=x", NULL, "", "/mcp", POLICY_TOOL, "anything", HIDDEN, -1, "certificates have none"},
    {KEY("ci", ""), "/mcp", POLICY_TOOL, "disk_free", ALLOWED, KEYS, "a key by its name"},
    {KEY("ci-2", ""), "/mcp", POLICY_TOOL, "disk_free", ALLOWED, KEYS, "by a pattern"},
    {KEY("co", ""), "/mcp", POLICY_TOOL, "disk_free", MISSING, ADMINS, "another key"},
    {KEY("ci", ""), "/mcp", POLICY_TOOL, "disk_format", HIDDEN, KEYS, "a denial beats an allowance in its own rule"},
    {KEY("ci", "admin write"), "/mcp", POLICY_TOOL, "disk_format", HIDDEN, KEYS, "and one of scopes"},
    {TOKEN("ci", ""), "/mcp", POLICY_TOOL, "disk_free", MISSING, ADMINS, "a token's subject is no key's name"},
    {KEY("agent-1", ""), "/agents", POLICY_TOOL, "run", MISSING, ADMINS, "a key's name is no subject"},
    {TOKEN("agent-1", ""), "/agents", POLICY_TOOL, "run", ALLOWED, AGENTS, "a subject where it may"},
    {TOKEN("agent-1", ""), "/a/b", POLICY_TOOL, "run", ALLOWED, AGENTS, "endpoints are patterns"},
    {TOKEN("agent-1", ""), "/mcp", POLICY_TOOL, "run", MISSING, ADMINS, "and where it may not"},
    {TOKEN("agent-12", ""), "/agents", POLICY_TOOL, "run", MISSING, ADMINS, "another subject"},
    {TOKEN("x", "admin"), "/mcp", POLICY_TOOL, "run", MISSING, ADMINS, "half of the scopes"},
    {TOKEN("x", "write admin"), "/mcp", POLICY_TOOL, "run", ALLOWED, ADMINS, "all of the scopes"},
    {TOKEN("x", ""), "/mcp", POLICY_PROMPT, "p", ALLOWED, ISSUED, "an issuer"},
    {IDENTITY_JWT, "x", "https://i.example.evil", "", "/mcp", POLICY_PROMPT, "p", HIDDEN, -1, "issuers are exact"},
    {IDENTITY_JWT, "x", NULL, "", "/mcp", POLICY_PROMPT, "p", HIDDEN, -1, "none is not one"},
    {IDENTITY_LOCAL, "local", NULL, "", "stdio", POLICY_TOOL, "x", ALLOWED, LOCALS, "standard input"},
    {IDENTITY_LOCAL, "local", NULL, "", "/mcp", POLICY_TOOL, "x", HIDDEN, -1, "is no listener"},
    {NOBODY, "/mcp", POLICY_TEMPLATE, "file:///{+path}", ALLOWED, READERS, "some URI of it may be allowed"},
    {NOBODY, "/mcp", POLICY_TEMPLATE, "file:///pub/x/{p}", ALLOWED, READERS, "all of them are"},
    {NOBODY, "/mcp", POLICY_TEMPLATE, "file:///etc/{p}", HIDDEN, -1, "none is"},
    {KEY("x", "admin write"), "/mcp", POLICY_TEMPLATE, "file:///pub/secret/{p}", HIDDEN, ADMINS, "it is denied"},
    {KEY("x", "admin write"), "/mcp", POLICY_TEMPLATE, "file:///pub/{p}", ALLOWED, READERS, "only some are denied"},
};

static void check_reason(const struct policy_reason *reason, int rule, const char *comment)
{
    if (reason->rule != (rule < 0 ? NULL : &rules[rule]))
        fail_msg("%s: by the rule %s", comment, reason->rule ? reason->rule->name : "none");
}

static void test_checks(void **state UNUSED)
{
    struct policy *policy = make();
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        struct identity *identity = who(checks[i].proof, checks[i].subject, checks[i].issuer, checks[i].scopes);
        struct policy_caller caller = {identity, span_of(checks[i].path), SPAN("127.0.0.1:80")};
        struct policy_view view;
        struct policy_reason reason;
        policy_view(policy, &caller, &view);
        enum policy_verdict verdict = policy_check(&view, checks[i].kind, span_of(checks[i].name), &reason);
        if (verdict != checks[i].verdict)
            fail_msg("%s: %d", checks[i].comment, verdict);
        check_reason(&reason, checks[i].rule, checks[i].comment);
        assert_int_equal(policy_check(&view, checks[i].kind, span_of(checks[i].name), NULL), verdict);
        if (checks[i].proof == IDENTITY_ANONYMOUS) {
            struct policy_view nobody;
            caller.identity = NULL;
            policy_view(policy, &caller, &nobody);
            assert_memory_equal(&nobody, &view, sizeof(view));
        }
        identity_unref(identity);
    }
    policy_free(policy);
}

static const struct {
    const char *uri, *scopes;
    enum policy_verdict verdict;
    int rule;
    const char *comment;
} uris[] = {
    {"file:///pub/a", "", ALLOWED, READERS, "plain"},
    {"file:///pub/a%20b", "", ALLOWED, READERS, "an escape that changes nothing"},
    {"file:///pub/../etc/passwd", "", HIDDEN, -1, "out of the folder"},
    {"file:///pub/%2e%2E/etc/passwd", "", HIDDEN, -1, "with escapes"},
    {"file:///pub/x%2f..%2f..%2fetc", "", HIDDEN, -1, "separators, too"},
    {"file:///pub/x%5c..%5c..", "", HIDDEN, -1, "of other systems, too"},
    {"file:///pub/./a", "", HIDDEN, -1, "where it is"},
    {"file:///pub/..", "", HIDDEN, -1, "at the end"},
    {"file:///pub/..a/b..", "", ALLOWED, READERS, "names with dots"},
    {"file:///pub/secret", "admin write", HIDDEN, ADMINS, "denied"},
    {"file:///pub/%73ecret", "admin write", HIDDEN, ADMINS, "denied once it is decoded"},
    {"file:///pub/%73ecret", "", ALLOWED, READERS, "to others it is not denied"},
    {"file:///%70ub/a", "", HIDDEN, -1, "allowed only once it is decoded"},
    {"file:///x/a%20b", "", ALLOWED, BOTH, "named as it is"},
    {"file:///x/p%41", "", ALLOWED, BOTH, "named as it is, with an escape that need not be"},
    {"file:///x/a b", "", HIDDEN, -1, "another name"},
    {"file:///pub/%zz%4", "", ALLOWED, READERS, "what is no escape"},
    {"note:%", "", ALLOWED, BOTH, "nor this"},
};

static void test_uris(void **state UNUSED)
{
    struct policy *policy = make();
    for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
        struct identity *identity = who(KEY("x", uris[i].scopes));
        struct policy_caller caller = {identity, SPAN("/mcp"), SPAN("")};
        struct policy_view view;
        struct policy_reason reason;
        policy_view(policy, &caller, &view);
        if (policy_check_uri(&view, span_of(uris[i].uri), &reason) != uris[i].verdict)
            fail_msg("%s", uris[i].comment);
        check_reason(&reason, uris[i].rule, uris[i].comment);
        identity_unref(identity);
    }
    policy_free(policy);
}

static void test_long_names(void **state UNUSED)
{
    struct policy *policy = make();
    struct policy_view view;
    char name[POLICY_MAX_NAME_BYTES + 1];
    memset(name, 'x', sizeof(name));
    memcpy(name, "read_", 5);
    policy_view(policy, &(struct policy_caller){.path = SPAN("/mcp")}, &view);
    assert_int_equal(policy_check(&view, POLICY_TOOL, (struct span){name, sizeof(name) - 1}, NULL), ALLOWED);
    assert_int_equal(policy_check(&view, POLICY_TOOL, (struct span){name, sizeof(name)}, NULL), HIDDEN);
    policy_free(policy);
}

static void test_none(void **state UNUSED)
{
    struct policy_view view;
    struct policy_reason reason;
    policy_view(NULL, &(struct policy_caller){.path = SPAN("/mcp")}, &view);
    assert_int_equal(policy_check(&view, POLICY_TOOL, SPAN("x"), &reason), ALLOWED);
    assert_int_equal(policy_check_uri(&view, SPAN("a/../b"), &reason), ALLOWED);
    assert_null(reason.rule);
}

/* The last of as many rules as there may be. */
static void test_many_rules(void **state UNUSED)
{
    static struct policy_rule_settings many[POLICY_MAX_RULES];
    struct policy *policy = NULL;
    struct policy_view view;
    struct policy_reason reason;
    char *pattern[] = {(char *)(uintptr_t) "x*"};
    many[POLICY_MAX_RULES - 1].allow.tools = (struct name_list){pattern, 1};
    assert_int_equal(policy_new(many, POLICY_MAX_RULES, &policy), 0);
    policy_view(policy, &(struct policy_caller){.path = SPAN("/mcp")}, &view);
    assert_int_equal(policy_check(&view, POLICY_TOOL, SPAN("xy"), &reason), ALLOWED);
    assert_ptr_equal(reason.rule, &many[POLICY_MAX_RULES - 1]);
    assert_int_equal(policy_check(&view, POLICY_TOOL, SPAN("y"), &reason), HIDDEN);
    policy_free(policy);
}

static void test_sameness(void **state UNUSED)
{
    struct policy_rule_settings other[RULES];
    policy_free(make());
    memcpy(other, rules, sizeof(rules));
    assert_true(policy_same(rules, RULES, other, RULES));
    other[0].place.line = 77;
    other[0].name = NULL;
    assert_true(policy_same(rules, RULES, other, RULES));
    assert_false(policy_same(rules, RULES, other, RULES - 1));
    other[KEYS].who.proofs = 1;
    assert_false(policy_same(rules, RULES, other, RULES));
    other[KEYS] = rules[KEYS];
    other[KEYS].deny.tools = rules[READERS].allow.tools;
    assert_false(policy_same(rules, RULES, other, RULES));
}

static const struct {
    enum identity_proof proof;
    const char *subject, *issuer, *scopes;
    enum policy_kind kind;
    const char *name, *says;
} explained[] = {
    {NOBODY, POLICY_TOOL, "read_one",
     "allowed: rule \"readers\" (f:1:5) allows \"read_*\"\n"
     "  not for this caller: rule \"admins\" (f:4:5), which allows \"*\": its scope is missing: admin, write\n"
     "  not for this caller: rule \"locals\" (f:6:5), which allows \"*\": it is for other endpoints\n"},
    {KEY("ci", "write"), POLICY_TOOL, "disk_format",
     "denied: rule \"keys\" (f:2:5) denies \"disk_format\"\n"
     "  not for this caller: rule \"admins\" (f:4:5), which allows \"*\": its scope is missing: admin\n"
     "  not for this caller: rule \"locals\" (f:6:5), which allows \"*\": it is for other endpoints\n"},
    {TOKEN("x", "write"), POLICY_TOOL, "disk_format",
     "denied: rule \"admins\" (f:4:5) would allow it, but its scope is missing: admin\n"
     "  not for this caller: rule \"keys\" (f:2:5), which denies \"disk_format\": it is for API keys of other names\n"
     "  not for this caller: rule \"admins\" (f:4:5), which allows \"*\": its scope is missing: admin\n"
     "  not for this caller: rule \"locals\" (f:6:5), which allows \"*\": it is for other endpoints\n"},
    {NOBODY, POLICY_PROMPT, "bye",
     "denied: no rule for this caller allows it\n"
     "  not for this caller: rule \"issued\" (f:7:5), which allows \"*\": it is for other issuers\n"},
    {NOBODY, POLICY_RESOURCE, "file:///pub/../x", "denied: no rule for this caller allows it\n"},
};

static void test_explanations(void **state UNUSED)
{
    struct policy *policy = make();
    CLEANUP(text_done) struct text out = TEXT(4096);
    for (size_t i = 0; i < ARRAY_SIZE(explained); i++) {
        struct identity *identity =
            who(explained[i].proof, explained[i].subject, explained[i].issuer, explained[i].scopes);
        struct policy_caller caller = {identity, SPAN("/mcp"), SPAN("127.0.0.1:80")};
        text_clear(&out);
        (void)policy_explain(policy, &caller, explained[i].kind, span_of(explained[i].name), "f", &out);
        text_terminate(&out);
        assert_string_equal(out.at, explained[i].says);
        identity_unref(identity);
    }
    text_clear(&out);
    assert_int_equal(
        policy_explain(NULL, &(struct policy_caller){.path = SPAN("/mcp")}, POLICY_TOOL, SPAN("x"), "f", &out),
        POLICY_ALLOWED);
    assert_true(span_is(text_span(&out), "allowed: there is no policy\n"));
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),       cmocka_unit_test(test_uris),       cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_none),         cmocka_unit_test(test_many_rules), cmocka_unit_test(test_sameness),
        cmocka_unit_test(test_explanations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

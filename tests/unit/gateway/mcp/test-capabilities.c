/* Unit tests of gateway/mcp/capabilities.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/mcp/capabilities.h"

#define SAMPLING CAPABILITY_SAMPLING
#define TOOLS    CAPABILITY_SAMPLING_TOOLS
#define FORM     CAPABILITY_ELICITATION
#define URL      CAPABILITY_ELICITATION_URL
#define ROOTS    CAPABILITY_ROOTS
#define TASKS    CAPABILITY_TASKS

static void test_read(void **state)
{
    static const struct {
        const char *json;
        unsigned capabilities;
        const char *comment;
    } rows[] = {
        {"{}", 0, "none"},
        {NULL, 0, "absent"},
        {"null", 0, "null is no object"},
        {"[]", 0, "nor is an array"},
        {"\"sampling\"", 0, "nor a string"},
        {"{\"sampling\":{}}", SAMPLING, "sampling"},
        {"{\"sampling\":{\"tools\":{}}}", SAMPLING | TOOLS, "sampling with tools"},
        {"{\"sampling\":{\"context\":{}}}", SAMPLING, "sampling with something we do not use"},
        {"{\"sampling\":{\"tools\":true}}", SAMPLING, "a sub-capability must be an object"},
        {"{\"sampling\":null}", 0, "a capability must be an object: null"},
        {"{\"sampling\":true}", 0, "a capability must be an object: true"},
        {"{\"elicitation\":{}}", FORM, "no mode means forms (before 2025-11-25)"},
        {"{\"elicitation\":{\"form\":{}}}", FORM, "forms by name"},
        {"{\"elicitation\":{\"url\":{}}}", URL, "URLs only"},
        {"{\"elicitation\":{\"form\":{\"applyDefaults\":true},\"url\":{}}}", FORM | URL, "both"},
        {"{\"elicitation\":{\"applyDefaults\":true}}", FORM, "a member that is no mode"},
        {"{\"elicitation\":[]}", 0, "not an object"},
        {"{\"roots\":{\"listChanged\":true}}", ROOTS, "roots"},
        {"{\"tasks\":{\"list\":{},\"requests\":{}}}", 0, "the tasks of 2025-11-25 are something else"},
        {"{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}", TASKS, "the tasks extension"},
        {"{\"extensions\":{\"io.modelcontextprotocol/tasks\":1}}", 0, "whose settings must be an object"},
        {"{\"extensions\":{\"com.example/other\":{}}}", 0, "another extension"},
        {"{\"extensions\":null}", 0, "no extensions"},
        {"{\"experimental\":{\"sampling\":{}}}", 0, "a name elsewhere does not count"},
        {"{\"s\\u0061mpling\":{}}", SAMPLING, "keys match decoded"},
        {" { \"roots\" : { } , \"sampling\" : { } } ", ROOTS | SAMPLING, "blanks"},
        {"{\"roots\":{},\"sampling\":{\"tools\":{}},\"elicitation\":{\"form\":{},\"url\":{}},"
         "\"extensions\":{\"a/b\":{},\"io.modelcontextprotocol/tasks\":{}}}",
         ROOTS | SAMPLING | TOOLS | FORM | URL | TASKS, "all of them"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(capabilities_read(span_trim(span_of(rows[i].json))), rows[i].capabilities);
    }
}

static void test_add(void **state)
{
    static const struct {
        unsigned capabilities;
        const char *json;
    } rows[] = {
        {0, "{}"},
        {SAMPLING, "{\"sampling\":{}}"},
        {SAMPLING | TOOLS, "{\"sampling\":{\"tools\":{}}}"},
        {FORM, "{\"elicitation\":{}}"},
        {URL, "{\"elicitation\":{\"url\":{}}}"},
        {FORM | URL, "{\"elicitation\":{\"form\":{},\"url\":{}}}"},
        {ROOTS, "{\"roots\":{}}"},
        {TASKS, "{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}"},
        {SAMPLING | ROOTS | TASKS,
         "{\"sampling\":{},\"roots\":{},\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(1024);
        capabilities_add(&out, rows[i].capabilities);
        text_terminate(&out);
        assert_int_equal(out.error, 0);
        assert_string_equal(out.at, rows[i].json);
    }
}

/* What is asked for is understood as just that by whoever reads it. */
static void test_add_is_read_again(void **state)
{
    (void)state;
    for (unsigned all = 0; all < CAPABILITY_TASKS << 1; all++) {
        CLEANUP(text_done) struct text out = TEXT(1024);
        capabilities_add(&out, all);
        unsigned implied = all & TOOLS ? SAMPLING : 0;
        assert_int_equal(capabilities_read(text_span(&out)), all | implied);
    }
}

static void test_of_request(void **state)
{
    static const struct {
        const char *method, *params;
        int result;
        unsigned needed;
        const char *comment;
    } rows[] = {
        {"roots/list", "{}", 0, ROOTS, "roots"},
        {"roots/list", NULL, 0, ROOTS, "params may be missing"},
        {"sampling/createMessage", "{\"messages\":[],\"maxTokens\":1}", 0, SAMPLING, "sampling"},
        {"sampling/createMessage", "{\"tools\":[]}", 0, SAMPLING | TOOLS, "with tools"},
        {"sampling/createMessage", "{\"toolChoice\":{\"mode\":\"none\"}}", 0, SAMPLING | TOOLS, "with a tool choice"},
        {"elicitation/create", "{\"message\":\"\"}", 0, FORM, "no mode is form"},
        {"elicitation/create", "{\"mode\":\"form\"}", 0, FORM, "form"},
        {"elicitation/create", "{\"mode\":\"url\",\"url\":\"https://a.example\"}", 0, URL, "url"},
        {"elicitation/create", "{\"mode\":\"voice\"}", CAPABILITY_UNKNOWN, 0, "a mode that does not exist"},
        {"elicitation/create", "{\"mode\":null}", CAPABILITY_UNKNOWN, 0, "a mode that is no string"},
        {"elicitation/Create", "{}", CAPABILITY_UNKNOWN, 0, "names are compared exactly"},
        {"ping", "{}", CAPABILITY_UNKNOWN, 0, "a request of the legacy era"},
        {"tools/call", "{}", CAPABILITY_UNKNOWN, 0, "a request of clients"},
        {"", "{}", CAPABILITY_UNKNOWN, 0, "no method"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned needed = 0;
        print_message("%s\n", rows[i].comment);
        assert_int_equal(capability_of_request(span_of(rows[i].method), span_of(rows[i].params), &needed),
                         rows[i].result);
        assert_int_equal(needed, rows[i].needed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_is_read_again),
        cmocka_unit_test(test_of_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

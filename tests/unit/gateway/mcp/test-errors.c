/* Unit tests of gateway/mcp/errors.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/mcp/errors.h"

/* What the specifications fix (basic/index, "Error Codes"; 2026-07-28, basic/transports/streamable-http). */
static void test_fixed_by_the_specification(void **state)
{
    static const struct {
        enum error_name name;
        enum era era;
        int code, status;
    } rows[] = {
        {ERROR_PARSE, ERA_LEGACY, -32700, 400},
        {ERROR_PARSE, ERA_MODERN, -32700, 400},
        {ERROR_METHOD_NOT_FOUND, ERA_LEGACY, -32601, 200},
        {ERROR_METHOD_NOT_FOUND, ERA_MODERN, -32601, 404},
        {ERROR_INVALID_PARAMS, ERA_LEGACY, -32602, 200},
        {ERROR_INVALID_PARAMS, ERA_MODERN, -32602, 200},
        {ERROR_META_MISSING, ERA_MODERN, -32602, 400},
        {ERROR_RESOURCE_NOT_FOUND, ERA_LEGACY, -32002, 200},
        {ERROR_RESOURCE_NOT_FOUND, ERA_MODERN, -32602, 200},
        {ERROR_HEADER_MISMATCH, ERA_MODERN, -32020, 400},
        {ERROR_MISSING_CAPABILITY, ERA_MODERN, -32021, 400},
        {ERROR_UNSUPPORTED_VERSION, ERA_MODERN, -32022, 400},
        {ERROR_SESSION_UNKNOWN, ERA_LEGACY, -32600, 404},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct error_row *row = error_row(rows[i].name);
        print_message("%s, %s\n", row->label, era_name(rows[i].era));
        assert_int_equal(row->code[rows[i].era], rows[i].code);
        assert_int_equal(row->status[rows[i].era], rows[i].status);
    }
}

static bool reserved_by_the_specification(int code)
{
    return code <= -32020 && code >= -32099;
}

/* Each row is usable: a name, a sentence, an HTTP status; and no legacy client sees a code that its revision lacks. */
static void test_every_row(void **state)
{
    (void)state;
    for (unsigned name = 0; name < ERROR_COUNT; name++) {
        const struct error_row *row = error_row((enum error_name)name);
        print_message("%s\n", row->label);
        assert_true(strlen(row->label) > 0);
        assert_true(strlen(row->text) > 10);
        for (unsigned era = 0; era < ERA_COUNT; era++) {
            assert_true(row->status[era] == 200 || (row->status[era] >= 400 && row->status[era] < 600));
            assert_int_not_equal(row->code[era], 0);
        }
        if (name != ERROR_HEADER_MISMATCH)
            assert_false(reserved_by_the_specification(row->code[ERA_LEGACY]));
    }
}

static void test_response(void **state)
{
    static const struct {
        const char *id, *message, *data, *json;
    } rows[] = {
        {"1", "no", NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"no\"}}"},
        {"0", "no", NULL, "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32600,\"message\":\"no\"}}"},
        {"\"a\\u0062\"", "no", NULL,
         "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"error\":{\"code\":-32600,\"message\":\"no\"}}"},
        {NULL, "no", NULL, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"no\"}}"},
        {"1", "say \"no\"\n", "{\"uri\":\"a:b\"}",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"say "
         "\\\"no\\\"\\n\",\"data\":{\"uri\":\"a:b\"}}}"},
        {"1", "", "null", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"\",\"data\":null}}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(1024);
        error_add_response(&out, span_of(rows[i].id), -32600, span_of(rows[i].message), span_of(rows[i].data));
        text_terminate(&out);
        assert_int_equal(out.error, 0);
        assert_string_equal(out.at, rows[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_by_the_specification),
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

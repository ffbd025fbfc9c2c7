/* Unit tests of gateway/mcp/trace_context.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/mcp/trace_context.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void test_traceparent(void **state)
{
    static const struct {
        const char *text;
        int result;
        bool sampled;
        const char *comment;
    } rows[] = {
        {"00-" TRACE "-" PARENT "-01", 0, true, "as it should be"},
        {"00-" TRACE "-" PARENT "-00", 0, false, "not sampled"},
        {"00-" TRACE "-" PARENT "-03", 0, true, "the random flag of Level 2"},
        {"00-" TRACE "-" PARENT "-ff", 0, true, "flags that nobody knows yet"},
        {"cc-" TRACE "-" PARENT "-01", 0, true, "a later version"},
        {"cc-" TRACE "-" PARENT "-01-what-the-future-brings", 0, true, "which says more"},
        {"cc-" TRACE "-" PARENT "-01.more", TRACE_CONTEXT_BAD, false, "but not without a dash"},
        {"00-" TRACE "-" PARENT "-01-", TRACE_CONTEXT_BAD, false, "version 00 says no more"},
        {"ff-" TRACE "-" PARENT "-01", TRACE_CONTEXT_BAD, false, "no version"},
        {"0-" TRACE "-" PARENT "-01", TRACE_CONTEXT_BAD, false, "half a version"},
        {"00-00000000000000000000000000000000-" PARENT "-01", TRACE_CONTEXT_BAD, false, "no trace"},
        {"00-" TRACE "-0000000000000000-01", TRACE_CONTEXT_BAD, false, "no parent"},
        {"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", TRACE_CONTEXT_BAD, false, "upper case"},
        {"00-" TRACE "-" PARENT "-0A", TRACE_CONTEXT_BAD, false, "upper case in the flags"},
        {"00_" TRACE "-" PARENT "-01", TRACE_CONTEXT_BAD, false, "another separator"},
        {"00-" TRACE "_" PARENT "-01", TRACE_CONTEXT_BAD, false, "another separator"},
        {"00-" TRACE "-" PARENT "_01", TRACE_CONTEXT_BAD, false, "another separator"},
        {"00-" TRACE "-" PARENT "-0", TRACE_CONTEXT_BAD, false, "one short"},
        {" 00-" TRACE "-" PARENT "-01", TRACE_CONTEXT_BAD, false, "a blank"},
        {"00-g" TRACE "-" PARENT "-01", TRACE_CONTEXT_BAD, false, "no digit"},
        {"", TRACE_CONTEXT_BAD, false, "nothing"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct trace_context context = {.sampled = false};
        print_message("%s\n", rows[i].comment);
        assert_int_equal(trace_context_parse(span_of(rows[i].text), &context), rows[i].result);
        assert_int_equal(context.sampled, rows[i].sampled);
        assert_int_equal(context.trace_id[0], rows[i].result == 0 ? 0x0a : 0);
        assert_int_equal(context.span_id[7], rows[i].result == 0 ? 0x31 : 0);
    }
    struct trace_context context;
    assert_int_equal(trace_context_parse((struct span){0}, &context), TRACE_CONTEXT_BAD);
}

static void test_there_and_back(void **state)
{
    struct trace_context context;
    char out[TRACE_PARENT_SIZE + 1];
    (void)state;
    assert_int_equal(trace_context_parse(SPAN("42-" TRACE "-" PARENT "-07-more"), &context), 0);
    trace_context_format(&context, out);
    assert_string_equal(out, "00-" TRACE "-" PARENT "-01");
    context.sampled = false;
    trace_context_format(&context, out);
    assert_string_equal(out, "00-" TRACE "-" PARENT "-00");
}

static void test_tracestate(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        const char *comment;
    } rows[] = {
        {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true, "the specification's example"},
        {"a=1 , b=2\t,c=3", true, "blanks around members"},
        {"a=1,,b=2,", true, "empty members"},
        {"", true, "nothing"},
        {"fw529a3039@dt=FfffffX", true, "a tenant's key"},
        {"0key=value", true, "a digit first (Level 2)"},
        {"a=x y", true, "a blank within a value"},
        {"a=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~", true, "every other character"},
        {"a=1,a=2", false, "a key twice"},
        {"a", false, "no value"},
        {"a=", false, "an empty value"},
        {"=1", false, "no key"},
        {"A=1", false, "an upper case key"},
        {"_a=1", false, "a key that begins wrongly"},
        {"a b=1", false, "a blank in a key"},
        {"a=1=2", false, "an equals sign in a value"},
        {"a=\xc3\xa4", false, "not ASCII"},
        {"a=\x01", false, "a control character"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(trace_state_valid(span_of(rows[i].text)), rows[i].valid);
    }
}

static void test_tracestate_bounds(void **state)
{
    char text[1024] = "";
    size_t size = 0;
    (void)state;
    for (unsigned i = 0; i < TRACE_STATE_MAX_MEMBERS; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%sk%u=1", i ? "," : "", i);
    assert_true(trace_state_valid(span_of(text)));
    (void)snprintf(text + size, sizeof(text) - size, ",one=more");
    assert_false(trace_state_valid(span_of(text)));
    memset(text, 'k', sizeof(text));
    assert_true(trace_state_valid((struct span){memcpy(text + 256, "=v", 2) ? text : NULL, 258}));
    memset(text, 'k', sizeof(text));
    memcpy(text + 257, "=v", 2);
    assert_false(trace_state_valid((struct span){text, 259}));
    memset(text, 'v', sizeof(text));
    memcpy(text, "k=", 2);
    assert_true(trace_state_valid((struct span){text, 258}));
    assert_false(trace_state_valid((struct span){text, 259}));
    memset(text, ',', sizeof(text));
    assert_true(trace_state_valid((struct span){text, TRACE_STATE_MAX_BYTES}));
    assert_false(trace_state_valid((struct span){text, TRACE_STATE_MAX_BYTES + 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traceparent),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_tracestate),
        cmocka_unit_test(test_tracestate_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

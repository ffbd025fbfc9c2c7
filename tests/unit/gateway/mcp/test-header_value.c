/* header_value.h: what a field's value stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "gateway/mcp/header_value.h"

static const struct {
    const char *value;
    const char *decoded; /* NULL: -EINVAL */
    const char *comment;
} rows[] = {
    {"us-west1", "us-west1", "plain ASCII"},
    {"", "", "empty"},
    {"  a b\t", "a b", "blanks around it are not part of it"},
    {"a\tb", "a\tb", "a tab inside is"},
    {"=?base64?SGVsbG8=?=", "Hello", "base64"},
    {" =?base64?SGVsbG8=?= ", "Hello", "base64 with blanks around it"},
    {"=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界", "not ASCII"},
    {"=?base64?IHBhZGRlZCA=?=", " padded ", "blanks that count"},
    {"=?base64?bGluZTEKbGluZTI=?=", "line1\nline2", "a line feed"},
    {"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?=", "a value like the marker"},
    {"=?base64?"
     "?=",
     "", "base64 of nothing"},
    {"SGVsbG8=", "SGVsbG8=", "no prefix: a literal"},
    {"=?base64?SGVsbG8=", "=?base64?SGVsbG8=", "no suffix: a literal"},
    {"=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?=", "the prefix has a case"},
    {"=?base64?=", "=?base64?=", "prefix and suffix must not overlap"},
    {"x=?base64?SGVsbG8=?=", "x=?base64?SGVsbG8=?=", "the prefix is at the start"},
    {"=?base64?SGVsbG8?=", NULL, "padding is missing"},
    {"=?base64?SGVs!!!bG8=?=", NULL, "outside of the alphabet"},
    {"=?base64?SGVsbG9=?=", NULL, "bits that nothing stands for"},
    {"=?base64?SGVs bG8=?=", NULL, "a blank inside of base64"},
    {"=?base64?SGVsbG8=SGVsbG8=?=", NULL, "padding inside"},
    {"=?base64?_-8=?=", NULL, "the other alphabet"},
    {"=?base64?/w==?=", NULL, "not UTF-8"},
    {"=?base64?7aCA?=", NULL, "a surrogate"},
    {"caf\xc3\xa9", NULL, "a byte above ASCII"},
    {"a\rb", NULL, "a carriage return"},
    {"a\nb", NULL, "a line feed"},
    {"a\x7f", NULL, "delete"},
    {"a\x01", NULL, "a control character"},
};

static void test_rows(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(100);
        text_add_literal(&out, ">");
        int result = header_value_decode(span_of(rows[i].value), &out);
        if (result != (rows[i].decoded ? 0 : -EINVAL))
            fail_msg("%s: %d", rows[i].comment, result);
        struct span decoded = {out.at + 1, out.size - 1};
        if (!span_is(decoded, rows[i].decoded ? rows[i].decoded : ""))
            fail_msg("%s: %.*s", rows[i].comment, SPAN_PRINT(decoded));
    }
}

static void test_nul(void **state UNUSED)
{
    CLEANUP(text_done) struct text out = TEXT(100);
    assert_int_equal(header_value_decode((struct span){"a\0b", 3}, &out), -EINVAL);
    assert_int_equal(header_value_decode(SPAN("=?base64?AA==?="), &out), 0);
    assert_true(span_equal(text_span(&out), (struct span){"\0", 1}));
}

static void test_room(void **state UNUSED)
{
    CLEANUP(text_done) struct text out = TEXT(4);
    assert_int_equal(header_value_decode(SPAN("12345"), &out), -EMSGSIZE);
    text_clear(&out);
    assert_int_equal(header_value_decode(SPAN("=?base64?SGVsbG8=?="), &out), -EMSGSIZE);
}

static void test_encode(void **state UNUSED)
{
    static const struct {
        const char *value, *encoded, *comment;
    } cases[] = {
        {"us-west1", "us-west1", "plain ASCII"},
        {"a b\tc", "a b\tc", "blanks inside"},
        {"", "", "nothing"},
        {"Hello, \xe4\xb8\x96\xe7\x95\x8c", "=?base64?SGVsbG8sIOS4lueVjA==?=", "not ASCII"},
        {" padded ", "=?base64?IHBhZGRlZCA=?=", "blanks around it"},
        {"line1\nline2", "=?base64?bGluZTEKbGluZTI=?=", "a line feed"},
        {"a\x7f", "=?base64?YX8=?=", "delete"},
        {"=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "looks encoded"},
        {"=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?=", "looks encoded to a reader that lets them overlap"},
        {"=?base64?x", "=?base64?x", "without a suffix"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(text_done) struct text encoded = TEXT(100);
        CLEANUP(text_done) struct text decoded = TEXT(100);
        header_value_encode(span_of(cases[i].value), &encoded);
        if (encoded.error || !span_is(text_span(&encoded), cases[i].encoded))
            fail_msg("%s: %.*s", cases[i].comment, SPAN_PRINT(text_span(&encoded)));
        assert_int_equal(header_value_decode(text_span(&encoded), &decoded), 0);
        assert_true(span_is(text_span(&decoded), cases[i].value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/mcp/cursor.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/encoding.h"
#include "gateway/mcp/cursor.h"

static void test_comes_back(void **state)
{
    static const uint64_t rows[] = {0, 1, 9, 10, 99, 4294967296, UINT64_MAX - 1, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(256);
        uint64_t ordinal = 7;
        cursor_add(&out, 't', rows[i]);
        assert_int_equal(out.error, 0);
        assert_int_equal(cursor_read(text_span(&out), 't', &ordinal), 0);
        assert_true(ordinal == rows[i]);
    }
}

static void test_of_another_list(void **state)
{
    CLEANUP(text_done) struct text out = TEXT(256);
    uint64_t ordinal = 7;
    (void)state;
    cursor_add(&out, 't', 12);
    assert_int_equal(cursor_read(text_span(&out), 'p', &ordinal), CURSOR_INVALID);
    assert_int_equal(ordinal, 7); /* untouched */
}

/* Goes into a JSON string and a URL as it is. */
static void test_plain_characters(void **state)
{
    (void)state;
    for (uint64_t ordinal = 0; ordinal < 5000; ordinal++) {
        CLEANUP(text_done) struct text out = TEXT(256);
        cursor_add(&out, 'r', ordinal);
        for (size_t i = 0; i < out.size; i++)
            assert_non_null(memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", out.at[i], 64));
    }
}

static void test_invalid(void **state)
{
    static const struct {
        const char *plain, *comment;
    } encoded[] = {
        {"", "empty"},
        {"1", "version only"},
        {"1t", "no ordinal"},
        {"2t5", "another version"},
        {"1t-1", "a sign"},
        {"1t05", "a leading zero"},
        {"1t5 ", "a blank"},
        {"1t5x", "something behind it"},
        {"1t18446744073709551616", "too large"},
    };
    static const char *const raw[] = {
        NULL, "",
        "!",  "MXQ1=",
        "M",  "null",
        "12", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* longer than any of ours */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(encoded); i++) {
        CLEANUP(text_done) struct text out = TEXT(256);
        uint64_t ordinal = 7;
        print_message("%s\n", encoded[i].comment);
        base64_encode(BASE64_URL, span_of(encoded[i].plain), &out);
        assert_int_equal(cursor_read(text_span(&out), 't', &ordinal), CURSOR_INVALID);
        assert_int_equal(ordinal, 7);
    }
    for (size_t i = 0; i < ARRAY_SIZE(raw); i++) {
        uint64_t ordinal = 7;
        assert_int_equal(cursor_read(span_of(raw[i]), 't', &ordinal), CURSOR_INVALID);
        assert_int_equal(ordinal, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_of_another_list),
        cmocka_unit_test(test_plain_characters),
        cmocka_unit_test(test_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

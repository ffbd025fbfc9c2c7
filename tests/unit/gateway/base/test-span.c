/* Unit tests of gateway/base/span.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/span.h"

#include <errno.h>

static void test_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal, equal_nocase;
        const char *comment;
    } rows[] = {
        {"", "", true, true, "both empty"},
        {NULL, "", true, true, "an absent span has no bytes either"},
        {"a", "", false, false, "lengths differ"},
        {"Host", "Host", true, true, "same"},
        {"Host", "hOST", false, true, "case folded"},
        {"Host", "Hos", false, false, "a prefix is not enough"},
        {"[x", "{X", false, false, "'[' and '{' differ by the case bit but are no letters"},
        {"@", "`", false, false, "just below the letters"},
        {"\xc3\x84", "\xc3\xa4", false, false, "above ASCII nothing is folded"},
        {"\xc1", "\xe1", false, false, "nor in Latin-1"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        struct span a = span_of(rows[i].a), b = span_of(rows[i].b);
        assert_int_equal(span_equal(a, b), rows[i].equal);
        assert_int_equal(span_equal(b, a), rows[i].equal);
        assert_int_equal(span_equal_nocase(a, b), rows[i].equal_nocase);
    }
}

static void test_starts_and_ends(void **state)
{
    static const struct {
        const char *text, *part;
        bool starts, ends;
        const char *comment;
    } rows[] = {
        {"tools/call", "tools/", true, false, "a prefix"},
        {"tools/call", "/call", false, true, "a suffix"},
        {"abcab", "ab", true, true, "both"},
        {"ab", "ab", true, true, "all of it"},
        {"ab", "abc", false, false, "longer than the text"},
        {"ab", "", true, true, "nothing is a part of everything"},
        {NULL, "", true, true, "even of nothing"},
        {NULL, "a", false, false, "nothing has no parts"},
        {"ab", NULL, true, true, "an absent part is empty"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        struct span text = span_of(rows[i].text), part = span_of(rows[i].part);
        assert_int_equal(span_starts(text, part), rows[i].starts);
        assert_int_equal(span_ends(text, part), rows[i].ends);
    }
}

static void test_trim(void **state)
{
    static const struct {
        const char *text, *trimmed, *comment;
    } rows[] = {
        {"a b", "a b", "blanks inside stay"},
        {" \t a\t ", "a", "both ends"},
        {"", "", "empty"},
        {NULL, "", "absent"},
        {" \t ", "", "nothing but blanks"},
        {"\r\na\v", "\r\na\v", "only SP and HTAB are blanks"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_true(span_is(span_trim(span_of(rows[i].text)), rows[i].trimmed));
    }
}

static void test_cut(void **state)
{
    static const struct {
        const char *text;
        const char *parts[4];
        const char *comment;
    } rows[] = {
        {"a,b,c", {"a", "b", "c"}, "three parts"},
        {"abc", {"abc"}, "no separator"},
        {"", {""}, "an empty text is one empty part"},
        {",", {"", ""}, "a separator alone parts two empty ones"},
        {"a,", {"a", ""}, "the part behind the last separator counts"},
        {",,a", {"", "", "a"}, "empty parts in front"},
        {NULL, {NULL}, "an absent text has no parts"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        struct span rest = span_of(rows[i].text);
        size_t count = 0;
        while (!span_absent(rest)) {
            struct span part = span_cut(&rest, ',');
            assert_non_null(rows[i].parts[count]);
            assert_true(span_is(part, rows[i].parts[count]));
            count++;
        }
        assert_null(rows[i].parts[count]);
    }
}

static void test_copy(void **state)
{
    (void)state;
    CLEANUP_FREE char *copy = span_copy((struct span){"a\0bcd", 4}), *empty = span_copy((struct span){NULL, 0});
    assert_memory_equal(copy, "a\0bc", 5);
    assert_string_equal(empty, "");
}

static void test_to_uint64(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t value;
        const char *comment;
    } rows[] = {
        {"0", 0, 0, "zero"},
        {"8080", 0, 8080, "a number"},
        {"18446744073709551615", 0, UINT64_MAX, "the largest"},
        {"18446744073709551616", -ERANGE, 0, "one more"},
        {"18446744073709551620", -ERANGE, 0, "overflow of the product"},
        {"99999999999999999999999999999999", -ERANGE, 0, "far too large"},
        {"99999999999999999999999999999999x", -EINVAL, 0, "no number, however large it begins"},
        {"", -EINVAL, 0, "empty"},
        {NULL, -EINVAL, 0, "absent"},
        {"00", -EINVAL, 0, "leading zero"},
        {"01", -EINVAL, 0, "leading zero"},
        {"+1", -EINVAL, 0, "sign"},
        {"-1", -EINVAL, 0, "sign"},
        {" 1", -EINVAL, 0, "blank in front"},
        {"1 ", -EINVAL, 0, "blank behind"},
        {"1/", -EINVAL, 0, "the byte below '0'"},
        {"1:", -EINVAL, 0, "the byte above '9'"},
        {"\xb1", -EINVAL, 0, "a digit with the high bit set"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t value = 42;
        print_message("%s\n", rows[i].comment);
        assert_int_equal(span_to_uint64(span_of(rows[i].text), &value), rows[i].result);
        assert_true(value == (rows[i].result == 0 ? rows[i].value : 42));
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *comment;
    } rows[] = {
        {"", 0, "nothing"},
        {"a\xff", 1, "ASCII, whatever follows"},
        {"\x7f", 1, "the last of one byte"},
        {"\x80", 0, "a continuation first"},
        {"\xbf", 0, "the last continuation first"},
        {"\xc0\x80", 0, "overlong NUL"},
        {"\xc1\xbf", 0, "overlong, the last of two"},
        {"\xc2\x80", 2, "the first of two bytes"},
        {"\xdf\xbf", 2, "the last of two bytes"},
        {"\xc2", 0, "cut after one of two"},
        {"\xc2\x7f", 0, "no continuation"},
        {"\xc2\xc0", 0, "no continuation, high"},
        {"\xe0\x9f\xbf", 0, "overlong, the last of three"},
        {"\xe0\xa0\x80", 3, "the first of three bytes"},
        {"\xed\x9f\xbf", 3, "just below the surrogates"},
        {"\xed\xa0\x80", 0, "the first surrogate"},
        {"\xed\xbf\xbf", 0, "the last surrogate"},
        {"\xee\x80\x80", 3, "just above the surrogates"},
        {"\xef\xbf\xbf", 3, "the last of three bytes"},
        {"\xe2\x82", 0, "cut after two of three"},
        {"\xe2\x82(", 0, "the third is no continuation"},
        {"\xf0\x8f\xbf\xbf", 0, "overlong, the last of four"},
        {"\xf0\x90\x80\x80", 4, "the first of four bytes"},
        {"\xf4\x8f\xbf\xbf", 4, "U+10FFFF"},
        {"\xf4\x90\x80\x80", 0, "U+110000"},
        {"\xf5\x80\x80\x80", 0, "a first byte that never occurs"},
        {"\xf0\x9f\x8c", 0, "cut after three of four"},
        {"\xf0\x9f\x8c(", 0, "the fourth is no continuation"},
        {"\xff\xbf\xbf\xbf", 0, "0xff"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(span_utf8(span_of(rows[i].bytes)), rows[i].length);
    }
}

#define SPAN_OF(literal)                                                                                               \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static void test_is_utf8(void **state)
{
    static const struct {
        struct span text;
        bool good;
        const char *comment;
    } texts[] = {
        {SPAN_OF(""), true, "nothing"},
        {SPAN_OF("12345678abcdefgh"), true, "whole words of ASCII"},
        {SPAN_OF("1234567\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e"), true, "characters across a word"},
        {SPAN_OF("12345678\x80"), false, "a continuation byte behind a word"},
        {SPAN_OF("1234567\xc3"), false, "cut at the end of a word"},
        {SPAN_OF("\xed\xa0\x80"), false, "a surrogate"},
        {SPAN_OF("\xc0\xaf"), false, "overlong"},
        {SPAN_OF("\xf4\x90\x80\x80"), false, "beyond Unicode"},
        {SPAN_OF("12345678123456\0"
                 "7"),
         true, "NUL is a character"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        print_message("%s\n", texts[i].comment);
        assert_int_equal(span_is_utf8(texts[i].text), texts[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal), cmocka_unit_test(test_starts_and_ends),
        cmocka_unit_test(test_trim),  cmocka_unit_test(test_cut),
        cmocka_unit_test(test_copy),  cmocka_unit_test(test_to_uint64),
        cmocka_unit_test(test_utf8),  cmocka_unit_test(test_is_utf8),
    };
    return cmocka_run_group_tests_name("gateway/base/span", tests, NULL, NULL);
}

/* Unit tests of gateway/base/encoding.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/encoding.h"

#include <errno.h>

static void test_base64_both_ways(void **state)
{
    static const struct {
        struct span bytes;
        const char *standard, *url, *comment;
    } rows[] = {
        {{"", 0}, "", "", "RFC 4648, 10"},
        {{"f", 1}, "Zg==", "Zg", "RFC 4648, 10"},
        {{"fo", 2}, "Zm8=", "Zm8", "RFC 4648, 10"},
        {{"foo", 3}, "Zm9v", "Zm9v", "RFC 4648, 10"},
        {{"foob", 4}, "Zm9vYg==", "Zm9vYg", "RFC 4648, 10"},
        {{"fooba", 5}, "Zm9vYmE=", "Zm9vYmE", "RFC 4648, 10"},
        {{"foobar", 6}, "Zm9vYmFy", "Zm9vYmFy", "RFC 4648, 10"},
        {{"\xfb\xff\xbf", 3}, "+/+/", "-_-_", "the digits that differ"},
        {{"\0\0\0\0", 4}, "AAAAAA==", "AAAAAA", "NULs"},
        {{"\xff", 1}, "/w==", "_w", "all bits"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *encoded[] = {[BASE64_STANDARD] = rows[i].standard, [BASE64_URL] = rows[i].url};
        print_message("%s: %s\n", rows[i].comment, rows[i].standard);
        for (enum base64_alphabet alphabet = BASE64_STANDARD; alphabet <= BASE64_URL; alphabet++) {
            CLEANUP(text_done) struct text out = TEXT(KIB), back = TEXT(KIB);
            base64_encode(alphabet, rows[i].bytes, &out);
            assert_true(span_is(text_span(&out), encoded[alphabet]));
            assert_int_equal(base64_decode(alphabet, text_span(&out), &back), 0);
            assert_true(span_equal(text_span(&back), rows[i].bytes));
        }
    }
}

static void test_base64_refused(void **state)
{
    static const struct {
        enum base64_alphabet alphabet;
        const char *encoded, *comment;
    } rows[] = {
        {BASE64_STANDARD, "Zg", "no padding"},
        {BASE64_STANDARD, "Zg=", "half the padding"},
        {BASE64_STANDARD, "Zg===", "too much"},
        {BASE64_STANDARD, "Zm9v====", "padding alone"},
        {BASE64_STANDARD, "====", "nothing but padding"},
        {BASE64_STANDARD, "Z===", "one digit"},
        {BASE64_STANDARD, "Z", "one digit"},
        {BASE64_STANDARD, "Zg==Zg==", "padding in the middle"},
        {BASE64_STANDARD, "Z=g=", "padding between digits"},
        {BASE64_STANDARD, "-_-_", "the other alphabet"},
        {BASE64_STANDARD, "Zm9v\n", "a newline"},
        {BASE64_STANDARD, "Zm 9v===", "a blank"},
        {BASE64_STANDARD, "Zh==", "four bits left over"},
        {BASE64_STANDARD, "Zm9=", "two bits left over"},
        {BASE64_STANDARD, "Zm\xc3\xa9", "not ASCII"},
        {BASE64_URL, "Zg==", "padding"},
        {BASE64_URL, "Z", "one digit"},
        {BASE64_URL, "Zm9vZ", "five digits"},
        {BASE64_URL, "+/+/", "the other alphabet"},
        {BASE64_URL, "Zh", "four bits left over"},
        {BASE64_URL, "Zm9", "two bits left over"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(KIB);
        print_message("%s: %s\n", rows[i].comment, rows[i].encoded);
        text_add(&out, SPAN("before"));
        assert_int_equal(base64_decode(rows[i].alphabet, span_of(rows[i].encoded), &out), -EINVAL);
        assert_int_equal(out.error, 0);
        assert_true(span_is(text_span(&out), "before"));
    }
}

/* Every one of the 256 bytes is a digit of an alphabet or is refused. */
static void test_base64_alphabets(void **state)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char *const own[] = {[BASE64_STANDARD] = "+/", [BASE64_URL] = "-_"};
    (void)state;
    for (enum base64_alphabet alphabet = BASE64_STANDARD; alphabet <= BASE64_URL; alphabet++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            CLEANUP(text_done) struct text out = TEXT(KIB);
            char encoded[] = {'A', 'A', 'A', (char)byte};
            bool digit = byte && (strchr(common, (int)byte) || strchr(own[alphabet], (int)byte));
            bool padding = alphabet == BASE64_STANDARD && byte == '=';
            int result = base64_decode(alphabet, (struct span){encoded, sizeof(encoded)}, &out);
            assert_int_equal(result, digit || padding ? 0 : -EINVAL);
        }
    }
}

static void test_hex(void **state)
{
    static const struct {
        const char *encoded;
        int result;
        struct span bytes;
        const char *comment;
    } rows[] = {
        {"", 0, {"", 0}, "empty"},
        {"00ff10", 0, {"\0\xff\x10", 3}, "lower case"},
        {"DEADbeef", 0, {"\xde\xad\xbe\xef", 4}, "either case"},
        {"0", -EINVAL, {"", 0}, "half a byte"},
        {"0g", -EINVAL, {"", 0}, "above 'f'"},
        {"0`", -EINVAL, {"", 0}, "below 'a'"},
        {"/0", -EINVAL, {"", 0}, "below '0'"},
        {":0", -EINVAL, {"", 0}, "above '9'"},
        {"0x00", -EINVAL, {"", 0}, "a prefix"},
        {"00\x10\x11", -EINVAL, {"", 0}, "control characters that look like digits without a bit"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(KIB), back = TEXT(KIB);
        print_message("%s\n", rows[i].comment);
        assert_int_equal(hex_decode(span_of(rows[i].encoded), &out), rows[i].result);
        assert_true(span_equal(text_span(&out), rows[i].bytes));
        hex_encode(text_span(&out), &back);
        assert_true(rows[i].result < 0 || span_equal_nocase(text_span(&back), span_of(rows[i].encoded)));
    }
    CLEANUP(text_done) struct text lower = TEXT(KIB);
    hex_encode(SPAN("\xAB\xCD"), &lower);
    assert_true(span_is(text_span(&lower), "abcd"));
}

static void test_percent(void **state)
{
    static const struct {
        const char *encoded;
        int result;
        struct span bytes;
        const char *comment;
    } rows[] = {
        {"", 0, {"", 0}, "empty"},
        {"a+b", 0, {"a+b", 3}, "'+' is itself"},
        {"a%20b%2F%2f", 0, {"a b//", 5}, "either case"},
        {"%00", 0, {"\0", 1}, "a NUL is a byte like any other"},
        {"%2541", 0, {"%41", 3}, "decoded once only"},
        {"%C3%A9", 0, {"\xc3\xa9", 2}, "UTF-8"},
        {"%", -EINVAL, {"", 0}, "no digits"},
        {"a%2", -EINVAL, {"", 0}, "one digit"},
        {"%2g", -EINVAL, {"", 0}, "no digit"},
        {"%%20", -EINVAL, {"", 0}, "a '%' is no digit"},
        {"ok%20%", -EINVAL, {"", 0}, "nothing is added before the mistake"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(KIB);
        print_message("%s\n", rows[i].comment);
        assert_int_equal(percent_decode(span_of(rows[i].encoded), &out), rows[i].result);
        assert_true(span_equal(text_span(&out), rows[i].bytes));
    }
}

/* What stands behind the span is not looked at, even if it would complete the last part. */
static void test_ends_where_the_span_ends(void **state)
{
    CLEANUP(text_done) struct text out = TEXT(KIB);
    (void)state;
    assert_int_equal(percent_decode((struct span){"%20", 2}, &out), -EINVAL);
    assert_int_equal(percent_decode((struct span){"%20", 1}, &out), -EINVAL);
    assert_int_equal(hex_decode((struct span){"00", 1}, &out), -EINVAL);
    assert_int_equal(base64_decode(BASE64_STANDARD, (struct span){"Zg==", 3}, &out), -EINVAL);
    assert_int_equal(out.size, 0);
}

/* The maximum counts what comes out, to the byte. */
static void test_maximum(void **state)
{
    (void)state;
    for (size_t maximum = 1; maximum <= 8; maximum++) {
        CLEANUP(text_done) struct text out = TEXT(maximum);
        assert_int_equal(percent_decode(SPAN("%41%42%43"), &out), maximum < 3 ? -EMSGSIZE : 0);
        text_clear(&out);
        assert_int_equal(base64_decode(BASE64_STANDARD, SPAN("Zm9vYg=="), &out), maximum < 4 ? -EMSGSIZE : 0);
        text_clear(&out);
        assert_int_equal(hex_decode(SPAN("0011"), &out), maximum < 2 ? -EMSGSIZE : 0);
        text_clear(&out);
        base64_encode(BASE64_STANDARD, SPAN("foob"), &out);
        assert_int_equal(out.error, maximum < 8 ? -EMSGSIZE : 0);
        text_clear(&out);
        base64_encode(BASE64_URL, SPAN("foob"), &out);
        assert_int_equal(out.error, maximum < 6 ? -EMSGSIZE : 0);
        text_clear(&out);
        hex_encode(SPAN("ab"), &out);
        assert_int_equal(out.error, maximum < 4 ? -EMSGSIZE : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_both_ways), cmocka_unit_test(test_base64_refused),
        cmocka_unit_test(test_base64_alphabets), cmocka_unit_test(test_hex),
        cmocka_unit_test(test_percent),          cmocka_unit_test(test_ends_where_the_span_ends),
        cmocka_unit_test(test_maximum),
    };
    return cmocka_run_group_tests_name("gateway/base/encoding", tests, NULL, NULL);
}

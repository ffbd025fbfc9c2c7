/* json.h: what is JSON and what is not, and that reading says what the text says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "gateway/mcp/json.h"

#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        ("" literal), sizeof(literal) - 1                                                                              \
    }

/* A heap copy as long as the text, so that a sanitizer sees a byte read behind it. */
static char *exact_copy(struct span text)
{
    char *copy = malloc(text.size ? text.size : 1);
    assert_non_null(copy);
    if (text.size)
        memcpy(copy, text.at, text.size);
    return copy;
}

static int check_copy(struct span text, unsigned max_depth)
{
    CLEANUP_FREE char *copy = exact_copy(text);
    return json_check((struct span){copy, text.size}, max_depth);
}

static const struct check_row {
    struct span text;
    int expected;
    const char *comment;
} check_rows[] = {
    {BYTES("{}"), 0, "an object"},
    {BYTES("[]"), 0, "an array"},
    {BYTES("null"), 0, "any value is a text"},
    {BYTES("true"), 0, "true"},
    {BYTES("false"), 0, "false"},
    {BYTES("\"\""), 0, "an empty string"},
    {BYTES(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n"), 0, "blanks everywhere"},
    {BYTES("{\"a\":1,\"a\":2}"), 0, "duplicate keys are grammar"},
    {BYTES("[[],{},[[]],{\"a\":{}}]"), 0, "empty containers inside"},
    {BYTES("[{\"a\":1},[1],{\"b\":[2]},[{\"c\":3}]]"), 0, "an array where an object was, and back"},
    {BYTES("[{\"a\":1},[1}]"), JSON_SYNTAX, "an array where an object was, closed as one"},
    {BYTES(""), JSON_EMPTY, "nothing"},
    {BYTES(" \n"), JSON_EMPTY, "only blanks"},
    {BYTES("\xef\xbb\xbf{}"), JSON_BOM, "a byte order mark"},
    {BYTES("\xef\xbb\xbf"), JSON_BOM, "only a byte order mark"},
    {BYTES(" \xef\xbb\xbf{}"), JSON_SYNTAX, "a byte order mark after a blank"},
    {BYTES("\xef\xbb"), JSON_SYNTAX, "part of a byte order mark"},
    {BYTES("{"), JSON_TRUNCATED, "an open object"},
    {BYTES("["), JSON_TRUNCATED, "an open array"},
    {BYTES("[1,"), JSON_TRUNCATED, "ends after a comma"},
    {BYTES("{\"a\""), JSON_TRUNCATED, "ends after a key"},
    {BYTES("{\"a\":"), JSON_TRUNCATED, "ends after a colon"},
    {BYTES("tru"), JSON_TRUNCATED, "part of a literal"},
    {BYTES("\"abc"), JSON_TRUNCATED, "an open string"},
    {BYTES("\"abc\\"), JSON_TRUNCATED, "ends in an escape"},
    {BYTES("\"\\u12"), JSON_TRUNCATED, "ends in a unicode escape"},
    {BYTES("\"\\ud83d\\"), JSON_TRUNCATED, "ends inside of a pair"},
    {BYTES("-"), JSON_TRUNCATED, "only a sign"},
    {BYTES("1."), JSON_TRUNCATED, "ends after the point"},
    {BYTES("1e"), JSON_TRUNCATED, "ends after the e"},
    {BYTES("1e+"), JSON_TRUNCATED, "ends after the exponent's sign"},
    {BYTES("{}{}"), JSON_TRAILING, "two texts"},
    {BYTES("{} x"), JSON_TRAILING, "a letter behind"},
    {BYTES("{},"), JSON_TRAILING, "a comma behind"},
    {BYTES("null\0"), JSON_TRAILING, "a NUL behind"},
    {BYTES("\"a\"b\""), JSON_TRAILING, "a quote too many"},
    {BYTES("]"), JSON_SYNTAX, "closes what is not open"},
    {BYTES("[}"), JSON_SYNTAX, "closes the other kind"},
    {BYTES("{]"), JSON_SYNTAX, "closes the other kind"},
    {BYTES("[1}"), JSON_SYNTAX, "closes the other kind after a value"},
    {BYTES("{\"a\":1]"), JSON_SYNTAX, "closes the other kind after a member"},
    {BYTES("[{\"a\":[1}]]"), JSON_SYNTAX, "closes the other kind deeper"},
    {BYTES("[,1]"), JSON_SYNTAX, "a comma first"},
    {BYTES("[1,]"), JSON_SYNTAX, "a comma last"},
    {BYTES("[1 2]"), JSON_SYNTAX, "no comma"},
    {BYTES("{,}"), JSON_SYNTAX, "a comma alone"},
    {BYTES("{\"a\":1,}"), JSON_SYNTAX, "a comma last in an object"},
    {BYTES("{\"a\":1 \"b\":2}"), JSON_SYNTAX, "no comma in an object"},
    {BYTES("{\"a\" 1}"), JSON_SYNTAX, "no colon"},
    {BYTES("{\"a\",1}"), JSON_SYNTAX, "a comma for a colon"},
    {BYTES("{\"a\"}"), JSON_SYNTAX, "no value"},
    {BYTES("{a:1}"), JSON_SYNTAX, "a bare key"},
    {BYTES("{'a':1}"), JSON_SYNTAX, "single quotes"},
    {BYTES("{1:1}"), JSON_SYNTAX, "a number as key"},
    {BYTES("[:]"), JSON_SYNTAX, "a colon in an array"},
    {BYTES("nul!"), JSON_SYNTAX, "a broken literal"},
    {BYTES("True"), JSON_SYNTAX, "capitals"},
    {BYTES("NaN"), JSON_SYNTAX, "not a number"},
    {BYTES("Infinity"), JSON_SYNTAX, "infinity"},
    {BYTES("-Infinity"), JSON_SYNTAX, "negative infinity"},
    {BYTES("// no\n1"), JSON_SYNTAX, "a comment"},
    {BYTES("[1/**/]"), JSON_SYNTAX, "a comment inside"},
    {BYTES("\f1"), JSON_SYNTAX, "a form feed is no blank"},
    {BYTES("\xc2\xa0"
           "1"),
     JSON_SYNTAX, "a no-break space is no blank"},
    {BYTES("[\0]"), JSON_SYNTAX, "a NUL between"},
    {BYTES("0"), 0, "zero"},
    {BYTES("-0"), 0, "negative zero"},
    {BYTES("-0.0e-0"), 0, "every part of a number"},
    {BYTES("1E400"), 0, "a huge number is grammar"},
    {BYTES("123456789012345678901234567890"), 0, "more digits than a double has"},
    {BYTES("01"), JSON_TRAILING, "a leading zero"},
    {BYTES("[01]"), JSON_SYNTAX, "a leading zero inside"},
    {BYTES("[-01]"), JSON_SYNTAX, "a leading zero after the sign"},
    {BYTES("+1"), JSON_SYNTAX, "a plus"},
    {BYTES(".5"), JSON_SYNTAX, "no digit before the point"},
    {BYTES("[1.]"), JSON_SYNTAX, "no digit after the point"},
    {BYTES("[1.e1]"), JSON_SYNTAX, "no digit before the e"},
    {BYTES("[1e]"), JSON_SYNTAX, "no exponent"},
    {BYTES("[-]"), JSON_SYNTAX, "only a sign inside"},
    {BYTES("[0x10]"), JSON_SYNTAX, "hexadecimal"},
    {BYTES("[1_000]"), JSON_SYNTAX, "digit groups"},
    {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\""), 0, "every escape"},
    {BYTES("\"\\u0000\""), 0, "an escaped NUL"},
    {BYTES("\"\\ud83d\\ude00\""), 0, "a pair of surrogates"},
    {BYTES("\"\\uD83D\\uDE00\""), 0, "a pair in capitals"},
    {BYTES("\"\\uffff\""), 0, "a noncharacter is a character here"},
    {BYTES("\"\x7f\""), 0, "DEL is no control character in JSON"},
    {BYTES("\"\\x\""), JSON_SYNTAX, "an unknown escape"},
    {BYTES("\"\\U0041\""), JSON_SYNTAX, "a capital U"},
    {BYTES("\"\\u00g0\""), JSON_SYNTAX, "not hexadecimal"},
    {BYTES("\"\\u 041\""), JSON_SYNTAX, "a blank among the digits"},
    {BYTES("\"\\u004\""), JSON_SYNTAX, "three digits"},
    {BYTES("\"\\ud800\""), JSON_SURROGATE, "a lone high surrogate"},
    {BYTES("\"\\udc00\""), JSON_SURROGATE, "a lone low surrogate"},
    {BYTES("\"\\ud800\\ud800\""), JSON_SURROGATE, "two high ones"},
    {BYTES("\"\\ude00\\ud83d\""), JSON_SURROGATE, "a pair the wrong way round"},
    {BYTES("\"\\ud800x\""), JSON_SURROGATE, "a high one and a letter"},
    {BYTES("\"\\ud800\\n\""), JSON_SURROGATE, "a high one and another escape"},
    {BYTES("\"\\ud800\\u0041\""), JSON_SURROGATE, "a high one and a letter's escape"},
    {BYTES("\"\\ud83d\\u12x4\""), JSON_SYNTAX, "a broken second half"},
    {BYTES("\"a\nb\""), JSON_SYNTAX, "a line feed in a string"},
    {BYTES("\"a\tb\""), JSON_SYNTAX, "a tab in a string"},
    {BYTES("\"a\0b\""), JSON_SYNTAX, "a NUL in a string"},
    {BYTES("\"a\x1f\""), JSON_SYNTAX, "the last control character"},
    {BYTES("\"12345678\x01\""), JSON_SYNTAX, "a control character in the ninth byte"},
    {BYTES("{\"a\nb\":1}"), JSON_SYNTAX, "a line feed in a key"},
    {BYTES("\"\xc2\x80\xdf\xbf\""), 0, "two bytes, first and last"},
    {BYTES("\"\xe0\xa0\x80\xef\xbf\xbf\""), 0, "three bytes, first and last"},
    {BYTES("\"\xed\x9f\xbf\xee\x80\x80\""), 0, "around the surrogates"},
    {BYTES("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), 0, "four bytes, first and last"},
    {BYTES("\"\xef\xbb\xbf\""), 0, "U+FEFF inside of a string is a character"},
    {BYTES("{\"\xc3\xa9\":1}"), 0, "a key that is not ASCII"},
    {BYTES("\"\x80\""), JSON_UTF8, "a stray continuation"},
    {BYTES("\"\xc0\x80\""), JSON_UTF8, "an overlong NUL"},
    {BYTES("\"\xc1\xbf\""), JSON_UTF8, "overlong, two bytes"},
    {BYTES("\"\xe0\x9f\xbf\""), JSON_UTF8, "overlong, three bytes"},
    {BYTES("\"\xf0\x8f\xbf\xbf\""), JSON_UTF8, "overlong, four bytes"},
    {BYTES("\"\xed\xa0\x80\""), JSON_UTF8, "the first surrogate"},
    {BYTES("\"\xed\xbf\xbf\""), JSON_UTF8, "the last surrogate"},
    {BYTES("\"\xed\xa0\xbd\xed\xb8\x80\""), JSON_UTF8, "a pair of surrogates as six bytes"},
    {BYTES("\"\xf4\x90\x80\x80\""), JSON_UTF8, "U+110000"},
    {BYTES("\"\xf5\x80\x80\x80\""), JSON_UTF8, "a first byte that cannot be"},
    {BYTES("\"\xff\""), JSON_UTF8, "0xff"},
    {BYTES("\"\xfe\""), JSON_UTF8, "0xfe"},
    {BYTES("\"\xc3\""), JSON_UTF8, "one of two bytes"},
    {BYTES("\"\xe2\x82\""), JSON_UTF8, "two of three bytes"},
    {BYTES("\"\xf0\x9f\x98\""), JSON_UTF8, "three of four bytes"},
    {BYTES("\"\xe2\x28\xa1\""), JSON_UTF8, "a bad second byte"},
    {BYTES("\"\xe2\x82\x28\""), JSON_UTF8, "a bad third byte"},
    {BYTES("\"\xf0\x9f\x98\x28\""), JSON_UTF8, "a bad fourth byte"},
    {BYTES("{\"\xff\":1}"), JSON_UTF8, "in a key"},
    {BYTES("[\xc3\xa9]"), JSON_SYNTAX, "a letter outside of a string"},
};

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(check_rows); i++) {
        int r = check_copy(check_rows[i].text, JSON_DEPTH_DEFAULT);
        if (r != check_rows[i].expected)
            fail_msg("%s: expected \"%s\", got \"%s\"", check_rows[i].comment, json_reason(check_rows[i].expected),
                     json_reason(r));
    }
}

/* Every text of one kind, at every distance from the end of an eight-byte step. */
static void test_check_alignment(void **state)
{
    static const struct {
        const char *special;
        int expected;
    } rows[] = {{"", 0}, {"\xc3\xa9", 0}, {"\\n", 0}, {"\x80", JSON_UTF8}, {"\x1f", JSON_SYNTAX}, {"\xff", JSON_UTF8}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int before = 0; before < 24; before++) {
            for (int after = 0; after < 24; after++) {
                char text[80];
                int size = snprintf(text, sizeof(text), "\"%.*s%s%.*s\"", before, "aaaaaaaaaaaaaaaaaaaaaaaa",
                                    rows[i].special, after, "zzzzzzzzzzzzzzzzzzzzzzzz");
                assert_int_equal(check_copy((struct span){text, (size_t)size}, 1), rows[i].expected);
            }
        }
    }
}

/* `depth` arrays in each other, or objects. */
static int check_nested(unsigned depth, unsigned max_depth, bool objects, bool closed)
{
    CLEANUP(text_done) struct text text = TEXT(MIB);
    for (unsigned i = 0; i < depth; i++)
        text_add(&text, objects ? SPAN("{\"a\":") : SPAN("["));
    text_add(&text, SPAN("1"));
    for (unsigned i = 0; closed && i < depth; i++)
        text_add_char(&text, objects ? '}' : ']');
    assert_int_equal(text.error, 0);
    return check_copy(text_span(&text), max_depth);
}

static void test_depth(void **state)
{
    (void)state;
    for (int objects = 0; objects < 2; objects++) {
        for (unsigned depth = 1; depth <= 200; depth++) {
            assert_int_equal(check_nested(depth, depth, objects, true), 0);
            assert_int_equal(check_nested(depth, depth - 1, objects, true), JSON_DEPTH);
            assert_int_equal(check_nested(depth, depth, objects, false), JSON_TRUNCATED);
        }
        assert_int_equal(check_nested(JSON_DEPTH_MAX, UINT32_MAX, objects, true), 0);
        assert_int_equal(check_nested(JSON_DEPTH_MAX + 1, UINT32_MAX, objects, true), JSON_DEPTH);
        assert_int_equal(check_nested(100000, JSON_DEPTH_DEFAULT, objects, false), JSON_DEPTH);
    }
    assert_int_equal(check_copy(SPAN("1"), 0), 0);
    assert_int_equal(check_copy(SPAN("[]"), 0), JSON_DEPTH);
    /* Siblings are not depth. */
    assert_int_equal(check_copy(SPAN("[[],[],[[]],{\"a\":[]}]"), 3), 0);
}

/* Which kind is open at each level is remembered across every word of the stack. */
static void test_depth_kinds(void **state)
{
    (void)state;
    for (unsigned wrong = 0; wrong < 300; wrong += 7) {
        CLEANUP(text_done) struct text text = TEXT(MIB);
        for (unsigned i = 0; i < 300; i++)
            text_add(&text, i % 3 ? SPAN("[") : SPAN("{\"a\":"));
        text_add(&text, SPAN("1"));
        size_t closing = text.size;
        for (unsigned i = 300; i-- > 0;)
            text_add_char(&text, i % 3 ? ']' : '}');
        assert_int_equal(text.error, 0);
        assert_int_equal(check_copy(text_span(&text), 300), 0);
        text.at[closing + wrong] = text.at[closing + wrong] == ']' ? '}' : ']';
        assert_int_equal(check_copy(text_span(&text), 300), JSON_SYNTAX);
    }
}

static void test_truncated_everywhere(void **state)
{
    static const char text[] = "{\"a\":[1.5e-3,true,null,\"\\ud83d\\ude00\xc3\xa9\",{}],\"b\":{\"c\":false}}";
    (void)state;
    for (size_t size = 1; size < sizeof(text) - 1; size++) {
        int r = check_copy((struct span){text, size}, 8);
        assert_true(r == JSON_TRUNCATED || r == JSON_UTF8);
    }
    assert_int_equal(check_copy(span_of(text), 8), 0);
}

static const struct string_row {
    struct span raw;
    struct span text;
    bool plain;
    const char *comment;
} string_rows[] = {
    {BYTES("\"\""), BYTES(""), true, "empty"},
    {BYTES("\"abc\""), BYTES("abc"), true, "letters"},
    {BYTES("\"\xc3\xa9\""), BYTES("\xc3\xa9"), true, "not ASCII"},
    {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), BYTES("\"\\/\b\f\n\r\t"), false, "the short escapes"},
    {BYTES("\"\\u0041\""), BYTES("A"), false, "one byte"},
    {BYTES("\"\\u0000\""), BYTES("\0"), false, "NUL"},
    {BYTES("\"a\\u0000b\""), BYTES("a\0b"), false, "NUL between letters"},
    {BYTES("\"\\u007f\\u0080\""), BYTES("\x7f\xc2\x80"), false, "one and two bytes"},
    {BYTES("\"\\u07ff\\u0800\""), BYTES("\xdf\xbf\xe0\xa0\x80"), false, "two and three bytes"},
    {BYTES("\"\\uFFFF\""), BYTES("\xef\xbf\xbf"), false, "the last of three bytes"},
    {BYTES("\"\\ud800\\udc00\""), BYTES("\xf0\x90\x80\x80"), false, "the first pair"},
    {BYTES("\"\\uDBFF\\uDFFF\""), BYTES("\xf4\x8f\xbf\xbf"), false, "the last pair"},
    {BYTES("\"x\\ud83d\\ude00y\""), BYTES("x\xf0\x9f\x98\x80y"), false, "a pair between letters"},
    {BYTES("\"\\\\u0041\""), BYTES("\\u0041"), false, "an escaped backslash, then letters"},
    {BYTES("\"tools\\/call\""), BYTES("tools/call"), false, "an escaped slash"},
};

static void test_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(string_rows); i++) {
        const struct string_row *row = &string_rows[i];
        CLEANUP(text_done) struct text out = TEXT(64);
        char into[64];
        struct span plain = {NULL, 0};
        print_message("%s\n", row->comment);
        assert_int_equal(json_check(row->raw, 1), 0);
        assert_int_equal(json_string_decode(row->raw, &out), 0);
        assert_true(span_equal(text_span(&out), row->text));
        assert_int_equal(json_string_decode_into(row->raw, into), row->text.size);
        assert_memory_equal(into, row->text.at, row->text.size);
        assert_int_equal(json_string_plain(row->raw, &plain), row->plain);
        assert_true(!row->plain || span_equal(plain, row->text));
        for (size_t other = 0; other < ARRAY_SIZE(string_rows); other++) {
            assert_int_equal(json_string_equal(row->raw, string_rows[other].text), other == i);
            assert_int_equal(json_string_same(row->raw, string_rows[other].raw), other == i);
        }
    }
}

static void test_strings_of_other_kinds(void **state)
{
    CLEANUP(text_done) struct text out = TEXT(2);
    struct span plain;
    (void)state;
    assert_false(json_string_equal(SPAN("12"), SPAN("12")));
    assert_false(json_string_equal(SPAN("\"ab\""), SPAN("a")));
    assert_false(json_string_equal(SPAN("\"\\u0061\""), SPAN("ab")));
    assert_false(json_string_equal(SPAN("\"a\""), SPAN("ab")));
    assert_false(json_string_equal((struct span){NULL, 0}, SPAN("")));
    assert_false(json_string_plain(SPAN("null"), &plain));
    assert_true(json_string_same(SPAN("\"a\\u0062c\""), SPAN("\"\\u0061b\\u0063\"")));
    assert_false(json_string_same(SPAN("\"ab\""), SPAN("\"abc\"")));
    assert_false(json_string_same(SPAN("1"), SPAN("1")));
    assert_int_equal(json_string_decode(SPAN("null"), &out), JSON_WRONG_TYPE);
    assert_int_equal(json_string_decode(SPAN("\"abc\""), &out), -EMSGSIZE);
}

static void test_objects(void **state)
{
    struct span object =
        SPAN("{ \"a\" : 1 , \"b\\\"\" : [1,{\"c\":\"]}\"}] ,\"d\":{\"x\":\"\\\\\"},\"e\":\"x,y\",\"f\":null}");
    static const char *const expected[][2] = {{"\"a\"", "1"},
                                              {"\"b\\\"\"", "[1,{\"c\":\"]}\"}]"},
                                              {"\"d\"", "{\"x\":\"\\\\\"}"},
                                              {"\"e\"", "\"x,y\""},
                                              {"\"f\"", "null"}};
    struct json_iterator it;
    struct span key, value;
    size_t count = 0;
    (void)state;
    assert_int_equal(json_check(object, 4), 0);
    json_object_begin(&it, object);
    for (; json_object_next(&it, &key, &value); count++) {
        assert_true(count < ARRAY_SIZE(expected));
        assert_true(span_is(key, expected[count][0]));
        assert_true(span_is(value, expected[count][1]));
    }
    assert_int_equal(count, ARRAY_SIZE(expected));
    assert_false(json_object_next(&it, &key, &value));
}

static size_t count_elements(struct span array)
{
    struct json_iterator it;
    struct span value;
    size_t count = 0;
    json_array_begin(&it, array);
    while (json_array_next(&it, &value))
        count++;
    return count;
}

static void test_arrays(void **state)
{
    (void)state;
    assert_int_equal(count_elements(SPAN("[]")), 0);
    assert_int_equal(count_elements(SPAN("[ ]")), 0);
    assert_int_equal(count_elements(SPAN("[1]")), 1);
    assert_int_equal(count_elements(SPAN("[ 1 , [2,3] , {\"a\":[4]} , \"5,6\" , null , true ]")), 6);
    assert_int_equal(count_elements(SPAN("{\"a\":1}")), 0);
    assert_int_equal(count_elements(SPAN("12")), 0);
    assert_int_equal(count_elements((struct span){NULL, 0}), 0);
}

static const struct find_row {
    const char *object;
    const char *key;
    const char *expected; /* NULL: absent */
    const char *comment;
} find_rows[] = {
    {"{\"a\":1}", "a", "1", "there"},
    {"{\"a\":1}", "b", NULL, "not there"},
    {"{}", "a", NULL, "an empty object"},
    {"{\"a\":1,\"a\":2}", "a", "2", "the last one counts"},
    {"{\"\\u0061\":1}", "a", "1", "an escaped key"},
    {"{\"a\\/b\":1}", "a/b", "1", "an escaped slash"},
    {"{\"\":1}", "", "1", "an empty key"},
    {"{\"b\":{\"a\":1}}", "a", NULL, "not in a deeper object"},
    {"{\"b\":\"\\\"a\\\":1\",\"a\":2}", "a", "2", "not in a string"},
    {"{\"x\":\"\\\\\",\"a\":[]}", "a", "[]", "behind a string that ends in a backslash"},
    {"{\"ab\":1}", "a", NULL, "no prefix"},
    {"{\"a\":1}", "ab", NULL, "no extension"},
    {"[\"a\",1]", "a", NULL, "an array has no members"},
    {"\"a\"", "a", NULL, "nor has a string"},
};

static void test_find(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(find_rows); i++) {
        const struct find_row *row = &find_rows[i];
        struct span found = json_find(span_of(row->object), row->key);
        if (row->expected ? !span_is(found, row->expected) : !span_absent(found))
            fail_msg("%s: found \"%.*s\"", row->comment, SPAN_PRINT(found));
    }
}

static const struct compare_row {
    const char *a;
    const char *b;
    int expected;
    const char *comment;
} compare_rows[] = {
    {"42", "42.0", 0, "a fraction of zero"},
    {"42", "4.2e1", 0, "an exponent"},
    {"42", "0.42E+2", 0, "an exponent with a sign"},
    {"42", "4200e-2", 0, "a negative exponent"},
    {"0", "-0", 0, "two zeros"},
    {"0", "0.000e99999999999999999999", 0, "zero whatever the exponent"},
    {"0.001", "1e-3", 0, "leading zeros"},
    {"100", "1e2", 0, "trailing zeros"},
    {"9007199254740993", "9007199254740992", 1, "beyond a double"},
    {"123456789012345678901234567890", "123456789012345678901234567891", -1, "thirty digits"},
    {"-9007199254740993", "-9007199254740992", -1, "negative, beyond a double"},
    {"1e400", "1e401", -1, "beyond a double's range"},
    {"-1e400", "1", -1, "huge and negative"},
    {"1e-400", "0", 1, "tiny"},
    {"-1e-400", "0", -1, "tiny and negative"},
    {"1e1000000000000000", "1e20000000000000000000", 0, "exponents beyond the bound count as the bound"},
    {"1e999999999999999", "1e20000000000000000000", -1, "the last exponent before it"},
    {"1", "2", -1, "plainly smaller"},
    {"10", "9", 1, "more digits"},
    {"1.5", "1.25", 1, "fractions"},
    {"1.25", "1.250", 0, "a fraction's trailing zero"},
    {"12.34", "1234e-2", 0, "a point among the digits"},
    {"0.1", "0.10000000000000000000000000001", -1, "far behind the point"},
};

static void test_number_compare(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(compare_rows); i++) {
        const struct compare_row *row = &compare_rows[i];
        struct span a = span_of(row->a), b = span_of(row->b);
        int forward = json_number_compare(a, b), backward = json_number_compare(b, a);
        bool right = row->expected == 0  ? forward == 0 && backward == 0
                     : row->expected < 0 ? forward < 0 && backward > 0
                                         : forward > 0 && backward < 0;
        if (!right || json_number_equal(a, b) != (row->expected == 0))
            fail_msg("%s: %s and %s", row->comment, row->a, row->b);
    }
    assert_false(json_number_equal(SPAN("\"1\""), SPAN("\"1\"")));
    assert_false(json_number_equal(SPAN("1"), SPAN("true")));
}

static const struct integer_row {
    const char *raw;
    int expected;
    int64_t value;
    const char *comment;
} integer_rows[] = {
    {"0", 0, 0, "zero"},
    {"-0", 0, 0, "negative zero"},
    {"0e5", 0, 0, "zero with an exponent"},
    {"42", 0, 42, "plain"},
    {"-42", 0, -42, "negative"},
    {"42.0", 0, 42, "a fraction of zero"},
    {"4.2e1", 0, 42, "an exponent"},
    {"1e3", 0, 1000, "zeros by exponent"},
    {"1200e-2", 0, 12, "a negative exponent"},
    {"9007199254740993", 0, 9007199254740993, "beyond a double"},
    {"9223372036854775807", 0, INT64_MAX, "the largest"},
    {"9223372036854775808", JSON_RANGE, 0, "one more"},
    {"-9223372036854775808", 0, INT64_MIN, "the smallest"},
    {"-9223372036854775809", JSON_RANGE, 0, "one less"},
    {"18446744073709551616", JSON_RANGE, 0, "2^64"},
    {"99999999999999999999999", JSON_RANGE, 0, "many digits"},
    {"1e400", JSON_RANGE, 0, "an integer, but huge"},
    {"1e99999999999999999999", JSON_RANGE, 0, "an exponent that does not fit either"},
    {"1.5", JSON_WRONG_TYPE, 0, "a fraction"},
    {"1e-1", JSON_WRONG_TYPE, 0, "a fraction by exponent"},
    {"1e-99999999999999999999", JSON_WRONG_TYPE, 0, "a tiny fraction"},
    {"\"1\"", JSON_WRONG_TYPE, 0, "a string"},
    {"true", JSON_WRONG_TYPE, 0, "a boolean"},
    {"", JSON_WRONG_TYPE, 0, "nothing"},
};

static void test_integers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(integer_rows); i++) {
        const struct integer_row *row = &integer_rows[i];
        int64_t value = 7;
        int r = json_to_int64(span_of(row->raw), &value);
        if (r != row->expected || value != (r ? 7 : row->value))
            fail_msg("%s: %d, %lld", row->comment, r, (long long)value);
        assert_int_equal(json_is_integer(span_of(row->raw)), row->expected != JSON_WRONG_TYPE);
    }
}

static const struct double_row {
    const char *raw;
    int expected;
    double value;
    const char *comment;
} double_rows[] = {
    {"0", 0, 0.0, "zero"},
    {"1.5", 0, 1.5, "a half"},
    {"-2.5e-3", 0, -2.5e-3, "negative"},
    {"0.1", 0, 0.1, "rounded"},
    {"9007199254740993", 0, 9007199254740992.0, "a tie goes to even"},
    {"9007199254740993.0000000000000000000001", 0, 9007199254740994.0, "no tie after all"},
    {"1.7976931348623157e308", 0, 1.7976931348623157e308, "the largest"},
    {"1.8e308", JSON_RANGE, 0, "beyond"},
    {"1e99999999999999999999", JSON_RANGE, 0, "far beyond"},
    {"-1e400", JSON_RANGE, 0, "beyond, negative"},
    {"5e-324", 0, 5e-324, "the smallest"},
    {"1e-400", 0, 0.0, "too small"},
    {"1e-99999999999999999999", 0, 0.0, "far too small"},
    {"null", JSON_WRONG_TYPE, 0, "no number"},
};

static void test_doubles(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(double_rows); i++) {
        const struct double_row *row = &double_rows[i];
        double value = 7;
        int r = json_to_double(span_of(row->raw), &value);
        if (r != row->expected || (r == 0 && value != row->value))
            fail_msg("%s: %d, %.17g", row->comment, r, value);
    }
    double zero = 1;
    assert_int_equal(json_to_double(SPAN("-0"), &zero), 0);
    assert_true(zero == 0 && signbit(zero));
}

/* A tie in the first 17 digits that a digit after `zeros` more decides: none is ever lost. */
static void test_doubles_long(void **state)
{
    (void)state;
    for (size_t zeros = 700; zeros < 900; zeros++) {
        CLEANUP(text_done) struct text text = TEXT(2048);
        double value;
        text_add(&text, SPAN("9007199254740993."));
        for (size_t i = 0; i < zeros; i++)
            text_add_char(&text, '0');
        text_add_char(&text, '3');
        assert_int_equal(text.error, 0);
        assert_int_equal(json_to_double(text_span(&text), &value), 0);
        assert_true(value == 9007199254740994.0);
    }
}

static void test_types(void **state)
{
    bool value = false;
    (void)state;
    assert_int_equal(json_kind(SPAN("{}")), JSON_OBJECT);
    assert_int_equal(json_kind(SPAN("[]")), JSON_ARRAY);
    assert_int_equal(json_kind(SPAN("\"\"")), JSON_STRING);
    assert_int_equal(json_kind(SPAN("-1")), JSON_NUMBER);
    assert_int_equal(json_kind(SPAN("9")), JSON_NUMBER);
    assert_int_equal(json_kind(SPAN("null")), JSON_NULL);
    assert_int_equal(json_kind(SPAN("true")), JSON_BOOLEAN);
    assert_int_equal(json_kind(SPAN("")), JSON_NONE);
    assert_int_equal(json_kind((struct span){NULL, 0}), JSON_NONE);
    assert_int_equal(json_to_bool(SPAN("true"), &value), 0);
    assert_true(value);
    assert_int_equal(json_to_bool(SPAN("false"), &value), 0);
    assert_false(value);
    assert_int_equal(json_to_bool(SPAN("1"), &value), JSON_WRONG_TYPE);
}

/* What the readers do with text that is no JSON is not said, but they stay inside of it and come to an end. */
static void test_readers_on_broken_text(void **state)
{
    static const char *const rows[] = {"{\"a",  "{\"a\":", "{\"a\":[",  "{\"a\":{\"b\":\"\\",
                                       "{:,:,", "[\"\\\"", "{\"a\":1]}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct span text = span_of(rows[i]);
        CLEANUP_FREE char *copy = exact_copy(text);
        (void)json_find((struct span){copy, text.size}, "nothing");
        (void)count_elements((struct span){copy, text.size});
    }
    static const char *const strings[] = {"\"",          "\"\\\"",         "\"\\u\"",    "\"\\u12\"",
                                          "\"\\ud800\"", "\"\\ud800\\u\"", "\"\\uzzzz\""};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        struct span text = span_of(strings[i]);
        CLEANUP_FREE char *copy = exact_copy(text);
        CLEANUP_FREE char *out = malloc(text.size);
        assert_non_null(out);
        assert_true(json_string_decode_into((struct span){copy, text.size}, out) <= text.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_alignment),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_kinds),
        cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_strings_of_other_kinds),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_number_compare),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_doubles_long),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_readers_on_broken_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

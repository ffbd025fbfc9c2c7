/* Trees built from spans say what json-c's own parser says of the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/mcp/json_tree.h"

static const struct row {
    const char *text;
    const char *prints; /* NULL: as json-c prints its own reading */
    const char *comment;
} rows[] = {
    {"{}", NULL, "nothing"},
    {"[]", NULL, "nothing"},
    {"null", NULL, "a NULL tree"},
    {"true", NULL, "boolean"},
    {"{\"a\":[1,2,{\"b\":null}],\"c\":\"d\"}", NULL, "nested"},
    {"{\"a\":1,\"a\":2}", "{\"a\":2}", "the last of duplicates"},
    {"{\"a\\u0062\":\"x\\ny\\u00e9\\ud83d\\ude00\"}", NULL, "escapes in names and values"},
    {"[0,-1,9223372036854775807,-9223372036854775808]", NULL, "int64"},
    {"[18446744073709551615]", "[18446744073709551615]", "uint64"},
    {"[1.50,1e2,-0.0,1E-7]", "[1.50,1e2,-0.0,1E-7]", "doubles print as they came"},
    {"[123456789012345678901234567890]", "[123456789012345678901234567890]", "beyond 64 bits: digits stay"},
    {"[1e999]", "[1e999]", "beyond a double: digits stay"},
    {" [ 1 , 2 ] ", "[1,2]", "blanks"},
    {"\"\\u0000\"", "\"\\u0000\"", "a string may hold NUL"},
};

static struct span trimmed(const char *text)
{
    struct span raw = span_of(text);
    while (raw.size && raw.at[0] == ' ')
        raw.at++, raw.size--;
    while (raw.size && raw.at[raw.size - 1] == ' ')
        raw.size--;
    return raw;
}

static void test_same_as_json_c(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json_object *tree = NULL, *theirs = json_tokener_parse(rows[i].text);
        assert_int_equal(json_check(span_of(rows[i].text), JSON_DEPTH_DEFAULT), 0);
        assert_int_equal(json_tree(trimmed(rows[i].text), &tree), 0);
        const char *prints =
            rows[i].prints ? rows[i].prints : json_object_to_json_string_ext(theirs, JSON_C_TO_STRING_PLAIN);
        if (strcmp(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN), prints) != 0)
            fail_msg("%s: %s", rows[i].comment, json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN));
        if (!rows[i].prints && !json_object_equal(tree, theirs))
            fail_msg("%s: not equal", rows[i].comment);
        json_object_put(tree);
        json_object_put(theirs);
    }
}

static void test_names_with_nul(void **state)
{
    struct json_object *tree = NULL;
    (void)state;
    assert_int_equal(json_tree(SPAN("{\"a\\u0000b\":1}"), &tree), JSON_TREE_NUL);
    assert_int_equal(json_tree(SPAN("[{\"x\":[{\"\\u0000\":1}]}]"), &tree), JSON_TREE_NUL);
    assert_null(tree);
}

static void test_long_values(void **state)
{
    enum { LONG = 100000 };
    static char text[LONG + 4];
    struct json_object *tree = NULL;
    (void)state;
    memset(text, 'a', sizeof(text));
    text[0] = '"';
    memcpy(text + 1, "\\n", 2);
    text[LONG] = '"';
    assert_int_equal(json_tree((struct span){text, LONG + 1}, &tree), 0);
    assert_int_equal(json_object_get_string_len(tree), LONG - 2);
    json_object_put(tree);
    memset(text, '7', sizeof(text));
    assert_int_equal(json_tree((struct span){text, 200}, &tree), 0);
    assert_true(json_object_is_type(tree, json_type_double));
    json_object_put(tree);
}

/* Rather too many than too few; what stands in strings is no structure. */
static void test_bytes(void **state)
{
    static const struct {
        const char *text;
        size_t least, most;
        const char *comment;
    } sizes[] = {
        {"1", 40, 200, "a number"},
        {"\"{{{{[[[[,,,,\"", 40, 300, "braces in a string"},
        {"\"\\\"{{{{[[[[,,,,\"", 40, 300, "behind a quotation mark that is escaped"},
        {"[\"\\\\\",{}]", 1200, 2500, "a backslash that is escaped does not escape the end"},
        {"[{},{},{},{}]", 3600, 6000, "small things"},
        {"{\"a\":{\"b\":[1,2,3]}}", 2200, 4500, "a bit of each"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t bytes = json_tree_bytes(span_of(sizes[i].text));
        print_message("%s: %zu\n", sizes[i].comment, bytes);
        assert_true(bytes >= sizes[i].least && bytes <= sizes[i].most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_json_c),
        cmocka_unit_test(test_names_with_nul),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

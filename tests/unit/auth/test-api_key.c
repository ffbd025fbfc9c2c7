/* Unit tests of auth/api_key.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/api_key.h"

#include <errno.h>

/* printf %s KEY | sha256sum */
#define FIRST_KEY  "weir-first-key-0000000000000001"
#define SECOND_KEY "weir-second-key-000000000000002"

static char scope_tools[] = "tools", scope_read[] = "read";

static void hash(const char *key, char out[API_KEY_HEX_BYTES + 1])
{
    assert_int_equal(api_key_hash(span_of(key), out), 0);
}

static void test_hash(void **state UNUSED)
{
    static const struct {
        const char *key;
        int expected;
        const char *comment;
    } rows[] = {
        {"0123456789abcdef", 0, "as short as may be"},
        {"0123456789abcde", -EINVAL, "shorter"},
        {"", -EINVAL, "nothing"},
        {"0123456789 abcdef", -EINVAL, "a blank"},
        {"0123456789\tabcdef", -EINVAL, "a control character"},
        {"0123456789abcd\xc3\xa4", -EINVAL, "beyond ASCII: not every client sends the same bytes"},
        {"!~0123456789abcdef", 0, "the first and last visible ones"},
    };
    char out[API_KEY_HEX_BYTES + 1], *longest = calloc(1, API_KEY_MAX_BYTES + 2);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (api_key_hash(span_of(rows[i].key), out) != rows[i].expected)
            fail_msg("%s", rows[i].comment);
    hash("0123456789abcdef", out);
    assert_string_equal(out, "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f");
    memset(longest, 'k', API_KEY_MAX_BYTES + 1);
    assert_int_equal(api_key_hash((struct span){longest, API_KEY_MAX_BYTES}, out), 0);
    assert_int_equal(api_key_hash((struct span){longest, API_KEY_MAX_BYTES + 1}, out), -EINVAL);
    free(longest);
}

static void test_find(void **state UNUSED)
{
    char first[API_KEY_HEX_BYTES + 1], second[API_KEY_HEX_BYTES + 1], name[] = "ci", other[] = "ops";
    char *scopes[] = {scope_tools, scope_read};
    hash(FIRST_KEY, first);
    hash(SECOND_KEY, second);
    for (char *at = second; *at; at++)
        *at = (char)(*at >= 'a' ? *at - 'a' + 'A' : *at);
    struct api_key_settings rows[] = {
        {.name = name, .sha256 = first, .scopes = {scopes, 2}},
        {.name = name, .sha256 = second},
        {.name = other, .sha256 = first}, /* the same key once more: the first row counts */
    };
    struct api_key_table *table = NULL;
    const struct api_key_settings *row = NULL;
    assert_int_equal(api_key_table_new(rows, ARRAY_SIZE(rows), &table), 0);
    assert_int_equal(api_key_find(table, SPAN(FIRST_KEY), &row), 0);
    assert_string_equal(row->name, "ci");
    assert_int_equal(row->scopes.count, 2);
    assert_string_equal(row->scopes.name[1], "read");
    assert_int_equal(api_key_find(table, SPAN(SECOND_KEY), &row), 0);
    assert_string_equal(row->name, "ci");
    assert_int_equal(row->scopes.count, 0);
    static const char *const unknown[] = {"", "weir", FIRST_KEY " ", "weir-first-key-000000000000000"};
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
        assert_int_equal(api_key_find(table, span_of(unknown[i]), &row), API_KEY_UNKNOWN);
    assert_int_equal(api_key_find(table, span_of(first), &row), API_KEY_UNKNOWN); /* the digest is no key */
    char huge[API_KEY_MAX_BYTES + 1];
    memset(huge, 'k', sizeof(huge));
    assert_int_equal(api_key_find(table, (struct span){huge, sizeof(huge)}, &row), API_KEY_UNKNOWN);
    api_key_table_free(table);
}

static void test_no_rows(void **state UNUSED)
{
    struct api_key_table *table = NULL;
    const struct api_key_settings *row = NULL;
    assert_int_equal(api_key_table_new(NULL, 0, &table), 0);
    assert_int_equal(api_key_find(table, SPAN(FIRST_KEY), &row), API_KEY_UNKNOWN);
    api_key_table_free(table);
    api_key_table_free(NULL);
}

static void test_bad_rows(void **state UNUSED)
{
    char good[API_KEY_HEX_BYTES + 1], letter[API_KEY_HEX_BYTES + 1], name[] = "ci", empty[] = "", lone[] = "ab";
    hash(FIRST_KEY, good);
    hash(FIRST_KEY, letter);
    letter[3] = 'g';
    const struct api_key_settings rows[] = {
        {.name = name, .sha256 = letter}, {.name = name, .sha256 = lone},
        {.name = name, .sha256 = NULL},   {.name = empty, .sha256 = good},
        {.name = NULL, .sha256 = good},   {.name = name, .sha256 = good, .scopes = {NULL, API_KEY_MAX_SCOPES + 1}},
    };
    struct api_key_table *table = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(api_key_table_new(&rows[i], 1, &table), -EINVAL);
    assert_int_equal(api_key_table_new(rows, API_KEY_MAX_ROWS + 1, &table), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_bad_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

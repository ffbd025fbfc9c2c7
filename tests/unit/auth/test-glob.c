/* Unit tests of auth/glob.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/glob.h"

static const struct {
    const char *pattern, *text;
    bool matches;
    const char *comment;
} rows[] = {
    {"", "", true, "nothing is nothing"},
    {"", "a", false, "and no more"},
    {"disk_free", "disk_free", true, "itself"},
    {"disk_free", "disk_fre", false, "less than itself"},
    {"disk_free", "disk_freed", false, "more than itself"},
    {"disk_free", "Disk_free", false, "case counts"},
    {"*", "", true, "a star takes nothing"},
    {"*", "anything/at/all", true, "and everything"},
    {"disk_*", "disk_", true, "nothing behind"},
    {"disk_*", "disk_free", true, "a beginning"},
    {"disk_*", "disk", false, "not all of the beginning"},
    {"*_free", "disk_free", true, "an end"},
    {"*_free", "disk_freed", false, "an end and more"},
    {"*_free", "_free_free", true, "an end that comes twice"},
    {"a*b*c", "abc", true, "empty stars"},
    {"a*b*c", "a-b-b-c-c", true, "the last of each"},
    {"a*b*c", "a-c-b", false, "in the wrong order"},
    {"**a**", "xay", true, "stars beside stars"},
    {"*ab*ab*", "xabab", true, "twice in a row"},
    {"*ab*ab*", "xaba", false, "once and a half"},
    {"?", "a", true, "one"},
    {"?", "", false, "none is not one"},
    {"?", "ab", false, "two are not one"},
    {"?", "é", true, "one character of two bytes"},
    {"??", "é", false, "it is no two"},
    {"*?", "é", true, "at least one"},
    {"*??", "é", false, "at least two"},
    {"?*?", "\xc3x", true, "a byte that is no character counts as one"},
    {"db://t?x=*", "db://t?x=1", true, "a question mark stands for itself, too"},
    {"a?c*", "abcd", true, "both"},
    {"[a]", "[a]", true, "brackets are no pattern"},
    {"a\\*", "a\\b", true, "there is no escape"},
};

static void test_matches(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct glob glob = glob_of(span_of(rows[i].pattern));
        if (glob_matches(&glob, span_of(rows[i].text)) != rows[i].matches)
            fail_msg("%s: %s on %s", rows[i].comment, rows[i].pattern, rows[i].text);
        /* What it matches it reaches from each of its beginnings. */
        for (size_t size = 0; rows[i].matches && size <= strlen(rows[i].text); size++)
            assert_true(glob_reaches(&glob, (struct span){rows[i].text, size}));
    }
}

static const struct {
    const char *pattern, *start;
    bool reaches;
} starts[] = {
    {"file:///srv/*", "file:///", true},
    {"file:///srv/*", "file:///srv/a", true},
    {"file:///srv/*", "file:///etc/", false},
    {"file:///srv/*", "db://", false},
    {"*", "anything", true},
    {"file:///srv/a", "file:///srv/a", true},
    {"file:///srv/a", "file:///srv/a/", false},
    {"file:///srv/a", "", true},
};

static void test_reaches(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        struct glob glob = glob_of(span_of(starts[i].pattern));
        if (glob_reaches(&glob, span_of(starts[i].start)) != starts[i].reaches)
            fail_msg("%s from %s", starts[i].pattern, starts[i].start);
    }
}

/* What takes other matchers exponential time. */
static void test_many_stars(void **state UNUSED)
{
    char pattern[257] = "", text[4097];
    for (size_t i = 0; i < 128; i++)
        memcpy(pattern + 2 * i, "a*", 2);
    pattern[255] = 'b';
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct glob glob = glob_of(span_of(pattern));
    for (int i = 0; i < 100; i++)
        assert_false(glob_matches(&glob, span_of(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_reaches),
        cmocka_unit_test(test_many_stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

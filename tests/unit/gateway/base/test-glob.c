/* Unit tests of gateway/base/glob.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/glob.h"

static void test_match(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
        const char *comment;
    } rows[] = {
        {"disk_free", "disk_free", true, "itself"},
        {"disk_free", "disk_fre", false, "less than it"},
        {"disk_free", "disk_free2", false, "more than it"},
        {"", "", true, "nothing"},
        {"", "a", false, "nothing is not something"},
        {"*", "", true, "any run may be empty"},
        {"*", "anything", true, "or all there is"},
        {"disk_*", "disk_free", true, "a beginning"},
        {"disk_*", "disk_", true, "a beginning alone"},
        {"disk_*", "disc_free", false, "another beginning"},
        {"*_free", "disk_free", true, "an end"},
        {"*_free", "disk_free_", false, "no end"},
        {"a*b*c", "a--b--b--c", true, "the star goes on behind a false end"},
        {"a*b*c", "a--c--b", false, "the order counts"},
        {"**", "x", true, "two stars are one"},
        {"?", "x", true, "one character"},
        {"?", "", false, "no character"},
        {"?*", "", false, "at least one"},
        {"d?sk", "disk", true, "in the middle"},
        {"d?sk", "dsk", false, "a question mark is no star"},
        {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, "in bearable time"},
        {"a.b", "axb", false, "a full stop is a full stop"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(glob_match(span_of(rows[i].pattern), span_of(rows[i].text)), rows[i].matches);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/config/nearest.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/nearest.h"

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
        const char *comment;
    } rows[] = {
        {"limits", "limits", 0, "the same"},
        {"", "", 0, "nothing and nothing"},
        {"", "abc", 3, "nothing and something"},
        {"limit", "limits", 1, "a letter is missing"},
        {"limitss", "limits", 1, "a letter too many"},
        {"limats", "limits", 1, "a wrong letter"},
        {"ilmits", "limits", 1, "two letters swapped"},
        {"LIMITS", "limits", 0, "case does not count"},
        {"kitten", "sitting", 3, "the classic"},
        {"ca", "abc", 3, "a swap is not edited again (optimal string alignment)"},
        {"max-payload", "max_payload", 1, "dash for underscore"},
        {"maxPayload", "max_payload", 1, "camel case"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(nearest_distance(span_of(rows[i].a), span_of(rows[i].b)), rows[i].distance);
        assert_int_equal(nearest_distance(span_of(rows[i].b), span_of(rows[i].a)), rows[i].distance);
    }
}

static void test_long_words(void **state)
{
    char word[NEAREST_MAX_BYTES + 2];
    (void)state;
    memset(word, 'a', sizeof(word));
    struct span longest = {word, NEAREST_MAX_BYTES}, longer = {word, NEAREST_MAX_BYTES + 1};
    assert_int_equal(nearest_distance(longest, longest), 0);
    assert_int_equal(nearest_distance(longer, longest), NEAREST_FAR);
    assert_int_equal(nearest_distance(longest, longer), NEAREST_FAR);
}

static void test_close(void **state)
{
    (void)state;
    assert_true(nearest_is_close(SPAN("limits"), 2));
    assert_false(nearest_is_close(SPAN("limits"), 3));
    assert_true(nearest_is_close(SPAN("ab"), 1));
    assert_false(nearest_is_close(SPAN("ab"), 2));
    assert_false(nearest_is_close(SPAN("limits"), NEAREST_FAR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

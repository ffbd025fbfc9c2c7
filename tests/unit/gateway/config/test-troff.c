/* Unit tests of gateway/config/troff.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/troff.h"

static void test_add(void **state)
{
    static const struct {
        const char *text, *written, *comment;
    } rows[] = {
        {"plain", "plain", "nothing to do"},
        {"--flag", "\\-\\-flag", "hyphens stay hyphens"},
        {".TH", "\\&.TH", "a dot at the beginning is no request"},
        {"a.b", "a.b", "elsewhere it is a dot"},
        {"'quoted'", "\\&'quoted'", "a quote at the beginning, too"},
        {"a\\b", "a\\eb", "a backslash"},
        {"a\n.b", "a\n.br\n\\&.b", "the beginning of every line"},
        {"", "", "nothing"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text out = TEXT(1024);
        print_message("%s\n", rows[i].comment);
        troff_add(&out, span_of(rows[i].text));
        assert_true(span_is(text_span(&out), rows[i].written));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_add)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/base/redact.h: what is left of URIs in logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/redact.h"

static const struct {
    const char *uri, *shown, *comment;
} rows[] = {
    {"", "", "nothing"},
    {"file:///srv/a", "file:///srv/a", "as it is"},
    {"db://rows?key=secret", "db://rows?…", "a query"},
    {"db://rows#secret", "db://rows#…", "a fragment"},
    {"db://rows?", "db://rows?…", "an empty query says that there was one"},
    {"db://user:secret@host/rows", "db://…@host/rows", "user information"},
    {"db://user:p@ss@host/rows?x=y", "db://…@host/rows?…", "an @ in the password"},
    {"db://host/rows@7", "db://host/rows@7", "an @ in the path is none"},
    {"user:secret@host", "user:secret@host", "no authority without its slashes"},
    {"x?y://user:secret@host", "x?…", "what looks like an authority in a query"},
};

static void test_rows(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char out[REDACT_BYTES];
        struct span shown = redact_uri(span_of(rows[i].uri), out);
        if (!span_is(shown, rows[i].shown))
            fail_msg("%s: got %.*s", rows[i].comment, SPAN_PRINT(shown));
    }
}

/* Whatever stands where: bounded, and neither the user nor the query is seen. */
static void test_long(void **state UNUSED)
{
    for (size_t before = 1; before < 2 * REDACT_SHOWN_BYTES; before += 13)
        for (size_t user = 0; user < 2 * REDACT_SHOWN_BYTES; user += 31)
            for (size_t path = 0; path < 2 * REDACT_SHOWN_BYTES; path += 61) {
                char uri[8 * REDACT_SHOWN_BYTES], out[REDACT_BYTES];
                size_t size = 0;
                memset(uri, 's', before);
                size += before;
                memcpy(uri + size, "://", 3);
                size += 3;
                memset(uri + size, 'U', user);
                size += user;
                uri[size++] = '@';
                memset(uri + size, 'p', path);
                size += path;
                memcpy(uri + size, "?QQQ", 4);
                size += 4;
                struct span shown = redact_uri((struct span){uri, size}, out);
                assert_true(shown.size <= REDACT_BYTES);
                assert_null(memchr(shown.at, 'U', shown.size));
                assert_null(memchr(shown.at, 'Q', shown.size));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

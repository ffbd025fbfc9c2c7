/* Unit tests of gateway/ops/pages.h. */
#include "tests/unit/gateway/ops/observed.h"

#include "gateway/ops/pages.h"

static void test_where_and_what(void **state)
{
    static const struct {
        const char *path;
        bool every_listener;
        const char *content_type;
        const char *starts;
    } rows[PAGES_COUNT] = {
        {"/healthz", true, "text/plain; charset=utf-8", "ok\n"},
        {"/readyz", true, "text/plain; charset=utf-8", "ready\n"},
        {"/metrics", false, "text/plain; version=0.0.4; charset=utf-8", "# HELP "},
        {"/status", false, "application/json", "{\"version\":"},
    };
    struct observed *observed = *state;
    struct page pages[PAGES_COUNT];
    pages_fill(&observed->sources, pages);
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        assert_string_equal(pages[i].path, rows[i].path);
        assert_true(pages[i].where & PAGE_ADMIN);
        assert_int_equal((pages[i].where & PAGE_EVERY_LISTENER) != 0, rows[i].every_listener);
        assert_string_equal(pages[i].content_type, rows[i].content_type);
        assert_ptr_equal(pages[i].context, &observed->sources);
        const char *body = observed_render(observed, pages[i].render);
        assert_int_equal(strncmp(body, rows[i].starts, strlen(rows[i].starts)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_where_and_what, observed_setup, observed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/ops/pages.h. */
#include "tests/unit/gateway/ops/observed.h"

#include "gateway/base/log.h"
#include "gateway/ops/log_level.h"
#include "gateway/ops/pages.h"
#include "gateway/ops/status_page.h"

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
        {"/status/events", false, "text/event-stream", "{\"version\":"},
        {"/log-level", false, "text/plain; charset=utf-8", "info\n"},
        {"/openapi.yaml", false, "application/yaml", "# The gateway's own HTTP surface"},
        {"/", false, "text/html; charset=utf-8", "<!DOCTYPE html>"},
    };
    struct observed *observed = *state;
    struct page pages[PAGES_COUNT];
    assert_int_equal(pages_fill(&observed->sources, pages), 0);
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        assert_string_equal(pages[i].path, rows[i].path);
        assert_true(pages[i].where & PAGE_ADMIN);
        assert_int_equal((pages[i].where & PAGE_EVERY_LISTENER) != 0, rows[i].every_listener);
        assert_string_equal(pages[i].content_type, rows[i].content_type);
        assert_ptr_equal(pages[i].context, &observed->sources);
        assert_int_equal(pages[i].live, strcmp(rows[i].path, "/status/events") == 0);
        assert_int_equal(pages[i].change != NULL, strcmp(rows[i].path, "/log-level") == 0);
        const char *body = observed_render(observed, pages[i].render);
        assert_int_equal(strncmp(body, rows[i].starts, strlen(rows[i].starts)), 0);
        if (!pages[i].for_browsers)
            continue;
        assert_string_equal(pages[i].path, "/status");
        assert_ptr_equal(pages[i].for_browsers, &pages[PAGES_COUNT - 1]);
    }
}

/* The digests that the policy names are those of what the page has; and it asks for nothing else. */
static void test_policy(void **state)
{
    struct observed *observed = *state;
    struct page pages[PAGES_COUNT];
    assert_int_equal(pages_fill(&observed->sources, pages), 0);
    const char *policy = pages[PAGES_COUNT - 1].policy;
    assert_int_equal(strncmp(policy, "default-src 'none'; style-src 'sha256-", 38), 0);
    assert_non_null(strstr(policy, "; script-src 'sha256-"));
    assert_null(strstr(policy, "unsafe"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
    const char *page = observed_render(observed, pages[PAGES_COUNT - 1].render);
    assert_null(strstr(page, " style=\"")); /* which the policy would not let count */
    assert_null(strstr(page, " src="));
    assert_null(strstr(page, "innerHTML"));
}

static void test_policy_without_room(void **state)
{
    char small[64] = "as it was";
    (void)state;
    assert_true(status_page_policy(small, sizeof(small)) < 0);
    assert_string_equal(small, "as it was");
}

static void test_log_level(void **state)
{
    static const struct {
        const char *value;
        int status;
        enum log_level level;
        const char *comment;
    } rows[] = {
        {"debug", 200, LOG_DEBUG, "a word"},       {"warning\n", 200, LOG_WARNING, "a line"},
        {" error \r\n", 200, LOG_ERROR, "blanks"}, {"verbose", 400, LOG_ERROR, "no level"},
        {"", 400, LOG_ERROR, "nothing"},           {"off", 200, LOG_OFF, "silence"},
        {"info", 200, LOG_INFO, "as it was"},
    };
    struct observed *observed = *state;
    struct address from = {0};
    assert_int_equal(address_parse(SPAN("127.0.0.1:9"), &from), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text body = TEXT(1024);
        int status = 0;
        print_message("%s\n", rows[i].comment);
        assert_int_equal(log_level_change(&observed->sources, &from, span_of(rows[i].value), &body, &status), 0);
        assert_int_equal(status, rows[i].status);
        assert_int_equal(log_minimum(), rows[i].level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_where_and_what, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_policy, observed_setup, observed_teardown),
        cmocka_unit_test(test_policy_without_room),
        cmocka_unit_test_setup_teardown(test_log_level, observed_setup, observed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

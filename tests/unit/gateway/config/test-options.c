/* Unit tests of gateway/config/options.h: the table holds together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/options.h"

#include <ctype.h>

static void test_rows(void **state)
{
    const struct option_table *top = options_top();
    (void)state;
    for (size_t i = 0; i < top->rows; i++) {
        char variable[OPTION_VARIABLE_BYTES];
        const struct option *row = &top->row[i];
        assert_ptr_equal(option_find(top, span_of(row->path)), row); /* no path is there twice */
        assert_true(row->minimum <= row->maximum);
        assert_true(isupper((unsigned char)row->help[0]) && row->help[strlen(row->help) - 1] != '.');
        if (option_variable(row, variable))
            for (const char *at = variable; *at; at++)
                assert_true(isupper((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
        assert_false(row->flags & (OPTION_REQUIRED | OPTION_UNIQUE));
    }
}

/* A default is shown as the table writes it: it was read, and is in its shortest form. */
static void test_defaults(void **state)
{
    struct settings settings = {0};
    const struct option_table *top = options_top();
    (void)state;
    assert_int_equal(option_defaults(top, &settings), 0);
    for (size_t i = 0; i < top->rows; i++) {
        CLEANUP(text_done) struct text shown = TEXT(1 * MIB);
        if (!top->row[i].fallback)
            continue;
        option_show(&top->row[i], &settings, &shown);
        print_message("%s\n", top->row[i].path);
        assert_true(span_is(text_span(&shown), top->row[i].fallback));
    }
    option_release(top, &settings);
}

static void test_list_defaults(void **state)
{
    size_t count;
    const struct option_list *lists = options_lists(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        CLEANUP_FREE void *entry = calloc(1, lists[i].entry_bytes);
        char variable[OPTION_VARIABLE_BYTES];
        assert_non_null(entry);
        assert_int_equal(option_defaults(&lists[i].table, entry), 0);
        option_release(&lists[i].table, entry);
        assert_false(option_variable(&lists[i].table.row[0], variable));
    }
}

static void test_nearest(void **state)
{
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"thread", "threads"},
        {"limits.max_payloads", "limits.max_payload"},
        {"max_payload", "limits.max_payload"},
        {"LIMITS", "limits"},
        {"logg", "log"},
        {"listeners", "listen"},
        {"comands", "commands"},
        {"pagesize", "page_size"},
        {"limits.sesion_idle", "limits.session_idle"},
        {"limits.auth_attempt", "limits.auth_attempts"},
        {"limits.auth_attempts.per_minutes", "limits.auth_attempts.per_minute"},
        {"nothing_like_it", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct span near = option_nearest(options_top(), span_of(rows[i].word));
        print_message("%s\n", rows[i].word);
        if (rows[i].nearest)
            assert_true(span_is(near, rows[i].nearest));
        else
            assert_true(span_absent(near));
    }
}

static void test_page(void **state)
{
    CLEANUP(text_done) struct text page = TEXT(1 * MIB);
    static const struct {
        const char *lines;
    } rows[] = {
        {"limits.max_connections\n    count, 1 to 10000000; default 10000; WEIR_LIMITS_MAX_CONNECTIONS\n"
         "    Open client connections; fewer where the hard limit"},
        {"threads\n    count or auto, 1 to 256; default auto; fixed while it runs; WEIR_THREADS\n"},
        {"log.level\n    choice of debug|info|warning|error|off; default info; WEIR_LOG_LEVEL\n"},
        {"\ncommands\n    list, 1024 entries at most\n"},
        {"\ncommands[].name\n    text; required\n"},
        {"\nlimits.max_payload\n    size, 1KiB to 1GiB; default 16MiB; WEIR_LIMITS_MAX_PAYLOAD\n"},
    };
    (void)state;
    options_print(&page);
    text_terminate(&page);
    assert_int_equal(page.error, 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].lines);
        assert_non_null(strstr(page.at, rows[i].lines));
    }
}

struct seen_limits {
    size_t count;
    double payload, timeout, share, processes;
};

static void see_limit(void *out, const char *option, double value)
{
    struct seen_limits *seen = out;
    const struct {
        const char *option;
        double *value;
    } rows[] = {{"limits.max_payload", &seen->payload},
                {"limits.request_timeout", &seen->timeout},
                {"limits.memory_high", &seen->share},
                {"limits.max_processes", &seen->processes}};
    seen->count++;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(option, rows[i].option) == 0)
            *rows[i].value = value;
}

/* No limit is left out: each is a number of some unit. */
static void test_limits(void **state)
{
    struct settings settings = {0};
    struct seen_limits seen = {0};
    const struct option_table *top = options_top();
    size_t limits = 0;
    (void)state;
    assert_int_equal(option_defaults(top, &settings), 0);
    options_each_limit(&settings, see_limit, &seen);
    for (size_t i = 0; i < top->rows; i++)
        limits += strncmp(top->row[i].path, "limits.", strlen("limits.")) == 0;
    assert_int_equal(seen.count, limits);
    assert_true(seen.payload == 16777216 && seen.timeout == 60 && seen.processes == 1000);
    assert_true(seen.share > 0.799 && seen.share < 0.801);
    option_release(top, &settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_defaults), cmocka_unit_test(test_list_defaults),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_page),     cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

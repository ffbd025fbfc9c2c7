/* Unit tests of gateway/mcp/era.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/mcp/era.h"

static void test_known(void **state)
{
    static const struct {
        const char *name;
        enum revision revision;
        enum era era;
    } rows[] = {
        {"2024-11-05", REVISION_2024_11_05, ERA_LEGACY}, {"2025-03-26", REVISION_2025_03_26, ERA_LEGACY},
        {"2025-06-18", REVISION_2025_06_18, ERA_LEGACY}, {"2025-11-25", REVISION_2025_11_25, ERA_LEGACY},
        {"2026-07-28", REVISION_2026_07_28, ERA_MODERN},
    };
    (void)state;
    assert_int_equal(ARRAY_SIZE(rows), REVISION_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum revision revision;
        assert_int_equal(revision_find(span_of(rows[i].name), &revision), 0);
        assert_int_equal(revision, rows[i].revision);
        assert_int_equal(revision_era(revision), rows[i].era);
        assert_string_equal(revision_name(revision), rows[i].name);
    }
}

static void test_unknown(void **state)
{
    static const char *const rows[] = {
        NULL,          "",           "v999.0.0",      "2026-07-2", "2026-07-288", " 2026-07-28",
        "2026-07-28 ", "2026-07-29", "DRAFT-2026-v1", "latest",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum revision revision = REVISION_COUNT;
        assert_int_equal(revision_find(span_of(rows[i]), &revision), REVISION_UNKNOWN);
        assert_int_equal(revision, REVISION_COUNT); /* untouched */
    }
}

/* Revisions are compared with <: the order is that of their dates, and the eras do not mix. */
static void test_order(void **state)
{
    (void)state;
    for (unsigned i = 1; i < REVISION_COUNT; i++) {
        assert_true(strcmp(revision_name((enum revision)(i - 1)), revision_name((enum revision)i)) < 0);
        assert_true(revision_era((enum revision)(i - 1)) <= revision_era((enum revision)i));
    }
    assert_int_equal(revision_era((enum revision)REVISION_NEWEST_LEGACY), ERA_LEGACY);
    assert_int_equal(revision_era((enum revision)(REVISION_NEWEST_LEGACY + 1)), ERA_MODERN);
}

static void test_supported(void **state)
{
    (void)state;
    CLEANUP(text_done) struct text out = TEXT(1024);
    revision_add_supported(&out);
    text_terminate(&out);
    assert_string_equal(out.at, "[\"2026-07-28\",\"2025-11-25\",\"2025-06-18\",\"2025-03-26\",\"2024-11-05\"]");
}

static void test_era_name(void **state)
{
    (void)state;
    assert_string_equal(era_name(ERA_LEGACY), "legacy");
    assert_string_equal(era_name(ERA_MODERN), "modern");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),     cmocka_unit_test(test_unknown),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_supported), cmocka_unit_test(test_era_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

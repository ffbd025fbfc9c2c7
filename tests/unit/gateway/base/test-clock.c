/* Unit tests of gateway/base/clock.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/clock.h"

static void test_format_iso(void **state)
{
    static const struct {
        uint64_t wall_ms;
        const char *iso, *comment;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z", "the epoch"},
        {999, "1970-01-01T00:00:00.999Z", "milliseconds"},
        {951782400000, "2000-02-29T00:00:00.000Z", "a leap day"},
        {1795402010123, "2026-11-23T02:46:50.123Z", "today"},
        {4107542399001, "2100-02-28T23:59:59.001Z", "2100 has no leap day"},
        {253402300799999, "9999-12-31T23:59:59.999Z", "the last that has four digits"},
        {253402300800000, "9999-12-31T23:59:59.999Z", "later stays there"},
        {UINT64_MAX, "9999-12-31T23:59:59.999Z", "however much"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char out[CLOCK_ISO_BYTES];
        print_message("%s\n", rows[i].comment);
        clock_format_iso(rows[i].wall_ms, out);
        assert_string_equal(out, rows[i].iso);
    }
}

static void test_format_http(void **state)
{
    static const struct {
        uint64_t wall_ms;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777999, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400000, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {UINT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char out[CLOCK_HTTP_BYTES];
        clock_format_http(rows[i].wall_ms, out);
        assert_string_equal(out, rows[i].text);
    }
}

static void test_fake(void **state)
{
    (void)state;
    uint64_t real_now = clock_now_ns(), real_wall = clock_wall_ms();
    clock_fake(5000000, 1000);
    assert_int_equal(clock_now_ns(), 5000000);
    assert_int_equal(clock_now_ms(), 5);
    assert_int_equal(clock_wall_ms(), 1000);
    clock_fake_advance(1500000);
    assert_int_equal(clock_now_ns(), 6500000);
    assert_int_equal(clock_wall_ms(), 1001);
    clock_fake_advance(500000); /* parts of a millisecond add up */
    assert_int_equal(clock_wall_ms(), 1002);
    clock_fake_end();
    assert_true(clock_now_ns() >= real_now);
    assert_true(clock_wall_ms() + 3600000 > real_wall); /* the wall clock may be set back, but not by an hour */
}

static void test_never_goes_back(void **state)
{
    (void)state;
    for (uint64_t i = 0, before = clock_now_ns(); i < 1000; i++) {
        uint64_t now = clock_now_ns();
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_iso),
        cmocka_unit_test(test_format_http),
        cmocka_unit_test(test_fake),
        cmocka_unit_test(test_never_goes_back),
    };
    return cmocka_run_group_tests_name("gateway/base/clock", tests, NULL, NULL);
}

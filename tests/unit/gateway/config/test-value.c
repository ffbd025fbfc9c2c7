/* Unit tests of gateway/config/value.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/value.h"

#include <errno.h>

struct row {
    const char *text;
    int result;
    uint64_t value;
    const char *comment;
};

static void run(const struct row *row, size_t count, int (*read)(struct span text, uint64_t *ret_value))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 4711;
        print_message("%s: %s\n", row[i].comment, row[i].text);
        assert_int_equal(read(span_of(row[i].text), &value), row[i].result);
        assert_true(value == (row[i].result == 0 ? row[i].value : 4711));
    }
}

static void test_sizes(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0, "nothing"},
        {"512", 0, 512, "bytes without a unit"},
        {"512B", 0, 512, "bytes"},
        {"1KiB", 0, 1024, "kibibyte"},
        {"16MiB", 0, 16u * 1024 * 1024, "mebibytes"},
        {"2GiB", 0, 2ull * 1024 * 1024 * 1024, "gibibytes"},
        {"18446744073709551615", 0, UINT64_MAX, "the largest"},
        {"18446744073709551616", -ERANGE, 0, "one more"},
        {"17179869184GiB", -ERANGE, 0, "too large by its unit"},
        {"", -EINVAL, 0, "empty"},
        {"MiB", -EINVAL, 0, "no number"},
        {"1MB", -EINVAL, 0, "a decimal unit: ambiguous"},
        {"1M", -EINVAL, 0, "a short unit: ambiguous"},
        {"1mib", -EINVAL, 0, "wrong case"},
        {"1 MiB", -EINVAL, 0, "a blank"},
        {"1.5MiB", -EINVAL, 0, "a fraction"},
        {"-1", -EINVAL, 0, "negative"},
        {"+1", -EINVAL, 0, "a sign"},
        {"010", -EINVAL, 0, "octal or not?"},
        {"0x10", -EINVAL, 0, "hexadecimal"},
        {"1KiBKiB", -EINVAL, 0, "two units"},
    };
    (void)state;
    run(rows, ARRAY_SIZE(rows), value_size);
}

static void test_fractions(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0, "none"},
        {"1", 0, 1000000, "all"},
        {"0.25", 0, 250000, "a quarter"},
        {"1.0", 0, 1000000, "all, written longer"},
        {"0.000001", 0, 1, "the least"},
        {"1.000001", -ERANGE, 0, "more than all"},
        {"2", -ERANGE, 0, "more than all"},
        {"0.0000001", -EINVAL, 0, "too fine"},
        {"", -EINVAL, 0, "empty"},
        {".5", -EINVAL, 0, "no whole part"},
        {"0.", -EINVAL, 0, "no part behind the point"},
        {"0.2.5", -EINVAL, 0, "two points"},
        {"0,5", -EINVAL, 0, "a comma"},
        {"-0.5", -EINVAL, 0, "negative"},
        {"50%", -EINVAL, 0, "a percentage"},
        {"1e-2", -EINVAL, 0, "an exponent"},
    };
    static const char *const shown[] = {"0", "1", "0.25", "0.000001", "0.1"};
    (void)state;
    run(rows, ARRAY_SIZE(rows), value_fraction);
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        CLEANUP(text_done) struct text out = TEXT(100);
        uint64_t value;
        assert_int_equal(value_fraction(span_of(shown[i]), &value), 0);
        value_add_fraction(&out, value);
        assert_true(span_is(text_span(&out), shown[i]));
    }
}

static void test_durations(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0, "no time needs no unit"},
        {"250ms", 0, 250, "milliseconds"},
        {"10s", 0, 10000, "seconds"},
        {"5m", 0, 300000, "minutes"},
        {"1h", 0, 3600000, "an hour"},
        {"0s", 0, 0, "no time with a unit"},
        {"10", -EINVAL, 0, "ten of what?"},
        {"1d", -EINVAL, 0, "no such unit"},
        {"1H", -EINVAL, 0, "wrong case"},
        {"1h30m", -EINVAL, 0, "two parts"},
        {"s", -EINVAL, 0, "no number"},
        {"", -EINVAL, 0, "empty"},
        {"5124095576031h", -ERANGE, 0, "too long by its unit"},
    };
    (void)state;
    run(rows, ARRAY_SIZE(rows), value_duration);
}

static void test_counts(void **state)
{
    static const struct row rows[] = {
        {"0", 0, 0, "none"},
        {"42", 0, 42, "some"},
        {"1k", -EINVAL, 0, "no units"},
        {"1e3", -EINVAL, 0, "a float"},
        {"1_000", -EINVAL, 0, "YAML 1.1"},
        {"00", -EINVAL, 0, "leading zero"},
    };
    (void)state;
    run(rows, ARRAY_SIZE(rows), value_count);
}

static void test_booleans(void **state)
{
    static const char *const wrong[] = {"yes", "no", "on", "off", "True", "TRUE", "1", "0", "", "y", "truee"};
    bool value = false;
    (void)state;
    assert_int_equal(value_bool(SPAN("true"), &value), 0);
    assert_true(value);
    assert_int_equal(value_bool(SPAN("false"), &value), 0);
    assert_false(value);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(value_bool(span_of(wrong[i]), &value), -EINVAL);
}

/* What is written is the shortest form, and reads as the same number. */
static void test_written(void **state)
{
    static const struct {
        uint64_t value;
        const char *size, *duration;
    } rows[] = {
        {0, "0", "0"},
        {1, "1B", "1ms"},
        {1000, "1000B", "1s"},
        {1024, "1KiB", "1024ms"},
        {60000, "60000B", "1m"},
        {90000, "90000B", "90s"},
        {3600000, "3600000B", "1h"},
        {16 * 1048576, "16MiB", "16777216ms"},
        {UINT64_MAX, "18446744073709551615B", "18446744073709551615ms"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text size = TEXT(64), duration = TEXT(64);
        uint64_t back;
        value_add_size(&size, rows[i].value);
        value_add_duration(&duration, rows[i].value);
        assert_true(span_is(text_span(&size), rows[i].size));
        assert_true(span_is(text_span(&duration), rows[i].duration));
        assert_int_equal(value_size(text_span(&size), &back), 0);
        assert_true(back == rows[i].value);
        assert_int_equal(value_duration(text_span(&duration), &back), 0);
        assert_true(back == rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_fractions), cmocka_unit_test(test_durations),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_booleans),  cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

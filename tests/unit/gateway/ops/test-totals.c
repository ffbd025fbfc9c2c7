/* Unit tests of gateway/ops/totals.h. */
#include "tests/unit/gateway/ops/observed.h"

#include <math.h>

#include "gateway/ops/totals.h"

enum { US = 1000, MS = 1000000 };

static void test_sums_over_reactors(void **state)
{
    struct observed *observed = *state;
    struct counters totals;
    memset(&totals, 0xff, sizeof(totals)); /* what was there before does not count */
    for (unsigned reactor = 0; reactor < 2; reactor++) {
        counter_add(observed_counters(observed, reactor), COUNTER_EVENTS, 10 + reactor);
        counters_request(observed_counters(observed, reactor), METHOD_PING, ERA_LEGACY, OUTCOME_OK, 3 * MS);
    }
    counters_request(observed_counters(observed, 1), METHOD_PING, ERA_LEGACY, OUTCOME_ERROR, 4 * MS);
    totals_take(observed->gateway, &totals);
    assert_int_equal(totals_load(&totals.event[COUNTER_EVENTS]), 21);
    assert_int_equal(totals_load(&totals.event[COUNTER_BYTES_IN]), 0);
    assert_int_equal(totals_load(&totals.requests[METHOD_PING][ERA_LEGACY][OUTCOME_OK]), 2);
    assert_int_equal(totals_load(&totals.requests[METHOD_PING][ERA_LEGACY][OUTCOME_ERROR]), 1);
    assert_int_equal(totals_load(&totals.latency_sum_ns[ERA_LEGACY]), 10 * MS);
    assert_int_equal(totals_requests(&totals, ERA_LEGACY), 3);
    assert_int_equal(totals_requests(&totals, ERA_MODERN), 0);
}

static void test_quantiles(void **state)
{
    static const struct {
        struct {
            unsigned count;
            uint64_t ns;
        } requests[3];
        double quantile, seconds;
        const char *comment;
    } rows[] = {
        {{{0}}, 0.5, -1, "nothing to estimate from"},
        {{{1, 1 * US}}, 0.5, 25e-6, "the middle of the first bucket"},
        {{{100, 20 * US}}, 0.99, 49.5e-6, "evenly within the first bucket"},
        {{{10, 60 * US}}, 0.5, 75e-6, "between 50 and 100 µs"},
        {{{50, 10 * US}, {50, 2 * MS}}, 0.5, 50e-6, "the upper end of the first half"},
        {{{50, 10 * US}, {50, 2 * MS}}, 0.75, 1.75e-3, "the middle of the second half: 1 to 2.5 ms"},
        {{{98, 10 * US}, {2, 400 * MS}}, 0.99, 0.375, "a rare slow one is seen: 250 to 500 ms"},
        {{{1, UINT64_C(3600) * 1000 * MS}}, 0.5, 60, "slower than all bounds: the largest of them"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct counters totals;
        (void)state;
        memset(&totals, 0, sizeof(totals));
        for (size_t k = 0; k < ARRAY_SIZE(rows[i].requests); k++)
            for (unsigned n = 0; n < rows[i].requests[k].count; n++)
                counters_request(&totals, METHOD_TOOLS_CALL, ERA_MODERN, OUTCOME_OK, rows[i].requests[k].ns);
        double seconds = totals_quantile(&totals, ERA_MODERN, rows[i].quantile);
        print_message("%s: %g\n", rows[i].comment, seconds);
        assert_true(fabs(seconds - rows[i].seconds) < 1e-9);
        assert_true(totals_quantile(&totals, ERA_LEGACY, rows[i].quantile) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums_over_reactors, observed_setup, observed_teardown),
        cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

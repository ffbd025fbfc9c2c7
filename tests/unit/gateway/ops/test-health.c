/* Unit tests of gateway/ops/health.h. */
#include "tests/unit/gateway/ops/observed.h"

#include "gateway/ops/health.h"

static void test_alive_in_every_phase(void **state)
{
    struct observed *observed = *state;
    for (int phase = GATEWAY_STARTING; phase <= GATEWAY_STOPPED; phase++) {
        atomic_store(&observed->gateway->phase, phase);
        assert_string_equal(observed_render(observed, health_render_alive), "ok\n");
        assert_int_equal(observed->status, 200);
    }
}

static void test_ready_in_one_phase(void **state)
{
    static const struct {
        enum gateway_phase phase;
        int status;
        const char *body;
    } rows[] = {
        {GATEWAY_STARTING, 503, "not ready\n"}, {GATEWAY_READY, 200, "ready\n"},
        {GATEWAY_LEAVING, 503, "not ready\n"},  {GATEWAY_DRAINING, 503, "not ready\n"},
        {GATEWAY_STOPPED, 503, "not ready\n"},
    };
    struct observed *observed = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        atomic_store(&observed->gateway->phase, rows[i].phase);
        assert_string_equal(observed_render(observed, health_render_ready), rows[i].body);
        assert_int_equal(observed->status, rows[i].status);
    }
}

static void test_over_limits(void **state)
{
    static const struct {
        enum quota_name name;
        uint64_t limit, used;
        bool ready;
        const char *comment;
    } rows[] = {
        {QUOTA_CONNECTIONS, 100, 99, true, "room for one more connection"},
        {QUOTA_CONNECTIONS, 100, 100, false, "no connection left"},
        {QUOTA_SESSIONS, 10, 10, false, "no session left"},
        {QUOTA_IN_FLIGHT, 5, 5, false, "no request more"},
        {QUOTA_SESSIONS, 0, 0, true, "sessions are switched off"},
        {QUOTA_STREAMS, 20, 20, true, "streams are not needed by everybody"},
        {QUOTA_WORKERS, 4, 4, true, "workers come back soon"},
        {QUOTA_IN_FLIGHT, UINT64_MAX, 1000000, true, "no limit"},
    };
    struct observed *observed = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct quotas *quotas = &observed->gateway->quotas;
        print_message("%s\n", rows[i].comment);
        quota_set_limit(quotas, rows[i].name, rows[i].limit);
        assert_int_equal(quota_take(quotas, rows[i].name, rows[i].used), 0);
        assert_int_equal(health_ready(observed->gateway), rows[i].ready);
        quota_give(quotas, rows[i].name, rows[i].used);
        assert_true(health_ready(observed->gateway));
    }
}

/* A reload may lower a limit below what is in use. */
static void test_limit_below_use(void **state)
{
    struct observed *observed = *state;
    assert_int_equal(quota_take(&observed->gateway->quotas, QUOTA_SESSIONS, 8), 0);
    quota_set_limit(&observed->gateway->quotas, QUOTA_SESSIONS, 5);
    assert_false(health_ready(observed->gateway));
    quota_give(&observed->gateway->quotas, QUOTA_SESSIONS, 4);
    assert_true(health_ready(observed->gateway));
    quota_give(&observed->gateway->quotas, QUOTA_SESSIONS, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alive_in_every_phase, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_ready_in_one_phase, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_over_limits, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_limit_below_use, observed_setup, observed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

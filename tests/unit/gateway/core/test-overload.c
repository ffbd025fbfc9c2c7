/* limits.queue_delay: a reactor whose handlers take their time, on the clock of the fake. Each request's probe is under
   way while its handler runs, so it waits as long as that takes. */
#include "gateway/core/overload.h"

#include "tests/unit/gateway/core/fake.h"

static const uint64_t MS = 1000000;
static uint64_t takes_ns; /* each handler */

static void start_slowly(struct provider *provider UNUSED, struct call *call)
{
    clock_fake_advance(takes_ns);
    FAKE_ANSWER(call_result_text(call, SPAN("done"), false));
}

static const struct provider_ops slow_provider = {.name = "slow", .start = start_slowly, .free = fake_provider_free};

static void begin_with(struct fake *fake, uint64_t queue_delay_ms, unsigned threads)
{
    fake_settings(fake);
    fake->ops = &slow_provider;
    fake->settings.threads = threads;
    fake->settings.limits.queue_delay_ms = queue_delay_ms;
    fake_init(fake);
}

static struct asked *call_taking(struct fake *fake, uint64_t ms)
{
    takes_ns = ms * MS;
    return fake_tool(fake, "echo");
}

static void assert_served(struct asked *asked)
{
    assert_reply(asked, 200, "done");
}

static uint64_t refused(struct fake *fake)
{
    return atomic_load(&fake->gateway->quotas.row[QUOTA_QUEUE_DELAY].refused);
}

static void test_standing_queue(void **state UNUSED)
{
    struct fake fake;
    begin_with(&fake, 500, 1);
    assert_served(call_taking(&fake, 600)); /* the first to wait too long may be a burst */
    assert_served(call_taking(&fake, 600));
    struct asked *third = call_taking(&fake, 600);
    assert_error(third, 503, 503);
    assert_reply(third, 503, "limits.queue_delay");
    assert_int_equal(third->retry_after_s, 1);
    assert_int_equal(refused(&fake), 1);
    assert_int_equal(reactor_counters(fake.gateway->reactor[0])->event[COUNTER_REFUSED_QUEUE_DELAY], 1);
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    assert_served(call_taking(&fake, 0)); /* what was refused has waited for nobody, and it has been seen */
    overload_look(fake.gateway);
    assert_int_equal(fake_used(&fake, QUOTA_QUEUE_DELAY), 600);
    overload_look(fake.gateway);
    assert_int_equal(fake_used(&fake, QUOTA_QUEUE_DELAY), 0);
    assert_int_equal(atomic_load(&fake.gateway->quotas.row[QUOTA_QUEUE_DELAY].highest), 600);
    fake_done(&fake);
}

static void test_burst(void **state UNUSED)
{
    struct fake fake;
    begin_with(&fake, 500, 1);
    for (unsigned i = 0; i < 20; i++) {
        assert_served(call_taking(&fake, 5000));
        assert_served(call_taking(&fake, 500)); /* this one's successor would have been in time */
    }
    assert_int_equal(refused(&fake), 0);
    fake_done(&fake);
}

/* Nor is who comes a while after a single stall. */
static void test_stall(void **state UNUSED)
{
    struct fake fake;
    begin_with(&fake, 500, 1);
    assert_served(call_taking(&fake, 600));
    clock_fake_advance(200 * MS);
    assert_served(call_taking(&fake, 0));
    assert_int_equal(refused(&fake), 0);
    fake_done(&fake);
}

static void test_pause(void **state UNUSED)
{
    struct fake fake;
    begin_with(&fake, 500, 1);
    assert_served(call_taking(&fake, 600));
    assert_served(call_taking(&fake, 600));
    clock_fake_advance(700 * MS); /* nobody came: what was seen is old */
    assert_served(call_taking(&fake, 600));
    fake_done(&fake);
}

static void test_off(void **state UNUSED)
{
    struct fake fake;
    begin_with(&fake, 0, 1);
    for (unsigned i = 0; i < 10; i++)
        assert_served(call_taking(&fake, 100000));
    assert_int_equal(atomic_load(&fake.gateway->quotas.row[QUOTA_QUEUE_DELAY].limit), UINT64_MAX);
    fake.settings.limits.queue_delay_ms = 500; /* a reload */
    gateway_apply_limits(fake.gateway, &fake.settings);
    assert_served(call_taking(&fake, 600));
    assert_served(call_taking(&fake, 600));
    assert_error(call_taking(&fake, 600), 503, 503);
    assert_served(call_taking(&fake, 600));
    assert_served(call_taking(&fake, 600));
    fake.settings.limits.queue_delay_ms = 0;
    gateway_apply_limits(fake.gateway, &fake.settings);
    assert_served(call_taking(&fake, 600));
    fake_done(&fake);
}

/* What ends work must not be kept out by it. */
static void test_what_is_no_request(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    begin_with(&fake, 500, 1);
    fake_open(&fake, "2025-11-25", "{}", session);
    clock_fake_advance(10 * MS); /* when the next probe is due */
    assert_served(call_taking(&fake, 600));
    assert_served(call_taking(&fake, 600));
    struct asked *cancelled = fake_legacy(
        &fake, session,
        fake_format("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":7}}"));
    assert_int_equal(cancelled->status, 202);
    assert_error(call_taking(&fake, 600), 503, 503);
    fake_done(&fake);
}

/* A reactor that has time serves on. */
static void test_each_for_itself(void **state UNUSED)
{
    struct fake fake;
    begin_with(&fake, 500, 2);
    assert_served(call_taking(&fake, 600));
    assert_served(call_taking(&fake, 600));
    struct asked *ping = fake_legacy_on(&fake, 1, NULL,
                                        fake_format("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\","
                                                    "\"params\":{\"protocolVersion\":\"2025-11-25\","
                                                    "\"capabilities\":{},\"clientInfo\":{\"name\":\"t\","
                                                    "\"version\":\"1\"}}}"));
    assert_int_equal(ping->status, 200);
    assert_error(call_taking(&fake, 600), 503, 503);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standing_queue),  cmocka_unit_test(test_burst), cmocka_unit_test(test_stall),
        cmocka_unit_test(test_pause),           cmocka_unit_test(test_off),   cmocka_unit_test(test_what_is_no_request),
        cmocka_unit_test(test_each_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

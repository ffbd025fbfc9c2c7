/* How often: attempts by network, requests and calls of tools by identity or network, and what is said to those who
   come too often. The clock stands where the fake holds it. */
#include "gateway/core/rates.h"

#include "tests/unit/gateway/core/fake.h"

static const uint64_t SECOND = 1000000000;

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(span_of(text), &address), 0);
    return address;
}

static struct identity *identity_of(enum identity_proof proof, const char *subject)
{
    struct identity *identity;
    struct identity_facts facts = {.proof = proof, .subject = span_of(subject)};
    assert_int_equal(identity_new(&facts, &identity), 0);
    return identity;
}

static struct asked *from(struct fake *fake, const char *address, const struct fake_request *request)
{
    struct asked *asked = fake_asked(fake);
    asked->exchange.client = address_of(address);
    fake_modern_headers(asked, request);
    fake_post(asked, fake_modern_message(request));
    return asked;
}

static struct asked *echo_from(struct fake *fake, const char *address)
{
    return from(fake, address,
                &(struct fake_request){.method = "tools/call", .name = "echo", .params = "\"name\":\"echo\","});
}

static unsigned attempts(struct fake *fake, const char *from_address, unsigned *ret_retry_s)
{
    struct address address = address_of(from_address);
    unsigned granted = 0;
    while (granted < 1000 && rates_attempt(fake->gateway, &fake->settings, &address, ret_retry_s) == 0)
        granted++;
    return granted;
}

static void test_attempts(void **state UNUSED)
{
    struct fake fake;
    unsigned retry_s = 0;
    fake_settings(&fake);
    fake.settings.limits.auth_attempts.per_minute = 10;
    fake.settings.limits.auth_attempts.burst = 10;
    fake.settings.limits.ipv4_prefix = 32;
    fake.settings.limits.ipv6_prefix = 64;
    fake_init(&fake);
    assert_int_equal(attempts(&fake, "192.0.2.1:1", &retry_s), 10);
    assert_int_equal(retry_s, 6);
    assert_int_equal(attempts(&fake, "192.0.2.1:9", &retry_s), 0);
    assert_int_equal(attempts(&fake, "192.0.2.2:1", &retry_s), 10);
    assert_int_equal(attempts(&fake, "[2001:db8::1]:1", &retry_s), 10);
    assert_int_equal(attempts(&fake, "[2001:db8::2]:1", &retry_s), 0);
    clock_fake_advance(5 * SECOND + 1);
    assert_int_equal(attempts(&fake, "192.0.2.1:1", &retry_s), 0);
    assert_int_equal(retry_s, 1); /* rounded up */
    clock_fake_advance(SECOND);
    assert_int_equal(attempts(&fake, "192.0.2.1:1", &retry_s), 1);
    fake.settings.limits.auth_attempts.per_minute = 0;
    assert_int_equal(attempts(&fake, "192.0.2.1:1", &retry_s), 1000);
    fake_done(&fake);
}

static void limited_to_two(struct fake *fake)
{
    fake_settings(fake);
    fake->settings.limits.requests.per_second = 1;
    fake->settings.limits.requests.burst = 2;
    fake->settings.limits.ipv4_prefix = 32;
    fake->settings.limits.ipv6_prefix = 64;
    fake_init(fake);
}

static void test_requests_by_network(void **state UNUSED)
{
    struct fake fake;
    limited_to_two(&fake);
    assert_reply(echo_from(&fake, "192.0.2.1:1"), 200, "result");
    assert_reply(echo_from(&fake, "192.0.2.1:2"), 200, "result");
    struct asked *third = echo_from(&fake, "192.0.2.1:3");
    assert_error(third, 429, 429);
    assert_reply(third, 429, "limits.requests");
    assert_int_equal(third->retry_after_s, 1);
    assert_reply(echo_from(&fake, "192.0.2.2:1"), 200, "result");
    clock_fake_advance(SECOND);
    assert_reply(echo_from(&fake, "192.0.2.1:1"), 200, "result");
    assert_error(echo_from(&fake, "192.0.2.1:1"), 429, 429);
    assert_int_equal(reactor_counters(fake.gateway->reactor[0])->event[COUNTER_REFUSED_REQUEST_RATE], 2);
    fake_done(&fake);
}

/* An identity is the same from everywhere, and nobody else's address pays for it. */
static void test_requests_by_identity(void **state UNUSED)
{
    struct fake fake;
    limited_to_two(&fake);
    struct identity *alice = identity_of(IDENTITY_API_KEY, "alice"), *bob = identity_of(IDENTITY_API_KEY, "bob");
    struct identity *nobody = identity_of(IDENTITY_ANONYMOUS, "");
    fake.caller = alice;
    assert_reply(echo_from(&fake, "192.0.2.1:1"), 200, "result");
    assert_reply(echo_from(&fake, "192.0.2.2:1"), 200, "result");
    assert_error(echo_from(&fake, "192.0.2.3:1"), 429, 429);
    fake.caller = bob;
    assert_reply(echo_from(&fake, "192.0.2.3:1"), 200, "result");
    fake.caller = nobody;
    assert_reply(echo_from(&fake, "192.0.2.3:1"), 200, "result");
    assert_reply(echo_from(&fake, "192.0.2.3:1"), 200, "result");
    assert_error(echo_from(&fake, "192.0.2.3:1"), 429, 429);
    assert_reply(echo_from(&fake, "192.0.2.4:1"), 200, "result");
    fake.caller = NULL;
    fake_done(&fake);
    identity_unref(alice);
    identity_unref(bob);
    identity_unref(nobody);
}

/* A 429 would make a client give up the modern era without a word. */
static void test_discover(void **state UNUSED)
{
    struct fake fake;
    limited_to_two(&fake);
    const struct fake_request discover = {.method = "server/discover"};
    assert_reply(from(&fake, "192.0.2.1:1", &discover), 200, "result");
    assert_reply(from(&fake, "192.0.2.1:1", &discover), 200, "result");
    struct asked *third = from(&fake, "192.0.2.1:1", &discover);
    assert_error(third, 503, 503);
    assert_int_equal(third->retry_after_s, 1);
    fake_done(&fake);
}

/* ---- tools ---- */

static void with_tool_limit(struct fake *fake, struct tool_limit_settings *rules, size_t count)
{
    fake_settings(fake);
    fake->settings.limits.tool = rules;
    fake->settings.limits.tools = count;
    fake->settings.limits.ipv4_prefix = 32;
    fake_init(fake);
}

static struct asked *tool_from(struct fake *fake, const char *address, const char *name)
{
    char *params = fake_format("\"name\":\"%s\",", name);
    struct asked *asked =
        from(fake, address, &(struct fake_request){.method = "tools/call", .name = name, .params = params});
    free(params);
    return asked;
}

static void test_tool_rates(void **state UNUSED)
{
    struct fake fake;
    char echo[] = "ec*", any[] = "*";
    struct tool_limit_settings rules[] = {{.match = echo, .per_minute = 30, .burst = 1}, {.match = any}};
    with_tool_limit(&fake, rules, ARRAY_SIZE(rules));
    assert_reply(tool_from(&fake, "192.0.2.1:1", "echo"), 200, "result");
    struct asked *second = tool_from(&fake, "192.0.2.1:1", "echo");
    assert_error(second, 429, 429);
    assert_int_equal(second->retry_after_s, 2);
    assert_reply(second, 429, "limits.tools");
    assert_reply(tool_from(&fake, "192.0.2.2:1", "echo"), 200, "result");
    for (unsigned i = 0; i < 10; i++)
        assert_reply(tool_from(&fake, "192.0.2.1:1", "log"), 200, "result");
    clock_fake_advance(2 * SECOND);
    assert_reply(tool_from(&fake, "192.0.2.1:1", "echo"), 200, "result");
    fake_done(&fake);
}

static void test_tool_places(void **state UNUSED)
{
    struct fake fake;
    char hold[] = "hold";
    struct tool_limit_settings rules[] = {{.match = hold, .in_flight = 2}};
    with_tool_limit(&fake, rules, ARRAY_SIZE(rules));
    struct asked *one = tool_from(&fake, "192.0.2.1:1", "hold"), *two = tool_from(&fake, "192.0.2.2:1", "hold");
    struct asked *three = tool_from(&fake, "192.0.2.3:1", "hold");
    assert_error(three, 503, 503);
    assert_int_equal(three->retry_after_s, 1);
    assert_reply(three, 503, "limits.tools");
    assert_int_equal(tool_limits_used(fake.gateway, &rules[0]), 2);
    assert_reply(tool_from(&fake, "192.0.2.3:1", "echo"), 200, "result");
    fake_gone(two); /* nobody waits, but the handler works on */
    assert_error(tool_from(&fake, "192.0.2.3:1", "hold"), 503, 503);
    for (unsigned i = 0; i < 2; i++) {
        struct call *call = fake_take(&fake);
        FAKE_ANSWER(call_result_text(call, SPAN("done"), false));
        call_unref(call);
    }
    fake_settle(&fake);
    assert_reply(one, 200, "done");
    assert_int_equal(tool_limits_used(fake.gateway, &rules[0]), 0);
    assert_int_equal(reactor_counters(fake.gateway->reactor[0])->event[COUNTER_REFUSED_TOOL_IN_FLIGHT], 2);
    fake_done(&fake);
}

/* Arguments that the schema refuses take no place. */
static void test_no_place_for_mistakes(void **state UNUSED)
{
    struct fake fake;
    char typed[] = "typed";
    struct tool_limit_settings rules[] = {{.match = typed, .in_flight = 1}};
    with_tool_limit(&fake, rules, ARRAY_SIZE(rules));
    for (unsigned i = 0; i < 3; i++)
        assert_reply(tool_from(&fake, "192.0.2.1:1", "typed"), 200, "\"isError\":true");
    assert_int_equal(tool_limits_used(fake.gateway, &rules[0]), 0);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_requests_by_network),
        cmocka_unit_test(test_requests_by_identity),
        cmocka_unit_test(test_discover),
        cmocka_unit_test(test_tool_rates),
        cmocka_unit_test(test_tool_places),
        cmocka_unit_test(test_no_place_for_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

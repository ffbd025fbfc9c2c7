/* Change notifications: listen streams and their filters, legacy sessions, and the graceful end. */
#include "gateway/core/subscriptions.h"
#include "tests/unit/gateway/core/fake.h"

static struct asked *listen_to(struct fake *fake, const char *id, const char *filter)
{
    char *params = fake_format("\"notifications\":%s,", filter);
    struct asked *asked =
        fake_modern(fake, &(struct fake_request){.method = "subscriptions/listen", .params = params, .id = id});
    free(params);
    return asked;
}

static void announce(struct fake *fake, unsigned kinds)
{
    assert_int_equal(subscriptions_announce(fake->gateway, kinds, (struct span){0}), 0);
    fake_settle(fake);
}

static void updated(struct fake *fake, const char *uri)
{
    assert_int_equal(gateway_resource_updated(fake->gateway, span_of(uri)), 0);
    fake_settle(fake);
}

static const struct {
    const char *filter, *honoured;
    const char *told; /* of tools, prompts, resources, templates, a:b: those that are told */
} filters[] = {
    {"{}", "{}", ""},
    {"{\"toolsListChanged\":true}", "{\"toolsListChanged\":true}", "t"},
    {"{\"toolsListChanged\":false,\"promptsListChanged\":true}", "{\"promptsListChanged\":true}", "p"},
    {"{\"resourcesListChanged\":true}", "{\"resourcesListChanged\":true}", "ru"},
    {"{\"resourceSubscriptions\":[\"x:y\",\"a:\\u0062\"]}", "{\"resourceSubscriptions\":[\"x:y\",\"a:b\"]}", "s"},
    {"{\"resourceSubscriptions\":[]}", "{}", ""},
    {"{\"unknown\":7,\"toolsListChanged\":true,\"resourceSubscriptions\":[\"a:b\"]}",
     "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"a:b\"]}", "ts"},
};

static void test_filters(void **state UNUSED)
{
    static const struct {
        char letter;
        unsigned kinds;
        const char *method;
    } changes[] = {{'t', 1U << ITEM_TOOL, "notifications/tools/list_changed"},
                   {'p', 1U << ITEM_PROMPT, "notifications/prompts/list_changed"},
                   {'r', 1U << ITEM_RESOURCE, "notifications/resources/list_changed"},
                   {'u', 1U << ITEM_TEMPLATE, "notifications/resources/list_changed"},
                   {'s', 0, "notifications/resources/updated"}};
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        struct asked *asked = listen_to(&fake, "5000000000", filters[i].filter);
        assert_int_equal(asked->events, 1);
        char *expected = fake_format("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
                                     "\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":5000000000},"
                                     "\"notifications\":%s}}",
                                     filters[i].honoured);
        assert_string_equal(asked->event[0], expected);
        free(expected);
        assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 1);
        assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
        unsigned seen = 1;
        for (size_t c = 0; c < ARRAY_SIZE(changes); c++) {
            if (changes[c].kinds)
                announce(&fake, changes[c].kinds);
            else
                updated(&fake, "a:b");
            if (strchr(filters[i].told, changes[c].letter)) {
                assert_int_equal(asked->events, ++seen);
                assert_has(asked->event[seen - 1], changes[c].method);
                assert_has(asked->event[seen - 1], "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":5000000000}");
            }
            assert_int_equal(asked->events, seen);
        }
        updated(&fake, "a:");
        assert_int_equal(asked->events, seen);
        assert_int_equal(asked->replies, 0);
        fake_gone(asked);
        assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 0);
        assert_int_equal(fake_used(&fake, QUOTA_SUBSCRIPTIONS), 0);
    }
    fake_done(&fake);
}

static void test_update(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = listen_to(&fake, "\"s\\\"1\"", "{\"resourceSubscriptions\":[\"a:\\\"b\"]}");
    updated(&fake, "a:\"b");
    assert_string_equal(asked->event[1],
                        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"_meta\":{"
                        "\"io.modelcontextprotocol/subscriptionId\":\"s\\\"1\"},\"uri\":\"a:\\\"b\"}}");
    fake_done(&fake);
}

static void test_bad_filters(void **state UNUSED)
{
    static const char *const bad[] = {"{\"toolsListChanged\":1}",
                                      "{\"toolsListChanged\":null}",
                                      "{\"resourceSubscriptions\":\"a:b\"}",
                                      "{\"resourceSubscriptions\":[\"a:b\",1]}",
                                      "[]",
                                      "7"};
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_error(listen_to(&fake, NULL, bad[i]), 200, -32602);
        assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 0);
        assert_int_equal(fake_used(&fake, QUOTA_SUBSCRIPTIONS), 0);
    }
    struct text many = TEXT(SIZE_MAX);
    for (int i = 0; i <= SUBSCRIPTIONS_MAX_URIS; i++)
        text_addf(&many, "%s\"a:%d\"", i ? "," : "{\"resourceSubscriptions\":[", i);
    text_add_literal(&many, "]}");
    text_terminate(&many);
    assert_error(listen_to(&fake, NULL, many.at), 200, -32602);
    text_done(&many);
    char *longer = fake_format("{\"resourceSubscriptions\":[\"a:%05000d\"]}", 0);
    assert_error(listen_to(&fake, NULL, longer), 200, -32602);
    free(longer);
    fake_done(&fake);
}

static void test_capacity(void **state UNUSED)
{
    struct fake fake;
    fake_settings(&fake);
    fake.settings.limits.max_streams = 2;
    fake.settings.limits.max_subscriptions = 2;
    fake_init(&fake);
    struct asked *asked = listen_to(&fake, NULL, "{\"resourceSubscriptions\":[\"a:1\",\"a:2\",\"a:3\"]}");
    assert_error(asked, 503, 503);
    assert_has(asked->body, "limits.max_subscriptions");
    assert_int_equal(fake_used(&fake, QUOTA_SUBSCRIPTIONS), 0);
    (void)listen_to(&fake, NULL, "{\"resourceSubscriptions\":[\"a:1\",\"a:2\"]}");
    assert_error(listen_to(&fake, NULL, "{\"resourceSubscriptions\":[\"a:1\"]}"), 503, 503);
    (void)listen_to(&fake, NULL, "{}");
    asked = listen_to(&fake, NULL, "{}");
    assert_error(asked, 503, 503);
    assert_has(asked->body, "limits.max_streams");
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    fake_done(&fake);
}

/* The end that the server brings: "respond to the original request with a completion result". */
static void test_graceful_end(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked[3];
    for (int i = 0; i < 3; i++)
        asked[i] = listen_to(&fake, i == 1 ? "\"x\"" : "0", "{\"toolsListChanged\":true}");
    drain_begin(fake.gateway);
    fake_settle(&fake);
    for (int i = 0; i < 3; i++) {
        assert_reply(asked[i], 200, i == 1 ? "\"id\":\"x\",\"result\":{\"resultType\":\"complete\"" : "\"id\":0,");
        assert_has(asked[i]->body, i == 1 ? "\"io.modelcontextprotocol/subscriptionId\":\"x\"" : "subscriptionId\":0");
    }
    assert_true(drain_done(fake.gateway));
    assert_error(listen_to(&fake, NULL, "{}"), 503, 503);
    fake_done(&fake);
}

/* A client that is found gone while it is told takes its stream with it, and nobody else's. */
static void test_gone_while_told(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked[3];
    for (int i = 0; i < 3; i++)
        asked[i] = listen_to(&fake, NULL, "{\"toolsListChanged\":true}");
    asked[0]->refuse = asked[0]->gone_in_send = true;
    asked[1]->refuse = true;
    announce(&fake, 1U << ITEM_TOOL);
    assert_int_equal(asked[2]->events, 2);
    assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 2);
    fake_gone(asked[1]);
    announce(&fake, 1U << ITEM_TOOL);
    assert_int_equal(asked[2]->events, 3);
    assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 1);
    struct asked *never = fake_asked(&fake); /* gone at the acknowledgement already */
    const struct fake_request request = {.method = "subscriptions/listen",
                                         .params = "\"notifications\":{\"toolsListChanged\":true},"};
    never->refuse = never->gone_in_send = true;
    fake_modern_headers(never, &request);
    fake_post(never, fake_modern_message(&request));
    assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 1);
    fake_done(&fake);
}

/* ---- legacy ---- */

static void test_sessions(void **state UNUSED)
{
    struct fake fake;
    char a[FAKE_SESSION_BYTES], b[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", "{}", a);
    fake_open(&fake, "2025-06-18", "{}", b);
    struct asked *get_a = fake_get(&fake, a, NULL), *get_b = fake_get(&fake, b, NULL);
    assert_reply(fake_request(&fake, a, 1, "resources/subscribe", "{\"uri\":\"a:b\"}"), 200, NULL);
    assert_int_equal(fake_used(&fake, QUOTA_SUBSCRIPTIONS), 1);
    updated(&fake, "a:b");
    assert_int_equal(get_a->events, 1);
    assert_int_equal(get_b->events, 0);
    assert_string_equal(get_a->event[0],
                        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{"
                        "\"uri\":\"a:b\"}}");
    updated(&fake, "a:c");
    assert_reply(fake_request(&fake, a, 1, "resources/unsubscribe", "{\"uri\":\"a:b\"}"), 200, NULL);
    updated(&fake, "a:b");
    assert_int_equal(get_a->events, 1);
    assert_int_equal(fake_used(&fake, QUOTA_SUBSCRIPTIONS), 0);
    announce(&fake, 1U << ITEM_TEMPLATE | 1U << ITEM_PROMPT);
    assert_int_equal(get_a->events, 3);
    assert_int_equal(get_b->events, 2);
    for (int i = 0; i < 12; i++) {
        char *uri = fake_format("{\"uri\":\"a:%d\"}", i);
        struct asked *asked = fake_request(&fake, a, 1, "resources/subscribe", uri);
        assert_reply(asked, i < 10 ? 200 : 503, NULL);
        free(uri);
    }
    fake_delete(&fake, a);
    assert_int_equal(fake_used(&fake, QUOTA_SUBSCRIPTIONS), 0);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),  cmocka_unit_test(test_update),       cmocka_unit_test(test_bad_filters),
        cmocka_unit_test(test_capacity), cmocka_unit_test(test_graceful_end), cmocka_unit_test(test_gone_while_told),
        cmocka_unit_test(test_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

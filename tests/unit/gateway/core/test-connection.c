/* Connections that carry messages both ways (WebSocket, stdio): no headers, no event ids, a session of their own, and
   cancellation by id in either era. The front keeps no reference of its own behind dispatch. */
#include "tests/unit/gateway/core/fake.h"

static const struct front_ops two_way = {.name = "two-way",
                                         .connection_session = true,
                                         .header = fake_header,
                                         .send = fake_send,
                                         .reply = fake_reply,
                                         .release = fake_release};

/* Of a connection and, legacy, its session. Takes the message. */
static struct asked *say(struct fake *fake, const void *connection, struct session *session, char *message)
{
    struct asked *asked = fake_asked(fake);
    asked->exchange.ops = &two_way;
    asked->exchange.connection = connection;
    asked->exchange.session = session ? session_ref(session) : NULL;
    fake_post(asked, message);
    fake_on_reactor(asked, fake_unref_post);
    asked->unreferenced = true;
    return asked;
}

static struct asked *modern(struct fake *fake, const void *connection, const char *id, const char *method,
                            const char *params)
{
    return say(fake, connection, NULL,
               fake_modern_message(&(struct fake_request){
                   .method = method, .id = id, .params = params, .meta = ",\"progressToken\":1"}));
}

static void cancel(struct fake *fake, const void *connection, struct session *session, const char *id)
{
    (void)say(
        fake, connection, session,
        fake_format("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%s}}", id));
}

static void answer_held(struct fake *fake)
{
    struct call *call = fake_take(fake);
    assert_int_equal(call_result_text(call, SPAN("x"), false), 0);
    call_unref(call);
    fake_settle(fake);
}

static void test_modern(void **state UNUSED)
{
    struct fake fake;
    int one, other;
    fake_begin(&fake);
    struct asked *asked = modern(&fake, &one, "7", "tools/call", "\"name\":\"progress\",");
    assert_int_equal(asked->events, 2);
    assert_int_equal(asked->primes, 0);
    assert_reply(asked, 200, "done");
    assert_true(asked->released);
    asked = modern(&fake, &one, "8", "tools/call", "\"name\":\"hold\",");
    cancel(&fake, &other, NULL, "8");
    cancel(&fake, &one, NULL, "\"8\"");
    cancel(&fake, &one, NULL, "9");
    assert_int_equal(asked->replies, 0);
    cancel(&fake, &one, NULL, "8");
    assert_int_equal(asked->replies, 1);
    assert_null(asked->body);
    assert_int_equal(fake.cancels, 1);
    cancel(&fake, &one, NULL, "8");
    answer_held(&fake);
    assert_true(asked->released);
    fake_done(&fake);
}

static void test_listening(void **state UNUSED)
{
    struct fake fake;
    int one;
    fake_begin(&fake);
    struct asked *asked[3];
    for (int i = 0; i < 3; i++)
        asked[i] = modern(&fake, &one,
                          i == 0   ? "1"
                          : i == 1 ? "\"1\""
                                   : "2",
                          "subscriptions/listen", "\"notifications\":{\"resourceSubscriptions\":[\"a:b\"]},");
    cancel(&fake, &one, NULL, "1");
    assert_true(asked[0]->released);
    asked[1]->refuse = asked[1]->gone_in_send = true;
    assert_int_equal(gateway_resource_updated(fake.gateway, SPAN("a:b")), 0);
    fake_settle(&fake);
    assert_true(asked[1]->released);
    assert_int_equal(asked[0]->events, 1);
    assert_int_equal(asked[2]->events, 2);
    drain_begin(fake.gateway);
    fake_settle(&fake);
    assert_reply(asked[2], 200, "subscriptionId\":2");
    assert_true(asked[2]->released);
    fake_done(&fake);
}

static struct session *open_session(struct fake *fake, const void *connection, const char *version)
{
    struct asked *asked = say(
        fake, connection, NULL,
        fake_format("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"%s\","
                    "\"capabilities\":" FAKE_CAPABILITIES "}}",
                    version));
    assert_int_equal(asked->status, 200);
    struct session *session = session_find(fake->gateway, span_of(asked->made), NULL);
    assert_non_null(session);
    return session;
}

static struct asked *call_tool(struct fake *fake, const void *connection, struct session *session, int id,
                               const char *tool)
{
    return say(fake, connection, session,
               fake_format("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\"}}", id,
                           tool));
}

static void test_legacy(void **state UNUSED)
{
    struct fake fake;
    int one;
    fake_begin(&fake);
    struct session *session = open_session(&fake, &one, "2025-11-25");
    struct asked *asked = call_tool(&fake, &one, session, 1, "ask");
    assert_int_equal(asked->events, 1);
    assert_string_equal(asked->event_id[0], "");
    (void)say(&fake, &one, session, fake_format("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"));
    assert_reply(asked, 200, "S1");
    asked = call_tool(&fake, &one, session, 2, "hold");
    cancel(&fake, &one, session, "2");
    assert_int_equal(asked->replies, 1);
    answer_held(&fake);
    asked = call_tool(&fake, &one, session, 3, "hold"); /* the connection goes: so does the call */
    struct asked *asking = call_tool(&fake, &one, session, 4, "ask_two");
    fake_gone(asked);
    fake_gone(asking);
    assert_int_equal(fake.cancels, 2);
    session_close(session);
    session_unref(session);
    answer_held(&fake);
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 0);
    assert_true(asked->released && asking->released);
    fake_done(&fake);
}

/* Sending finds the connection broken: nothing is asked of it any more. */
static void test_gone_while_asked(void **state UNUSED)
{
    struct fake fake;
    int one;
    fake_begin(&fake);
    struct session *session = open_session(&fake, &one, "2025-11-25");
    struct asked *asked = call_tool(&fake, &one, session, 1, "hold");
    asked->refuse = asked->gone_in_send = true;
    struct call *call = fake_take(&fake);
    assert_int_equal(call_need_input(call,
                                     SPAN("{\"a\":{\"method\":\"roots/list\"},\"b\":{\"method\":\"roots/list\"}}"),
                                     (struct span){0}),
                     0);
    call_unref(call);
    fake_settle(&fake);
    assert_true(asked->released);
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    session_close(session);
    session_unref(session);
    fake_done(&fake);
}

static void test_batch(void **state UNUSED)
{
    static const char *const tools[] = {"echo", "progress"};
    struct fake fake;
    int one;
    fake_begin(&fake);
    struct session *session = open_session(&fake, &one, "2025-03-26");
    for (int gone = 0; gone < 2; gone++)
        for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
            struct asked *asked = say(
                &fake, &one, session,
                fake_format("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
                            "\"_meta\":{\"progressToken\":1}}},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\","
                            "\"params\":{\"name\":\"hold\"}}]",
                            tools[i]));
            if (gone)
                fake_gone(asked);
            answer_held(&fake);
            assert_int_equal(asked->replies, !gone);
            assert_true(asked->released);
        }
    session_close(session);
    session_unref(session);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modern),           cmocka_unit_test(test_listening), cmocka_unit_test(test_legacy),
        cmocka_unit_test(test_gone_while_asked), cmocka_unit_test(test_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

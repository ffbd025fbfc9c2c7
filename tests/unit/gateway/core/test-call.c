/* The life of a call: notices on the way, cancellation in both eras, time limits, late answers, clients that leave at
   every moment. */
#include "tests/unit/gateway/core/fake.h"

static void answer(struct fake *fake, struct call *call, const char *text)
{
    int r = call_result_text(call, span_of(text), false);
    assert_int_equal(r, 0);
    call_unref(call);
    fake_settle(fake);
}

/* ---- notices ---- */

static void test_progress(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    struct asked *asked = fake_modern(&fake, &(struct fake_request){.method = "tools/call",
                                                                    .name = "progress",
                                                                    .params = "\"name\":\"progress\",",
                                                                    .meta = ",\"progressToken\":\"t\\u0031\""});
    assert_int_equal(asked->events, 2); /* "MUST increase with each notification" */
    assert_string_equal(asked->event[0],
                        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":"
                        "\"t\\u0031\",\"progress\":1,\"total\":3,\"message\":\"one\"}}");
    assert_string_equal(asked->event[1],
                        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":"
                        "\"t\\u0031\",\"progress\":2.5,\"total\":3}}");
    assert_string_equal(asked->event_id[0], "");
    assert_int_equal(asked->primes, 0);
    assert_reply(asked, 200, "done");
    asked = fake_tool(&fake, "progress"); /* without a token */
    assert_int_equal(asked->events, 0);
    fake_open(&fake, "2024-11-05", "{}", session);
    asked = fake_call(&fake, session, 1, "progress");
    assert_int_equal(asked->events, 2);
    assert_has_not(asked->event[0], "message\""); /* which came later */
    fake_done(&fake);
}

static const struct {
    const char *level; /* NULL: none said */
    unsigned modern, legacy;
} levels[] = {{NULL, 0, 2}, {"debug", 3, 3}, {"info", 2, 2}, {"notice", 1, 1}, {"emergency", 0, 0}};

static void test_log_levels(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", "{}", session);
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        const char *level = levels[i].level;
        char *meta = level ? fake_format(",\"io.modelcontextprotocol/logLevel\":\"%s\"", level) : NULL;
        struct asked *asked = fake_modern(
            &fake,
            &(struct fake_request){.method = "tools/call", .name = "log", .params = "\"name\":\"log\",", .meta = meta});
        assert_int_equal(asked->events, levels[i].modern);
        assert_reply(asked, 200, "logged");
        if (level) {
            char *params = fake_format("{\"level\":\"%s\"}", level);
            assert_reply(fake_request(&fake, session, 1, "logging/setLevel", params), 200, "\"result\":{}");
            free(params);
        }
        asked = fake_call(&fake, session, 2, "log");
        assert_int_equal(asked->events, levels[i].legacy);
        if (asked->events)
            assert_string_equal(asked->event[asked->events - 1],
                                "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":"
                                "\"notice\",\"logger\":\"here\",\"data\":{\"a\": 1}}}");
        free(meta);
    }
    fake_done(&fake);
}

static void test_bad_notices(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool(&fake, "hold");
    struct call *call = fake_take(&fake);
    assert_int_equal(call_progress(call, 0.0 / 0.0, 1, (struct span){0}), -EINVAL);
    assert_int_equal(call_progress(call, 1 / 0.0, 1, (struct span){0}), -EINVAL);
    assert_int_equal(call_progress(call, 1, 0.0 / 0.0, (struct span){0}), -EINVAL);
    assert_int_equal(call_log(call, 8, SPAN("l"), SPAN("1")), -EINVAL);
    assert_int_equal(call_log(call, 0, SPAN("l"), SPAN("x")), -EINVAL);
    assert_int_equal(call_log(call, 0, SPAN("l"), SPAN("")), -EINVAL);
    answer(&fake, call, "x");
    assert_int_equal(asked->events, 0);
    fake_done(&fake);
}

/* Notices that wait for the reactor are bounded; what does not fit is dropped and counted. */
static void test_flood(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", "{}", session);
    struct asked *asked = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    struct counters *counters = reactor_counters(fake.gateway->reactor[0]);
    asked->refuse = true;
    for (int i = 1; i <= CALL_MAX_NOTICES + 10; i++)
        assert_int_equal(call_progress(call, i, -1, (struct span){0}), 0);
    assert_int_equal(counters->event[COUNTER_DROPPED_NOTICES], 10);
    answer(&fake, call, "x");
    fake_done(&fake);
}

/* ---- answers ---- */

struct twice {
    struct reactor_post post;
    struct call *call;
};

static void answer_twice(struct reactor_post *post)
{
    struct call *call = CONTAINER_OF(post, struct twice, post)->call;
    assert_int_equal(call_progress(call, 7, -1, (struct span){0}), 0);
    assert_int_equal(call_result(call, SPAN("{\"content\":[]}")), 0);
    assert_int_equal(call_result(call, SPAN("{\"content\":[]}")), -EALREADY);
    assert_int_equal(call_error(call, 1, SPAN("x"), (struct span){0}), -EALREADY);
    assert_int_equal(call_need_input(call, SPAN("{}"), SPAN("")), -EALREADY);
}

/* What was said from another thread before comes before what is said on the reactor. */
static void test_order(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (int posted = 0; posted < 2; posted++) {
        struct asked *asked = fake_asked(&fake);
        const struct fake_request request = {
            .method = "tools/call", .name = "hold", .params = "\"name\":\"hold\",", .meta = ",\"progressToken\":0"};
        fake_modern_headers(asked, &request);
        fake_post(asked, fake_modern_message(&request));
        struct twice twice = {.call = fake_take(&fake)};
        struct reactor *reactor = call_reactor(twice.call);
        reactor_post(reactor, &twice.post, answer_twice); /* runs before the notice that is posted next */
        if (posted)
            assert_int_equal(call_progress(twice.call, 3, -1, (struct span){0}), 0);
        fake_settle(&fake);
        assert_reply(asked, 200, "\"content\":[]");
        assert_int_equal(asked->events, posted ? 2 : 1);
        if (posted)
            assert_has(asked->event[0], "\"progress\":3");
        assert_has(asked->event[asked->events - 1], "\"progress\":7");
        call_unref(twice.call);
    }
    fake_done(&fake);
}

static const struct {
    const char *json;
    int r;
    const char *part;
} results[] = {
    {" \n{\"content\":[]}\t", 0, "\"content\":[]}}"},
    {"{\"resultType\":\"x\",\"content\":[],\"_meta\":{\"a\":1,\"io.modelcontextprotocol/"
     "serverInfo\":{\"name\":\"other\"}}}",
     0, "\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"weir\""},
    {"{}", 0, "\"resultType\":\"complete\""},
    {"[]", -EINVAL, "-32603"},
    {"", -EINVAL, "-32603"},
    {"{\"a\":}", -EINVAL, "-32603"},
    {"{\"a\":\"\xff\"}", -EINVAL, "-32603"},
};

static void test_results(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
        struct asked *asked = fake_tool(&fake, "hold");
        struct call *call = fake_take(&fake);
        assert_int_equal(call_result(call, span_of(results[i].json)), results[i].r);
        call_unref(call);
        fake_settle(&fake);
        assert_reply(asked, 200, results[i].part);
        assert_has_not(asked->body, "other");
        assert_has_not(asked->body, "\"x\"");
    }
    fake_done(&fake);
}

static void test_outcomes_are_counted(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct counters *counters = reactor_counters(fake.gateway->reactor[0]);
    (void)fake_tool(&fake, "echo");
    (void)fake_tool(&fake, "typed"); /* its argument is missing: isError */
    (void)fake_tool(&fake, "fail");
    (void)fake_tool(&fake, "task_only");
    fake_gone(fake_tool(&fake, "hold"));
    for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        assert_int_equal(counters->requests[METHOD_TOOLS_CALL][ERA_MODERN][outcome], 1);
    fake_done(&fake);
}

/* ---- cancellation ---- */

static void cancel(struct fake *fake, const char *session, const char *id)
{
    struct asked *asked = fake_legacy(fake, session,
                                      fake_format("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                                                  "\"params\":{\"requestId\":%s,\"reason\":\"x\"}}",
                                                  id));
    assert_reply(asked, 202, NULL);
}

static void test_legacy_cancel(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES], other[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", FAKE_CAPABILITIES, session);
    fake_open(&fake, "2025-11-25", "{}", other);
    for (int answers = 0; answers < 2; answers++) {
        fake.answer_cancels = answers;
        struct asked *asked = fake_call(&fake, session, 5, "hold");
        struct call *call = fake_take(&fake);
        cancel(&fake, other, "5"); /* of another session */
        cancel(&fake, session, "\"5\"");
        cancel(&fake, session, "6");
        assert_false(call_cancelled(call));
        cancel(&fake, session, "5");
        assert_true(call_cancelled(call));
        assert_int_equal(fake.cancels, answers + 1);
        assert_reply(asked, 202, NULL); /* "Not send a response for the cancelled request" */
        assert_null(asked->body);
        cancel(&fake, session, "5");
        assert_int_equal(call_error(call, 1, SPAN("x"), (struct span){0}), answers ? -EALREADY : 0);
        call_unref(call);
        fake_settle(&fake);
        assert_int_equal(fake.cancels, answers + 1);
    }
    struct asked *asked = fake_call(&fake, session, 6, "ask"); /* while it waits for its client */
    cancel(&fake, session, "6");
    assert_int_equal(asked->replies, 1);
    assert_null(asked->body);
    fake_legacy(&fake, session, strdup("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"));
    fake_done(&fake);
}

static void test_modern_gone(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (int answers = 0; answers < 2; answers++) {
        fake.answer_cancels = answers;
        struct asked *asked = fake_tool(&fake, "hold");
        struct call *call = fake_take(&fake);
        fake_gone(asked);
        assert_true(call_cancelled(call));
        assert_int_equal(fake.cancels, answers + 1);
        assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
        fake_gone(asked); /* once more is harmless */
        assert_int_equal(call_progress(call, 1, 1, SPAN("x")), 0);
        assert_int_equal(call_need_input(call, SPAN("{}"), SPAN("")), answers ? -EALREADY : 0);
        call_unref(call);
        fake_settle(&fake);
        assert_int_equal(asked->replies, 0);
    }
    fake_done(&fake);
}

static void test_gone_in_the_middle(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (int tells = 0; tells < 2; tells++) {
        struct asked *asked = fake_asked(&fake);
        const struct fake_request request = {.method = "tools/call",
                                             .name = "progress",
                                             .params = "\"name\":\"progress\",",
                                             .meta = ",\"progressToken\":0"};
        asked->refuse = true;
        asked->gone_in_send = tells;
        fake_modern_headers(asked, &request);
        fake_post(asked, fake_modern_message(&request));
        if (!tells)
            assert_int_equal(asked->replies, 1); /* the front frees it */
        assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    }
    fake_done(&fake);
}

static void test_gone_before_dispatch(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_asked(&fake);
    fake_gone(asked);
    asked = fake_asked(&fake);
    exchange_reply_error(&asked->exchange, ERROR_FORBIDDEN, NULL); /* a front's own refusal */
    assert_error(asked, 403, 403);
    fake_done(&fake);
}

static void test_time_limit(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.request_timeout_ms = 10;
    fake_init(&fake);
    fake_open(&fake, "2025-11-25", FAKE_CAPABILITIES, session);
    for (int legacy = 0; legacy < 2; legacy++) {
        struct asked *asked = legacy ? fake_call(&fake, session, 1, "hold") : fake_tool(&fake, "hold");
        struct call *call = fake_take(&fake);
        fake_wait_reply(&fake, asked);
        assert_error(asked, 504, 504);
        assert_has(asked->body, "limits.request_timeout");
        assert_true(call_cancelled(call));
        assert_int_equal(fake.cancels, legacy + 1);
        answer(&fake, call, "late");
    }
    assert_int_equal(reactor_counters(fake.gateway->reactor[0])->event[COUNTER_TIMEOUT_REQUEST], 2);
    fake_done(&fake);
}

/* The last references to a call and its exchange may be given up by any thread. */
static void test_released_later(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool(&fake, "hold");
    struct call *call = fake_take(&fake);
    struct call *more = call_ref(call);
    answer(&fake, call, "x");
    assert_reply(asked, 200, "x");
    fake_on_reactor(asked, fake_unref_post);
    asked->unreferenced = true;
    assert_false(asked->released);
    call_unref(more); /* on no reactor */
    assert_false(asked->released);
    fake_settle(&fake);
    assert_true(asked->released);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_log_levels),
        cmocka_unit_test(test_bad_notices),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_outcomes_are_counted),
        cmocka_unit_test(test_legacy_cancel),
        cmocka_unit_test(test_modern_gone),
        cmocka_unit_test(test_gone_in_the_middle),
        cmocka_unit_test(test_gone_before_dispatch),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_released_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tasks: made by a call, polled, answered, cancelled, expired; and what is said to those who cannot have one. */
#include "tests/unit/gateway/core/fake.h"

static struct asked *task_method(struct fake *fake, const char *method, const char *id, const char *more)
{
    char *params = fake_format("\"taskId\":\"%s\",%s", id, more ? more : "");
    struct asked *asked = fake_modern(
        fake, &(struct fake_request){.method = method, .name = id, .params = params, .capabilities = FAKE_TASKS});
    free(params);
    return asked;
}

static struct asked *get(struct fake *fake, const char *id)
{
    struct asked *asked = task_method(fake, "tasks/get", id, NULL);
    assert_reply(asked, 200, "\"resultType\":\"complete\"");
    assert_has_not(asked->body, "requestState");
    return asked;
}

static void acknowledged(struct asked *asked)
{
    assert_reply(asked, 200, "\"resultType\":\"complete\"");
    assert_has_not(asked->body, "taskId");
    assert_has_not(asked->body, "status");
}

/* A task of the tool "hold", whose call is the caller's; the id is, too. */
static char *begin(struct fake *fake, uint64_t ttl_ms, uint64_t poll_ms, struct call **ret_call)
{
    struct asked *asked = fake_tool_with(fake, "hold", NULL, FAKE_TASKS);
    struct call *call = fake_take(fake);
    assert_int_equal(call_task_start(call, ttl_ms, poll_ms), 0);
    fake_settle(fake);
    assert_reply(asked, 200, "\"resultType\":\"task\"");
    assert_int_equal(fake_used(fake, QUOTA_IN_FLIGHT), 0);
    *ret_call = call;
    return fake_find(asked->body, "taskId");
}

static void test_life(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 5000, 250, &call);
    struct asked *asked = get(&fake, id);
    assert_has(asked->body, "\"status\":\"working\",\"createdAt\":\"2026-11-23T03:02:50.123Z\"");
    assert_has(asked->body, "\"ttlMs\":5000,\"pollIntervalMs\":250}");
    assert_int_equal(call_progress(call, 1, 1, SPAN("x")), 0); /* nobody can hear it */
    assert_int_equal(call_task_start(call, 1, 1), 0);          /* a task already */
    clock_fake_advance(UINT64_C(1000) * 1000000);
    assert_int_equal(call_result_text(call, SPAN("done"), true), 0);
    call_unref(call);
    fake_settle(&fake);
    asked = get(&fake, id);
    assert_has(asked->body, "\"status\":\"completed\"");
    assert_has(asked->body, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"done\"}],\"isError\":true}");
    assert_has_not(asked->body, "pending");
    acknowledged(task_method(&fake, "tasks/cancel", id, NULL)); /* a terminal one, too */
    acknowledged(task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"x\":{\"y\":1}},"));
    assert_has(get(&fake, id)->body, "completed");
    clock_fake_advance(UINT64_C(4000) * 1000000);
    task_table_sweep(fake.gateway);
    assert_error(task_method(&fake, "tasks/get", id, NULL), 200, -32602);
    assert_int_equal(fake_used(&fake, QUOTA_TASKS), 0);
    free(id);
    fake_done(&fake);
}

static void test_failure(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 0, 0, &call);
    assert_has(get(&fake, id)->body, "\"ttlMs\":60000}");
    assert_int_equal(call_error(call, -32000, SPAN("no \"luck\""), SPAN("[1]")), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_has(get(&fake, id)->body, "\"status\":\"failed\"");
    assert_has(get(&fake, id)->body, "\"error\":{\"code\":-32000,\"message\":\"no \\\"luck\\\"\",\"data\":[1]}}");
    assert_has_not(get(&fake, id)->body, "\"result\":{\"content");
    free(id);
    fake_done(&fake);
}

static void test_too_large(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 0, 0, &call);
    char *large = fake_format("{\"x\":\"%05000000d\"}", 0);
    assert_int_equal(call_result(call, span_of(large)), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_has(get(&fake, id)->body, "\"status\":\"failed\"");
    assert_has(get(&fake, id)->body, "too large");
    free(large);
    free(id);
    fake_done(&fake);
}

static void test_cancel(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 0, 0, &call);
    acknowledged(task_method(&fake, "tasks/cancel", id, NULL));
    assert_true(call_cancelled(call));
    assert_int_equal(fake.cancels, 1);
    assert_has(get(&fake, id)->body, "\"status\":\"cancelled\"");
    acknowledged(task_method(&fake, "tasks/cancel", id, NULL));
    assert_int_equal(fake.cancels, 1);
    assert_int_equal(call_result_text(call, SPAN("late"), false), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_has(get(&fake, id)->body, "\"status\":\"cancelled\"");
    free(id);
    fake_done(&fake);
}

static void test_input(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool_with(&fake, "task_ask", NULL, FAKE_TASKS);
    assert_reply(asked, 200, "\"resultType\":\"task\"");
    char *id = fake_find(asked->body, "taskId");
    asked = get(&fake, id);
    assert_has(asked->body, "\"status\":\"input_required\"");
    assert_has(asked->body, "\"inputRequests\":{\"b\":{\"method\":\"elicitation/create\"");
    assert_has(asked->body, "\"a\":{\"method\":\"roots/list\"}}");
    acknowledged(
        task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"unknown\":{\"ignored\":true},\"a\":5},"));
    assert_has(get(&fake, id)->body, "\"b\":{");
    acknowledged(task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"\\u0062\":{\"action\":\"accept\"}},"));
    asked = get(&fake, id);
    assert_has(asked->body, "\"status\":\"input_required\"");
    assert_has_not(asked->body, "\"b\":{");
    assert_has(asked->body, "\"inputRequests\":{\"a\":{");
    acknowledged(task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"b\":{\"again\":1}},"));
    assert_error(task_method(&fake, "tasks/update", id, NULL), 200, -32602);
    assert_error(task_method(&fake, "tasks/update", id, "\"inputResponses\":[],"), 200, -32602);
    acknowledged(task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"a\":{\"roots\":[]}},"));
    asked = get(&fake, id);
    assert_has(asked->body, "\"status\":\"completed\"");
    assert_has(asked->body, "accept");
    free(id);
    fake_done(&fake);
}

static void test_cancel_while_it_waits(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (int expires = 0; expires < 2; expires++) {
        char *id = fake_find(fake_tool_with(&fake, "task_ask", NULL, FAKE_TASKS)->body, "taskId");
        if (expires) {
            clock_fake_advance(UINT64_C(60000) * 1000000);
            task_table_sweep(fake.gateway);
            fake_settle(&fake);
            assert_int_equal(fake_used(&fake, QUOTA_TASKS), 0);
        } else {
            acknowledged(task_method(&fake, "tasks/cancel", id, NULL));
            assert_has(get(&fake, id)->body, "cancelled");
            acknowledged(task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"a\":{},\"b\":{}},"));
            assert_has(get(&fake, id)->body, "cancelled");
        }
        free(id);
    }
    assert_int_equal(fake.cancels, 0); /* no handler was running */
    fake_done(&fake);
}

static void test_expires_while_it_runs(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 1000, 0, &call);
    clock_fake_advance(UINT64_C(1000) * 1000000);
    task_table_sweep(fake.gateway);
    fake_settle(&fake);
    assert_int_equal(fake.cancels, 1);
    assert_int_equal(call_need_input(call, SPAN("{\"x\":{\"method\":\"roots/list\"}}"), SPAN("")), 0);
    call_unref(call);
    free(id);
    fake_done(&fake);
}

/* SEP-2663: a key names one request for the life of a task. */
static void test_same_key_again(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 0, 0, &call);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(call_need_input(call, SPAN("{\"x\":{\"method\":\"roots/list\"}}"), SPAN("")), 0);
        call_unref(call);
        fake_settle(&fake);
        if (round == 0) {
            acknowledged(task_method(&fake, "tasks/update", id, "\"inputResponses\":{\"x\":{}},"));
            call = fake_take(&fake);
        }
    }
    assert_has(get(&fake, id)->body, "asked again");
    free(id);
    fake_done(&fake);
}

static void test_requests_too_large(void **state UNUSED)
{
    struct fake fake;
    struct call *call = NULL;
    fake_begin(&fake);
    char *id = begin(&fake, 0, 0, &call);
    char *large = fake_format("{\"x\":{\"method\":\"roots/list\",\"params\":{\"x\":\"%01100000d\"}}}", 0);
    assert_int_equal(call_need_input(call, span_of(large), SPAN("")), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_has(get(&fake, id)->body, "\"status\":\"failed\"");
    free(large);
    free(id);
    fake_done(&fake);
}

static void test_who_cannot(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.max_tasks = 1;
    fake_init(&fake);
    fake_open(&fake, "2025-11-25", FAKE_TASKS, session);
    (void)fake_tool(&fake, "hold");             /* without the extension */
    (void)fake_call(&fake, session, 1, "hold"); /* a session has none */
    (void)fake_modern(&fake, &(struct fake_request){.method = "resources/read",
                                                    .name = "note://held",
                                                    .params = "\"uri\":\"note://held\",",
                                                    .capabilities = FAKE_TASKS});
    for (int i = 0; i < 3; i++) {
        struct call *call = fake_take(&fake);
        assert_int_equal(call_task_start(call, 0, 0), -ENOTSUP);
        assert_int_equal(call_result(call, SPAN("{\"content\":[]}")), 0);
        call_unref(call);
        fake_settle(&fake);
    }
    struct call *first = NULL;
    char *id = begin(&fake, 0, 0, &first);
    struct asked *asked = fake_tool_with(&fake, "hold", NULL, FAKE_TASKS);
    struct call *second = fake_take(&fake);
    assert_int_equal(call_task_start(second, 0, 0), -ENOSPC);
    assert_int_equal(call_result_text(second, SPAN("without"), false), 0);
    call_unref(second);
    fake_settle(&fake);
    assert_reply(asked, 200, "without");
    assert_int_equal(call_result_text(first, SPAN("x"), false), 0);
    call_unref(first);
    free(id);
    fake_done(&fake);
}

static void test_unknown(void **state UNUSED)
{
    static const char *const methods[] = {"tasks/get", "tasks/update", "tasks/cancel"};
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        assert_error(task_method(&fake, methods[i], "nobody", "\"inputResponses\":{},"), 200, -32602);
        assert_error(task_method(&fake, methods[i], "", "\"inputResponses\":{},"), 200, -32602);
        struct asked *asked = fake_modern(
            &fake, &(struct fake_request){.method = methods[i], .name = "x", .params = "\"taskId\":\"x\","});
        assert_error(asked, 400, -32021);
    }
    fake_done(&fake);
}

/* Nobody ever learns of a task whose client has left: it is not kept. */
static void test_client_gone(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool_with(&fake, "hold", NULL, FAKE_TASKS);
    struct call *call = fake_take(&fake);
    fake_gone(asked);
    assert_int_equal(call_task_start(call, 0, 0), 0);
    fake_settle(&fake);
    assert_int_equal(fake_used(&fake, QUOTA_TASKS), 0);
    assert_int_equal(call_result_text(call, SPAN("x"), false), 0);
    call_unref(call);
    fake_settle(&fake);
    fake_done(&fake);
}

/* A first round before the task is an ordinary one. */
static void test_round_before(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool_with(&fake, "task_only", NULL, FAKE_TASKS);
    struct call *call = fake_take(&fake);
    assert_int_equal(call_need_input(call, SPAN("{\"n\":{\"method\":\"roots/list\"}}"), SPAN("s")), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_reply(asked, 200, "input_required");
    assert_has_not(asked->body, "taskId");
    asked = fake_tool_with(&fake, "task_only", "\"inputResponses\":{\"n\":{}},", FAKE_TASKS);
    call = fake_take(&fake);
    assert_false(span_absent(json_find(call_request(call)->inputs, "n")));
    assert_int_equal(call_task_start(call, UINT64_MAX, 0), 0);
    assert_int_equal(call_result_text(call, SPAN("x"), false), 0); /* both before the reactor has a turn */
    call_unref(call);
    fake_settle(&fake);
    assert_reply(asked, 200, "\"resultType\":\"task\"");
    char *id = fake_find(asked->body, "taskId");
    assert_has(get(&fake, id)->body, "\"ttlMs\":2678400000");
    free(id);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_cancel_while_it_waits),
        cmocka_unit_test(test_expires_while_it_runs),
        cmocka_unit_test(test_same_key_again),
        cmocka_unit_test(test_requests_too_large),
        cmocka_unit_test(test_who_cannot),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_round_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

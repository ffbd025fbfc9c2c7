/* What a handler's need_input() becomes in each era: input_required with a sealed state, or requests of ours and the
   answers to them, in any order, wrong, late, or never. */
#include "tests/unit/gateway/core/fake.h"

#define NAME_ANSWER "\"inputResponses\":{\"name\":{\"action\":\"accept\",\"content\":{\"name\":\"Alice\"}}},"

/* ---- modern ---- */

/* First round: the state as the client got it; the caller frees it. */
static char *first_round(struct fake *fake, const char *tool)
{
    struct asked *asked = fake_tool(fake, tool);
    assert_reply(asked, 200, "\"resultType\":\"input_required\"");
    assert_has(asked->body, "\"inputRequests\":{");
    return fake_find(asked->body, "requestState");
}

static struct asked *retry(struct fake *fake, const char *tool, const char *answers, const char *request_state)
{
    char *more = fake_format("%s\"requestState\":\"%s\",", answers, request_state);
    struct asked *asked = fake_tool_with(fake, tool, more, NULL);
    free(more);
    return asked;
}

static void test_modern(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    char *sealed = first_round(&fake, "ask");
    struct asked *asked = retry(&fake, "ask", NAME_ANSWER, sealed);
    assert_reply(asked, 200, "\"resultType\":\"complete\"");
    assert_has(asked->body, "S1 {");
    assert_has(asked->body, "Alice");
    asked = fake_tool_with(&fake, "ask", NAME_ANSWER, NULL); /* answers come without a state, too */
    assert_reply(asked, 200, "\"text\":\" {\\\"name");
    asked = retry(&fake, "ask", "\"inputResponses\":{\"wrong\":{}},", sealed); /* unknown keys are no error */
    assert_reply(asked, 200, "input_required");
    asked = retry(&fake, "ask", "", sealed);
    assert_reply(asked, 200, "input_required");
    asked = fake_tool_with(&fake, "ask", "\"inputResponses\":null,", NULL);
    assert_reply(asked, 200, "input_required");
    free(sealed);
    fake_done(&fake);
}

static void test_rounds(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    char *a = first_round(&fake, "ask_twice");
    struct asked *asked = retry(&fake, "ask_twice", "\"inputResponses\":{\"one\":{\"x\":1}},", a);
    assert_reply(asked, 200, "\"inputRequests\":{\"two\":");
    char *b = fake_find(asked->body, "requestState");
    assert_string_not_equal(a, b);
    asked = retry(&fake, "ask_twice", "\"inputResponses\":{\"two\":{\"x\":2}},", b);
    assert_reply(asked, 200, "\"text\":\"B\"");
    asked =
        retry(&fake, "ask_twice", "\"inputResponses\":{\"two\":{\"x\":2}},", a); /* the first answer is not in there */
    assert_reply(asked, 200, "\"inputRequests\":{\"one\":");
    free(a);
    free(b);
    fake_done(&fake);
}

static const struct {
    const char *tool, *arguments, *format; /* %s: the state that tool "ask" got for {"a": 1, "b": "x y"} */
    int status, code;
    const char *comment;
} states[] = {
    {"ask", "{\"a\":1,\"b\":\"x y\"}", "%s", 200, 0, "another layout"},
    {"ask", "{\"a\":1, \"b\":\"x  y\"}", "%s", 200, -32602, "other blanks in a string"},
    {"ask", "{\"a\":2, \"b\":\"x y\"}", "%s", 200, -32602, "other arguments"},
    {"ask", "{}", "%s", 200, -32602, "no arguments"},
    {"ask_twice", "{\"a\":1, \"b\":\"x y\"}", "%s", 200, -32602, "another tool"},
    {"ask", "{\"a\":1,\"b\":\"x y\"}", "%s-TAMPERED", 200, -32602, "something behind"},
    {"ask", "{\"a\":1,\"b\":\"x y\"}", "%.20s", 200, -32602, "cut"},
    {"ask", "{\"a\":1,\"b\":\"x y\"}", "A%s", 200, -32602, "something before"},
    {"ask", "{\"a\":1,\"b\":\"x y\"}", "%.0s", 200, -32602, "empty"},
    {"ask", "{\"a\":1,\"b\":\"x y\"}", "%.0s!", 200, -32602, "no base64"},
};

static void test_state_is_bound(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool_with(&fake, "ask", "\"arguments\":{\"a\": 1, \"b\": \"x y\"},", NULL);
    char *sealed = fake_find(asked->body, "requestState");
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        char *shown = fake_format(states[i].format, sealed);
#pragma GCC diagnostic pop
        char *answers = fake_format("\"arguments\":%s," NAME_ANSWER, states[i].arguments);
        asked = retry(&fake, states[i].tool, answers, shown);
        print_message("row %zu: %s\n", i, states[i].comment);
        if (states[i].code)
            assert_error(asked, states[i].status, states[i].code);
        else
            assert_reply(asked, states[i].status, "S1");
        free(shown);
        free(answers);
    }
    for (size_t i = 0; i < strlen(sealed); i++) { /* every byte counts */
        char *forged = strdup(sealed);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        asked = retry(&fake, "ask", "\"arguments\":{\"a\":1,\"b\":\"x y\"}," NAME_ANSWER, forged);
        assert_error(asked, 200, -32602);
        free(forged);
    }
    clock_fake_advance(UINT64_C(60000) * 1000000);
    asked = retry(&fake, "ask", "\"arguments\":{\"a\":1,\"b\":\"x y\"}," NAME_ANSWER, sealed);
    assert_reply(asked, 200, "S1");
    clock_fake_advance(1000000); /* limits.input_timeout */
    asked = retry(&fake, "ask", "\"arguments\":{\"a\":1,\"b\":\"x y\"}," NAME_ANSWER, sealed);
    assert_error(asked, 200, -32602);
    assert_has(asked->body, "requestState");
    free(sealed);
    fake_done(&fake);
}

static void test_bad_inputs(void **state UNUSED)
{
    static const char *const bad[] = {
        "\"inputResponses\":{\"name\":12345},",
        "\"inputResponses\":{\"x\":{},\"name\":[]},",
        "\"inputResponses\":[],",
        "\"requestState\":7,",
        "\"inputResponses\":{\"name\":null},",
    };
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_error(fake_tool_with(&fake, "ask", bad[i], NULL), 200, -32602);
    fake_done(&fake);
}

/* `count` answers, and one of `size` bytes. */
static char *many_answers(unsigned count, size_t size, const char *prefix)
{
    struct text answers = TEXT(SIZE_MAX);
    text_addf(&answers, "\"inputResponses\":{\"%s\":{\"x\":\"", prefix);
    for (size_t i = 0; i < size; i++)
        text_add_char(&answers, 'x');
    text_add_literal(&answers, "\"}");
    for (unsigned i = 1; i < count; i++)
        text_addf(&answers, ",\"%s%u\":{}", prefix, i);
    text_add_literal(&answers, "},");
    text_terminate(&answers);
    return answers.at;
}

static void test_too_many_inputs(void **state UNUSED)
{
    static const struct {
        unsigned count;
        size_t size;
        int status;
    } rows[] = {{256, 0, 200}, {257, 0, 413}, {1, 1000000, 200}, {1, 1100000, 413}};
    struct fake fake;
    fake_begin(&fake);
    char *kept = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *answers = many_answers(rows[i].count, rows[i].size, "k");
        struct asked *asked = fake_tool_with(&fake, "ask", answers, NULL);
        assert_reply(asked, rows[i].status, rows[i].status == 200 ? "input_required" : "inputResponses");
        free(answers);
        if (rows[i].status != 200)
            continue;
        free(kept);
        kept = fake_find(asked->body, "requestState"); /* what was handed out can be opened */
        asked = retry(&fake, "ask", "", kept);
        assert_reply(asked, 200, "input_required");
    }
    char *answers = many_answers(1, 100000, "other");
    assert_error(retry(&fake, "ask", answers, kept), 413, 413); /* all together */
    free(answers);
    free(kept);
    fake_done(&fake);
}

static const struct {
    const char *tool, *capabilities;
    const char *part;
} lacking[] = {
    {"ask", "{}", "{\"requiredCapabilities\":{\"elicitation\":{}}}"},
    {"ask", "{\"elicitation\":{\"url\":{}}}", "\"elicitation\""},
    {"ask_two", "{\"elicitation\":{}}", "{\"requiredCapabilities\":{\"roots\":{}}}"},
    {"ask_two", "{\"sampling\":{}}", "{\"requiredCapabilities\":{\"elicitation\":{},\"roots\":{}}}"},
};

static void test_capabilities(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(lacking); i++) {
        struct asked *asked = fake_tool_with(&fake, lacking[i].tool, NULL, lacking[i].capabilities);
        assert_error(asked, 400, -32021);
        assert_has(asked->body, lacking[i].part);
    }
    fake_done(&fake);
}

static void test_prompt(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct fake_request get = {.method = "prompts/get", .name = "ask", .params = "\"name\":\"ask\","};
    struct asked *asked = fake_modern(&fake, &get);
    assert_reply(asked, 200, "input_required");
    char *sealed = fake_find(asked->body, "requestState");
    char *params = fake_format("\"name\":\"ask\"," NAME_ANSWER "\"requestState\":\"%s\",", sealed);
    get.params = params;
    assert_reply(fake_modern(&fake, &get), 200, "Alice");
    assert_error(retry(&fake, "ask", NAME_ANSWER, sealed), 200, -32602); /* the tool of that name is another thing */
    free(params);
    free(sealed);
    fake_done(&fake);
}

/* What a handler may not ask. */
static void test_bad_requests(void **state UNUSED)
{
    static const char *const bad[] = {
        "{\"x\":{\"method\":\"tools/call\",\"params\":{}}}",
        "{\"x\":5}",
        "{\"x\":{\"method\":\"elicitation/create\"}}",
        "{\"x\":{\"method\":\"roots/list\",\"params\":[]}}",
        "{\"x\":{\"method\":\"roots/list\"},\"\\u0078\":{\"method\":\"roots/list\"}}",
    };
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", FAKE_CAPABILITIES, session);
    for (size_t i = 0; i < ARRAY_SIZE(bad) * 2; i++) {
        struct asked *asked = i % 2 ? fake_tool(&fake, "hold") : fake_call(&fake, session, 1, "hold");
        struct call *call = fake_take(&fake);
        assert_int_equal(call_need_input(call, span_of(bad[i / 2]), (struct span){0}), 0);
        call_unref(call);
        fake_settle(&fake);
        assert_error(asked, 200, -32603);
        assert_has(asked->body, "The handler asked for");
    }
    fake_done(&fake);
}

static void test_completion_cannot_ask(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked =
        fake_modern(&fake, &(struct fake_request){.method = "completion/complete",
                                                  .params = "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"slow\"},"
                                                            "\"argument\":{\"name\":\"a\",\"value\":\"v\"},"});
    struct call *call = fake_take(&fake);
    assert_int_equal(call_need_input(call, SPAN("{\"x\":{\"method\":\"roots/list\"}}"), (struct span){0}), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_error(asked, 200, -32603);
    fake_done(&fake);
}

/* ---- legacy ---- */

static struct asked *respond(struct fake *fake, const char *session, const char *id, const char *rest)
{
    return fake_legacy(fake, session, fake_format("{\"jsonrpc\":\"2.0\",\"id\":%s,%s}", id, rest));
}

static void open_session(struct fake *fake, char session[FAKE_SESSION_BYTES])
{
    fake_open(fake, "2025-11-25", FAKE_CAPABILITIES, session);
}

static void test_legacy(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *asked = fake_call(&fake, session, 1, "ask");
    assert_int_equal(asked->events, 1);
    assert_has(asked->event[0],
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"elicitation/create\",\"params\":{\"message\":");
    assert_reply(respond(&fake, session, "1", "\"result\":{\"action\":\"accept\",\"content\":{\"name\":\"Bob\"}}"), 202,
                 NULL);
    assert_reply(asked, 200, "Bob");
    assert_has(asked->body, "S1");
    assert_reply(respond(&fake, session, "1", "\"result\":{}"), 202, NULL); /* once more: nobody asks any longer */
    fake_done(&fake);
}

static void test_any_order(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *asked = fake_call(&fake, session, 1, "ask_two");
    assert_int_equal(asked->events, 2);
    assert_has(asked->event[0], "elicitation/create");
    assert_string_equal(asked->event[1], "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"roots/list\"}");
    respond(&fake, session, "2", "\"result\":{\"roots\":[]}");
    assert_int_equal(asked->replies, 0);
    respond(&fake, session, "1", "\"result\":{\"action\":\"decline\"}");
    assert_reply(asked, 200, "decline");
    asked = fake_call(&fake, session, 2, "ask_twice");
    respond(&fake, session, "3", "\"result\":{}");
    assert_int_equal(asked->events, 2);
    respond(&fake, session, "4", "\"result\":{}");
    assert_reply(asked, 200, "\"text\":\"B\"");
    fake_done(&fake);
}

static void test_wrong_answers(void **state UNUSED)
{
    static const char *const bad[] = {"\"error\":{\"code\":-1,\"message\":\"no \\\"way\\\"\"}",
                                      "\"error\":{}",
                                      "\"result\":null",
                                      "\"result\":5",
                                      "\"error\":null",
                                      "\"error\":7"};
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct asked *asked = fake_call(&fake, session, 1, "ask_two");
        char id[8];
        snprintf(id, sizeof(id), "%zu", 2 * i + 1);
        respond(&fake, session, id, bad[i]);
        assert_error(asked, 200, -32603);
        assert_has(asked->body, "could not answer");
        snprintf(id, sizeof(id), "%zu", 2 * i + 2);
        respond(&fake, session, id, "\"result\":{}"); /* the other one is asked no longer */
    }
    fake_done(&fake);
}

static void test_answers_of_others(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES], other[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    open_session(&fake, other);
    struct asked *asked = fake_call(&fake, session, 1, "ask");
    respond(&fake, other, "1", "\"result\":{}");
    respond(&fake, session, "\"1\"", "\"result\":{}");
    respond(&fake, session, "-1", "\"result\":{}");
    respond(&fake, session, "99999999999999999999999", "\"result\":{}");
    assert_int_equal(asked->replies, 0);
    respond(&fake, session, "1", "\"result\":{}");
    assert_reply(asked, 200, "S1");
    fake_done(&fake);
}

static void test_answer_after_reconnect(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *asked = fake_call(&fake, session, 1, "ask_twice");
    fake_gone(asked);
    struct asked *get = fake_get(&fake, session, asked->prime_id);
    assert_int_equal(get->events, 1);
    respond(&fake, session, "1", "\"result\":{}");
    assert_int_equal(get->events, 2);
    respond(&fake, session, "2", "\"result\":{}");
    assert_reply(get, 200, "\"text\":\"B\"");
    fake_done(&fake);
}

/* Nobody can ever answer what nobody has been sent. */
static void test_client_gone_before_the_question(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    for (int tells = 0; tells < 3; tells++) {
        struct asked *asked = fake_call(&fake, session, 1, "hold");
        struct call *call = fake_take(&fake);
        if (tells == 2)
            fake_gone(asked);
        asked->refuse = true;
        asked->gone_in_send = tells == 1;
        assert_int_equal(call_need_input(call,
                                         SPAN("{\"a\":{\"method\":\"roots/list\"},\"b\":{\"method\":\"roots/list\"}}"),
                                         (struct span){0}),
                         0);
        call_unref(call);
        fake_settle(&fake);
        if (asked->replies == 0)
            fake_gone(asked);
        assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    }
    fake_done(&fake);
}

static void test_no_answer(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.input_timeout_ms = 10;
    fake_init(&fake);
    open_session(&fake, session);
    struct asked *asked = fake_call(&fake, session, 1, "ask");
    fake_wait_reply(&fake, asked);
    assert_error(asked, 504, 504);
    assert_has(asked->body, "limits.input_timeout");
    respond(&fake, session, "1", "\"result\":{}");
    fake_done(&fake);
}

/* The answer would be a new request, and a draining gateway takes none: no reason to wait until the drain's time is
 * over. */
static void test_drain(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *asked[2] = {fake_call(&fake, session, 1, "ask"), fake_call(&fake, session, 2, "ask")};
    struct asked *works = fake_call(&fake, session, 3, "hold");
    drain_begin(fake.gateway);
    fake_settle(&fake);
    for (int i = 0; i < 2; i++)
        assert_error(asked[i], 503, 503);
    assert_int_equal(works->replies, 0);
    struct call *call = fake_take(&fake);
    assert_int_equal(call_need_input(call, SPAN("{\"k\":{\"method\":\"roots/list\"}}"), SPAN("")), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_error(works, 503, 503); /* nor is anything asked any more */
    assert_int_equal(works->events, 0);
    assert_true(drain_done(fake.gateway));
    fake_done(&fake);
}

static void test_too_many_questions(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct text requests = TEXT(SIZE_MAX);
    for (int i = 0; i < 32; i++)
        text_addf(&requests, "%c\"k%d\":{\"method\":\"roots/list\"}", i ? ',' : '{', i);
    text_add_char(&requests, '}');
    for (int i = 0; i <= SESSION_MAX_QUESTIONS / 32; i++) {
        struct asked *asked = fake_call(&fake, session, i, "hold");
        struct call *call = fake_take(&fake);
        assert_int_equal(call_need_input(call, text_span(&requests), (struct span){0}), 0);
        call_unref(call);
        fake_settle(&fake);
        if (i == SESSION_MAX_QUESTIONS / 32)
            assert_error(asked, 503, 503);
        else
            assert_int_equal(asked->events, 32);
    }
    text_done(&requests);
    fake_delete(&fake, session);
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    fake_done(&fake);
}

static void test_large_answers(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *asked = fake_call(&fake, session, 1, "ask_two");
    char *large = fake_format("\"result\":{\"x\":\"%0600000d\"}", 0);
    respond(&fake, session, "1", large);
    respond(&fake, session, "2", large);
    assert_error(asked, 413, 413);
    free(large);
    fake_done(&fake);
}

static void test_endless(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *asked = fake_call(&fake, session, 1, "nothing_asked");
    assert_error(asked, 200, -32603);
    assert_has(asked->body, "without end");
    assert_reply(fake_tool(&fake, "nothing_asked"), 200, "\"inputRequests\":{}");
    fake_done(&fake);
}

static void test_legacy_capabilities(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-06-18", "{\"sampling\":{}}", session);
    struct asked *asked = fake_call(&fake, session, 1, "ask");
    assert_error(asked, 200, -32602);
    assert_has(asked->body, "elicitation");
    assert_int_equal(asked->events, 0);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modern),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_state_is_bound),
        cmocka_unit_test(test_bad_inputs),
        cmocka_unit_test(test_too_many_inputs),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_completion_cannot_ask),
        cmocka_unit_test(test_legacy),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_answers_of_others),
        cmocka_unit_test(test_answer_after_reconnect),
        cmocka_unit_test(test_client_gone_before_the_question),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_too_many_questions),
        cmocka_unit_test(test_large_answers),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_legacy_capabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

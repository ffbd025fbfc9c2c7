/* The legacy era: initialize and negotiation, what a session is asked for and refused, the small methods, batches. */
#include "tests/unit/gateway/core/fake.h"

static const struct {
    const char *asked, *answered;
} versions[] = {
    {"2024-11-05", "2024-11-05"}, {"2025-03-26", "2025-03-26"}, {"2025-06-18", "2025-06-18"},
    {"2025-11-25", "2025-11-25"}, {"2026-07-28", "2025-11-25"}, {"1.0", "2025-11-25"},
};

static char *initialize(const char *version)
{
    return fake_format("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":%s,"
                       "\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}",
                       version);
}

static void test_negotiation(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        char *asked_for = fake_format("\"%s\"", versions[i].asked);
        char *answered =
            fake_format("{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"%s\"", versions[i].answered);
        struct asked *asked = fake_legacy(&fake, NULL, initialize(asked_for));
        assert_reply(asked, 200, answered);
        assert_int_equal(strlen(asked->made), 32);
        assert_has(asked->body, "\"serverInfo\":{\"name\":\"weir\"");
        assert_has_not(asked->body, "resultType");
        assert_has_not(asked->body, "extensions");
        free(asked_for);
        free(answered);
    }
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), ARRAY_SIZE(versions));
    fake_done(&fake);
}

static void test_initialize_refused(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.max_sessions = 1;
    fake_init(&fake);
    assert_error(fake_legacy(&fake, NULL, initialize("5")), 200, -32602);
    assert_error(fake_legacy(&fake, NULL, strdup("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}")), 200,
                 -32602);
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 0);
    fake_open(&fake, "2025-11-25", "{}", session);
    struct asked *asked = fake_legacy(&fake, session, initialize("\"2025-11-25\""));
    assert_error(asked, 400, -32600);
    asked = fake_legacy(&fake, "00000000000000000000000000000000", initialize("\"2025-11-25\""));
    assert_error(asked, 404, -32600);
    asked = fake_legacy(&fake, NULL, initialize("\"2025-11-25\""));
    assert_error(asked, 503, 503);
    assert_has(asked->body, "limits.max_sessions");
    assert_reply(fake_delete(&fake, session), 204, NULL);
    fake_open(&fake, "2025-11-25", "{}", session);
    fake_done(&fake);
}

/* "An initialize request selects legacy semantics", whatever header it comes with. */
static void test_initialize_with_headers(void **state UNUSED)
{
    static const char *const version[] = {"2025-11-25", "2026-07-28", "v9"};
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(version); i++) {
        struct asked *asked = fake_asked(&fake);
        fake_add_header(asked, "MCP-Protocol-Version", version[i]);
        fake_add_header(asked, "Mcp-Method", "nonsense");
        fake_post(asked, initialize("\"2025-06-18\""));
        assert_reply(asked, 200, "\"protocolVersion\":\"2025-06-18\"");
    }
    fake_done(&fake);
}

static const struct row {
    const char *message; /* id 7 if it is a request */
    const char *version; /* header */
    int status, code;    /* code 0: no error */
    const char *body;    /* a part of it; NULL: there is none */
    const char *comment;
} rows[] = {
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}", NULL, 200, 0, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}",
     "ping"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}", "2025-11-25", 200, 0, "{}", "with the version"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}", "2025-06-18", 200, 0, "{}", "with another that is served"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}", "v9", 400, -32602, "supported", "with one that is not"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", NULL, 202, 0, NULL, "initialized"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", "v9", 400, -32602, "supported", "bad version"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/nobodys\"}", NULL, 202, 0, NULL, "a notification of nobody"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":99}}", NULL, 202, 0, NULL,
     "of nothing"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":{}}}", NULL, 202, 0, NULL,
     "malformed"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}", NULL, 202, 0, NULL, "without params"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}", NULL, 202, 0, NULL, "an answer that nobody asked for"},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":1,\"message\":\"\"}}", NULL, 202, 0, NULL,
     "an error of nobody's"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}", "v9", 400, -32602, "supported", "an answer with a bad version"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"nope\"}", NULL, 200, -32601, "\"id\":7", "an unknown method"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"notifications/cancelled\"}", NULL, 200, -32601, "\"id\":7",
     "a notification with an id"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"notifications/initialized\"}", NULL, 200, -32601, "", "another"},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"hold\"}}", NULL, 202, 0, NULL,
     "a request without an id"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"server/discover\"}", NULL, 200, -32601, "", "of the other era"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tasks/get\",\"params\":{\"taskId\":\"x\"}}", NULL, 200, -32601, "",
     "tasks"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"logging/setLevel\",\"params\":{\"level\":\"debug\"}}", NULL, 200, 0,
     "\"result\":{}}", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"logging/setLevel\",\"params\":{\"level\":\"loud\"}}", NULL, 200,
     -32602, "level", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"logging/setLevel\"}", NULL, 200, -32602, "params.level", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:b\"}}", NULL, 200, 0,
     "{}", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:b\"}}", NULL, 200, 0,
     "{}", "twice"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/unsubscribe\",\"params\":{\"uri\":\"a:b\"}}", NULL, 200, 0,
     "{}", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/unsubscribe\",\"params\":{\"uri\":\"a:b\"}}", NULL, 200, 0,
     "{}", "twice"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/subscribe\",\"params\":{}}", NULL, 200, -32602, "params.uri",
     ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/read\",\"params\":{\"uri\":\"no:thing\"}}", NULL, 200,
     -32002, "\"uri\":\"no:thing\"", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"nope\"}}", NULL, 200, -32602,
     "Unknown tool", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"task_only\"}}", NULL, 200, -32602,
     "task", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"missing\"}}", NULL, 200, -32602,
     "requiredCapabilities", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}", NULL, 200, 0,
     "\"text\":\"{}\"", ""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/"
     "call\",\"params\":{\"name\":\"echo\",\"arguments\":null,\"task\":{\"ttl\":1}}}",
     NULL, 200, 0, "\"text\":\"{}\"", "null, and a task of old"},
};

static struct asked *send_row(struct fake *fake, const char *session, const struct row *row)
{
    struct asked *asked = fake_asked(fake);
    if (session) {
        fake_copy(asked->session, sizeof(asked->session), span_of(session));
        asked->exchange.session_id = span_of(asked->session);
    }
    if (row->version)
        fake_add_header(asked, "MCP-Protocol-Version", row->version);
    fake_post(asked, strdup(row->message));
    return asked;
}

static void test_rules(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", FAKE_TASKS, session);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct asked *asked = send_row(&fake, session, &rows[i]);
        print_message("row %zu: %s\n", i, rows[i].comment);
        assert_reply(asked, rows[i].status, rows[i].body);
        if (!rows[i].body)
            assert_null(asked->body);
        if (rows[i].code)
            assert_error(asked, rows[i].status, rows[i].code);
        if (!strstr(rows[i].message, "\"method\":\"") || !strstr(rows[i].message, "\"id\""))
            assert_has_not(asked->body, "\"id\"");
    }
    fake_done(&fake);
}

/* "Servers that require a session ID SHOULD respond to requests without [it] with 400"; "404" for a dead one. */
static void test_session_wanted(void **state UNUSED)
{
    static const char *const messages[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}",
        "[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}]",
    };
    static const char *const bad[] = {"00000000000000000000000000000000", "short", "\"", ""};
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", "{}", session);
    assert_reply(fake_delete(&fake, session), 204, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        struct row row = {.message = messages[i]};
        assert_error(send_row(&fake, NULL, &row), 400, -32600);
        assert_error(send_row(&fake, session, &row), 404, -32600);
        for (size_t b = 0; b < ARRAY_SIZE(bad); b++)
            assert_error(send_row(&fake, bad[b], &row), 404, -32600);
    }
    assert_error(fake_get(&fake, NULL, NULL), 400, -32600);
    assert_error(fake_get(&fake, session, NULL), 404, -32600);
    assert_error(fake_delete(&fake, NULL), 400, -32600);
    assert_error(fake_delete(&fake, session), 404, -32600);
    fake_done(&fake);
}

/* ---- batches ---- */

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"
#define NOTICE   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"

static const struct {
    const char *message;
    int status;
    const char *body; /* all of it; NULL: none; "": not looked at */
    const char *comment;
} batches[] = {
    {"[" PING("1") "]", 200, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]", "one"},
    {"[" PING("1") "," NOTICE "," PING("\"b\"") "]", 200,
     "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"result\":{}}]", "mixed"},
    {"[" NOTICE "," NOTICE "]", 202, NULL, "notifications only"},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]", 202, NULL, "answers only"},
    {"[]", 400, "", "empty"},
    {"[" PING("1") "," PING("2") "," PING("3") "," PING("4") "," PING("5") "," PING("6") "]", 400, "", "too many"},
    {"[1]", 200,
     "[{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"The message is not a JSON-RPC 2.0 request: "
     "a message is an object\"}}]",
     "no message in it"},
    {"[[" PING("1") "]]", 200, "", "a batch in it"},
    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-03-26\"}}]", 200,
     "", "initialize must not be part of one"},
    {"[" PING("1") ",", 400, "", "no JSON"},
};

static void test_batches(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    for (size_t i = 0; i < ARRAY_SIZE(batches); i++) {
        struct asked *asked = fake_legacy(&fake, session, strdup(batches[i].message));
        print_message("row %zu: %s\n", i, batches[i].comment);
        assert_reply(asked, batches[i].status, NULL);
        if (!batches[i].body)
            assert_null(asked->body);
        else if (batches[i].body[0])
            assert_string_equal(asked->body, batches[i].body);
    }
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 1);
    fake_done(&fake);
}

static void test_batches_of_others(void **state UNUSED)
{
    static const char *const versions_without[] = {"2024-11-05", "2025-06-18", "2025-11-25"};
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(versions_without); i++) {
        fake_open(&fake, versions_without[i], "{}", session);
        struct asked *asked = fake_legacy(&fake, session, strdup("[" PING("1") "]"));
        assert_error(asked, 400, -32600);
        assert_has(asked->body, "2025-03-26");
    }
    fake_done(&fake);
}

/* What is modern in a batch is not modern: there is nobody who could end its streams. */
static void test_batch_is_legacy(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    const struct fake_request listen = {.method = "subscriptions/listen",
                                        .params = "\"notifications\":{\"toolsListChanged\":true},"};
    char *message = fake_modern_message(&listen);
    struct asked *asked = fake_legacy(&fake, session, fake_format("[%s]", message));
    assert_reply(asked, 200, "-32601");
    free(message);
    fake_done(&fake);
}

static char *call_message(int id, const char *tool)
{
    return fake_format("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
                       "\"_meta\":{\"progressToken\":%d}}}",
                       id, tool, id);
}

/* `tools`: "a b". */
static struct asked *send_calls(struct fake *fake, const char *session, const char *first, const char *second)
{
    char *a = call_message(1, first), *b = call_message(2, second);
    struct asked *asked = fake_legacy(fake, session, fake_format("[%s,%s]", a, b));
    free(a);
    free(b);
    return asked;
}

static void answer_held(struct fake *fake, const char *text)
{
    struct call *call = fake_take(fake);
    assert_int_equal(call_result_text(call, span_of(text), false), 0);
    call_unref(call);
    fake_settle(fake);
}

static void test_batch_waits(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    struct asked *asked = send_calls(&fake, session, "hold", "hold");
    answer_held(&fake, "first");
    assert_int_equal(asked->replies, 0);
    answer_held(&fake, "second");
    assert_reply(asked, 200, "[{\"jsonrpc\":\"2.0\",\"id\":1,");
    assert_has(asked->body, "\"text\":\"second\"");
    assert_int_equal(asked->events, 0);
    fake_done(&fake);
}

static void test_batch_streams(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    struct asked *asked = send_calls(&fake, session, "progress", "hold");
    assert_int_equal(asked->events, 3); /* two of progress, one answer */
    assert_has(asked->event[2], "\"id\":1");
    assert_int_equal(asked->replies, 0);
    answer_held(&fake, "late");
    assert_int_equal(asked->events, 4);
    assert_has(asked->event[3], "\"text\":\"late\"");
    assert_int_equal(asked->replies, 1);
    assert_null(asked->body);
    fake_done(&fake);
}

/* What was answered before the first event is not lost to the array that will never be sent. */
static void test_batch_streams_late(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    char *call = call_message(3, "progress");
    struct asked *asked = fake_legacy(&fake, session, fake_format("[" PING("1") "," PING("\"b\"") ",%s]", call));
    free(call);
    assert_int_equal(asked->events, 5); /* two of progress, three answers */
    assert_string_equal(asked->event[1], "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    assert_string_equal(asked->event[2], "{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"result\":{}}");
    assert_has(asked->event[4], "\"id\":3");
    assert_int_equal(asked->replies, 1);
    assert_null(asked->body);
    fake_done(&fake);
}

/* A batch goes on when its client has left, and what it streams can be fetched. */
static void test_batch_resumed(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    struct asked *asked = send_calls(&fake, session, "progress", "hold");
    fake_gone(asked);
    answer_held(&fake, "missed");
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    struct asked *again = fake_get(&fake, session, asked->event_id[1]);
    assert_int_equal(again->events, 2);
    assert_string_equal(again->event[0], asked->event[2]);
    assert_has(again->event[1], "missed");
    assert_int_equal(again->replies, 1);
    asked = send_calls(&fake, session, "hold", "hold"); /* the same without a stream: it just ends */
    fake_gone(asked);
    answer_held(&fake, "a");
    answer_held(&fake, "b");
    fake_done(&fake);
}

static void test_batch_of_closed_session(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-03-26", "{}", session);
    struct asked *asked = send_calls(&fake, session, "progress", "hold");
    fake_delete(&fake, session);
    assert_int_equal(asked->replies, 1);
    assert_int_equal(fake.cancels, 1);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_initialize_refused),
        cmocka_unit_test(test_initialize_with_headers),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_session_wanted),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_batches_of_others),
        cmocka_unit_test(test_batch_is_legacy),
        cmocka_unit_test(test_batch_waits),
        cmocka_unit_test(test_batch_streams),
        cmocka_unit_test(test_batch_streams_late),
        cmocka_unit_test(test_batch_resumed),
        cmocka_unit_test(test_batch_of_closed_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

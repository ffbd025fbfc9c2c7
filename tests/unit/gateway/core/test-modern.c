/* What a modern request must carry, in the order in which it is judged: each row breaks one thing, and all rows below
   the thing are right or wrong together with it. */
#include "tests/unit/gateway/core/fake.h"

#define META_VERSION            "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""
#define META_CAPABILITIES       "\"io.modelcontextprotocol/clientCapabilities\":{}"
#define META                    "\"_meta\":{" META_VERSION "," META_CAPABILITIES "}"
#define META_OLD                "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"v999.0.0\"," META_CAPABILITIES "}"
#define MESSAGE(method, params) "{\"jsonrpc\":\"2.0\",\"id\":101,\"method\":\"" method "\",\"params\":{" params "}}"
#define NEW                     "2026-07-28"

static const struct row {
    const char *message;
    const char *version, *method, *name; /* headers; NULL: none */
    int status, code;                    /* code 0: a result */
    const char *part;
    const char *comment;
} rows[] = {
    {MESSAGE("server/discover", ""), NEW, "server/discover", NULL, 400, -32602, "_meta", "no _meta"},
    {MESSAGE("server/discover", "\"_meta\":null"), NEW, "server/discover", NULL, 400, -32602, "_meta", "_meta null"},
    {MESSAGE("server/discover", "\"_meta\":5"), NEW, "server/discover", NULL, 400, -32602, "wrong type", "_meta 5"},
    {MESSAGE("server/discover", "\"_meta\":{" META_CAPABILITIES "}"), NEW, "server/discover", NULL, 400, -32602,
     "protocolVersion", "no version"},
    {MESSAGE("server/discover", "\"_meta\":{" META_VERSION "}"), NEW, "server/discover", NULL, 400, -32602,
     "clientCapabilities", "no capabilities"},
    {MESSAGE("server/discover", "\"_meta\":{" META_VERSION "}"), NULL, NULL, NULL, 400, -32602, "clientCapabilities",
     "_meta comes before the headers"},
    {MESSAGE("server/discover", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":7," META_CAPABILITIES "}"), NEW,
     "server/discover", NULL, 400, -32602, "wrong type", "a version that is no string"},
    {MESSAGE("server/discover", "\"_meta\":{" META_VERSION ",\"io.modelcontextprotocol/clientCapabilities\":[]}"), NEW,
     "server/discover", NULL, 400, -32602, "wrong type", "capabilities that are no object"},
    {MESSAGE("server/discover",
             "\"_meta\":{" META_VERSION "," META_CAPABILITIES ",\"io.modelcontextprotocol/clientInfo\":\"x\"}"),
     NEW, "server/discover", NULL, 400, -32602, "clientInfo", "client info that is no object"},
    {MESSAGE("server/discover", META), NEW, "server/discover", NULL, 200, 0, "supportedVersions",
     "without client info"},
    {MESSAGE("server/discover", META), NULL, "server/discover", NULL, 400, -32020, "missing", "no version header"},
    {MESSAGE("server/discover", META), "2025-11-25", "server/discover", NULL, 400, -32020, "2025-11-25",
     "another version in the header"},
    {MESSAGE("server/discover", META_OLD), NEW, "server/discover", NULL, 400, -32020, "v999",
     "a mismatch comes before an unknown version"},
    {MESSAGE("server/discover", META_OLD), "v999.0.0", NULL, NULL, 400, -32022, "\"requested\":\"v999.0.0\"",
     "an unknown version comes before the method header"},
    {MESSAGE("server/discover",
             "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2025-11-25\"," META_CAPABILITIES "}"),
     "2025-11-25", "server/discover", NULL, 400, -32022, "\"supported\":[\"2026-07-28\"",
     "a legacy version is none of this era"},
    {MESSAGE("tools/list", META), NEW, NULL, NULL, 400, -32020, "Mcp-Method", "no method header"},
    {MESSAGE("tools/list", META), NEW, "TOOLS/LIST", NULL, 400, -32020, "Mcp-Method", "the method's case counts"},
    {MESSAGE("tools/list", META), NEW, "prompts/list", NULL, 400, -32020, "Mcp-Method", "another method"},
    {MESSAGE("tools/call", "\"name\":\"echo\"," META), NEW, "tools/call", NULL, 400, -32020, "Mcp-Name",
     "no name header"},
    {MESSAGE("tools/call", "\"name\":\"echo\"," META), NEW, "tools/call", "other", 400, -32020, "Mcp-Name",
     "another name"},
    {MESSAGE("tools/call", "\"name\":\"echo\"," META), NEW, "tools/call", "=?base64?ZWNobw==?=", 200, 0, "content",
     "the name in base64"},
    {MESSAGE("tools/call", "\"name\":\"echo\"," META), NEW, "tools/call", "=?base64?ZWNobw?=", 400, -32020, "Mcp-Name",
     "base64 without its padding"},
    {MESSAGE("tools/call", "\"name\":\"\u00e9\"," META), NEW, "tools/call", "\u00e9", 400, -32020,
     "=?base64?...?=", "what is beyond ASCII is not sent as it is: the same words on both sides would explain nothing"},
    {MESSAGE("tools/call", "\"name\":\"nope\"," META), NEW, "tools/call", "wrong", 400, -32020, "Mcp-Name",
     "headers come before what is called"},
    {MESSAGE("tools/call", META), NEW, "tools/call", NULL, 200, -32602, "params.name", "no name anywhere"},
    {MESSAGE("tools/call", "\"name\":5," META), NEW, "tools/call", NULL, 200, -32602, "params.name",
     "a number as name"},
    {MESSAGE("tools/call", "\"name\":\"nope\"," META), NEW, "tools/call", "nope", 200, -32602, "Unknown tool: nope",
     "an unknown tool"},
    {MESSAGE("tools/call", "\"name\":\"hidden\"," META), NEW, "tools/call", "hidden", 200, 0, "content",
     "an unlisted tool can be called"},
    {MESSAGE("resources/read", "\"uri\":\"note://one\"," META), NEW, "resources/read", "note://two", 400, -32020,
     "Mcp-Name", "the URI is mirrored, too"},
    {MESSAGE("tasks/get", "\"taskId\":\"x\"," META), NEW, "tasks/get", "y", 400, -32020, "Mcp-Name",
     "the task is mirrored, too"},
    {MESSAGE("initialize", META), NEW, "initialize", NULL, 404, -32601, NULL, "initialize in this era"},
    {MESSAGE("notifications/cancelled", META), NEW, "notifications/cancelled", NULL, 404, -32601, NULL,
     "a notification with an id is nobody's request"},
    {MESSAGE("ping", META), NEW, "ping", NULL, 404, -32601, NULL, "ping in this era"},
    {MESSAGE("logging/setLevel", META), NEW, "logging/setLevel", NULL, 404, -32601, NULL, "before its params"},
    {MESSAGE("resources/subscribe", META), NEW, "resources/subscribe", NULL, 404, -32601, NULL, "before its params"},
    {MESSAGE("resources/unsubscribe", META), NEW, "resources/unsubscribe", NULL, 404, -32601, NULL, ""},
    {MESSAGE("tasks/result", META), NEW, "tasks/result", NULL, 404, -32601, NULL, "of an older extension"},
    {MESSAGE("unknown/method", META), NEW, "unknown/method", NULL, 404, -32601, NULL, "nobody's method"},
    {MESSAGE("unknown/method", META), NEW, "other/method", NULL, 400, -32020, NULL, "headers come before the method"},
    {MESSAGE("tools/list",
             "\"_meta\":{" META_VERSION "," META_CAPABILITIES ",\"io.modelcontextprotocol/logLevel\":\"loud\"}"),
     NEW, "tools/list", NULL, 200, -32602, "logLevel", "a log level that is none"},
    {MESSAGE("tools/list", "\"_meta\":{" META_VERSION "," META_CAPABILITIES ",\"io.modelcontextprotocol/logLevel\":3}"),
     NEW, "tools/list", NULL, 200, -32602, "logLevel", "a log level of the wrong type"},
    {MESSAGE("tools/list",
             "\"_meta\":{" META_VERSION "," META_CAPABILITIES ",\"io.modelcontextprotocol/logLevel\":null}"),
     NEW, "tools/list", NULL, 200, 0, "tools", "null is not there"},
    {MESSAGE("tools/list", "\"cursor\":\"x\"," META), NEW, "tools/list", NULL, 200, -32602, "params.cursor",
     "a cursor of nobody"},
    {MESSAGE("subscriptions/listen", META), NEW, "subscriptions/listen", NULL, 200, -32602, "params.notifications",
     "no filter"},
    {MESSAGE("tasks/get", META), NEW, "tasks/get", NULL, 400, -32021, "\"requiredCapabilities\":{\"extensions\":{",
     "the extension comes before the id"},
    {MESSAGE("tools/call", "\"name\":\"task_only\"," META), NEW, "tools/call", "task_only", 400, -32021,
     "io.modelcontextprotocol/tasks", "a tool that runs as a task only"},
    {MESSAGE("tools/call", "\"name\":\"missing\"," META), NEW, "tools/call", "missing", 400, -32021,
     "\"requiredCapabilities\":{\"sampling\":{}}", "a capability that the handler misses"},
    {MESSAGE("tools/call", "\"name\":\"fail\"," META), NEW, "tools/call", "fail", 200, -32050, "\"data\":{\"why\":1}",
     "a handler's own error"},
    {MESSAGE("tools/call", "\"name\":\"bad\"," META), NEW, "tools/call", "bad", 200, -32603, "handler of bad",
     "a handler's broken answer"},
    {MESSAGE("tools/list", ""), NULL, NULL, NULL, 400, -32600, "initialize",
     "what says nothing of an era is a legacy request without a session"},
    {MESSAGE("server/discover", ""), NULL, NULL, NULL, 400, -32602, "_meta", "a method of this era alone says it all"},
    {MESSAGE("ping", ""), "2025-11-25", NULL, NULL, 400, -32600, "session", "a legacy version in the header"},
    {MESSAGE("ping", ""), "v9", NULL, NULL, 400, -32602, "_meta", "an unknown version is judged as modern"},
    {"{", NEW, NULL, NULL, 400, -32700, "byte 1", "no JSON"},
    {"", NEW, NULL, NULL, 400, -32700, NULL, "nothing"},
    {"[]", NEW, NULL, NULL, 400, -32600, "2025-03-26", "a batch"},
    {"{\"jsonrpc\":\"1.0\",\"id\":101,\"method\":\"x\"}", NEW, NULL, NULL, 400, -32600, NULL, "another JSON-RPC"},
};

static void test_rules(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        struct asked *asked = fake_asked(&fake);
        if (row->version)
            fake_add_header(asked, "MCP-Protocol-Version", row->version);
        if (row->method)
            fake_add_header(asked, "MCP-METHOD", row->method);
        if (row->name)
            fake_add_header(asked, "mcp-name", row->name);
        fake_post(asked, strdup(row->message));
        print_message("row %zu: %s\n", i, row->comment);
        if (row->code)
            assert_error(asked, row->status, row->code);
        assert_reply(asked, row->status, row->part);
        if (strstr(row->message, "\"id\":101"))
            assert_has(asked->body, "\"id\":101");
        else
            assert_has_not(asked->body, "\"id\"");
    }
    fake_done(&fake);
}

static void test_discover(void **state UNUSED)
{
    struct fake fake;
    fake_settings(&fake);
    fake.settings.instructions = (char *)(uintptr_t) "be \"kind\"";
    fake_init(&fake);
    struct asked *asked = fake_modern(&fake, &(struct fake_request){.method = "server/discover", .id = "\"\\u0061\""});
    assert_reply(asked, 200, "\"id\":\"\\u0061\"");
    assert_has(asked->body, "\"resultType\":\"complete\"");
    assert_has(asked->body, "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"weir\"");
    assert_has(asked->body, "\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}");
    assert_has_not(asked->body, "\"tasks\":{\"");
    assert_has(asked->body, "\"instructions\":\"be \\\"kind\\\"\"");
    assert_has(asked->body, "\"ttlMs\":5000,\"cacheScope\":\"public\"");
    fake_done(&fake);
}

/* "If the server accepts it, the server MUST return HTTP status code 202"; "The client MUST NOT send responses". */
static void test_no_requests(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_asked(&fake);
    fake_add_header(asked, "MCP-Protocol-Version", "2026-07-28");
    fake_post(asked, strdup("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/whatever\"}"));
    assert_reply(asked, 202, NULL);
    assert_null(asked->body);
    asked = fake_asked(&fake);
    fake_add_header(asked, "MCP-Protocol-Version", "2026-07-28");
    fake_post(asked, strdup("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}"));
    assert_error(asked, 400, -32600);
    assert_has_not(asked->body, "\"id\"");
    fake_done(&fake);
}

static void test_session_header_is_ignored(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_asked(&fake);
    const struct fake_request list = {.method = "tools/list"};
    fake_modern_headers(asked, &list);
    asked->exchange.session_id = SPAN("no such session");
    fake_post(asked, fake_modern_message(&list));
    assert_reply(asked, 200, "\"tools\":[");
    fake_done(&fake);
}

static const struct {
    const char *value; /* of the header; NULL: none */
    const char *arguments;
    int status;
    const char *comment;
} parameters[] = {
    {"Hello", "{\"region\":\"Hello\"}", 200, "equal"},
    {"=?base64?SGVsbG8=?=", "{\"region\":\"Hello\"}", 200, "in base64"},
    {"=?base64?SGVsbG8?=", "{\"region\":\"Hello\"}", 400, "without padding"},
    {"=?base64?SGVs!!!bG8=?=", "{\"region\":\"Hello\"}", 400, "no base64"},
    {"SGVsbG8=", "{\"region\":\"SGVsbG8=\"}", 200, "a literal"},
    {"=?base64?SGVsbG8=", "{\"region\":\"=?base64?SGVsbG8=\"}", 200, "without the end it is a literal"},
    {NULL, "{\"region\":\"Hello\"}", 400, "missing"},
    {NULL, "{}", 200, "nothing to mirror"},
    {"other", "{\"region\":\"Hello\"}", 400, "another value"},
};

static void test_parameter_headers(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
        char *params = fake_format("\"name\":\"regional\",\"arguments\":%s,", parameters[i].arguments);
        const struct fake_request call = {.method = "tools/call", .name = "regional", .params = params};
        struct asked *asked = fake_asked(&fake);
        fake_modern_headers(asked, &call);
        if (parameters[i].value)
            fake_add_header(asked, "Mcp-Param-Region", parameters[i].value);
        fake_post(asked, fake_modern_message(&call));
        print_message("row %zu: %s\n", i, parameters[i].comment);
        assert_reply(asked, parameters[i].status, parameters[i].status == 200 ? "content" : "-32020");
        free(params);
    }
    fake_done(&fake);
}

static void test_capacity(void **state UNUSED)
{
    struct fake fake;
    fake_settings(&fake);
    fake.settings.limits.max_in_flight = 1;
    fake_init(&fake);
    struct asked *first = fake_tool(&fake, "hold");
    struct asked *second = fake_modern(&fake, &(struct fake_request){.method = "server/discover"});
    assert_error(second, 503, 503);
    assert_has(second->body, "limits.max_in_flight");
    assert_true(second->retry_after_s > 0);
    struct call *call = fake_take(&fake);
    assert_int_equal(call_result_text(call, SPAN("x"), false), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_reply(first, 200, "\"text\":\"x\"");
    assert_reply(fake_modern(&fake, &(struct fake_request){.method = "server/discover"}), 200, NULL);
    fake_done(&fake);
}

/* What has come all the same is served, once; what would last is not begun any more. */
static const struct late {
    enum gateway_phase phase;
    const char *method;
    bool many; /* by a connection that carries many requests */
    int status;
} lates[] = {
    {GATEWAY_READY, "server/discover", false, 200},   {GATEWAY_LEAVING, "server/discover", false, 200},
    {GATEWAY_LEAVING, "server/discover", true, 200},  {GATEWAY_DRAINING, "server/discover", false, 200},
    {GATEWAY_DRAINING, "server/discover", true, 503}, {GATEWAY_DRAINING, "subscriptions/listen", false, 503},
    {GATEWAY_STOPPED, "server/discover", false, 503},
};

static void test_late(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(lates); i++) {
        const struct late *late = &lates[i];
        const struct fake_request request = {.method = late->method};
        struct asked *asked = fake_asked(&fake);
        asked->exchange.connection = late->many ? &fake : NULL;
        atomic_store(&fake.gateway->phase, late->phase);
        fake_modern_headers(asked, &request);
        fake_post(asked, fake_modern_message(&request));
        assert_int_equal(asked->status, late->status);
    }
    atomic_store(&fake.gateway->phase, GATEWAY_READY);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_discover),
        cmocka_unit_test(test_no_requests),
        cmocka_unit_test(test_session_header_is_ignored),
        cmocka_unit_test(test_parameter_headers),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

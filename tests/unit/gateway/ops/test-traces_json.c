/* Unit tests of gateway/ops/traces_json.h: the request read back by json-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "gateway/ops/traces_json.h"

static struct json_object *render(const struct trace_record *records)
{
    static const struct traces_resource resource = {.service_name = "we\"ir", .instance = "one"};
    CLEANUP(text_done) struct text body = TEXT(1024 * 1024);
    traces_json_add(&body, &resource, records);
    assert_int_equal(body.error, 0);
    text_terminate(&body);
    struct json_object *root = json_tokener_parse(body.at);
    assert_non_null(root);
    return root;
}

static struct json_object *member(struct json_object *of, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(of, key, &value) ? value : NULL;
}

static struct json_object *first(struct json_object *of, const char *key)
{
    return json_object_array_get_idx(member(of, key), 0);
}

static struct json_object *spans(struct json_object *root)
{
    return member(first(first(root, "resourceSpans"), "scopeSpans"), "spans");
}

/* The string value of an attribute; NULL: there is none. */
static const char *attribute(struct json_object *of, const char *key)
{
    struct json_object *list = member(of, "attributes");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        if (strcmp(json_object_get_string(member(entry, "key")), key) == 0)
            return json_object_get_string(member(member(entry, "value"), "stringValue"));
    }
    return NULL;
}

static struct trace_record record(enum trace_kind kind)
{
    struct trace_record made = {.kind = kind,
                                .self = {.trace_id = {1}, .span_id = {2}},
                                .start_ns = UINT64_C(1800000000000000001),
                                .end_ns = UINT64_C(1800000000000000002),
                                .method = METHOD_TOOLS_CALL,
                                .front = "lines",
                                .revision = "2026-07-28",
                                .provider = kind == TRACE_HANDLER ? "module" : NULL};
    return made;
}

static void test_a_request(void **state)
{
    struct trace_record one = record(TRACE_REQUEST);
    (void)state;
    one.has_item = true;
    (void)snprintf(one.item, sizeof(one.item), "a\"b");
    (void)snprintf(one.state, sizeof(one.state), "k=\"\\");
    struct json_object *root = render(&one), *span = json_object_array_get_idx(spans(root), 0);
    assert_string_equal(attribute(member(first(root, "resourceSpans"), "resource"), "service.name"), "we\"ir");
    assert_string_equal(json_object_get_string(member(span, "traceId")), "01000000000000000000000000000000");
    assert_string_equal(json_object_get_string(member(span, "spanId")), "0200000000000000");
    assert_null(member(span, "parentSpanId"));
    assert_null(member(span, "links"));
    assert_null(member(span, "status"));
    assert_string_equal(json_object_get_string(member(span, "startTimeUnixNano")), "1800000000000000001");
    assert_string_equal(json_object_get_string(member(span, "traceState")), "k=\"\\");
    assert_string_equal(json_object_get_string(member(span, "name")), "tools/call a\"b");
    assert_int_equal(json_object_get_int(member(span, "kind")), 2);
    assert_string_equal(attribute(span, "gen_ai.tool.name"), "a\"b");
    assert_string_equal(attribute(span, "gen_ai.operation.name"), "execute_tool");
    assert_null(attribute(span, "network.protocol.name"));
    assert_null(attribute(span, "jsonrpc.request.id"));
    assert_null(attribute(span, "error.type"));
    json_object_put(root);
}

/* A URI is no name: there are too many of them. */
static void test_names(void **state)
{
    static const struct {
        enum trace_kind kind;
        enum item_kind item;
        const char *name;
        const char *key;
    } rows[] = {
        {TRACE_REQUEST, ITEM_RESOURCE, "tools/call", "mcp.resource.uri"},
        {TRACE_REQUEST, ITEM_TEMPLATE, "tools/call", "mcp.resource.uri"},
        {TRACE_REQUEST, ITEM_PROMPT, "tools/call x:y", "gen_ai.prompt.name"},
        {TRACE_HANDLER, ITEM_TEMPLATE, "handler x:y", "mcp.resource.uri"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct trace_record one = record(rows[i].kind);
        one.has_item = true;
        one.item_kind = rows[i].item;
        (void)snprintf(one.item, sizeof(one.item), "x:y");
        struct json_object *root = render(&one), *span = json_object_array_get_idx(spans(root), 0);
        assert_string_equal(json_object_get_string(member(span, "name")), rows[i].name);
        assert_string_equal(attribute(span, rows[i].key), "x:y");
        assert_null(attribute(span, "gen_ai.operation.name"));
        json_object_put(root);
    }
}

static void test_outcomes(void **state)
{
    static const struct {
        enum outcome outcome;
        int code;
        const char *error_type, *status_code;
    } rows[] = {
        {OUTCOME_OK, 0, NULL, NULL},
        {OUTCOME_CANCELLED, 0, NULL, NULL},
        {OUTCOME_TOOL_ERROR, 0, "tool_error", NULL},
        {OUTCOME_ERROR, -32602, "-32602", "-32602"},
        {OUTCOME_REFUSED, 503, "503", "503"},
        {OUTCOME_ERROR, 0, "error", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct trace_record one = record(TRACE_REQUEST);
        one.outcome = rows[i].outcome;
        one.code = rows[i].code;
        struct json_object *root = render(&one), *span = json_object_array_get_idx(spans(root), 0);
        const char *error_type = attribute(span, "error.type"), *status = attribute(span, "rpc.response.status_code");
        assert_string_equal(error_type ? error_type : "", rows[i].error_type ? rows[i].error_type : "");
        assert_string_equal(status ? status : "", rows[i].status_code ? rows[i].status_code : "");
        assert_int_equal(json_object_get_int(member(member(span, "status"), "code")), rows[i].error_type ? 2 : 0);
        json_object_put(root);
    }
}

static void test_several(void **state)
{
    struct trace_record two = record(TRACE_HANDLER), one = record(TRACE_REQUEST);
    (void)state;
    one.next = &two;
    two.parent[0] = 2;
    one.linked = (struct trace_context){.trace_id = {3}, .span_id = {4}};
    struct json_object *root = render(&one);
    assert_int_equal(json_object_array_length(spans(root)), 2);
    struct json_object *request = json_object_array_get_idx(spans(root), 0);
    struct json_object *handler = json_object_array_get_idx(spans(root), 1);
    assert_string_equal(json_object_get_string(member(first(request, "links"), "spanId")), "0400000000000000");
    assert_string_equal(json_object_get_string(member(handler, "parentSpanId")), "0200000000000000");
    assert_int_equal(json_object_get_int(member(handler, "kind")), 1);
    assert_string_equal(attribute(handler, "weir.provider"), "module");
    json_object_put(root);
}

static void test_rejected(void **state)
{
    static const struct {
        const char *answer;
        uint64_t rejected;
    } rows[] = {
        {"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}", 3},
        {"{\"partialSuccess\":{\"rejectedSpans\":3}}", 3},
        {"{\"partialSuccess\":{}}", 0},
        {"{}", 0},
        {"", 0},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"-1\"}}", 0},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"3\"}", 0},
        {"{\"partialSuccess\":3}", 0},
        {"[3]", 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_true(traces_json_rejected(span_of(rows[i].answer)) == rows[i].rejected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request), cmocka_unit_test(test_names),    cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_several),   cmocka_unit_test(test_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Writes records as OTLP. Pure; any thread; owns nothing. */
#include "gateway/ops/traces_json.h"

#include <inttypes.h>
#include <unistd.h>

#include "gateway/base/encoding.h"
#include "gateway/mcp/json.h"

/* opentelemetry/proto/trace/v1/trace.proto */
enum { SPAN_KIND_INTERNAL = 1, SPAN_KIND_SERVER = 2, STATUS_CODE_ERROR = 2 };

/* ---- attributes ---- */

/* {"key":"…","value": with a comma before all but the first of a list. Keys are ours: no escapes. */
static void begin_attribute(struct text *out, const char *key)
{
    text_addf(out, "%s{\"key\":\"%s\",\"value\":", out->at[out->size - 1] == '[' ? "" : ",", key);
}

static void add_string(struct text *out, const char *key, struct span value)
{
    begin_attribute(out, key);
    text_add_literal(out, "{\"stringValue\":");
    text_add_json_string(out, value);
    text_add_literal(out, "}}");
}

static void add_number(struct text *out, const char *key, int64_t value)
{
    begin_attribute(out, key);
    text_addf(out, "{\"intValue\":\"%" PRId64 "\"}}", value);
}

static void add_id(struct text *out, const char *key, const uint8_t *id, size_t size)
{
    text_addf(out, "\"%s\":\"", key);
    hex_encode((struct span){(const char *)id, size}, out);
    text_add_char(out, '"');
}

/* ---- a span ---- */

static bool is_set(const uint8_t *id)
{
    static const uint8_t none[TRACE_SPAN_ID_BYTES];
    return memcmp(id, none, sizeof(none)) != 0;
}

static bool failed(const struct trace_record *record)
{
    return record->outcome != OUTCOME_OK && record->outcome != OUTCOME_CANCELLED;
}

/* "{mcp.method.name} {target}", where the target is of few values: a tool's or a prompt's name, and no URI. */
static void add_name(struct text *out, const struct trace_record *record)
{
    CLEANUP(text_done) struct text name = TEXT(1024);
    text_add(&name, record->kind == TRACE_HANDLER ? SPAN("handler") : span_of(method_name(record->method)));
    if (record->has_item && (record->item_kind == ITEM_TOOL || record->item_kind == ITEM_PROMPT ||
                             record->kind == TRACE_HANDLER)) /* of a handler: the template */
        text_addf(&name, " %s", record->item);
    text_add_literal(out, "\"name\":");
    text_add_json_string(out, text_span(&name));
}

static void add_item(struct text *out, const struct trace_record *record)
{
    static const char *const keys[ITEM_KINDS] = {
        [ITEM_TOOL] = "gen_ai.tool.name",
        [ITEM_RESOURCE] = "mcp.resource.uri",
        [ITEM_TEMPLATE] = "mcp.resource.uri",
        [ITEM_PROMPT] = "gen_ai.prompt.name",
    };
    if (record->has_item)
        add_string(out, keys[record->item_kind], span_of(record->item));
    if (record->has_item && record->item_kind == ITEM_TOOL && record->kind == TRACE_REQUEST)
        add_string(out, "gen_ai.operation.name", SPAN("execute_tool"));
}

/* error.type: the code of a JSON-RPC error, or tool_error for a result that says isError. */
static void add_outcome(struct text *out, const struct trace_record *record)
{
    char code[16] = "";
    add_string(out, "weir.outcome", span_of(outcome_name(record->outcome)));
    if (record->code != 0) {
        (void)snprintf(code, sizeof(code), "%d", record->code);
        add_string(out, "rpc.response.status_code", span_of(code));
    }
    if (failed(record))
        add_string(out, "error.type", span_of(*code ? code : outcome_name(record->outcome)));
}

static void add_request(struct text *out, const struct trace_record *record)
{
    static const char *const protocols[] = {"http", "websocket"};
    add_string(out, "rpc.system", SPAN("jsonrpc"));
    if (record->request_id[0])
        add_string(out, "jsonrpc.request.id", span_of(record->request_id));
    add_string(out, "mcp.protocol.version", span_of(record->revision));
    add_string(out, "weir.front", span_of(record->front));
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (strcmp(record->front, protocols[i]) == 0)
            add_string(out, "network.protocol.name", span_of(protocols[i]));
    if (record->client[0])
        add_string(out, "client.address", span_of(record->client));
}

static void add_attributes(struct text *out, const struct trace_record *record)
{
    text_add_literal(out, ",\"attributes\":[");
    add_string(out, "mcp.method.name", span_of(method_name(record->method)));
    if (record->kind == TRACE_REQUEST) {
        add_request(out, record);
    } else {
        add_string(out, "weir.provider", span_of(record->provider));
        add_number(out, "weir.round", record->round);
    }
    add_item(out, record);
    add_outcome(out, record);
    text_add_char(out, ']');
}

static void add_link(struct text *out, const struct trace_context *linked)
{
    if (!is_set(linked->span_id))
        return;
    text_add_literal(out, ",\"links\":[{");
    add_id(out, "traceId", linked->trace_id, sizeof(linked->trace_id));
    text_add_char(out, ',');
    add_id(out, "spanId", linked->span_id, sizeof(linked->span_id));
    text_add_literal(out, "}]");
}

static void add_span(struct text *out, const struct trace_record *record)
{
    text_add_char(out, '{');
    add_id(out, "traceId", record->self.trace_id, sizeof(record->self.trace_id));
    text_add_char(out, ',');
    add_id(out, "spanId", record->self.span_id, sizeof(record->self.span_id));
    text_add_char(out, ',');
    if (is_set(record->parent)) {
        add_id(out, "parentSpanId", record->parent, sizeof(record->parent));
        text_add_char(out, ',');
    }
    if (record->state[0]) {
        text_add_literal(out, "\"traceState\":");
        text_add_json_string(out, span_of(record->state));
        text_add_char(out, ',');
    }
    add_name(out, record);
    text_addf(out, ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRIu64 "\",\"endTimeUnixNano\":\"%" PRIu64 "\"",
              record->kind == TRACE_REQUEST ? SPAN_KIND_SERVER : SPAN_KIND_INTERNAL, record->start_ns, record->end_ns);
    add_attributes(out, record);
    add_link(out, &record->linked);
    if (failed(record))
        text_addf(out, ",\"status\":{\"code\":%d}", STATUS_CODE_ERROR);
    text_add_char(out, '}');
}

/* ---- a request ---- */

static void add_resource(struct text *out, const struct traces_resource *resource)
{
    text_add_literal(out, "\"resource\":{\"attributes\":[");
    add_string(out, "service.name", span_of(resource->service_name));
    add_string(out, "service.version", SPAN(WEIR_VERSION));
    add_string(out, "service.instance.id", span_of(resource->instance));
    add_number(out, "process.pid", getpid());
    text_add_literal(out, "]}");
}

void traces_json_add(struct text *out, const struct traces_resource *resource, const struct trace_record *records)
{
    text_add_literal(out, "{\"resourceSpans\":[{");
    add_resource(out, resource);
    text_add_literal(out,
                     ",\"scopeSpans\":[{\"scope\":{\"name\":\"weir\",\"version\":\"" WEIR_VERSION "\"},\"spans\":[");
    for (const struct trace_record *record = records; record; record = record->next) {
        add_span(out, record);
        if (record->next)
            text_add_char(out, ',');
    }
    text_add_literal(out, "]}]}]}");
}

uint64_t traces_json_rejected(struct span answer)
{
    uint64_t rejected = 0;
    struct span digits;
    if (json_check(answer, JSON_DEPTH_DEFAULT) != 0)
        return 0;
    digits = json_find(json_find(answer, "partialSuccess"), "rejectedSpans"); /* an int64: a string, by the mapping */
    if (json_kind(digits) == JSON_STRING)
        digits = (struct span){digits.at + 1, digits.size - 2};
    return span_to_uint64(digits, &rejected) == 0 ? rejected : 0;
}

/* What a client says in each era, and how the two are told apart. Main thread; owns the connection and the session. */
#include "gateway/main/client_mcp.h"

#include <errno.h>

#include "gateway/main/client_parameters.h"
#include "gateway/main/client_reply.h"
#include "gateway/mcp/errors.h"
#include "gateway/mcp/header_value.h"
#include "gateway/mcp/methods.h"

static const enum revision modern = REVISION_2026_07_28;

#define CLIENT_INFO "{\"name\":\"weir\",\"version\":\"" WEIR_VERSION "\"}"

struct client_mcp {
    struct client_http *http; /* one of the two */
    struct client_websocket *websocket;
    struct client_wire wire;
    enum era era;
    int64_t last_id;
    size_t tools; /* shown so far, over all pages */
};

enum era client_mcp_era(const struct client_mcp *mcp)
{
    return mcp->era;
}

/* ---- what goes out ---- */

static void add_meta(struct text *out, const struct client_mcp *mcp, bool progress)
{
    text_add_literal(out, "\"_meta\":{");
    if (mcp->era == ERA_MODERN)
        text_addf(out,
                  "\"io.modelcontextprotocol/protocolVersion\":\"%s\",\"io.modelcontextprotocol/clientInfo\":%s,"
                  "\"io.modelcontextprotocol/clientCapabilities\":{}%s",
                  revision_name(modern), CLIENT_INFO,
                  progress ? ",\"io.modelcontextprotocol/logLevel\":\"info\"," : "");
    if (progress)
        text_addf(out, "\"progressToken\":%lld", (long long)mcp->last_id);
    text_add_char(out, '}');
}

/* `members` are those of params, without braces. */
static void add_request(struct text *out, const struct client_mcp *mcp, enum method method, struct span members)
{
    bool progress = method == METHOD_TOOLS_CALL;
    bool meta = mcp->era == ERA_MODERN || progress;
    text_addf(out, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"%s\",\"params\":{", (long long)mcp->last_id,
              method_name(method));
    text_add(out, members);
    if (meta && members.size > 0)
        text_add_char(out, ',');
    if (meta)
        add_meta(out, mcp, progress);
    text_add_literal(out, "}}");
}

/* Standard request headers (2026-07-28, basic/transports/streamable-http). `name` is for Mcp-Name; absent: none. */
static int add_fields(const struct client_mcp *mcp, enum method method, struct span name, struct curl_slist **fields)
{
    CLEANUP(text_done) struct text value = TEXT(2 * name.size + CLIENT_HTTP_VALUE_BYTES);
    if (mcp->era != ERA_MODERN || mcp->websocket)
        return 0;
    int result = client_http_add_field(fields, "Mcp-Method", span_of(method_name(method)));
    if (result < 0 || span_absent(name))
        return result;
    header_value_encode(name, &value);
    return value.error ? value.error : client_http_add_field(fields, "Mcp-Name", text_span(&value));
}

static int send_request(struct client_mcp *mcp, enum method method, struct span members, struct span name,
                        struct curl_slist **fields, struct client_reply *ret_reply, struct text *problem)
{
    CLEANUP(text_done) struct text body = TEXT(members.size + 4096);
    mcp->last_id++;
    add_request(&body, mcp, method, members);
    int result = body.error ? body.error : add_fields(mcp, method, name, fields);
    return result < 0 ? result
                      : client_wire_send(&mcp->wire, text_span(&body), mcp->last_id, fields, ret_reply, problem);
}

static int request(struct client_mcp *mcp, enum method method, struct span members, struct span name,
                   struct curl_slist **fields, struct json_object **ret_result, struct text *problem)
{
    struct client_reply reply = {0};
    int result = send_request(mcp, method, members, name, fields, &reply, problem);
    if (result == 0)
        result = client_reply_result(&reply, ret_result, problem);
    json_object_put(reply.message);
    return result;
}

/* ---- legacy: initialize ---- */

static int take_version(struct client_mcp *mcp, struct json_object *result, struct text *problem)
{
    const char *version = json_object_get_string(json_object_object_get(result, "protocolVersion"));
    enum revision revision;
    if (revision_find(span_of(version), &revision) == 0 && revision_era(revision) == ERA_LEGACY) {
        mcp->wire.version = revision_name(revision);
        return 0;
    }
    text_addf(problem, "the server chose protocol version %.*s, which this client does not speak",
              SPAN_PRINT(client_reply_shown(version ? version : "(none)")));
    return CLIENT_FAILED;
}

static int send_initialized(struct client_mcp *mcp, struct text *problem)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    struct client_reply reply = {0};
    const struct span message = SPAN("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    int result = client_wire_send(&mcp->wire, message, 0, &fields, &reply, problem);
    if (result == 0 && (reply.http.status < 200 || reply.http.status >= 300)) {
        result = CLIENT_FAILED;
        client_reply_say_why(&reply, problem);
    }
    json_object_put(reply.message);
    return result;
}

static int initialize(struct client_mcp *mcp, struct text *problem)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    CLEANUP(text_done) struct text members = TEXT(CLIENT_HTTP_VALUE_BYTES);
    struct client_reply reply = {0};
    struct json_object *answer = NULL;
    mcp->era = ERA_LEGACY;
    mcp->wire.version = NULL;
    mcp->wire.resumes = true;
    text_addf(&members, "\"protocolVersion\":\"%s\",\"capabilities\":{},\"clientInfo\":%s",
              revision_name((enum revision)REVISION_NEWEST_LEGACY), CLIENT_INFO);
    int result = send_request(mcp, METHOD_INITIALIZE, text_span(&members), (struct span){0}, &fields, &reply, problem);
    if (result == 0)
        result = client_reply_result(&reply, &answer, problem);
    if (result == 0) {
        memcpy(mcp->wire.session, reply.http.session, sizeof(mcp->wire.session));
        result = take_version(mcp, answer, problem);
    }
    if (result == 0)
        result = send_initialized(mcp, problem);
    json_object_put(answer);
    json_object_put(reply.message);
    return result;
}

/* ---- auto: which era? ---- */

static bool lists_version(struct json_object *list, enum revision revision)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *version = json_object_get_string(json_object_array_get_idx(list, i));
        if (version && strcmp(version, revision_name(revision)) == 0)
            return true;
    }
    return false;
}

static bool lists_legacy(struct json_object *list)
{
    for (unsigned revision = 0; revision <= REVISION_NEWEST_LEGACY; revision++)
        if (lists_version(list, (enum revision)revision))
            return true;
    return false;
}

/* "Recognized modern error": only a server of that era says these. */
static bool is_modern_error(int code)
{
    static const enum error_name names[] = {ERROR_HEADER_MISMATCH, ERROR_MISSING_CAPABILITY, ERROR_UNSUPPORTED_VERSION};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (error_row(names[i])->code[ERA_MODERN] == code)
            return true;
    return false;
}

/* Whether the refusal of server/discover is what a server without it would say. Credentials, rates and failures are no
   matter of eras. */
static bool refused_as_unknown(const struct client_reply *reply)
{
    long status = reply->http.status;
    if (is_modern_error(client_reply_error_code(reply)))
        return false;
    if (status == 401 || status == 403 || status == 408 || status == 429)
        return false;
    return (status >= 400 && status < 500) || (status == 200 && client_reply_error_code(reply) != 0);
}

enum verdict { VERDICT_MODERN, VERDICT_LEGACY, VERDICT_NEITHER };

static enum verdict judge(const struct client_reply *reply)
{
    struct json_object *result = json_object_object_get(reply->message, "result");
    struct json_object *error = json_object_object_get(reply->message, "error");
    struct json_object *versions = json_object_object_get(result, "supportedVersions");
    if (client_reply_error_code(reply) == error_row(ERROR_UNSUPPORTED_VERSION)->code[ERA_MODERN])
        versions = json_object_object_get(json_object_object_get(error, "data"), "supported");
    if (lists_version(versions, modern))
        return VERDICT_MODERN;
    return lists_legacy(versions) || refused_as_unknown(reply) ? VERDICT_LEGACY : VERDICT_NEITHER;
}

static int refuse_versions(struct client_reply *reply, struct text *problem)
{
    struct json_object *result = NULL;
    if (client_reply_result(reply, &result, problem) != 0)
        return CLIENT_FAILED;
    text_addf(problem, "the server speaks none of this client's protocol versions; it names %.*s",
              SPAN_PRINT(client_reply_shown(json_object_to_json_string_ext(
                  json_object_object_get(result, "supportedVersions"), JSON_C_TO_STRING_PLAIN))));
    json_object_put(result);
    return CLIENT_FAILED;
}

static int discover(struct client_mcp *mcp, struct text *problem)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    struct client_reply reply = {0};
    mcp->era = ERA_MODERN;
    mcp->wire.version = revision_name(modern);
    int result = send_request(mcp, METHOD_DISCOVER, (struct span){0}, (struct span){0}, &fields, &reply, problem);
    if (result != 0)
        return result;
    enum verdict verdict = judge(&reply);
    if (verdict == VERDICT_NEITHER)
        result = refuse_versions(&reply, problem);
    json_object_put(reply.message);
    return verdict == VERDICT_LEGACY ? initialize(mcp, problem) : result;
}

static int settle(struct client_mcp *mcp, enum client_era era, struct text *problem)
{
    switch (era) {
    case CLIENT_ERA_LEGACY:
        return initialize(mcp, problem);
    case CLIENT_ERA_MODERN:
        mcp->era = ERA_MODERN;
        mcp->wire.version = revision_name(modern);
        return 0;
    default:
        return discover(mcp, problem);
    }
}

/* ---- open, close ---- */

int client_mcp_open(const struct client_mcp_settings *settings, struct client_mcp **ret_mcp, struct text *problem)
{
    struct client_mcp *mcp = calloc(1, sizeof(*mcp));
    if (!mcp)
        return -ENOMEM;
    int result = client_websocket_is(settings->http.url)
                     ? client_websocket_new(&settings->http, &mcp->websocket, problem)
                     : client_http_new(&settings->http, &mcp->http);
    mcp->wire = (struct client_wire){
        .http = mcp->http,
        .websocket = mcp->websocket,
        .timeout_ms = settings->http.timeout_ms,
        .notice = settings->notice,
        .context = settings->context,
    };
    if (result == 0)
        result = settle(mcp, settings->era, problem);
    if (result != 0) {
        client_mcp_close(mcp);
        return result;
    }
    *ret_mcp = mcp;
    return 0;
}

void client_mcp_close(struct client_mcp *mcp)
{
    if (!mcp)
        return;
    if (mcp->http)
        client_wire_end(&mcp->wire);
    client_http_free(mcp->http);
    client_websocket_free(mcp->websocket);
    free(mcp);
}

/* ---- tools/list ---- */

/* *ret_more: there is another page, and the visitor wants it. */
static int show_page(struct client_mcp *mcp, struct json_object *page,
                     bool (*visit)(void *context, struct json_object *tool), void *context, bool *ret_more,
                     struct text *problem)
{
    struct json_object *tools = json_object_object_get(page, "tools");
    if (!json_object_is_type(tools, json_type_array)) {
        text_add_literal(problem, "the server's answer to tools/list has no list of tools");
        return CLIENT_FAILED;
    }
    bool more = true;
    for (size_t i = 0; i < json_object_array_length(tools) && more; i++)
        more = mcp->tools++ < CLIENT_MCP_MAX_TOOLS && visit(context, json_object_array_get_idx(tools, i));
    *ret_more = more;
    return 0;
}

/* The params of the next request; empty after the last page. */
static void next_page(struct json_object *page, struct text *members)
{
    struct json_object *cursor = json_object_object_get(page, "nextCursor");
    text_clear(members);
    if (!json_object_is_type(cursor, json_type_string))
        return;
    text_add_literal(members, "\"cursor\":");
    text_add_json_string(members,
                         (struct span){json_object_get_string(cursor), (size_t)json_object_get_string_len(cursor)});
}

int client_mcp_list(struct client_mcp *mcp, bool (*visit)(void *context, struct json_object *tool), void *context,
                    struct text *problem)
{
    CLEANUP(text_done) struct text members = TEXT(CLIENT_WIRE_MAX_ANSWER_BYTES);
    mcp->tools = 0;
    for (unsigned pages = 0; pages < CLIENT_MCP_MAX_PAGES; pages++) {
        CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
        struct json_object *page = NULL;
        bool more = false;
        int result = request(mcp, METHOD_TOOLS_LIST, text_span(&members), (struct span){0}, &fields, &page, problem);
        if (result == 0)
            result = show_page(mcp, page, visit, context, &more, problem);
        if (result == 0)
            next_page(page, &members);
        json_object_put(page);
        if (result != 0 || !more || members.size == 0)
            return result ? result : members.error;
    }
    text_addf(problem, "the server's list of tools has more than %d pages", CLIENT_MCP_MAX_PAGES);
    return CLIENT_FAILED;
}

/* ---- tools/call ---- */

struct search {
    const char *name;
    struct json_object *schema; /* counted */
};

static bool keep_schema(void *context, struct json_object *tool)
{
    struct search *search = context;
    const char *name = json_object_get_string(json_object_object_get(tool, "name"));
    if (!name || strcmp(name, search->name) != 0)
        return true;
    search->schema = json_object_get(json_object_object_get(tool, "inputSchema"));
    return false;
}

/* A tool that is not listed may be there all the same: then it has no annotations that we could know. */
static int add_parameters(struct client_mcp *mcp, const char *tool, struct span arguments, struct curl_slist **fields,
                          struct text *problem)
{
    struct search search = {.name = tool};
    if (mcp->era != ERA_MODERN || mcp->websocket) /* where there are no header fields */
        return 0;
    int result = client_mcp_list(mcp, keep_schema, &search, problem);
    if (result == 0)
        result = client_parameters_add(search.schema, arguments, fields, problem);
    json_object_put(search.schema);
    return result;
}

int client_mcp_call(struct client_mcp *mcp, const char *tool, struct span arguments, struct json_object **ret_result,
                    struct text *problem)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    CLEANUP(text_done) struct text members = TEXT(arguments.size + 2 * strlen(tool) + 4096);
    int result = add_parameters(mcp, tool, arguments, &fields, problem);
    if (result != 0)
        return result;
    text_add_literal(&members, "\"name\":");
    text_add_json_string(&members, span_of(tool));
    text_add_literal(&members, ",\"arguments\":");
    text_add(&members, arguments);
    if (members.error)
        return members.error;
    return request(mcp, METHOD_TOOLS_CALL, text_span(&members), span_of(tool), &fields, ret_result, problem);
}

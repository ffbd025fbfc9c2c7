/* What is refused as soon as a head is complete, before any of the body is read: an answer given at that moment ends
   the connection, so nothing that follows can be taken for another request. In the order: is it HTTP at all, is there
   something at this path, does it have this method, may this Host and Origin speak to us, who is it, are the media
   types ours, is the body small enough. On one reactor; owns nothing. */
#include "gateway/core/memory_guard.h"
#include "transports/serve/http_parts.h"
#include "transports/wire/host.h"

struct fields {
    struct http_head *head;
    bool bad;
};

static bool on_field(void *context, struct span name, struct span value)
{
    struct fields *fields = context;
    fields->bad = http_head_add(fields->head, name, value) != 0;
    return !fields->bad;
}

static int refuse(struct http_refusal *refusal, enum error_name error, enum counter counter)
{
    *refusal = (struct http_refusal){.error = error, .counter = counter};
    return HTTP_REFUSED;
}

static int refuse_http(struct http_refusal *refusal, int status, const char *message)
{
    *refusal = (struct http_refusal){
        .error = ERROR_BAD_HTTP, .counter = COUNTER_REFUSED_HTTP, .status = status, .message = message};
    return HTTP_REFUSED;
}

/* ---- is it HTTP ---- */

static bool is_version_1_0(const char *version)
{
    return strcmp(version, "HTTP/1.0") == 0;
}

static int check_size(const struct http_connection *connection, struct http_refusal *refusal)
{
    if (http_request_head_size(connection->request) <= http_connection_settings(connection)->limits.max_head)
        return 0;
    *refusal = (struct http_refusal){.error = ERROR_BAD_HTTP,
                                     .counter = COUNTER_REFUSED_HEAD,
                                     .status = 431,
                                     .message = "The head is larger than limits.max_head"};
    return HTTP_REFUSED;
}

static int check_framing(struct http_connection *connection, const char *version, const struct http_head *head,
                         struct http_refusal *refusal)
{
    struct http_framing framing = {.chunked = false};
    switch (http_head_framing(head, is_version_1_0(version), &framing)) {
    case 0:
        connection->request->framing = framing;
        return 0;
    case HTTP_UNIMPLEMENTED:
        return refuse_http(refusal, 501, "Transfer-Encoding other than chunked is not served");
    default:
        return refuse_http(refusal, 400, "Content-Length and Transfer-Encoding do not say where the body ends");
    }
}

static int check_host_field(const struct http_connection *connection, const char *version, const struct http_head *head,
                            struct http_refusal *refusal)
{
    struct host host;
    struct span value = head->field[HTTP_FIELD_HOST];
    if (span_absent(value))
        return is_version_1_0(version) ? 0 : refuse_http(refusal, 400, "Host is missing");
    if (host_parse(value, &host) != 0 && !(value.size == 0 && connection->target_has_host))
        return refuse_http(refusal, 400, "Host is malformed");
    return 0;
}

static int check_http(struct http_connection *connection, struct span method, const char *version,
                      struct http_head *head, struct http_refusal *refusal)
{
    struct fields fields = {.head = head};
    if (strcmp(version, "HTTP/1.1") != 0 && !is_version_1_0(version))
        return refuse_http(refusal, 505, "HTTP/1.1 and HTTP/1.0 are served");
    if (!http_is_token(method))
        return refuse_http(refusal, 400, "The method is malformed");
    if (connection->route == HTTP_ROUTE_BAD)
        return refuse_http(refusal, 400, "The request target is malformed");
    if (connection->request->head)
        *head = *connection->request->head;
    else
        http_fields_each(connection, on_field, &fields);
    if (fields.bad)
        return refuse_http(refusal, 400, "A header field is malformed, or came twice");
    int result = check_size(connection, refusal);
    if (result == 0)
        result = check_framing(connection, version, head, refusal);
    return result == 0 ? check_host_field(connection, version, head, refusal) : result;
}

/* ---- who speaks ---- */

static bool host_is_ours(const struct http_connection *connection, const struct listener_settings *listener,
                         const struct http_head *head)
{
    if (connection->target_has_host)
        return connection->target_host_allowed;
    return host_allowed(head->field[HTTP_FIELD_HOST], listener->allowed_hosts.name, listener->allowed_hosts.count);
}

static int check_origin(const struct http_connection *connection, const struct listener_settings *listener,
                        const struct http_head *head, struct http_refusal *refusal)
{
    struct span origin = head->field[HTTP_FIELD_ORIGIN];
    if (!host_is_ours(connection, listener, head))
        return refuse(refusal, ERROR_FORBIDDEN, COUNTER_REFUSED_ORIGIN);
    if (!span_absent(origin) &&
        !origin_allowed(origin, listener->allowed_origins.name, listener->allowed_origins.count))
        return refuse(refusal, ERROR_FORBIDDEN, COUNTER_REFUSED_ORIGIN);
    return 0;
}

/* Pages hold nothing that is anybody's, so probes and scrapers may call us by whatever name they know us. But what
   listens on loopback only is not for a page in the user's browser that has made its own name point there. */
static int check_page_host(const struct http_connection *connection, const struct listener_settings *listener,
                           const struct http_head *head, struct http_refusal *refusal)
{
    struct host host;
    struct span value = head->field[HTTP_FIELD_HOST];
    if (connection->listener != ARRIVAL_ADMIN || !address_is_loopback(&listener->address) ||
        address_is_local(&listener->address))
        return 0;
    if (host_is_ours(connection, listener, head) || (host_parse(value, &host) == 0 && host.literal))
        return 0;
    return refuse(refusal, ERROR_FORBIDDEN, COUNTER_REFUSED_ORIGIN);
}

/* ---- who it is ---- */

struct credentials http_refuse_credentials(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    struct credentials credentials = {.authorization = http_fields_find(connection, "Authorization"),
                                      .api_key = http_fields_find(connection, "X-API-Key"),
                                      .dpop = http_fields_find(connection, "DPoP"),
                                      .address = http_request_source(request)};
    guard_show_certificate(connection->facts, &credentials);
    return credentials;
}

static int check_identity(struct http_connection *connection, struct http_refusal *refusal)
{
    struct http_request *request = connection->request;
    struct reactor *reactor = connection->front->reactor;
    if (!guard_looks(reactor))
        return 0;
    struct credentials credentials = http_refuse_credentials(request);
    int result = guard_authenticate(reactor, &credentials, &request->visit, &request->identity, &refusal->guard);
    refusal->is_guard = result == GUARD_REFUSED;
    return result == GUARD_PENDING ? HTTP_ASKING : result == GUARD_REFUSED ? HTTP_REFUSED : 0;
}

/* ---- what is sent and wanted ---- */

static bool is_preflight(struct span method, const struct http_head *head)
{
    return span_is(method, "OPTIONS") && !span_absent(head->field[HTTP_FIELD_ORIGIN]) &&
           !span_absent(head->field[HTTP_FIELD_REQUEST_METHOD]);
}

static int check_media(enum http_route route, struct span method, const struct http_head *head,
                       struct http_refusal *refusal)
{
    bool post = span_is(method, "POST");
    if (post && !http_head_is_json(head))
        return refuse(refusal, ERROR_UNSUPPORTED_MEDIA, COUNTER_REFUSED_MEDIA);
    if (route == HTTP_ROUTE_MESSAGES)
        return 0; /* its answer has no body */
    /* A POST is answered by either, as the handler's first word will have it: clients MUST take both
       (basic/transports/streamable-http, "Sending Messages"). */
    bool json = !post || http_head_accepts_json(head);
    if ((post || span_is(method, "GET")) && !(json && http_head_accepts_event_stream(head)))
        return refuse(refusal, ERROR_NOT_ACCEPTABLE, COUNTER_REFUSED_MEDIA);
    return 0;
}

static int check_mcp(struct http_connection *connection, const struct listener_settings *listener, struct span method,
                     const struct http_head *head, struct http_refusal *refusal)
{
    connection->request->preflight = is_preflight(method, head);
    int result = check_origin(connection, listener, head, refusal);
    if (result == 0 && !connection->request->preflight)
        result = check_identity(connection, refusal);
    return result == 0 ? check_media((enum http_route)connection->route, method, head, refusal) : result;
}

static int check_length(const struct http_connection *connection, struct http_refusal *refusal)
{
    if (connection->request->framing.length > http_route_max_body(connection))
        return refuse(refusal, ERROR_PAYLOAD_TOO_LARGE, COUNTER_REFUSED_PAYLOAD);
    return 0;
}

/* Before any of the body is read: who announces much is told so while it costs nothing. What is admitted has its share
   at once, so that of many who come together some are served, and none is turned away with half of his body sent. */
static int check_memory(struct http_connection *connection, struct span method, struct http_refusal *refusal)
{
    struct memory *memory = &reactor_gateway(connection->front->reactor)->memory;
    uint64_t length = connection->request->framing.length;
    size_t share = memory_guard_share(length);
    if (!span_is(method, "POST"))
        return 0;
    int result = memory_admit(memory, MAX(share, length));
    if (result == 0 && share > 0)
        result = memory_charge(memory, share);
    if (result != 0)
        return refuse(refusal, memory_guard_error(result), COUNTER_REFUSED_MEMORY);
    connection->request->body_charged += share;
    return 0;
}

/* ---- all of it ---- */

static int refuse_method(enum http_route route, struct http_refusal *refusal)
{
    refuse(refusal, ERROR_METHOD_NOT_ALLOWED, COUNTER_REFUSED_METHOD);
    refusal->allow = http_route_allow(route);
    return HTTP_REFUSED;
}

static int check_method(const struct http_connection *connection, struct span method, const struct http_head *head,
                        struct http_refusal *refusal)
{
    if (http_route_has(connection->route, method))
        return 0;
    bool may_preflight = !http_route_is_page((enum http_route)connection->route);
    if (may_preflight && is_preflight(method, head))
        return 0;
    return refuse_method(connection->route, refusal);
}

/* Their targets have forms of their own, so this comes before all other checks. */
static bool is_never_served(struct span method)
{
    return span_is(method, "CONNECT") || span_is(method, "TRACE");
}

static int check_route(const struct http_connection *connection, const struct listener_settings *listener,
                       struct http_refusal *refusal)
{
    if (connection->route == HTTP_ROUTE_NONE || !listener)
        return refuse(refusal, ERROR_NOT_FOUND, COUNTER_REFUSED_PATH);
    return 0;
}

int http_refuse_head(struct http_connection *connection, const char *method_text, const char *version,
                     struct http_head *head, struct http_refusal *ret_refusal)
{
    struct span method = span_of(method_text);
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    if (is_never_served(method))
        return refuse_method(HTTP_ROUTE_MCP, ret_refusal);
    int result = check_http(connection, method, version, head, ret_refusal);
    if (result == 0 && !is_version_1_0(version) && http_upgrade_asked(connection, method, head)) {
        connection->request->upgrade = true;
        return 0;
    }
    if (result == 0)
        result = check_route(connection, listener, ret_refusal);
    if (result == 0)
        result = check_method(connection, method, head, ret_refusal);
    if (result == 0 && http_route_is_page((enum http_route)connection->route))
        result = check_page_host(connection, listener, head, ret_refusal);
    if (result == 0 && connection->route == HTTP_ROUTE_METADATA)
        connection->request->preflight = is_preflight(method, head);
    if (result == 0 && http_route_speaks((enum http_route)connection->route))
        result = check_mcp(connection, listener, method, head, ret_refusal);
    if (result == 0)
        result = check_length(connection, ret_refusal);
    return result == 0 ? check_memory(connection, method, ret_refusal) : result;
}

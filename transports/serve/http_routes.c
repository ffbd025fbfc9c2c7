/* What there is to ask for: the MCP path of the listener, the two of HTTP with SSE, and the pages. Also the
   answer to CORS preflights from allowed origins (Fetch Standard, "CORS-preflight request").
   On one reactor; owns nothing. */
#include "transports/serve/http_parts.h"
#include "transports/serve/sse_legacy.h"

#include <errno.h>

enum { METADATA_MAX_BYTES = 1 << 20, ALLOW_HEADERS_MAX_BYTES = 1024 };

/* ---- routes ---- */

const struct listener_settings *http_route_listener(const struct http_connection *connection,
                                                    const struct settings *settings)
{
    if (connection->listener == ARRIVAL_ADMIN)
        return &settings->admin;
    return connection->listener < settings->listeners ? &settings->listener[connection->listener] : NULL;
}

static const struct page *find_page(const struct http_connection *connection, struct span path)
{
    const struct http_front *front = connection->front;
    unsigned where = PAGE_EVERY_LISTENER | (connection->listener == ARRIVAL_ADMIN ? PAGE_ADMIN : 0U);
    for (size_t i = 0; i < front->pages_count; i++) {
        if ((front->pages[i].where & where) && span_is(path, front->pages[i].path))
            return &front->pages[i];
    }
    return NULL;
}

static enum http_route find_endpoint(const struct listener_settings *listener, struct span path)
{
    if (span_is(path, listener->path) && listener->transports != TRANSPORT_SSE)
        return HTTP_ROUTE_MCP;
    if (!(listener->transports & TRANSPORT_SSE))
        return HTTP_ROUTE_NONE;
    if (span_is(path, SSE_LEGACY_STREAM_PATH))
        return HTTP_ROUTE_SSE;
    return span_is(path, SSE_LEGACY_MESSAGES_PATH) ? HTTP_ROUTE_MESSAGES : HTTP_ROUTE_NONE;
}

enum http_route http_route_find(struct http_connection *connection, struct span path, const struct page **ret_page)
{
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    bool none = connection->listener == ARRIVAL_ADMIN || !listener;
    enum http_route route = none ? HTTP_ROUTE_NONE : find_endpoint(listener, path);
    if (route != HTTP_ROUTE_NONE)
        return route;
    if (!none && guard_has_metadata(connection->front->reactor, listener->path, path))
        return HTTP_ROUTE_METADATA;
    *ret_page = find_page(connection, path);
    if (!*ret_page)
        return HTTP_ROUTE_NONE;
    return (*ret_page)->change ? HTTP_ROUTE_SETTING : HTTP_ROUTE_PAGE;
}

const char *http_route_allow(enum http_route route)
{
    switch (route) {
    case HTTP_ROUTE_PAGE:
        return "GET, HEAD";
    case HTTP_ROUTE_SETTING:
        return "GET, HEAD, PUT";
    case HTTP_ROUTE_SSE:
    case HTTP_ROUTE_METADATA:
        return "GET";
    case HTTP_ROUTE_MESSAGES:
        return "POST";
    default:
        return "GET, POST, DELETE";
    }
}

bool http_route_has(enum http_route route, struct span method)
{
    struct span allowed = span_of(http_route_allow(route));
    while (!span_absent(allowed)) {
        if (span_equal(span_trim(span_cut(&allowed, ',')), method))
            return true;
    }
    return false;
}

size_t http_route_max_body(const struct http_connection *connection)
{
    size_t most = http_connection_settings(connection)->limits.max_payload;
    return connection->route == HTTP_ROUTE_SETTING ? MIN(most, (size_t)PAGE_MAX_CHANGE) : most;
}

int http_route_metadata(struct http_request *request)
{
    struct text body = TEXT(METADATA_MAX_BYTES);
    char *bytes = NULL;
    size_t size = 0;
    guard_add_metadata(request->front->reactor, &body);
    if (text_take(&body, &bytes, &size) < 0)
        return -ENOMEM;
    int result = http_reply_make(request, 200, "application/json", bytes, size);
    return result == 0 ? http_reply_field(request->response, "Cache-Control", "max-age=60") : result;
}

/* ---- preflights ---- */

static bool is_name_list(struct span list)
{
    while (!span_absent(list)) {
        if (!http_is_token(span_trim(span_cut(&list, ','))))
            return false;
    }
    return true;
}

/* The names asked for, since Mcp-Param-* may be anything; the ones we know when there are none or too many. */
static int add_allowed_headers(struct http_request *request)
{
    static const char known[] = "Accept, Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, "
                                "Mcp-Name, Mcp-Session-Id, X-API-Key";
    char names[ALLOW_HEADERS_MAX_BYTES];
    struct span wanted = http_fields_find(request->connection, "Access-Control-Request-Headers");
    if (wanted.size == 0 || wanted.size >= sizeof(names) || !is_name_list(wanted))
        return http_reply_field(request->response, "Access-Control-Allow-Headers", known);
    memcpy(names, wanted.at, wanted.size);
    names[wanted.size] = '\0';
    return http_reply_field(request->response, "Access-Control-Allow-Headers", names);
}

int http_route_preflight(struct http_request *request)
{
    int result = http_reply_make(request, 204, NULL, NULL, 0);
    if (result == 0)
        result = http_reply_field(request->response, "Access-Control-Allow-Methods",
                                  http_route_allow((enum http_route)request->connection->route));
    if (result == 0)
        result = add_allowed_headers(request);
    if (result == 0)
        result = http_reply_field(request->response, "Access-Control-Max-Age", "600");
    return result;
}

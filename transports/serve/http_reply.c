/* Answers: the core's reply becomes one libmicrohttpd response, made when the reply comes and queued when the
   connection's callback has its turn, which is at once when the reply came from inside dispatch. The body is handed on,
   not copied. On one reactor; owns nothing. */
#include "transports/serve/http_parts.h"
#include "transports/wire/host.h"

#include <errno.h>
#include <stdio.h>

enum { ORIGIN_MAX_BYTES = 1024, NUMBER_BYTES = 24 };

/* ---- making a response ---- */

int http_reply_field(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES ? 0 : -ENOMEM;
}

int http_reply_make(struct http_request *request, unsigned status, const char *content_type, char *body, size_t size)
{
    request->status = status;
    request->answer = (struct span){body, body ? size : 0};
    request->response = body ? MHD_create_response_from_buffer_with_free_callback(size, body, free)
                             : MHD_create_response_from_buffer_static(0, "");
    if (!request->response) {
        free(body);
        return -ENOMEM;
    }
    return content_type && body ? http_reply_field(request->response, "Content-Type", content_type) : 0;
}

/* For a page of an allowed origin in a browser; metadata is everybody's. */
static int add_cors(struct http_request *request)
{
    if (request->connection->route == HTTP_ROUTE_METADATA)
        return http_reply_field(request->response, "Access-Control-Allow-Origin", "*");
    char text[ORIGIN_MAX_BYTES];
    struct http_connection *connection = request->connection;
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    struct span origin = http_fields_find(connection, "Origin");
    if (span_absent(origin) || !http_route_speaks((enum http_route)connection->route) || !listener ||
        origin.size >= sizeof(text) ||
        !origin_allowed(origin, listener->allowed_origins.name, listener->allowed_origins.count))
        return 0;
    memcpy(text, origin.at, origin.size);
    text[origin.size] = '\0';
    int result = http_reply_field(request->response, "Access-Control-Allow-Origin", text);
    if (result == 0)
        result = http_reply_field(request->response, "Vary", "Origin");
    if (result == 0)
        result = http_reply_field(request->response, "Access-Control-Expose-Headers",
                                  "Mcp-Session-Id, Retry-After, WWW-Authenticate");
    return result;
}

bool http_reply_is_last(const struct http_request *request)
{
    const struct http_connection *connection = request->connection;
    return request->framing.chunked || connection->daemon->kind == HTTP_STREAMS || connection->hung_up ||
           request->front->draining || gateway_phase(reactor_gateway(request->front->reactor)) >= GATEWAY_LEAVING;
}

int http_reply_common(struct http_request *request)
{
    if (request->status == MHD_HTTP_SWITCHING_PROTOCOLS)
        return 0; /* it is no HTTP connection any more */
    if (http_reply_is_last(request) && http_reply_field(request->response, "Connection", "close") != 0)
        return -ENOMEM;
    return request->from_browser ? add_cors(request) : 0;
}

enum MHD_Result http_reply_queue(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    if (http_reply_common(request) != 0)
        return MHD_NO;
    struct MHD_Response *response = TAKE(request->response);
    bool open = request->streaming && !request->ended;
    http_deadline_set(connection, open ? HTTP_BUSY : HTTP_SENDING);
    enum MHD_Result result = MHD_queue_response(connection->mhd, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the core's side ---- */

static struct http_request *of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct http_request, exchange);
}

static struct span on_header(struct exchange *exchange, const char *name)
{
    return http_fields_find(of(exchange)->connection, name);
}

static int make_fields(struct http_request *request, const struct reply *reply)
{
    char number[NUMBER_BYTES];
    if (reply->session_id && http_reply_field(request->response, "Mcp-Session-Id", reply->session_id) != 0)
        return -ENOMEM;
    if (reply->allow && http_reply_field(request->response, "Allow", reply->allow) != 0)
        return -ENOMEM;
    if (reply->authenticate && http_reply_field(request->response, "WWW-Authenticate", reply->authenticate) != 0)
        return -ENOMEM;
    if (reply->retry_after_s == 0)
        return 0;
    snprintf(number, sizeof(number), "%u", reply->retry_after_s);
    return http_reply_field(request->response, "Retry-After", number);
}

static void on_reply(struct exchange *exchange, struct reply *reply)
{
    struct http_request *request = of(exchange);
    request->replied = true;
    if (request->gone) {
        free(TAKE(reply->body));
        return;
    }
    if (request->streaming) {
        http_stream_end(request, reply);
        return;
    }
    int result = http_reply_make(request, (unsigned)reply->status, "application/json", TAKE(reply->body), reply->size);
    if (result == 0)
        result = make_fields(request, reply);
    if (result != 0)
        http_request_cut(request);
    else
        http_request_resume(request);
}

void http_reply_release(struct exchange *exchange)
{
    http_request_free(of(exchange));
}

const struct front_ops http_reply_ops = {
    .name = "http",
    .has_headers = true,
    .has_event_ids = true,
    .connection_session = false,
    .header = on_header,
    .send = http_stream_send,
    .reply = on_reply,
    .release = http_reply_release,
};

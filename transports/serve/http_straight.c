/* Requests without libmicrohttpd, and without the socketpair on the way to it: of the connections that a pump carries,
   and only what is plain and comes in one piece (http_message.h), as nearly all calls do. It is read, judged and
   dispatched by the same functions. If its answer is there when they return, one body and not large, it is written
   behind TLS at once; if not, the bytes go to the daemon after all, whose callback finds the request begun (`ahead`)
   and goes on with it. So streams, slow handlers, refusals and the ends of connections have one way only.

       pump → filter: held ──→ serve ──→ judge, dispatch ──→ answered: pump
                │                │                └────────→ not yet: `ahead` ─┐
                └── not alone ───┴── not plain ────────────────────────────────┴→ socketpair → libmicrohttpd

   Nothing may overtake: a request goes straight only while its connection's daemon has taken all that came before it,
   and the peer has all that the daemon wrote. On one reactor; owns what it holds. */
#include "transports/serve/http_parts.h"

_Static_assert((size_t)HTTP_STRAIGHT_BYTES <= (size_t)PUMP_FILTER_ROOM, "what is held can be put before what comes");

static const struct span method = {"POST", 4};

/* ---- holding: inside the pump ---- */

/* The daemon waits for the next request. */
static bool is_idle(const struct http_connection *connection)
{
    return connection->daemon && connection->daemon->kind == HTTP_REQUESTS && !connection->request &&
           http_connection_between_requests(connection) && connection->carrier &&
           connection->taken_bytes == pump_passed(connection->carrier);
}

static struct http_request *keep(struct http_connection *connection, struct span bytes)
{
    struct http_request *request = http_request_new(connection);
    if (!request)
        return NULL;
    if (http_body_make_room(request, bytes.size) != 0) {
        http_request_free(request);
        return NULL;
    }
    memcpy(request->body, bytes.at, bytes.size);
    request->body_size = bytes.size;
    return request;
}

/* More came in the same turn: all of it goes on. Returns how much that is. */
static size_t put_before(struct http_connection *connection, char *bytes, size_t size)
{
    const struct http_request *held = connection->coming;
    size_t before = held->body_size;
    memmove(bytes + before, bytes, size);
    memcpy(bytes, held->body, before);
    http_straight_drop(connection);
    return before + size;
}

size_t http_straight_filter(void *context, char *bytes, size_t size, struct pump_order *order)
{
    struct http_connection *connection = context;
    if (connection->coming) {
        size = put_before(connection, bytes, size);
    } else if (is_idle(connection) && size <= HTTP_STRAIGHT_BYTES && span_starts((struct span){bytes, size}, method)) {
        connection->coming = keep(connection, (struct span){bytes, size});
        if (connection->coming) {
            link_append(&connection->front->held, &connection->held);
            order->holds = true;
            return 0;
        }
    }
    return size;
}

void http_straight_drop(struct http_connection *connection)
{
    struct http_request *request = TAKE(connection->coming);
    link_remove(&connection->held);
    if (request)
        http_request_free(request);
}

/* ---- the answer ---- */

static enum MHD_Result add_field(void *context, enum MHD_ValueKind kind UNUSED, const char *name, const char *value)
{
    text_add(context, span_of(name));
    text_add_literal(context, ": ");
    text_add(context, span_of(value));
    text_add_literal(context, "\r\n");
    return MHD_YES;
}

static const char *date(struct http_front *front)
{
    uint64_t wall_ms = clock_wall_ms();
    if (front->date_s != wall_ms / 1000)
        clock_format_http(wall_ms, front->date);
    front->date_s = wall_ms / 1000;
    return front->date;
}

static bool is_ready(const struct http_request *request)
{
    return request->dispatched && request->response && !request->gone && !request->streaming &&
           request->answer.size <= HTTP_STRAIGHT_ANSWER && !http_reply_is_last(request);
}

/* Whether it could be made. */
static bool write_answer(struct http_request *request)
{
    struct http_front *front = request->front;
    struct text *out = &front->straight;
    if (http_reply_common(request) != 0)
        return false;
    text_addf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", request->status, MHD_get_reason_phrase_for(request->status),
              date(front));
    MHD_get_response_headers(request->response, add_field, out);
    text_addf(out, "Content-Length: %zu\r\n\r\n", request->answer.size);
    text_add(out, request->answer);
    bool made = out->error == 0;
    if (made) {
        counter_add(front->counters, COUNTER_HTTP_STRAIGHT, 1);
        pump_write(request->connection->carrier, text_span(out));
    }
    text_clear_to(out, HTTP_STRAIGHT_ANSWER);
    return made;
}

/* ---- the turn ---- */

/* Absent: there is nothing that the daemon needs to know. */
static void pass(struct http_connection *connection, struct span bytes)
{
    if (connection->carrier)
        pump_pass(connection->carrier, bytes);
}

static void finish(struct http_connection *connection)
{
    bool written = write_answer(connection->request);
    http_request_complete(connection);
    pass(connection, (struct span){NULL, 0});
    if (!written)
        http_connection_cut(connection);
}

static void serve_request(struct http_request *request, const struct http_message *message, struct span bytes)
{
    struct http_connection *connection = request->connection;
    request->fields = message->fields;
    request->head = &message->head;
    request->body_size = message->body.size;
    request->body_start = bytes.size - message->body.size;
    request->ahead = true;
    counter_add(request->front->counters, COUNTER_HTTP_REQUESTS, 1);
    int result = http_request_judge(request, method.at, "HTTP/1.1");
    request->head = NULL;
    if (result == 0 && http_request_dispatch(request) != 0)
        http_request_cut(request);
    if (is_ready(request)) {
        finish(connection);
        return;
    }
    if (request->dispatched)
        connection->taken_bytes += bytes.size;
    pass(connection, bytes);
}

/* Whether nobody else has a part in it. */
static bool is_alone(const struct http_connection *connection)
{
    return is_idle(connection) && link_alone(&connection->touched) && !connection->hung_up &&
           pump_queued(connection->carrier) == 0;
}

static bool is_call(struct http_connection *connection, struct span bytes, struct http_message *message)
{
    if (http_message_read(bytes, message) != 0)
        return false;
    http_request_target(connection, message->target);
    return connection->route == HTTP_ROUTE_MCP;
}

static void serve(struct http_connection *connection)
{
    struct http_request *request = TAKE(connection->coming);
    struct span bytes = {request->body, request->body_size};
    struct http_message message;
    link_remove(&connection->held);
    if (is_alone(connection) && is_call(connection, bytes, &message)) {
        connection->request = request;
        serve_request(request, &message, bytes);
    } else {
        pass(connection, bytes);
        http_request_free(request);
    }
}

void http_straight_serve(struct http_front *front)
{
    struct link held;
    link_move(&held, &front->held);
    while (!link_alone(&held))
        serve(CONTAINER_OF(held.next, struct http_connection, held));
}

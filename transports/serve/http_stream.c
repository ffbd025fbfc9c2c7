/* Answers that are streams of events: a bounded queue per stream, which libmicrohttpd reads from as fast as the client
   takes it. An empty queue suspends the connection; then the stream costs its memory and nothing else. Comments keep
   silent streams awake: one list in the order of the last bytes, looked at by the front's one timer. On one reactor;
   owns nothing. */
#include "transports/serve/http_parts.h"
#include "transports/serve/socket_state.h"
#include "transports/wire/sse.h"

#include <errno.h>

static size_t waiting(const struct http_request *request)
{
    return request->queue.size - request->queue_sent;
}

/* ---- reading: libmicrohttpd takes what fits ---- */

static ssize_t on_read(void *context, uint64_t position UNUSED, char *buffer, size_t room)
{
    struct http_request *request = context;
    if (request->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t size = MIN(waiting(request), room);
    if (size > 0) {
        memcpy(buffer, request->queue.at + request->queue_sent, size);
        request->queue_sent += size;
        if (waiting(request) == 0) {
            text_done(&request->queue);
            request->queue_sent = 0;
        }
        return (ssize_t)size;
    }
    if (request->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    http_request_suspend(request);
    return 0;
}

/* ---- writing ---- */

static int make_response(struct http_request *request)
{
    static const struct {
        const char *name, *value;
    } fields[] = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
    request->status = MHD_HTTP_OK;
    request->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK, on_read, request, NULL);
    if (!request->response)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (http_reply_field(request->response, fields[i].name, fields[i].value) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int become_stream(struct http_request *request)
{
    int result = make_response(request);
    if (result != 0)
        return result;
    request->streaming = true;
    link_append(&request->front->streams, &request->stream);
    return 0;
}

static void note_bytes(struct http_request *request)
{
    request->last_bytes_ms = uv_now(request->front->loop);
    link_remove(&request->stream);
    link_append(&request->front->streams, &request->stream);
    http_request_resume(request);
}

/* Whether the client is behind by more than it may be. What a dispatch says in one go (a replay) nobody could have read
 * yet. */
static bool too_slow(const struct http_request *request)
{
    const struct settings *settings = request->exchange.snapshot->settings;
    size_t most = settings->limits.max_send_queue + (request->dispatching ? settings->limits.max_replay : 0);
    return waiting(request) > most;
}

/* 0, FRONT_GONE or -ENOMEM; after both the client is cut off. */
static int add_event(struct http_request *request, const struct sse_event *event)
{
    if (too_slow(request)) {
        counter_add(request->front->counters, COUNTER_SLOW_READERS, 1);
        socket_state_forget(request->connection->fd);
        http_request_cut(request);
        return FRONT_GONE;
    }
    sse_add_event(&request->queue, event);
    if (request->queue.error != 0) {
        http_request_cut(request);
        return -ENOMEM;
    }
    note_bytes(request);
    return 0;
}

int http_stream_add(struct http_request *request, const struct sse_event *event)
{
    if (request->gone || request->ended)
        return FRONT_GONE;
    if (!request->streaming && become_stream(request) != 0) {
        http_request_cut(request);
        return -ENOMEM;
    }
    return add_event(request, event);
}

int http_stream_send(struct exchange *exchange, const struct event *event)
{
    struct http_request *request = CONTAINER_OF(exchange, struct http_request, exchange);
    return http_stream_add(request,
                           &(struct sse_event){.id = event->id, .data = event->message, .retry_ms = event->retry_ms});
}

void http_stream_end(struct http_request *request, struct reply *reply)
{
    char *body = TAKE(reply->body);
    if (body)
        (void)add_event(request, &(struct sse_event){.id = reply->event_id, .data = {body, reply->size}});
    free(body);
    request->ended = true;
    link_remove(&request->stream);
    if (!request->connection || request->gone)
        return;
    if (!request->dispatching && !request->response)
        http_deadline_set(request->connection, HTTP_SENDING);
    http_request_resume(request);
}

/* ---- silence ---- */

void http_stream_keep_alive(struct http_front *front, uint64_t idle_timeout_ms)
{
    uint64_t now = uv_now(front->loop), silence_ms = MIN((uint64_t)HTTP_KEEP_ALIVE_MS, idle_timeout_ms / 2);
    while (!link_alone(&front->streams)) {
        struct http_request *request = CONTAINER_OF(front->streams.next, struct http_request, stream);
        if (now - request->last_bytes_ms < silence_ms)
            return;
        if (waiting(request) == 0)
            sse_add_comment(&request->queue);
        note_bytes(request);
    }
}

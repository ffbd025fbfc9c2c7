/* Bodies: bounded as they come, and charged to limits.memory beyond what spare requests keep. On one reactor; owns
   nothing. */
#include "gateway/core/access_log.h"
#include "gateway/core/memory_guard.h"
#include "transports/serve/http_parts.h"
#include "transports/serve/refusal.h"

#include <errno.h>

/* Spares keep a little, which nobody counts. */
static int charge_room(struct http_request *request, size_t room)
{
    struct memory *memory = &reactor_gateway(request->front->reactor)->memory;
    if (room <= HTTP_SPARE_BODY || room <= request->body_charged)
        return 0;
    int result = memory_charge(memory, room - request->body_charged);
    if (result == 0)
        request->body_charged = room;
    return result;
}

int http_body_make_room(struct http_request *request, size_t more)
{
    size_t wanted = request->body_size + more;
    if (wanted <= request->body_room)
        return 0;
    size_t room = MAX(request->body_room * 2, MIN((size_t)request->framing.length, (size_t)HTTP_FIRST_BODY));
    if (!request->framing.chunked)
        room = MIN(room, (size_t)request->framing.length);
    room = MAX(room, wanted);
    int result = charge_room(request, room);
    if (result != 0)
        return result;
    char *body = realloc(request->body, room);
    if (!body)
        return -ENOMEM;
    request->body = body;
    request->body_room = room;
    return 0;
}

/* No answer can be queued while a body is coming, and reading on would be work without end: the refusal goes straight
   to the socket, and the connection ends. */
static enum MHD_Result refuse_body(struct http_request *request, enum error_name error, enum counter counter)
{
    struct http_connection *connection = request->connection;
    const struct error_row *row = error_row(error);
    counter_add(request->front->counters, counter, 1);
    connection->refused_end = UINT64_MAX;
    refusal_send(connection->fd, error, row->status[ERA_MODERN] == MHD_HTTP_SERVICE_UNAVAILABLE);
    access_log_add_refusal(request->front->reactor,
                           &(struct access_refusal){
                               .front = http_reply_ops.name,
                               .listener = http_route_listener(connection, http_connection_settings(connection)),
                               .client = http_request_source(request),
                               .facts = connection->facts,
                               .identity = request->identity,
                               .error = row->label,
                               .status = (unsigned)row->status[ERA_MODERN],
                               .bytes_in = request->body_size,
                           });
    return MHD_NO;
}

enum MHD_Result http_body_add(struct http_request *request, const char *bytes, size_t size)
{
    size_t most = http_route_max_body(request->connection);
    if (size > most || request->body_size > most - size)
        return refuse_body(request, ERROR_PAYLOAD_TOO_LARGE, COUNTER_REFUSED_PAYLOAD);
    int result = http_body_make_room(request, size);
    if (result != 0)
        return refuse_body(request, result < 0 ? ERROR_OVER_CAPACITY : memory_guard_error(result),
                           COUNTER_REFUSED_MEMORY);
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
    return MHD_YES;
}

/* Writing. While the peer takes what it is sent, a frame goes straight to the pump: on the way through libwebsockets
   and the socketpair it would cost more than all of the work for a small request. Once it does not, libwebsockets
   writes, with what that brings of partial sends; and while it has something unsent, messages wait in a queue that is
   bounded by limits.max_send_queue. Its own queue holds at most the rest of one message, which may be as long as a
   message may be: it does not count as waiting. Owns what waits. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "transports/serve/websocket_parts.h"

size_t websocket_write_unsent(const struct websocket_connection *connection)
{
    bool partial = connection->wsi && lws_partial_buffered(connection->wsi);
    return connection->waiting + (partial ? connection->writing : 0);
}

void websocket_write_done(struct websocket_connection *connection)
{
    while (connection->first) {
        struct websocket_waiting *next = connection->first->next;
        free(connection->first);
        connection->first = next;
    }
    connection->last = NULL;
    connection->waiting = 0;
    free(TAKE(connection->pong));
}

static int lost(struct websocket_connection *connection)
{
    websocket_connection_cut(connection);
    return FRONT_GONE;
}

static bool goes_straight(const struct websocket_connection *connection, size_t size)
{
    return size <= WEBSOCKET_READ_BYTES && !connection->library_wrote && pump_queued(connection->pump) == 0;
}

static uint8_t opcode_of(enum lws_write_protocol kind)
{
    return kind == LWS_WRITE_TEXT ? WEBSOCKET_TEXT : kind == LWS_WRITE_PING ? WEBSOCKET_PING : WEBSOCKET_PONG;
}

/* `at` has LWS_PRE bytes of room before it. */
static int write_frame(struct websocket_connection *connection, char *at, size_t size, enum lws_write_protocol kind)
{
    if (goes_straight(connection, size)) {
        size_t header = websocket_frame_header(opcode_of(kind), size, at);
        pump_write(connection->pump, (struct span){at - header, header + size});
        return 0;
    }
    connection->writing = size;
    connection->library_wrote = true;
    websocket_front_touch(connection);
    if (lws_write(connection->wsi, (unsigned char *)at, size, kind) < (int)size)
        return lost(connection);
    if (lws_partial_buffered(connection->wsi))
        lws_callback_on_writable(connection->wsi);
    return 0;
}

static struct websocket_waiting *make(struct span message)
{
    struct websocket_waiting *waiting = malloc(sizeof(*waiting) + LWS_PRE + message.size);
    if (!waiting)
        return NULL;
    *waiting = (struct websocket_waiting){.size = message.size};
    memcpy(waiting->bytes + LWS_PRE, message.at, message.size);
    return waiting;
}

static int write_now(struct websocket_connection *connection, struct span message)
{
    char *scratch = connection->front->scratch + LWS_PRE;
    if (message.size <= WEBSOCKET_READ_BYTES) {
        memcpy(scratch, message.at, message.size);
        return write_frame(connection, scratch, message.size, LWS_WRITE_TEXT);
    }
    CLEANUP_FREE struct websocket_waiting *large = make(message);
    if (!large) {
        websocket_connection_cut(connection);
        return -ENOMEM;
    }
    return write_frame(connection, large->bytes + LWS_PRE, large->size, LWS_WRITE_TEXT);
}

static int wait(struct websocket_connection *connection, struct span message)
{
    struct websocket_waiting *waiting = make(message);
    if (!waiting) {
        websocket_connection_cut(connection);
        return -ENOMEM;
    }
    if (connection->last)
        connection->last->next = waiting;
    else
        connection->first = waiting;
    connection->last = waiting;
    connection->waiting += waiting->size;
    return 0;
}

int websocket_write(struct duplex *duplex, struct span message)
{
    struct websocket_connection *connection = CONTAINER_OF(duplex, struct websocket_connection, duplex);
    if (!connection->wsi || !connection->pump || connection->close_code != WEBSOCKET_CLOSE_NONE)
        return FRONT_GONE;
    if (connection->waiting > duplex_settings(duplex)->limits.max_send_queue) {
        counter_add(connection->front->counters, COUNTER_SLOW_READERS, 1);
        return lost(connection);
    }
    counter_add(connection->front->counters, COUNTER_WEBSOCKET_MESSAGES_OUT, 1);
    if (connection->first || lws_partial_buffered(connection->wsi))
        return wait(connection, message);
    return write_now(connection, message);
}

void websocket_write_settle(struct websocket_connection *connection)
{
    int unread = 0;
    if (!connection->library_wrote || lws_partial_buffered(connection->wsi) || pump_queued(connection->pump) > 0)
        return;
    connection->library_wrote = ioctl(connection->inner_fd, SIOCOUTQ, &unread) != 0 || unread > 0;
}

/* ---- what waits ---- */

static int write_control(struct websocket_connection *connection)
{
    char frame[LWS_PRE + WEBSOCKET_MAX_CONTROL];
    int result = 0;
    if (connection->pong) {
        CLEANUP_FREE char *pong = TAKE(connection->pong);
        size_t size = (uint8_t)pong[0];
        memcpy(frame + LWS_PRE, pong + 1, size);
        result = write_frame(connection, frame + LWS_PRE, size, LWS_WRITE_PONG);
    }
    if (result == 0 && connection->ping_due && !lws_partial_buffered(connection->wsi)) {
        connection->ping_due = false;
        result = write_frame(connection, frame + LWS_PRE, 0, LWS_WRITE_PING);
    }
    return result;
}

static int write_first(struct websocket_connection *connection)
{
    CLEANUP_FREE struct websocket_waiting *waiting = connection->first;
    connection->first = waiting->next;
    if (!connection->first)
        connection->last = NULL;
    connection->waiting -= waiting->size;
    return write_frame(connection, waiting->bytes + LWS_PRE, waiting->size, LWS_WRITE_TEXT);
}

int websocket_write_more(struct websocket_connection *connection)
{
    int result = 0;
    if (!connection->wsi)
        return FRONT_GONE;
    if (connection->pong || connection->ping_due)
        result = lws_partial_buffered(connection->wsi) ? 0 : write_control(connection);
    while (result == 0 && connection->first && !lws_partial_buffered(connection->wsi))
        result = write_first(connection);
    return result;
}

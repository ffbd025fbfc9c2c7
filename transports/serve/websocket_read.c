/* Reading. Most messages come whole with one read: such a one is kept until the end of the turn and taken from there,
   because on the way through the socketpair and libwebsockets it would cost more than all of the work for a small
   request. What comes in pieces goes that way and is put together there; until libwebsockets has handed on the last of
   it, all that follows goes behind it. Owns the parts of a message that libwebsockets hands on, and what they are
   charged with. */
#include <errno.h>

#include "transports/serve/websocket_parts.h"

static struct memory *memory_of(const struct websocket_connection *connection)
{
    return &reactor_gateway(connection->front->reactor)->memory;
}

void websocket_read_done(struct websocket_connection *connection)
{
    memory_give(memory_of(connection), connection->charged);
    connection->charged = 0;
    text_done(&connection->message);
}

/* ---- what passes the gate ---- */

static void owe_pong(struct websocket_connection *connection, const struct websocket_verdict *verdict)
{
    if (!connection->pong)
        connection->pong = malloc(1 + WEBSOCKET_MAX_CONTROL);
    if (!connection->pong)
        return; /* it may ask again */
    connection->pong[0] = (char)verdict->ping_size;
    memcpy(connection->pong + 1, verdict->ping, verdict->ping_size);
}

static void obey(struct websocket_connection *connection, const struct websocket_verdict *verdict)
{
    if (verdict->pinged)
        owe_pong(connection, verdict);
    if (verdict->close != WEBSOCKET_CLOSE_NONE) {
        connection->gate_close = (uint16_t)verdict->close;
        connection->close_reason = verdict->reason;
    } else if (verdict->peer_closed != WEBSOCKET_CLOSE_NONE) {
        connection->gate_close = (uint16_t)verdict->peer_closed;
        connection->peer_closed = true;
    }
}

/* Everything that has passed the gate was taken: there is nothing that the next message could overtake. */
static bool all_taken(const struct websocket_connection *connection)
{
    return websocket_gate_between(&connection->gate) && connection->messages == connection->gate.messages;
}

/* Whole messages, if there is room for them. */
static bool keep(struct websocket_connection *connection, struct span frames)
{
    struct websocket_front *front = connection->front;
    if (!websocket_gate_between(&connection->gate) || frames.size > sizeof(front->came) - front->straight)
        return false;
    connection->straight = front->came + front->straight;
    connection->straight_left = frames.size;
    memcpy(connection->straight, frames.at, frames.size);
    front->straight += frames.size;
    return true;
}

/* No pump function may be called here. */
size_t websocket_read_filter(void *context, char *bytes, size_t size, struct pump_order *order UNUSED)
{
    struct websocket_connection *connection = context;
    struct websocket_verdict verdict;
    bool straight = all_taken(connection);
    size = websocket_gate_pass(&connection->gate, bytes, size, &verdict);
    if (straight && keep(connection, (struct span){bytes, size}))
        size = 0;
    connection->has_input = connection->has_input || size > 0;
    websocket_connection_heard(connection);
    websocket_front_touch(connection);
    obey(connection, &verdict);
    return size;
}

/* ---- messages ---- */

static bool takes_messages(const struct websocket_connection *connection)
{
    return !connection->finishing && connection->close_code != WEBSOCKET_CLOSE_LOST;
}

static void take_message(struct websocket_connection *connection, struct span message)
{
    counter_add(connection->front->counters, COUNTER_WEBSOCKET_MESSAGES_IN, 1);
    connection->messages++;
    if (span_is_utf8(message)) /* RFC 6455, 8.1 */
        duplex_message(&connection->duplex, message);
    else
        websocket_connection_close(connection, WEBSOCKET_CLOSE_INVALID_DATA, "the message is not UTF-8");
}

void websocket_read_straight(struct websocket_connection *connection)
{
    while (connection->straight_left > 0 && takes_messages(connection)) {
        size_t size;
        struct span message = websocket_gate_join(connection->straight, &size);
        connection->straight += size;
        connection->straight_left -= size;
        take_message(connection, message);
    }
    connection->straight_left = 0;
}

static void add_part(struct websocket_connection *connection, struct span part)
{
    if (memory_charge(memory_of(connection), part.size) == 0) {
        connection->charged += part.size;
        text_add(&connection->message, part);
    } else {
        counter_add(connection->front->counters, COUNTER_REFUSED_MEMORY, 1);
        connection->message.error = -ENOMEM;
    }
}

/* Of one frame or of several. What was kept came before it. */
void websocket_read_part(struct websocket_connection *connection, struct span part)
{
    bool last = lws_is_final_fragment(connection->wsi) != 0;
    websocket_read_straight(connection);
    if (!takes_messages(connection))
        return;
    if (connection->gate_close != WEBSOCKET_CLOSE_NONE)
        websocket_front_touch(connection);
    if (last && connection->message.size == 0) {
        take_message(connection, part);
        return;
    }
    add_part(connection, part);
    if (connection->message.error != 0)
        connection->duplex.ops->overtaxed(&connection->duplex);
    else if (last)
        take_message(connection, text_span(&connection->message));
    if (last)
        websocket_read_done(connection);
}

/* Messages of a line connection: each becomes an exchange of its own, answered in any order. The session of a legacy
   client belongs to the connection; so does the exchange on which the session says what belongs to no request. */
#include <errno.h>

#include "gateway/core/session.h"
#include "transports/serve/lines_parts.h"

static struct lines_exchange *of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct lines_exchange, exchange);
}

static struct span no_header(struct exchange *exchange UNUSED, const char *name UNUSED)
{
    return (struct span){0};
}

static int send_line(struct exchange *exchange, const struct event *event)
{
    struct lines_connection *connection = of(exchange)->connection;
    if (!connection)
        return FRONT_GONE;
    return event->message.size ? lines_write(connection, event->message) : 0;
}

static void settle(struct lines_exchange *mine)
{
    struct lines_connection *connection = mine->connection;
    if (!connection)
        return; /* it ended while the answer was written */
    if (mine->owes)
        connection->outstanding--;
    mine->owes = false;
    lines_settle(connection);
}

static void reply_line(struct exchange *exchange, struct reply *reply)
{
    struct lines_exchange *mine = of(exchange);
    struct lines_connection *connection = mine->connection;
    if (connection) {
        lines_ref(connection);
        if (reply->session_id && exchange->session && !connection->session)
            connection->session = session_ref(exchange->session);
        if (reply->body && mine->owes && exchange_answers(exchange))
            (void)!lines_write(connection, (struct span){reply->body, reply->size});
        settle(mine);
        lines_unref(connection);
    }
    free(reply->body);
}

static void release(struct exchange *exchange)
{
    struct lines_exchange *mine = of(exchange);
    link_remove(&mine->link);
    free(mine);
}

static const struct front_ops ops = {
    .name = "lines",
    .connection_session = true,
    .header = no_header,
    .send = send_line,
    .reply = reply_line,
    .release = release,
};

static struct lines_exchange *make(struct lines_connection *connection, struct span message)
{
    struct lines_exchange *mine = malloc(sizeof(*mine) + message.size);
    if (!mine)
        return NULL;
    memset(mine, 0, sizeof(*mine));
    exchange_init(&mine->exchange, &ops, connection->front->reactor);
    if (message.size)
        memcpy(mine->message, message.at, message.size);
    mine->connection = connection;
    link_append(&connection->exchanges, &mine->link);
    mine->exchange.message = (struct span){mine->message, message.size};
    mine->exchange.client = connection->client;
    mine->exchange.connection = connection;
    mine->exchange.session = connection->session ? session_ref(connection->session) : NULL;
    if (connection->listener < mine->exchange.snapshot->settings->listeners)
        mine->exchange.listener = &mine->exchange.snapshot->settings->listener[connection->listener];
    return mine;
}

/* What the session sends outside of any request has the connection itself for its stream. */
static void open_standing(struct lines_connection *connection)
{
    struct lines_exchange *mine = make(connection, (struct span){0});
    if (!mine)
        return; /* the client misses notifications, and no answer */
    connection->standing = mine;
    dispatch_stream(&mine->exchange, (struct span){0});
}

static void owe(struct lines_exchange *mine)
{
    mine->owes = true;
    mine->connection->outstanding++;
}

void lines_message(struct lines_connection *connection, struct span message)
{
    struct lines_exchange *mine = make(connection, message);
    if (!mine) {
        lines_close(connection);
        return;
    }
    bool had_session = connection->session != NULL;
    owe(mine);
    dispatch_message(&mine->exchange);
    exchange_unref(&mine->exchange);
    if (!had_session && connection->session && !connection->closing)
        open_standing(connection);
}

void lines_refuse_long(struct lines_connection *connection)
{
    struct lines_exchange *mine = make(connection, (struct span){0});
    counter_add(reactor_counters(connection->front->reactor), COUNTER_REFUSED_PAYLOAD, 1);
    if (!mine)
        return;
    owe(mine);
    exchange_reply_error(&mine->exchange, ERROR_PAYLOAD_TOO_LARGE, NULL);
    exchange_unref(&mine->exchange);
}

void lines_abandon(struct lines_connection *connection)
{
    struct lines_exchange *standing = TAKE(connection->standing);
    while (!link_alone(&connection->exchanges)) {
        struct lines_exchange *mine = CONTAINER_OF(connection->exchanges.next, struct lines_exchange, link);
        link_remove(&mine->link);
        mine->connection = NULL;
        exchange_ref(&mine->exchange);
        exchange_gone(&mine->exchange);
        exchange_unref(&mine->exchange);
    }
    if (standing)
        exchange_unref(&standing->exchange);
    if (connection->session) {
        session_close(connection->session);
        session_unref(TAKE(connection->session));
    }
}

/* Connections whose bytes a pump carries (TLS), to and from a socketpair that libmicrohttpd has the other side of. The
   front knows what happens on either side, so neither the loop nor the front's watch looks at them: the pump tells of
   what it has brought, a daemon of these connections runs when there is something for it, and what it has written is
   carried on in the same turn. libmicrohttpd writes when bytes have come, when its last ones have been taken, and when
   a connection is resumed or cut; so a connection to which any of that has happened is `touched`, and remains so while
   more may follow. On one reactor; owns nothing. */
#include "transports/serve/http_parts.h"

/* From inside the pump: what there is to be done is done at the end of the turn. */
static void on_told(void *context, enum pump_news news)
{
    struct http_connection *connection = context;
    if (news == PUMP_GONE)
        connection->carrier = NULL;
    if (news == PUMP_GONE || news == PUMP_ENDED)
        http_connection_hung_up(connection);
    else if (news == PUMP_CAME && http_connection_between_requests(connection))
        http_deadline_set(connection, HTTP_HEAD); /* the next request has begun */
    http_carried_touch(connection);
}

bool http_carried_open(struct http_connection *connection, struct pump *carrier)
{
    connection->carrier = carrier;
    connection->carried = true;
    connection->carried = pump_attend(
        carrier, &(struct pump_attendant){.told = on_told, .filter = http_straight_filter, .context = connection});
    return connection->carried;
}

void http_carried_close(struct http_connection *connection)
{
    struct pump *carrier = TAKE(connection->carrier);
    link_remove(&connection->touched);
    if (carrier)
        pump_leave(carrier);
}

void http_carried_touch(struct http_connection *connection)
{
    if (!connection->carried)
        return;
    if (link_alone(&connection->touched))
        link_append(&connection->front->touched, &connection->touched);
    if (connection->daemon)
        http_front_want(connection);
}

void http_carried_peek(struct http_front *front)
{
    struct link *next;
    for (struct link *link = front->touched.next; link != &front->touched; link = next) {
        struct http_connection *connection = CONTAINER_OF(link, struct http_connection, touched);
        next = link->next;
        if (connection->stage == HTTP_PEEK)
            http_connection_peek(connection);
    }
}

/* Whether the daemon may write more, now that there is room, or has done so already. */
static bool more_follows(const struct http_connection *connection, size_t carried)
{
    return carried == PUMP_READ_BYTES || (carried > 0 && !http_connection_between_requests(connection));
}

static void flush(struct http_connection *connection)
{
    size_t carried = connection->carrier ? pump_flush(connection->carrier) : 0;
    if (more_follows(connection, carried) || (connection->daemon && connection->daemon->pending))
        http_carried_touch(connection);
}

void http_carried_flush(struct http_front *front)
{
    struct link touched;
    link_move(&touched, &front->touched);
    while (!link_alone(&touched)) {
        struct http_connection *connection = CONTAINER_OF(touched.next, struct http_connection, touched);
        link_remove(&connection->touched);
        flush(connection);
    }
}

/* Time limits of connections, without a timer each: a list per stage, in the order in which connections came to it, and
   one timer per reactor that looks at the fronts of the lists. libmicrohttpd's own time-outs start again with every
   byte, so a head dripped byte by byte would live for ever; ours count from the beginning of the stage. A client that
   is late gets a 408 where no answer has begun, and then its socket is shut down. On one reactor; owns nothing. */
#include "transports/serve/http_parts.h"
#include "transports/serve/refusal.h"
#include "transports/serve/socket_state.h"
#include "transports/serve/sse_legacy.h"

enum {
    SWEEP_MS = 500, /* the longest time between two looks */
    SWEEP_SHORTEST_MS = 20,
    SWEEP_FRACTION = 8,   /* of the shortest limit */
    SETTLE_MS = 500,      /* IDLE_NEW becomes IDLE */
    DRAIN_PEEK_MS = 1000, /* in a drain: a fresh connection that sends nothing */
};

void http_deadline_stop(struct http_connection *connection)
{
    link_remove(&connection->deadline);
}

void http_deadline_set(struct http_connection *connection, enum http_stage stage)
{
    struct http_front *front = connection->front;
    link_remove(&connection->deadline);
    connection->stage = (uint8_t)stage;
    connection->since_ms = uv_now(front->loop);
    if (stage < HTTP_STAGES)
        link_append(&front->deadline[stage], &connection->deadline);
}

/* ---- what happens when one is over ---- */

/* Who still sends must not be reset, for he would not read the answer then: what comes is read by the daemon, and of no
   use any more. Before there is a daemon, and behind a pump, others see to that. */
static void tell_late(struct http_connection *connection)
{
    refusal_send(connection->fd, ERROR_REQUEST_TIMEOUT, 0);
    connection->refused_end = connection->carried ? 0 : UINT64_MAX;
    if (connection->carried || !connection->mhd) {
        http_connection_cut(connection);
        return;
    }
    shutdown(connection->fd, SHUT_WR);
    http_deadline_set(connection, HTTP_LATE);
}

static void late(struct http_connection *connection, enum counter counter, bool tell)
{
    counter_add(connection->front->counters, counter, 1);
    if (tell && !connection->hung_up)
        tell_late(connection);
    else
        http_connection_cut(connection);
}

static void peek_over(struct http_connection *connection)
{
    late(connection, COUNTER_TIMEOUT_HEAD, socket_state_has_input(connection->fd));
}

/* Quiet for a moment: from now on its first byte is noticed. Bytes that came before are known by their number: if there
   are more than all requests took, the next head has begun, right after the last answer. */
static void settle(struct http_connection *connection)
{
    uint64_t came = connection->carrier ? pump_passed(connection->carrier) : socket_state_received(connection->fd);
    bool begun = came > connection->taken_bytes;
    uint64_t since_ms = connection->since_ms;
    http_deadline_set(connection, begun ? HTTP_HEAD : HTTP_IDLE);
    connection->since_ms = since_ms;
    if (!begun)
        http_connection_watch_input(connection, true);
}

static void sending_over(struct http_connection *connection)
{
    uint64_t progress = socket_state_progress(connection->fd);
    if (progress != connection->progress) {
        connection->progress = progress;
        http_deadline_set(connection, HTTP_SENDING);
        return;
    }
    socket_state_forget(connection->fd);
    late(connection, COUNTER_SLOW_READERS, false);
}

static void over(struct http_connection *connection, enum http_stage stage)
{
    switch (stage) {
    case HTTP_PEEK:
        peek_over(connection);
        break;
    case HTTP_IDLE_NEW:
        settle(connection);
        break;
    case HTTP_IDLE:
        late(connection, COUNTER_TIMEOUT_IDLE, false);
        break;
    case HTTP_HEAD:
        late(connection, COUNTER_TIMEOUT_HEAD, true);
        break;
    case HTTP_BODY:
        late(connection, COUNTER_TIMEOUT_BODY, true);
        break;
    case HTTP_SENDING:
        sending_over(connection);
        break;
    case HTTP_LATE:
        http_connection_cut(connection);
        break;
    case HTTP_BUSY:
        break;
    }
}

/* ---- the sweep ---- */

static uint64_t limit_ms(const struct http_front *front, const struct settings *settings, enum http_stage stage)
{
    uint64_t head_ms = settings->limits.head_timeout_ms;
    switch (stage) {
    case HTTP_PEEK:
        return front->draining ? MIN(head_ms, (uint64_t)DRAIN_PEEK_MS) : head_ms;
    case HTTP_HEAD:
        return head_ms;
    case HTTP_IDLE_NEW:
        return SETTLE_MS;
    case HTTP_LATE:
        return LINGER_MS;
    case HTTP_IDLE:
        return settings->limits.idle_timeout_ms;
    default:
        return settings->limits.body_timeout_ms;
    }
}

static void sweep_stage(struct http_front *front, enum http_stage stage, uint64_t limit)
{
    struct link *list = &front->deadline[stage], *next;
    uint64_t now = uv_now(front->loop);
    for (struct link *link = list->next; link != list; link = next) {
        struct http_connection *connection = CONTAINER_OF(link, struct http_connection, deadline);
        next = link->next;
        if (now - connection->since_ms < limit)
            return;
        http_deadline_stop(connection); /* whatever comes next: it is not over twice */
        over(connection, stage);
    }
}

static uint64_t sweep_period_ms(const struct settings *settings)
{
    uint64_t shortest = MIN(settings->limits.head_timeout_ms, settings->limits.body_timeout_ms);
    shortest = MIN(shortest, settings->limits.idle_timeout_ms) / SWEEP_FRACTION;
    return MAX(MIN(shortest, (uint64_t)SWEEP_MS), (uint64_t)SWEEP_SHORTEST_MS);
}

void http_deadline_on_sweep(uv_timer_t *timer)
{
    struct http_front *front = timer->data;
    const struct settings *settings = reactor_snapshot(front->reactor)->settings;
    for (unsigned stage = 0; stage < HTTP_STAGES; stage++)
        sweep_stage(front, (enum http_stage)stage, limit_ms(front, settings, (enum http_stage)stage));
    http_stream_keep_alive(front, settings->limits.idle_timeout_ms);
    sse_legacy_sweep(front, settings->limits.idle_timeout_ms);
    if (!link_alone(&front->connections))
        uv_timer_start(timer, http_deadline_on_sweep, sweep_period_ms(settings), 0);
}

void http_deadline_arm(struct http_front *front)
{
    if (!uv_is_active((uv_handle_t *)&front->sweep))
        uv_timer_start(&front->sweep, http_deadline_on_sweep,
                       sweep_period_ms(reactor_snapshot(front->reactor)->settings), 0);
}

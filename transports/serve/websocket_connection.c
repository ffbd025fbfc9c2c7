/* A WebSocket: a pump to the peer, libwebsockets on the pump's inner end, and the messages between it and the core.
   What the gate finds in the peer's bytes is acted on at the end of the turn, when libwebsockets has had the messages
   that came before: so a close frame of ours is never in the middle of a message, and answers go out in one go. On one
   reactor; a connection is freed when both the pump and libwebsockets have let go of it. */
#include <errno.h>
#include <unistd.h>

#include "transports/serve/socket_state.h"
#include "transports/serve/websocket_parts.h"

enum {
    HEAD_BYTES = 512,
    LAST_READS = 16, /* of what the pump has carried before the end */
};

static struct websocket_connection *of(struct duplex *duplex)
{
    return CONTAINER_OF(duplex, struct websocket_connection, duplex);
}

/* ---- life ---- */

static void hold(struct websocket_connection *connection)
{
    connection->holds++;
}

static void unhold(struct websocket_connection *connection)
{
    struct websocket_front *front = connection->front;
    if (--connection->holds > 0)
        return;
    link_remove(&connection->place);
    link_remove(&connection->touched);
    websocket_write_done(connection);
    websocket_read_done(connection);
    duplex_abandon(&connection->duplex);
    duplex_done(&connection->duplex);
    arrival_give_back(front->reactor, connection->network);
    free(connection);
    websocket_front_gone(front);
}

static void put(struct websocket_connection *connection, struct link *list)
{
    link_remove(&connection->place);
    link_append(list, &connection->place);
    connection->place_ms = uv_now(reactor_loop(connection->front->reactor));
}

static bool is_open(const struct websocket_connection *connection)
{
    return connection->close_code == WEBSOCKET_CLOSE_NONE;
}

void websocket_connection_heard(struct websocket_connection *connection)
{
    connection->ping_asked = connection->ping_due = false;
    if (is_open(connection))
        put(connection, &connection->front->quiet);
}

/* ---- closing ---- */

static enum counter counter_of(enum websocket_close code)
{
    switch (code) {
    case WEBSOCKET_CLOSE_GOING_AWAY:
        return COUNTER_WEBSOCKET_CLOSED_GOING_AWAY;
    case WEBSOCKET_CLOSE_PROTOCOL:
        return COUNTER_WEBSOCKET_CLOSED_PROTOCOL;
    case WEBSOCKET_CLOSE_UNSUPPORTED:
        return COUNTER_WEBSOCKET_CLOSED_UNSUPPORTED;
    case WEBSOCKET_CLOSE_INVALID_DATA:
        return COUNTER_WEBSOCKET_CLOSED_INVALID_DATA;
    case WEBSOCKET_CLOSE_POLICY:
        return COUNTER_WEBSOCKET_CLOSED_POLICY;
    case WEBSOCKET_CLOSE_TOO_LARGE:
        return COUNTER_WEBSOCKET_CLOSED_TOO_LARGE;
    case WEBSOCKET_CLOSE_TRY_LATER:
        return COUNTER_WEBSOCKET_CLOSED_TRY_LATER;
    default:
        return COUNTER_WEBSOCKET_CLOSED_LOST;
    }
}

static void count_close(struct websocket_connection *connection, enum counter counter)
{
    if (!connection->close_counted)
        counter_add(connection->front->counters, counter, 1);
    connection->close_counted = true;
}

static void begin_closing(struct websocket_connection *connection, enum websocket_close code, const char *reason)
{
    connection->close_code = (uint16_t)code;
    connection->close_reason = reason;
    connection->gate.closed = true;
    put(connection, &connection->front->closing);
    websocket_front_touch(connection);
}

void websocket_connection_close(struct websocket_connection *connection, enum websocket_close code, const char *reason)
{
    if (!is_open(connection))
        return;
    count_close(connection, counter_of(code));
    if (code == WEBSOCKET_CLOSE_TOO_LARGE)
        counter_add(connection->front->counters, COUNTER_REFUSED_PAYLOAD, 1);
    begin_closing(connection, code, reason);
}

void websocket_connection_cut(struct websocket_connection *connection)
{
    count_close(connection, COUNTER_WEBSOCKET_CLOSED_LOST);
    if (is_open(connection))
        begin_closing(connection, WEBSOCKET_CLOSE_LOST, NULL);
    connection->close_code = WEBSOCKET_CLOSE_LOST;
    if (connection->pump)
        pump_cut(connection->pump);
}

/* Not in the middle of a message: what was written has to be with the peer's socket first. */
static void finish(struct websocket_connection *connection)
{
    char frame[WEBSOCKET_CLOSE_FRAME_BYTES];
    bool unsent = websocket_write_unsent(connection) > 0 || pump_queued(connection->pump) > 0;
    if (connection->finishing || unsent || connection->close_code == WEBSOCKET_CLOSE_LOST)
        return;
    size_t size =
        websocket_close_frame((enum websocket_close)connection->close_code, span_of(connection->close_reason), frame);
    connection->finishing = true;
    pump_finish(connection->pump, (struct span){frame, size});
    duplex_abandon(&connection->duplex);
}

/* ---- what the core does ---- */

/* A client that gets no session for want of room would only stay to be refused again. */
static void op_replying(struct duplex *duplex, const struct exchange *exchange, const struct reply *reply)
{
    if (exchange->method == METHOD_INITIALIZE && reply->status == 503)
        of(duplex)->close_soon = WEBSOCKET_CLOSE_TRY_LATER;
}

void websocket_connection_settle(struct websocket_connection *connection)
{
    size_t most = duplex_settings(&connection->duplex)->limits.max_send_queue;
    if (!is_open(connection) || !connection->pump)
        return;
    bool full = duplex_full(&connection->duplex) || websocket_write_unsent(connection) > most / 2;
    if (connection->close_soon != WEBSOCKET_CLOSE_NONE)
        websocket_connection_close(connection, (enum websocket_close)connection->close_soon,
                                   "the gateway is at a limit: try again later");
    else if (connection->front->draining && !duplex_busy(&connection->duplex))
        websocket_connection_close(connection, WEBSOCKET_CLOSE_GOING_AWAY, "the gateway is shutting down");
    else if (full != connection->paused)
        pump_pause(connection->pump, connection->paused = full);
}

static void op_settle(struct duplex *duplex)
{
    websocket_connection_settle(of(duplex));
}

static void op_overtaxed(struct duplex *duplex)
{
    websocket_connection_close(of(duplex), WEBSOCKET_CLOSE_TRY_LATER, "no memory for the message: try again later");
}

static void op_shut_out(struct duplex *duplex, const char *why)
{
    websocket_connection_close(of(duplex), WEBSOCKET_CLOSE_POLICY, why);
}

static void op_hold(struct duplex *duplex)
{
    hold(of(duplex));
}

static void op_unhold(struct duplex *duplex)
{
    unhold(of(duplex));
}

static const struct duplex_ops ops = {
    .front = DUPLEX_FRONT_OPS("websocket"),
    .write = websocket_write,
    .settle = op_settle,
    .overtaxed = op_overtaxed,
    .shut_out = op_shut_out,
    .replying = op_replying,
    .hold = op_hold,
    .unhold = op_unhold,
};

/* ---- libwebsockets' end ---- */

static int established(struct lws *wsi, struct websocket_connection **user)
{
    struct websocket_front *front = lws_context_user(lws_get_context(wsi));
    struct websocket_connection *connection = front->adopting;
    *user = connection;
    if (!connection)
        return -1;
    connection->wsi = wsi;
    hold(connection);
    return 0;
}

static void writable(struct websocket_connection *connection)
{
    hold(connection);
    websocket_connection_heard(connection);
    if (websocket_write_more(connection) == 0)
        websocket_connection_settle(connection);
    websocket_front_touch(connection);
    unhold(connection);
}

/* libwebsockets has let go of its end; what it wrote the pump may still have to carry. */
static void closed(struct websocket_connection *connection)
{
    connection->wsi = NULL;
    if (is_open(connection))
        websocket_connection_cut(connection);
    duplex_abandon(&connection->duplex);
    unhold(connection);
}

int websocket_connection_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct websocket_connection *connection = NULL;
    if (reason == LWS_CALLBACK_ESTABLISHED)
        return established(wsi, user);
    if (reason != LWS_CALLBACK_RECEIVE && reason != LWS_CALLBACK_SERVER_WRITEABLE && reason != LWS_CALLBACK_CLOSED)
        return 0;
    connection = *(struct websocket_connection **)user;
    if (!connection)
        return -1;
    if (reason == LWS_CALLBACK_CLOSED)
        closed(connection);
    else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        writable(connection);
    else
        websocket_read_part(connection, (struct span){in, size});
    return 0;
}

/* ---- the end of a turn ---- */

static void give_input(struct websocket_connection *connection)
{
    struct lws_pollfd readable = {.fd = connection->inner_fd, .events = LWS_POLLIN, .revents = LWS_POLLIN};
    connection->has_input = false;
    (void)lws_service_fd_tsi(connection->front->lws, &readable, 0);
}

static bool more_comes(const struct websocket_connection *connection)
{
    if (!connection->wsi || !connection->pump)
        return false;
    return socket_state_has_input(connection->inner_fd) || pump_queued_inward(connection->pump) > 0;
}

/* The messages before the frame that ends it still count: a long one may take several turns to come through, and each
   part of it brings us here again. */
static void obey_gate(struct websocket_connection *connection)
{
    for (unsigned i = 0; i < LAST_READS && more_comes(connection); i++)
        give_input(connection);
    if (more_comes(connection))
        return;
    if (!connection->peer_closed) {
        websocket_connection_close(connection, (enum websocket_close)connection->gate_close, connection->close_reason);
    } else if (is_open(connection)) {
        count_close(connection, COUNTER_WEBSOCKET_CLOSED_BY_PEER);
        begin_closing(connection, (enum websocket_close)connection->gate_close, NULL);
    }
}

static void carry(struct websocket_connection *connection)
{
    if (!connection->library_wrote)
        return;
    (void)pump_flush(connection->pump);
    if (connection->wsi)
        websocket_write_settle(connection);
}

void websocket_connection_turn(struct websocket_connection *connection)
{
    hold(connection);
    websocket_read_straight(connection);
    if (connection->has_input && connection->wsi)
        give_input(connection);
    if (connection->gate_close != WEBSOCKET_CLOSE_NONE)
        obey_gate(connection);
    if (connection->wsi && connection->pump)
        (void)!websocket_write_more(connection);
    websocket_connection_settle(connection);
    link_remove(&connection->touched); /* all that was to be done by now is done below */
    if (connection->pump && !connection->finishing && connection->close_code != WEBSOCKET_CLOSE_LOST)
        carry(connection);
    if (connection->pump && !is_open(connection))
        finish(connection);
    unhold(connection);
}

/* ---- silence ---- */

static void ask(struct websocket_connection *connection)
{
    connection->ping_asked = connection->ping_due = true;
    put(connection, &connection->front->pinged);
    websocket_front_touch(connection);
}

void websocket_connection_sweep(struct websocket_connection *connection, uint64_t now_ms)
{
    uint64_t idle_ms = duplex_settings(&connection->duplex)->limits.idle_timeout_ms;
    uint64_t ping_ms = MIN((uint64_t)WEBSOCKET_PING_MS, idle_ms / 2), silent_ms = now_ms - connection->place_ms;
    bool unsent = websocket_write_unsent(connection) > 0;
    if (!is_open(connection)) {
        if (silent_ms >= WEBSOCKET_CLOSE_TIMEOUT_MS)
            websocket_connection_cut(connection);
    } else if (!connection->ping_asked) {
        if (silent_ms >= ping_ms)
            ask(connection);
    } else if (silent_ms >= idle_ms - ping_ms) {
        if (connection->paused && !unsent) {
            websocket_connection_heard(connection); /* it is us who do not listen */
            return;
        }
        counter_add(connection->front->counters, unsent ? COUNTER_SLOW_READERS : COUNTER_TIMEOUT_IDLE, 1);
        websocket_connection_cut(connection);
    }
}

/* ---- the beginning ---- */

static struct websocket_connection *make(struct websocket_front *front, const struct upgrade *upgrade)
{
    struct websocket_connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    const struct settings *settings = reactor_snapshot(front->reactor)->settings;
    connection->front = front;
    connection->holds = 1;
    connection->library_wrote = true; /* its answer to the upgrade */
    connection->gate.max_message = settings->limits.max_payload;
    connection->message = TEXT(settings->limits.max_payload);
    link_init(&connection->place);
    link_init(&connection->touched);
    duplex_init(&connection->duplex, &ops, front->reactor, upgrade->arrival.listener, &upgrade->arrival.client,
                upgrade->arrival.facts);
    connection->network = upgrade->arrival.network;
    connection->duplex.spares = &front->spares;
    front->connections++;
    put(connection, &front->quiet);
    return connection;
}

/* The library answers the head before this returns; its answer lies in the socketpair. */
static int give_to_library(struct websocket_connection *connection, const struct websocket_head *head, int fd)
{
    CLEANUP(text_done) struct text small = TEXT(HEAD_BYTES);
    struct websocket_front *front = connection->front;
    websocket_head_rewrite(head, &small);
    if (small.error != 0) {
        close(fd);
        return small.error;
    }
    connection->inner_fd = fd;
    front->adopting = connection;
    (void)lws_adopt_socket_vhost_readbuf(front->vhost, fd, small.at, small.size);
    front->adopting = NULL;
    return connection->wsi ? 0 : -ENOMEM;
}

static void release_library(struct websocket_connection *connection)
{
    if (connection->wsi)
        lws_set_timeout(connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}

static void pump_ended(void *context, enum pump_reason reason UNUSED)
{
    struct websocket_connection *connection = context;
    connection->pump = NULL;
    websocket_connection_cut(connection);
    duplex_abandon(&connection->duplex);
    release_library(connection);
    unhold(connection);
}

static int begin_pumping(struct websocket_connection *connection, const struct upgrade *upgrade,
                         const struct websocket_head *head, int fd)
{
    struct span early = {upgrade->received.at + head->size, upgrade->received.size - head->size};
    int result = pump_new(connection->front->pumps,
                          &(struct pump_settings){.outer_fd = upgrade->arrival.fd,
                                                  .inner_fd = fd,
                                                  .first_from_outer = early,
                                                  .swallow_head = upgrade->answered,
                                                  .filter = websocket_read_filter,
                                                  .ended = pump_ended,
                                                  .context = connection},
                          &connection->pump);
    if (result == 0)
        hold(connection);
    return result;
}

void websocket_connection_open(struct websocket_front *front, const struct upgrade *upgrade,
                               const struct websocket_head *head, struct identity *identity)
{
    struct credentials credentials = websocket_answer_credentials(head, &upgrade->arrival);
    struct websocket_connection *connection = make(front, upgrade);
    int pair[2];
    if (!connection) {
        close(upgrade->arrival.fd);
        arrival_give_back(front->reactor, upgrade->arrival.network);
        peer_facts_unref(upgrade->arrival.facts);
        identity_unref(identity);
        return;
    }
    if (duplex_admit(&connection->duplex, &credentials, identity) != 0 || pump_socketpair(pair) != 0) {
        close(upgrade->arrival.fd);
    } else if (give_to_library(connection, head, pair[0]) != 0) {
        close(pair[1]);
        close(upgrade->arrival.fd);
    } else if (begin_pumping(connection, upgrade, head, pair[1]) == 0) {
        counter_add(front->counters, COUNTER_WEBSOCKET_UPGRADES, 1);
        websocket_front_touch(connection);
    } else {
        release_library(connection);
    }
    unhold(connection);
}

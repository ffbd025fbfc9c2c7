/* Handshakes, from the accepted socket to the pump:

       WAITING ── first byte ──→ SHAKING ── done ──→ handed on
          │                         │
          └─ no TLS: 400, or close  └─ failed: alert ──→ LINGERING ── the peer's end, TLS_LINGER_MS ──→ closed

   OpenSSL's state is made when the first byte comes: a connection that says nothing costs little. On one reactor; owns
   the descriptors until they are handed on, and the buffers that all handshakes share. */
#include "transports/serve/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

#include "transports/serve/arrival.h"
#include "transports/serve/send_queue.h"
#include "transports/serve/tls_wire.h"

enum {
    READ_BYTES = 17 * 1024,  /* a whole record at once */
    MAX_UNSENT = 256 * 1024, /* a long certificate chain, to a peer that does not read */
    SWEEP_MS = 100,
    CONTENT_HANDSHAKE = 22, /* RFC 8446, 5.1: the first byte of a ClientHello's record */
};

enum stage {
    WAITING,   /* nothing has come */
    SHAKING,   /* in the handshake */
    LINGERING, /* it has failed: the peer has a moment to read why */
};

struct tls_edge {
    struct reactor *reactor;
    struct counters *counters;
    struct pumps *pumps;
    struct tls_store *store;
    tls_callback accepted;
    void *context;
    uv_timer_t sweep;
    uv_check_t check;
    struct link shaking;   /* WAITING and SHAKING, by the time of the accept */
    struct link lingering; /* by the time when it began */
    unsigned handshakes;   /* in both lists */
    unsigned steps;        /* in this turn of the loop */
    unsigned carried;      /* pumps of ours */
    unsigned handles;      /* not closed yet, those of handshakes too */
    bool freeing;
    struct text out;
    char wire[READ_BYTES];
    char plain[READ_BYTES];
};

struct handshake {
    struct link link; /* edge->shaking or edge->lingering */
    struct tls_edge *edge;
    struct address client;
    struct counted *network;
    uv_poll_t poll;
    int interest;
    int fd; /* -1: handed on or closed */
    enum stage stage;
    uint64_t since_ms;
    struct tls_wire *tls;        /* NULL while WAITING */
    struct tls_context *context; /* the same */
    struct send_queue unsent;
};

static const char plain_http_answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                        "Content-Type: text/plain\r\n"
                                        "Content-Length: 61\r\n"
                                        "Connection: close\r\n\r\n"
                                        "This port speaks TLS: use https:// or wss:// instead of http.";

/* ---- the end ---- */

static void release(struct tls_edge *edge)
{
    if (!edge->freeing || edge->handles > 0 || edge->carried > 0)
        return;
    text_done(&edge->out);
    free(edge);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct handshake *handshake = handle->data;
    struct tls_edge *edge = handshake->edge;
    free(handshake);
    edge->handles--;
    release(edge);
}

/* Everything but the descriptor: the loop forgets it here. */
static void leave(struct handshake *handshake)
{
    struct tls_edge *edge = handshake->edge;
    link_remove(&handshake->link);
    edge->handshakes--;
    send_queue_done(&handshake->unsent);
    tls_wire_free(TAKE(handshake->tls));
    tls_context_unref(TAKE(handshake->context));
    handshake->fd = -1;
    uv_close((uv_handle_t *)&handshake->poll, on_poll_closed);
}

static void drop(struct handshake *handshake)
{
    int fd = handshake->fd;
    arrival_give_back(handshake->edge->reactor, handshake->network);
    leave(handshake);
    close(fd);
}

static void set_stage(struct handshake *handshake, enum stage stage)
{
    struct tls_edge *edge = handshake->edge;
    handshake->stage = stage;
    if (stage != LINGERING)
        return;
    handshake->since_ms = uv_now(reactor_loop(edge->reactor));
    link_remove(&handshake->link);
    link_append(&edge->lingering, &handshake->link);
}

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(struct handshake *handshake)
{
    int interest = UV_READABLE;
    if (send_queue_size(&handshake->unsent) > 0)
        interest |= UV_WRITABLE;
    if (interest == handshake->interest)
        return;
    handshake->interest = interest;
    uv_poll_start(&handshake->poll, interest, on_event);
}

/* ---- failures ---- */

/* The last words have been sent, or wait to be: the peer's unread bytes must not turn the close into a reset. */
static void linger(struct handshake *handshake)
{
    set_stage(handshake, LINGERING);
    if (send_queue_size(&handshake->unsent) == 0)
        shutdown(handshake->fd, SHUT_WR);
    watch(handshake);
}

static void fail(struct handshake *handshake, enum counter reason)
{
    counter_add(handshake->edge->counters, reason, 1);
    drop(handshake);
}

static enum counter reason_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return COUNTER_TLS_FAILED_PROTOCOL;
    if (reason >= SSL_AD_REASON_OFFSET)
        return COUNTER_TLS_FAILED_CLIENT_ALERT;
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
        return COUNTER_TLS_FAILED_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return COUNTER_TLS_FAILED_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return COUNTER_TLS_FAILED_ALPN;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return COUNTER_TLS_FAILED_CLIENT_CERTIFICATE;
    case SSL_R_WRONG_VERSION_NUMBER:
        return COUNTER_TLS_FAILED_GARBAGE;
    default:
        return COUNTER_TLS_FAILED_PROTOCOL;
    }
}

/* What TLS wants to say goes out. Whether the connection can go on. */
static bool send_output(struct handshake *handshake)
{
    struct tls_edge *edge = handshake->edge;
    int result = send_queue_add(&handshake->unsent, handshake->fd, text_span(&edge->out));
    text_clear(&edge->out);
    return result == 0;
}

/* ---- the end of a handshake that has succeeded ---- */

static void on_pump_ended(void *context, enum pump_reason reason UNUSED)
{
    struct tls_edge *edge = context;
    edge->carried--;
    release(edge);
}

/* The client may have said something together with its last words of the handshake. */
static bool read_early(struct handshake *handshake, struct span input, size_t *ret_size)
{
    struct tls_edge *edge = handshake->edge;
    int outcome = tls_wire_read(handshake->tls, &input, edge->plain, sizeof(edge->plain), &edge->out, ret_size);
    return send_output(handshake) && outcome != TLS_WIRE_FAILED && outcome != 0;
}

static int start_pump(struct handshake *handshake, int inner_fd, struct span early, struct pump **ret_pump)
{
    struct tls_edge *edge = handshake->edge;
    struct pump_settings settings = {.outer_fd = handshake->fd,
                                     .outer_tls = TAKE(handshake->tls),
                                     .inner_fd = inner_fd,
                                     .first_from_outer = early,
                                     .ended = on_pump_ended,
                                     .context = edge};
    leave(handshake);
    edge->carried++;
    int result = pump_new(edge->pumps, &settings, ret_pump);
    if (result != 0)
        edge->carried--;
    return result;
}

static void hand_on(struct handshake *handshake, struct tls_facts *facts, struct span early)
{
    struct tls_edge *edge = handshake->edge;
    struct tls_shaken shaken = {.client = handshake->client, .network = handshake->network, .facts = facts};
    int inner[2];
    if (pump_socketpair(inner) != 0) {
        tls_facts_free(facts);
        fail(handshake, COUNTER_TLS_FAILED_RESOURCES);
        return;
    }
    if (start_pump(handshake, inner[0], early, &shaken.pump) != 0) {
        tls_facts_free(facts);
        close(inner[1]);
        counter_add(edge->counters, COUNTER_TLS_FAILED_RESOURCES, 1);
        arrival_give_back(edge->reactor, shaken.network);
        return;
    }
    counter_add(edge->counters, facts->resumed ? COUNTER_TLS_RESUMED : COUNTER_TLS_FULL, 1);
    shaken.fd = inner[1];
    edge->accepted(edge->context, &shaken);
}

static void succeed(struct handshake *handshake, struct span input)
{
    struct tls_facts *facts;
    size_t size = 0;
    int result = tls_facts_new(tls_wire_ssl(handshake->tls), &facts);
    if (result != 0) {
        fail(handshake, result < 0 ? COUNTER_TLS_FAILED_RESOURCES : COUNTER_TLS_FAILED_CLIENT_CERTIFICATE);
        return;
    }
    /* Unsent: cannot be, the peer has answered to all of it but a ticket. */
    if (!read_early(handshake, input, &size) || send_queue_size(&handshake->unsent) > 0) {
        tls_facts_free(facts);
        fail(handshake, COUNTER_TLS_FAILED_PROTOCOL);
        return;
    }
    hand_on(handshake, facts, (struct span){handshake->edge->plain, size});
}

/* ---- steps ---- */

static void shake(struct handshake *handshake, struct span input)
{
    struct tls_edge *edge = handshake->edge;
    unsigned long error = 0;
    int outcome = tls_wire_handshake(handshake->tls, &input, &edge->out, &error);
    bool sent = send_output(handshake);
    if (outcome == TLS_WIRE_FAILED && sent) {
        counter_add(edge->counters, reason_of(error), 1);
        linger(handshake);
    } else if (!sent)
        fail(handshake, COUNTER_TLS_FAILED_HANG_UP);
    else if (outcome == 0)
        succeed(handshake, input);
    else
        watch(handshake);
}

/* The peer's first bytes. */
static void begin(struct handshake *handshake, struct span input)
{
    struct tls_edge *edge = handshake->edge;
    if (*input.at >= 'A' && *input.at <= 'Z') { /* a method: somebody took us for a plain port */
        (void)!send_queue_add(&handshake->unsent, handshake->fd, span_of(plain_http_answer));
        counter_add(edge->counters, COUNTER_TLS_FAILED_PLAIN_HTTP, 1);
        linger(handshake);
        return;
    }
    if (*input.at != CONTENT_HANDSHAKE) {
        fail(handshake, COUNTER_TLS_FAILED_GARBAGE);
        return;
    }
    handshake->context = tls_store_take(edge->store);
    if (tls_wire_new(tls_context_ssl(handshake->context), &handshake->tls) != 0) {
        fail(handshake, COUNTER_TLS_FAILED_RESOURCES);
        return;
    }
    set_stage(handshake, SHAKING);
    shake(handshake, input);
}

static void read_some(struct handshake *handshake)
{
    struct tls_edge *edge = handshake->edge;
    ssize_t size = recv(handshake->fd, edge->wire, sizeof(edge->wire), MSG_DONTWAIT);
    struct span input = {edge->wire, (size_t)MAX(size, 0)};
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 && handshake->stage == LINGERING)
        drop(handshake);
    else if (size <= 0)
        fail(handshake, COUNTER_TLS_FAILED_HANG_UP);
    else if (handshake->stage == WAITING)
        begin(handshake, input);
    else if (handshake->stage == SHAKING)
        shake(handshake, input);
}

/* Whether the connection can go on. */
static bool flush(struct handshake *handshake)
{
    if (send_queue_flush(&handshake->unsent, handshake->fd) != 0) {
        if (handshake->stage != LINGERING)
            counter_add(handshake->edge->counters, COUNTER_TLS_FAILED_HANG_UP, 1);
        drop(handshake);
        return false;
    }
    if (handshake->stage == LINGERING && send_queue_size(&handshake->unsent) == 0)
        shutdown(handshake->fd, SHUT_WR);
    watch(handshake);
    return true;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct handshake *handshake = poll->data;
    if (status < 0)
        handshake->interest = 0; /* libuv has stopped it; the read says why */
    if (handshake->edge->steps >= TLS_STEPS_PER_TURN && status == 0)
        return; /* its turn comes: the poll tells of it again */
    handshake->edge->steps++;
    if ((events & UV_WRITABLE) && !flush(handshake))
        return;
    if ((events & UV_READABLE) || status < 0)
        read_some(handshake);
}

static void on_check(uv_check_t *check)
{
    struct tls_edge *edge = check->data;
    edge->steps = 0;
}

/* ---- limits ---- */

static void sweep(struct link *list, uint64_t limit_ms, uint64_t now_ms)
{
    while (!link_alone(list)) {
        struct handshake *handshake = CONTAINER_OF(list->next, struct handshake, link);
        if (now_ms - handshake->since_ms < limit_ms)
            return;
        if (handshake->stage == LINGERING)
            drop(handshake);
        else
            fail(handshake, COUNTER_TLS_FAILED_TIMEOUT);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct tls_edge *edge = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    sweep(&edge->shaking, reactor_snapshot(edge->reactor)->settings->limits.head_timeout_ms, now_ms);
    sweep(&edge->lingering, TLS_LINGER_MS, now_ms);
    if (edge->handshakes == 0)
        uv_timer_stop(timer);
}

static void make_room(struct tls_edge *edge)
{
    if (edge->handshakes < TLS_MAX_HANDSHAKES)
        return;
    if (!link_alone(&edge->lingering))
        drop(CONTAINER_OF(edge->lingering.next, struct handshake, link));
    else
        fail(CONTAINER_OF(edge->shaking.next, struct handshake, link), COUNTER_TLS_FAILED_CAPACITY);
}

/* ---- the beginning ---- */

static void refuse(struct tls_edge *edge, int fd, struct counted *network)
{
    counter_add(edge->counters, COUNTER_TLS_FAILED_RESOURCES, 1);
    arrival_give_back(edge->reactor, network);
    close(fd);
}

void tls_edge_accepted(struct tls_edge *edge, int fd, const struct address *client, struct counted *network)
{
    uv_loop_t *loop = reactor_loop(edge->reactor);
    struct handshake *handshake = edge->freeing ? NULL : calloc(1, sizeof(*handshake));
    if (!handshake || uv_poll_init(loop, &handshake->poll, fd) != 0) {
        free(handshake);
        refuse(edge, fd, network);
        return;
    }
    make_room(edge);
    handshake->edge = edge;
    handshake->client = *client;
    handshake->network = network;
    handshake->fd = fd;
    handshake->since_ms = uv_now(loop);
    handshake->unsent = SEND_QUEUE(MAX_UNSENT);
    handshake->poll.data = handshake;
    link_append(&edge->shaking, &handshake->link);
    edge->handshakes++;
    edge->handles++;
    watch(handshake);
    if (!uv_is_active((uv_handle_t *)&edge->sweep))
        uv_timer_start(&edge->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

/* ---- life ---- */

int tls_edge_new(const struct tls_edge_settings *settings, struct tls_edge **ret_edge)
{
    struct tls_edge *edge = calloc(1, sizeof(*edge));
    if (!edge)
        return -ENOMEM;
    edge->reactor = settings->reactor;
    edge->counters = reactor_counters(settings->reactor);
    edge->pumps = settings->pumps;
    edge->store = settings->store;
    edge->accepted = settings->accepted;
    edge->context = settings->context;
    edge->out = TEXT(MAX_UNSENT);
    link_init(&edge->shaking);
    link_init(&edge->lingering);
    uv_timer_init(reactor_loop(settings->reactor), &edge->sweep);
    uv_check_init(reactor_loop(settings->reactor), &edge->check);
    edge->sweep.data = edge->check.data = edge;
    edge->handles = 2;
    uv_check_start(&edge->check, on_check);
    *ret_edge = edge;
    return 0;
}

bool tls_edge_idle(const struct tls_edge *edge)
{
    return edge->handshakes == 0 && edge->carried == 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct tls_edge *edge = handle->data;
    edge->handles--;
    release(edge);
}

static void drop_all(struct link *list)
{
    while (!link_alone(list))
        drop(CONTAINER_OF(list->next, struct handshake, link));
}

void tls_edge_free(struct tls_edge *edge)
{
    if (!edge)
        return;
    edge->freeing = true;
    drop_all(&edge->shaking);
    drop_all(&edge->lingering);
    uv_close((uv_handle_t *)&edge->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&edge->check, on_handle_closed);
}

/* The bytes of a pump: read, decrypted, filtered, written; and the end that a filter orders. What is read lies in the
   buffers that all pumps of the reactor share, and is gone from them when the function returns. */
#include "transports/serve/pump_priv.h"

#include <errno.h>
#include <sys/socket.h>

enum { FINISH_READS = 4 /* rounds in which the inner end's last bytes are fetched */ };

static const char switching[] = "HTTP/1.1 101";
static const char blank_line[] = "\r\n\r\n";

void pump_outer_failed(struct pump *pump, int error)
{
    pump_end(pump, error == -ENOMEM ? PUMP_NO_MEMORY : error == -EMSGSIZE ? PUMP_STALLED : PUMP_CLOSED_BY_PEER);
}

/* The library has closed its end, or will read no more: what comes is dropped. What it wrote can still be read. */
void pump_inner_failed(struct pump *pump, int error)
{
    if (error == -ENOMEM || error == -EMSGSIZE) {
        pump_end(pump, PUMP_NO_MEMORY);
        return;
    }
    send_queue_done(&pump->inward.queue);
    pump->inward.carried = true;
    pump->discarding = true;
}

/* As it is: plain, or what TLS has made of it. */
static void send_outer(struct pump *pump, struct span bytes)
{
    int result = bytes.size > 0 ? send_queue_add(&pump->outward.queue, pump->outer.fd, bytes) : 0;
    if (result != 0)
        pump_outer_failed(pump, result);
}

void pump_send_tls_output(struct pump *pump)
{
    send_outer(pump, text_span(&pump->pumps->out));
    text_clear(&pump->pumps->out);
}

void pump_carry_outward(struct pump *pump, struct span bytes)
{
    if (!pump->tls) {
        send_outer(pump, bytes);
        return;
    }
    int result = tls_wire_write(pump->tls, bytes, &pump->pumps->out);
    pump_send_tls_output(pump);
    if (result != 0)
        pump_end(pump, PUMP_BROKEN);
}

/* Advances `bytes` past the head. Whether it is a 101 so far. */
static bool swallow(struct pump *pump, struct span *bytes)
{
    while (bytes->size > 0 && pump->swallowing) {
        char byte = *bytes->at;
        if (pump->swallowed < sizeof(switching) - 1 && byte != switching[pump->swallowed])
            return false;
        if (++pump->swallowed > PUMP_MAX_SWALLOWED)
            return false;
        if (byte == blank_line[pump->swallow_match])
            pump->swallow_match++;
        else
            pump->swallow_match = byte == blank_line[0];
        pump->swallowing = pump->swallow_match < sizeof(blank_line) - 1;
        bytes->at++;
        bytes->size--;
    }
    return true;
}

size_t pump_read_inner(struct pump *pump)
{
    char *plain = pump->pumps->plain;
    ssize_t size = recv(pump->inner.fd, plain, PUMP_READ_BYTES, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (size <= 0) { /* ECONNRESET: closed with bytes of ours unread */
        pump_set_reason(pump, PUMP_CLOSED_BY_INNER);
        pump->outward.ended = true;
        return 0;
    }
    struct span bytes = {plain, (size_t)size};
    if (!swallow(pump, &bytes)) {
        pump_finish_because(pump, (struct span){NULL, 0}, PUMP_REFUSED);
        return 0;
    }
    pump_carry_outward(pump, bytes);
    return pump->over ? 0 : (size_t)size;
}

static void fetch_last_bytes(struct pump *pump)
{
    for (unsigned i = 0; i < FINISH_READS && send_queue_size(&pump->outward.queue) < PUMP_READ_BYTES; i++) {
        if (pump->outward.ended || pump->swallowing || pump_read_inner(pump) == 0)
            return;
    }
}

void pump_finish_because(struct pump *pump, struct span last, enum pump_reason reason)
{
    char copy[PUMP_MAX_LAST];
    size_t size = MIN(last.size, sizeof(copy));
    if (pump->over || pump->finishing)
        return;
    if (size > 0)
        memcpy(copy, last.at, size); /* it may lie where the inner end is read to */
    pump->finishing = pump->discarding = true;
    pump_set_reason(pump, reason);
    if (reason == PUMP_FINISHED)
        fetch_last_bytes(pump);
    if (!pump->over && size > 0)
        pump_carry_outward(pump, (struct span){copy, size});
    if (pump->over)
        return;
    shutdown(pump->inner.fd, SHUT_RDWR);
    pump_tell(pump, PUMP_ENDED);
    send_queue_done(&pump->inward.queue);
    pump->inward.carried = true;
    pump->outward.ended = true;
}

void pump_send_inward(struct pump *pump, struct span bytes)
{
    int result = bytes.size > 0 ? send_queue_add(&pump->inward.queue, pump->inner.fd, bytes) : 0;
    if (result != 0)
        pump_inner_failed(pump, result);
    pump->passed += bytes.size;
    if (bytes.size > 0)
        pump_tell(pump, PUMP_CAME);
}

static size_t filter(struct pump *pump, char *bytes, size_t size, struct pump_order *order)
{
    const struct pump_attendant *attendant = &pump->attendant;
    pump_filter of = attendant->filter ? attendant->filter : pump->filter;
    size_t room = size + PUMP_FILTER_ROOM;
    if (!of)
        return size;
    size = of(attendant->filter ? attendant->context : pump->context, bytes, size, order);
    return MIN(size, room);
}

/* `bytes` lie in pumps->plain, with the filter's room behind them. */
void pump_carry_inward(struct pump *pump, char *bytes, size_t size)
{
    struct pump_order order = {0};
    if (pump->discarding || size == 0)
        return;
    size = filter(pump, bytes, size, &order);
    pump->holding = order.holds;
    pump_send_inward(pump, (struct span){bytes, size});
    if (order.finish)
        pump_finish_because(pump, order.last, PUMP_FINISHED);
}

static void peer_ended(struct pump *pump)
{
    pump_set_reason(pump, PUMP_CLOSED_BY_PEER);
    pump->inward.ended = true;
}

/* What the peer sent before it broke the protocol still counts. */
void pump_decrypt(struct pump *pump, struct span input)
{
    struct pumps *pumps = pump->pumps;
    int outcome = 0;
    while (outcome == 0 && !pump->over && !pump->discarding) {
        size_t size = 0;
        outcome = tls_wire_read(pump->tls, &input, pumps->plain, PUMP_PLAIN_BYTES, &pumps->out, &size);
        pump_send_tls_output(pump);
        if (!pump->over)
            pump_carry_inward(pump, pumps->plain, size);
    }
    if (outcome == TLS_WIRE_CLOSED)
        peer_ended(pump);
    else if (outcome == TLS_WIRE_FAILED)
        pump_finish_because(pump, (struct span){NULL, 0}, PUMP_BROKEN);
}

void pump_read_outer(struct pump *pump)
{
    struct pumps *pumps = pump->pumps;
    char *into = pump->tls ? pumps->wire : pumps->plain;
    ssize_t size = recv(pump->outer.fd, into, PUMP_READ_BYTES, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size < 0)
        pump_end(pump, PUMP_CLOSED_BY_PEER);
    else if (size == 0)
        peer_ended(pump);
    else if (!pump->discarding && pump->tls)
        pump_decrypt(pump, (struct span){into, (size_t)size});
    else
        pump_carry_inward(pump, into, (size_t)size);
}

/* The pump: two descriptors, a flow in each direction, and what is to happen when either ends. Level-triggered polls of
   the reactor's loop say which end has something; that direction alone is carried, and a poll is changed only when a
   queue begins or ends. Pumps that wait for their peer to take the last bytes are in a list with deadlines, under one
   timer. One reactor's thread; owns both descriptors, the TLS state, the queues, and per reactor the shared buffers. */
#include "transports/serve/pump_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* ---- what is polled for ---- */

static void on_outer(uv_poll_t *poll, int status, int events);
static void on_inner(uv_poll_t *poll, int status, int events);

static void set_interest(struct pump_end_point *end, int interest, uv_poll_cb callback)
{
    if (interest == end->interest)
        return;
    end->interest = interest;
    if (interest == 0)
        uv_poll_stop(&end->poll);
    else
        uv_poll_start(&end->poll, interest, callback);
}

static bool reads_outer(const struct pump *pump)
{
    return !pump->inward.ended && !pump->paused && send_queue_size(&pump->inward.queue) == 0 &&
           send_queue_size(&pump->outward.queue) < PUMP_PAUSE_BYTES;
}

static bool reads_inner(const struct pump *pump)
{
    return !pump->outward.ended && send_queue_size(&pump->outward.queue) == 0;
}

/* An end that is not read from is watched for its hang-up. It is one that goes on being told, so only until it is
   known; from then on the outer end is watched for errors (which are told whatever is asked for) alone. */
static int idle_interest(const struct pump_end_point *end, bool ended, bool errors)
{
    if (!ended && !end->hang_up_known)
        return UV_DISCONNECT;
    return errors && !end->ignores_errors ? UV_PRIORITIZED : 0;
}

static void watch(struct pump *pump)
{
    int outer = reads_outer(pump) ? UV_READABLE : idle_interest(&pump->outer, pump->inward.ended, true);
    int inner = 0;
    if (!pump->attendant.told)
        inner = reads_inner(pump) ? UV_READABLE : idle_interest(&pump->inner, pump->outward.ended, false);
    if (send_queue_size(&pump->outward.queue) > 0)
        outer |= UV_WRITABLE;
    if (send_queue_size(&pump->inward.queue) > 0)
        inner |= UV_WRITABLE;
    set_interest(&pump->outer, outer, on_outer);
    set_interest(&pump->inner, inner, on_inner);
}

/* ---- half-closes ---- */

static void carry_peers_end(struct pump *pump)
{
    if (!pump->inward.ended || pump->inward.carried || pump->holding || send_queue_size(&pump->inward.queue) > 0)
        return;
    shutdown(pump->inner.fd, SHUT_WR);
    pump->inward.carried = true;
    pump_tell(pump, PUMP_ENDED);
}

static void carry_inners_end(struct pump *pump)
{
    struct send_queue *queue = &pump->outward.queue;
    if (!pump->outward.ended || pump->outward.carried)
        return;
    pump_begin_ending(pump);
    if (!pump->over && send_queue_size(queue) == 0 && pump->tls && !pump->close_said) {
        pump->close_said = true;
        tls_wire_close(pump->tls, &pump->pumps->out);
        pump_send_tls_output(pump);
    }
    if (pump->over || send_queue_size(queue) > 0)
        return;
    shutdown(pump->outer.fd, SHUT_WR);
    pump->outward.carried = true;
    pump->since_ms = uv_now(pump->pumps->loop);
}

/* After every event: carries ends over, and chooses what to wait for. */
static void settle(struct pump *pump)
{
    if (!pump->over)
        carry_peers_end(pump);
    if (!pump->over)
        carry_inners_end(pump);
    if (pump->over)
        return;
    if (pump->outward.carried && pump->inward.ended && send_queue_size(&pump->inward.queue) == 0)
        pump_end(pump, PUMP_CLOSED_BY_INNER);
    else
        watch(pump);
}

/* ---- events ---- */

/* The poll has been told to stop if `status` is an error: libuv has done so. */
static void note_status(struct pump_end_point *end, int status)
{
    if (status < 0)
        end->interest = 0;
}

static short hang_up_of(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0 ? look.revents : 0;
}

/* The outer end, while it is not read from. */
static void look_at_outer(struct pump *pump)
{
    short seen = hang_up_of(pump->outer.fd);
    if (seen & (POLLERR | POLLHUP | POLLNVAL))
        pump_end(pump, PUMP_CLOSED_BY_PEER);
    else if (pump->outer.interest & UV_PRIORITIZED)
        pump->outer.ignores_errors = true;
    else
        pump->outer.hang_up_known = (seen & POLLRDHUP) != 0;
}

static void on_outer(uv_poll_t *poll, int status, int events)
{
    struct pump *pump = poll->data;
    bool reads = reads_outer(pump);
    note_status(&pump->outer, status);
    if (events & UV_WRITABLE) {
        int result = send_queue_flush(&pump->outward.queue, pump->outer.fd);
        if (result != 0)
            pump_outer_failed(pump, result);
        else if (send_queue_size(&pump->outward.queue) == 0)
            pump_tell(pump, PUMP_TAKEN);
    }
    if (!pump->over && reads && (status < 0 || (events & UV_READABLE)))
        pump_read_outer(pump);
    else if (!pump->over && !reads && (status < 0 || (events & (UV_DISCONNECT | UV_PRIORITIZED))))
        look_at_outer(pump);
    settle(pump);
}

static void on_inner(uv_poll_t *poll, int status, int events)
{
    struct pump *pump = poll->data;
    bool reads = reads_inner(pump);
    note_status(&pump->inner, status);
    if ((events & UV_WRITABLE) || (status < 0 && send_queue_size(&pump->inward.queue) > 0)) {
        int result = send_queue_flush(&pump->inward.queue, pump->inner.fd);
        if (result != 0)
            pump_inner_failed(pump, result);
        pump_tell(pump, PUMP_CAME);
    }
    if (!pump->over && reads && (status < 0 || (events & UV_READABLE)))
        (void)pump_read_inner(pump);
    else if (!pump->over && !reads && (status < 0 || (events & UV_DISCONNECT))) {
        pump->inner.hang_up_known = true;
        pump_begin_ending(pump);
    }
    settle(pump);
}

/* ---- life ---- */

int pumps_new(uv_loop_t *loop, struct pumps **ret_pumps)
{
    struct pumps *pumps = calloc(1, sizeof(*pumps));
    if (!pumps)
        return -ENOMEM;
    pumps->loop = loop;
    pumps->out = TEXT(PUMP_MAX_QUEUE);
    link_init(&pumps->all);
    link_init(&pumps->ending);
    uv_timer_init(loop, &pumps->sweep);
    pumps->sweep.data = pumps;
    *ret_pumps = pumps;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct pumps *pumps = handle->data;
    pumps->timer_closed = true;
    pump_release(pumps);
}

void pumps_free(struct pumps *pumps)
{
    if (!pumps)
        return;
    pumps->freeing = true;
    while (!link_alone(&pumps->all))
        pump_end(CONTAINER_OF(pumps->all.next, struct pump, all), PUMP_CUT);
    uv_close((uv_handle_t *)&pumps->sweep, on_timer_closed);
}

size_t pumps_count(const struct pumps *pumps)
{
    return pumps->count;
}

static int open_end(struct pump *pump, struct pump_end_point *end)
{
    int result = uv_poll_init(pump->pumps->loop, &end->poll, end->fd);
    if (result != 0)
        return result;
    end->poll.data = pump;
    pump->handles++;
    return 0;
}

static int open_ends(struct pump *pump)
{
    int result = open_end(pump, &pump->outer);
    return result != 0 ? result : open_end(pump, &pump->inner);
}

static void drop_settings(const struct pump_settings *settings)
{
    close(settings->outer_fd);
    close(settings->inner_fd);
    tls_wire_free(settings->outer_tls);
}

static struct pump *make_pump(struct pumps *pumps, const struct pump_settings *settings)
{
    struct pump *pump = calloc(1, sizeof(*pump));
    if (!pump)
        return NULL;
    *pump = (struct pump){.pumps = pumps,
                          .tls = settings->outer_tls,
                          .context = settings->context,
                          .outer.fd = settings->outer_fd,
                          .inner.fd = settings->inner_fd,
                          .inward.queue = SEND_QUEUE(PUMP_MAX_QUEUE),
                          .outward.queue = SEND_QUEUE(PUMP_MAX_QUEUE),
                          .swallowing = settings->swallow_head};
    link_append(&pumps->all, &pump->all);
    link_init(&pump->ending);
    pumps->count++;
    return pump;
}

/* Nobody has been told of it. */
static void drop_pump(struct pump *pump)
{
    struct pumps *pumps = pump->pumps;
    pump_end(pump, PUMP_NO_MEMORY);
    if (pump->handles > 0)
        return; /* on_closed() frees it */
    free(pump);
    pumps->count--;
}

static void carry_first(struct pump *pump, const struct pump_settings *settings)
{
    char *plain = pump->pumps->plain;
    struct span inner = settings->first_to_inner, outer = settings->first_from_outer;
    pump_send_inward(pump, inner);
    if (outer.size > 0 && !pump->over) {
        memmove(plain, outer.at, outer.size); /* it may lie there already */
        pump_carry_inward(pump, plain, outer.size);
    }
    if (pump->tls && !pump->over) /* a close_notify that came with the handshake */
        pump_decrypt(pump, (struct span){NULL, 0});
    settle(pump);
}

int pump_new(struct pumps *pumps, const struct pump_settings *settings, struct pump **ret_pump)
{
    bool too_long = settings->first_to_inner.size > PUMP_MAX_FIRST || settings->first_from_outer.size > PUMP_MAX_FIRST;
    struct pump *pump = too_long || pumps->freeing ? NULL : make_pump(pumps, settings);
    if (!pump) {
        drop_settings(settings);
        return too_long ? -EMSGSIZE : pumps->freeing ? -ECANCELED : -ENOMEM;
    }
    int result = open_ends(pump);
    if (result != 0) {
        drop_pump(pump);
        return result;
    }
    pump->filter = settings->filter;
    pump->ended = settings->ended;
    carry_first(pump, settings);
    *ret_pump = pump;
    return 0;
}

void pump_finish(struct pump *pump, struct span last)
{
    pump_finish_because(pump, last, PUMP_FINISHED);
    settle(pump);
}

void pump_cut(struct pump *pump)
{
    pump_end(pump, PUMP_CUT);
}

void pump_pause(struct pump *pump, bool paused)
{
    pump->paused = paused;
    settle(pump);
}

bool pump_attend(struct pump *pump, const struct pump_attendant *attendant)
{
    if (pump->over)
        return false;
    pump->attendant = *attendant;
    pump_tell(pump, PUMP_CAME);
    if (pump->inward.carried)
        pump_tell(pump, PUMP_ENDED);
    watch(pump);
    return true;
}

void pump_leave(struct pump *pump)
{
    pump->attendant = (struct pump_attendant){.told = NULL};
    pump->holding = false;
    settle(pump);
}

size_t pump_flush(struct pump *pump)
{
    size_t size = !pump->over && reads_inner(pump) ? pump_read_inner(pump) : 0;
    settle(pump);
    return size;
}

void pump_write(struct pump *pump, struct span bytes)
{
    if (pump->over || pump->outward.ended)
        return;
    pump_carry_outward(pump, bytes);
    settle(pump);
}

void pump_pass(struct pump *pump, struct span bytes)
{
    pump->holding = false;
    if (!pump->over && !pump->discarding)
        pump_send_inward(pump, bytes);
    settle(pump);
}

size_t pump_queued(const struct pump *pump)
{
    return send_queue_size(&pump->outward.queue);
}

size_t pump_queued_inward(const struct pump *pump)
{
    return send_queue_size(&pump->inward.queue);
}

uint64_t pump_passed(const struct pump *pump)
{
    return pump->passed;
}

int pump_socketpair(int ret_fd[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fd) == 0 ? 0 : -errno;
}

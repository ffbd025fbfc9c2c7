/* How a pump ends: at once, or after its peer has taken the rest. The latter are in one list per reactor, in the order
   in which their ending began, under one timer. */
#include "transports/serve/pump_priv.h"

#include <unistd.h>

#include "transports/serve/socket_state.h"

enum {
    SWEEP_MS = 250,
    MAX_ENDING = 1024, /* pumps that wait for their peers; the oldest gives way */
};

void pump_release(struct pumps *pumps)
{
    if (!pumps->timer_closed || pumps->count > 0)
        return;
    text_done(&pumps->out);
    free(pumps);
}

static void on_closed(uv_handle_t *handle)
{
    struct pump *pump = handle->data;
    struct pumps *pumps = pump->pumps;
    if (--pump->handles > 0)
        return;
    if (pump->ended)
        pump->ended(pump->context, pump->reason);
    free(pump);
    pumps->count--;
    pump_release(pumps);
}

static void close_end(struct pump_end_point *end)
{
    if (end->poll.data)
        uv_close((uv_handle_t *)&end->poll, on_closed);
    close(end->fd);
}

/* The first reason is the true one. */
void pump_set_reason(struct pump *pump, enum pump_reason reason)
{
    if (!pump->reason_known)
        pump->reason = reason;
    pump->reason_known = true;
}

void pump_end(struct pump *pump, enum pump_reason reason)
{
    if (pump->over)
        return;
    pump->over = true;
    pump_set_reason(pump, reason);
    link_remove(&pump->all);
    if (pump->is_ending) {
        link_remove(&pump->ending);
        pump->pumps->ending_count--;
    }
    send_queue_done(&pump->inward.queue);
    send_queue_done(&pump->outward.queue);
    tls_wire_free(TAKE(pump->tls));
    close_end(&pump->outer);
    close_end(&pump->inner);
    pump_tell(pump, PUMP_GONE);
    pump->attendant = (struct pump_attendant){.told = NULL};
}

/* ---- endings that take their time ---- */

static void sweep_one(struct pump *pump, uint64_t now_ms)
{
    if (pump->outward.carried) {
        if (now_ms - pump->since_ms >= PUMP_LINGER_MS)
            pump_end(pump, PUMP_CLOSED_BY_INNER);
        return;
    }
    uint64_t progress = socket_state_progress(pump->outer.fd);
    if (progress != pump->progress) {
        pump->progress = progress;
        pump->progress_ms = now_ms;
    }
    if (now_ms - pump->progress_ms >= PUMP_STALL_MS || now_ms - pump->since_ms >= PUMP_FLUSH_MS) {
        pump->reason_known = false;
        socket_state_forget(pump->outer.fd);
        pump_end(pump, PUMP_STALLED);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct pumps *pumps = timer->data;
    struct link *next;
    for (struct link *link = pumps->ending.next; link != &pumps->ending; link = next) {
        next = link->next;
        sweep_one(CONTAINER_OF(link, struct pump, ending), uv_now(pumps->loop));
    }
    if (link_alone(&pumps->ending))
        uv_timer_stop(timer);
}

void pump_begin_ending(struct pump *pump)
{
    struct pumps *pumps = pump->pumps;
    if (pump->is_ending)
        return;
    pump->is_ending = true;
    pump->since_ms = pump->progress_ms = uv_now(pumps->loop);
    pump->progress = socket_state_progress(pump->outer.fd);
    link_append(&pumps->ending, &pump->ending);
    if (++pumps->ending_count > MAX_ENDING)
        pump_end(CONTAINER_OF(pumps->ending.next, struct pump, ending), PUMP_STALLED);
    if (!pumps->freeing && !uv_is_active((uv_handle_t *)&pumps->sweep))
        uv_timer_start(&pumps->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

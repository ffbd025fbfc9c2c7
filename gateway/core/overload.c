/* How long a reactor lets its sockets wait is measured by a probe: a post to itself that stands in line as everything
   else does. There is one at a time, a hundred a second at most, and none where no requests come. Owns the probes, one
   per reactor, each its reactor's. */
#include "gateway/core/overload.h"

#include <errno.h>

#include "gateway/base/clock.h"
#include "gateway/core/exchange.h"
#include "limits/queue_delay.h"

enum { CACHE_LINE = 64 };
static const uint64_t PROBE_EVERY_NS = 10000000, MILLISECOND_NS = 1000000;

struct probe {
    _Alignas(CACHE_LINE) struct queue_delay queue;
    struct reactor_post post;
    struct gateway *gateway;
    uint64_t sent_ns;
    bool under_way;
};

struct overload {
    struct queue_delay workers;
    struct probe probe[]; /* by reactor */
};

/* ---- the limit ---- */

void overload_apply(struct gateway *gateway, const struct settings *settings)
{
    uint64_t target_ms = settings->limits.queue_delay_ms;
    quota_set_limit(&gateway->quotas, QUOTA_QUEUE_DELAY, target_ms == 0 ? UINT64_MAX : target_ms);
}

/* UINT64_MAX: none. */
static uint64_t target_ns(struct gateway *gateway)
{
    uint64_t target_ms = atomic_load_explicit(&gateway->quotas.row[QUOTA_QUEUE_DELAY].limit, memory_order_relaxed);
    return target_ms == UINT64_MAX ? UINT64_MAX : target_ms * MILLISECOND_NS;
}

void overload_look(struct gateway *gateway)
{
    struct overload *overload = gateway->overload;
    uint64_t longest_ns = queue_delay_take_longest(&overload->workers);
    for (unsigned i = 0; i < gateway->reactors; i++) {
        uint64_t of_reactor_ns = queue_delay_take_longest(&overload->probe[i].queue);
        longest_ns = MAX(longest_ns, of_reactor_ns);
    }
    quota_measure(&gateway->quotas, QUOTA_QUEUE_DELAY, longest_ns / MILLISECOND_NS);
}

/* ---- refusing ---- */

void overload_add_message(struct text *out)
{
    text_addf(out, "Work waits here longer than %s before it is begun: try again later",
              quota_option(QUOTA_QUEUE_DELAY));
}

static void count_refusal(struct gateway *gateway, struct reactor *reactor)
{
    counter_add(reactor_counters(reactor), COUNTER_REFUSED_QUEUE_DELAY, 1);
    quota_note_refused(&gateway->quotas, QUOTA_QUEUE_DELAY);
}

static void refuse(struct exchange *exchange)
{
    CLEANUP(text_done) struct text message = TEXT(256);
    count_refusal(exchange_gateway(exchange), exchange->reactor);
    overload_add_message(&message);
    exchange_reply_error_full(exchange, ERROR_OVER_CAPACITY, text_span(&message), (struct span){0});
}

/* ---- reactors ---- */

static void probe_landed(struct reactor_post *post)
{
    struct probe *probe = CONTAINER_OF(post, struct probe, post);
    probe->under_way = false;
    queue_delay_leave(&probe->queue, probe->sent_ns, clock_now_ns(), target_ns(probe->gateway));
}

static void send_probe(struct probe *probe, struct reactor *reactor)
{
    probe->under_way = true;
    probe->sent_ns = clock_now_ns();
    queue_delay_enter(&probe->queue, probe->sent_ns);
    reactor_post(reactor, &probe->post, probe_landed);
}

bool overload_refuse(struct exchange *exchange)
{
    struct gateway *gateway = exchange_gateway(exchange);
    struct probe *probe = &gateway->overload->probe[reactor_index(exchange->reactor)];
    uint64_t now_ns = exchange->started_ns; /* its message is whole since then */
    if (target_ns(gateway) == UINT64_MAX)
        return false;
    if (probe->under_way)
        queue_delay_look(&probe->queue, probe->sent_ns, now_ns, target_ns(gateway));
    else if (now_ns - MIN(now_ns, probe->sent_ns) >= PROBE_EVERY_NS)
        send_probe(probe, exchange->reactor);
    if (!queue_delay_stands(&probe->queue, now_ns))
        return false;
    refuse(exchange);
    return true;
}

/* ---- workers ---- */

bool overload_refuses_worker(struct gateway *gateway)
{
    if (target_ns(gateway) == UINT64_MAX || !queue_delay_stands(&gateway->overload->workers, clock_now_ns()))
        return false;
    count_refusal(gateway, reactor_current());
    return true;
}

uint64_t overload_enter_worker(struct gateway *gateway)
{
    uint64_t now_ns = clock_now_ns();
    queue_delay_enter(&gateway->overload->workers, now_ns);
    return now_ns;
}

uint64_t overload_leave_worker(struct gateway *gateway, uint64_t entered_ns)
{
    uint64_t now_ns = clock_now_ns();
    queue_delay_leave(&gateway->overload->workers, entered_ns, now_ns, target_ns(gateway));
    return now_ns - MIN(now_ns, entered_ns);
}

/* ---- making ---- */

int overload_new(struct gateway *gateway)
{
    size_t bytes = sizeof(struct overload) + gateway->reactors * sizeof(struct probe);
    struct overload *overload = aligned_alloc(CACHE_LINE, bytes);
    if (!overload)
        return -ENOMEM;
    memset(overload, 0, bytes);
    for (unsigned i = 0; i < gateway->reactors; i++)
        overload->probe[i].gateway = gateway;
    gateway->overload = overload;
    return 0;
}

void overload_free(struct gateway *gateway)
{
    free(TAKE(gateway->overload));
}

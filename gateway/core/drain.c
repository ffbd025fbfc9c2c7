/* Tells each reactor by a post that lives in this file's own records; the records are freed as they run. */
#include "gateway/core/drain.h"

#include "gateway/core/bridge.h"
#include "gateway/core/call_priv.h"
#include "gateway/core/exchange.h"
#include "gateway/core/subscriptions.h"

struct order {
    struct reactor_post post;
    struct reactor *reactor;
};

/* A legacy stream has no completion message: it just ends, and its client comes back to another gateway. */
static void end_outlets(struct reactor *reactor)
{
    struct link *list = reactor_exchanges(reactor);
    for (struct link *link = list->next, *next = link->next; link != list; link = next, next = link->next) {
        struct exchange *exchange = CONTAINER_OF(link, struct exchange, link);
        if (exchange->outlet)
            exchange_reply_stream(exchange, &(struct reply){.status = 200});
    }
}

/* Cancelling one call may end others, so each is taken off the list first. */
static void cancel_calls(struct reactor *reactor)
{
    struct link *list = reactor_calls(reactor);
    while (!link_alone(list)) {
        struct link *link = list->next;
        link_remove(link);
        call_cancel(CONTAINER_OF(link, struct call, link), CALL_DRAINED);
    }
}

/* Over HTTP the answer to a question is a request of its own, and no more of them come: who waits for one would only
   hold up the end, and the client learns sooner that it has to begin again. */
static void cancel_waiting(struct reactor *reactor)
{
    struct link waiting, *list = reactor_calls(reactor);
    link_init(&waiting);
    for (struct link *link = list->next, *next = link->next; link != list; link = next, next = link->next) {
        struct call *call = CONTAINER_OF(link, struct call, link);
        if (!bridge_is_cut_off(call))
            continue;
        link_remove(link);
        link_append(&waiting, link);
    }
    while (!link_alone(&waiting)) {
        struct link *link = waiting.next;
        link_remove(link);
        call_cancel(CONTAINER_OF(link, struct call, link), CALL_DRAINED);
    }
}

static void cut_here(struct reactor_post *post)
{
    struct order *order = CONTAINER_OF(post, struct order, post);
    cancel_calls(order->reactor);
    free(order);
}

static void drain_here(struct reactor_post *post)
{
    struct order *order = CONTAINER_OF(post, struct order, post);
    subscriptions_end_all(order->reactor);
    end_outlets(order->reactor);
    cancel_waiting(order->reactor);
    free(order);
}

/* Without memory for it, the time limit of the drain ends what is left. */
static void on_every_reactor(struct gateway *gateway, void (*run)(struct reactor_post *post))
{
    for (unsigned i = 0; i < gateway->reactors; i++) {
        struct order *order = calloc(1, sizeof(*order));
        if (!order)
            return;
        order->reactor = gateway->reactor[i];
        reactor_post(gateway->reactor[i], &order->post, run);
    }
}

void drain_begin(struct gateway *gateway)
{
    atomic_store_explicit(&gateway->phase, GATEWAY_DRAINING, memory_order_release);
    on_every_reactor(gateway, drain_here);
}

void drain_cut(struct gateway *gateway)
{
    atomic_store_explicit(&gateway->phase, GATEWAY_STOPPED, memory_order_release);
    on_every_reactor(gateway, cut_here);
}

bool drain_done(struct gateway *gateway)
{
    return quota_used(&gateway->quotas, QUOTA_IN_FLIGHT) == 0 && quota_used(&gateway->quotas, QUOTA_STREAMS) == 0;
}

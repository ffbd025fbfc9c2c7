/* A reactor: one thread, one libuv loop, and all that it owns. An object belongs to exactly one reactor; another thread
   reaches it by reactor_post() only. */
#pragma once
#include <uv.h>

#include "gateway/base/defs.h"
#include "gateway/core/counters.h"

struct gateway;
struct snapshot;
struct reactor;
struct log_buffer;

/* A message to a reactor, embedded in what it is about, so that posting needs no memory and cannot fail: the number of
   posts under way is bounded by the number of their owners. A node may be posted again only after it has run. */
struct reactor_post {
    struct reactor_post *next;
    void (*run)(struct reactor_post *post);
};

/* Makes the loop; nothing runs yet. 0 or -errno. */
MUST_USE int reactor_new(struct gateway *gateway, unsigned index, struct reactor **ret_reactor);
/* Closes the loop. It must have stopped, and every handle on it must be closed. Takes NULL. */
void reactor_free(struct reactor *reactor);
/* Starts the thread. 0 or -errno. */
MUST_USE int reactor_start(struct reactor *reactor);
/* Asks the loop to end (any thread), then waits for the thread. */
void reactor_stop(struct reactor *reactor);
void reactor_join(struct reactor *reactor);

/* Runs what is posted and due on the calling thread until nothing is posted any more: for a reactor whose thread does
   not run, at the end and in tests. True: there was something. */
bool reactor_run_here(struct reactor *reactor);

/* Runs post->run(post) on the reactor's thread, in the order of posting. Any thread; never blocks, never fails. */
void reactor_post(struct reactor *reactor, struct reactor_post *post, void (*run)(struct reactor_post *post));
/* The reactor whose thread this is, or NULL. */
struct reactor *reactor_current(void);

/* What belongs to the reactor; its own thread only, save for the counters and the two constants. */
uv_loop_t *reactor_loop(struct reactor *reactor);
struct gateway *reactor_gateway(struct reactor *reactor);
unsigned reactor_index(const struct reactor *reactor);
struct counters *reactor_counters(struct reactor *reactor);
/* For lines that come with every request (gateway/core/log_buffer.h). */
struct log_buffer *reactor_log(struct reactor *reactor);
/* The snapshot that new exchanges use; borrowed: take a reference to keep it. */
struct snapshot *reactor_snapshot(struct reactor *reactor);
/* Takes the reference; gives up the old one. */
void reactor_set_snapshot(struct reactor *reactor, struct snapshot *snapshot);

/* The lists of what lives on a reactor, intrusive and doubly linked. */
struct link {
    struct link *next, *previous;
};
static inline void link_init(struct link *link)
{
    link->next = link->previous = link;
}
static inline bool link_alone(const struct link *link)
{
    return link->next == link;
}
static inline void link_append(struct link *list, struct link *link)
{
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}
static inline void link_remove(struct link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link_init(link);
}
/* All of `from` goes to `to`, which is initialized by it. */
static inline void link_move(struct link *to, struct link *from)
{
    link_init(to);
    if (link_alone(from))
        return;
    *to = *from;
    to->next->previous = to;
    to->previous->next = to;
    link_init(from);
}
/* Open subscriptions/listen streams of this reactor (gateway/core/subscriptions.c). */
struct link *reactor_listeners(struct reactor *reactor);
/* Exchanges that have not ended (gateway/core/exchange.c); for the drain. */
struct link *reactor_exchanges(struct reactor *reactor);
/* Connections and streams that the guard has let in (gateway/core/guard_pass.c). */
struct link *reactor_passes(struct reactor *reactor);
/* Calls that have not ended (gateway/core/call.c), those of tasks too; for the drain. */
struct link *reactor_calls(struct reactor *reactor);

/* The loop of one thread and its way in: a list of posts that other threads push to without a lock, and an async handle
   that wakes the loop. Owns the loop, its thread, its counters and one reference to a snapshot. */
#include "gateway/core/reactor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "gateway/core/log_buffer.h"
#include "gateway/core/snapshot.h"

struct reactor {
    uv_loop_t loop;
    uv_async_t wake;
    _Atomic(struct reactor_post *) posts; /* newest first */
    struct gateway *gateway;
    struct snapshot *snapshot;
    struct link listeners;
    struct link exchanges;
    struct link calls;
    struct link passes;
    pthread_t thread;
    bool started;
    _Atomic bool stopping;
    unsigned index;
    struct counters counters;
    struct log_buffer *log;
};

static _Thread_local struct reactor *current;

struct reactor *reactor_current(void)
{
    return current;
}

/* Takes all posts and runs them oldest first. One that is posted meanwhile runs in the next turn of the loop, so a
   flood of posts cannot starve the sockets. */
static void run_posts(uv_async_t *wake)
{
    struct reactor *reactor = CONTAINER_OF(wake, struct reactor, wake);
    struct reactor_post *newest = atomic_exchange_explicit(&reactor->posts, NULL, memory_order_acquire);
    struct reactor_post *oldest = NULL;
    while (newest) {
        struct reactor_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct reactor_post *post = oldest;
        oldest = post->next;
        post->run(post);
    }
    if (atomic_load_explicit(&reactor->stopping, memory_order_acquire))
        uv_stop(&reactor->loop);
}

int reactor_new(struct gateway *gateway, unsigned index, struct reactor **ret_reactor)
{
    struct reactor *reactor = calloc(1, sizeof(*reactor));
    if (!reactor)
        return -ENOMEM;
    reactor->gateway = gateway;
    reactor->index = index;
    link_init(&reactor->listeners);
    link_init(&reactor->exchanges);
    link_init(&reactor->calls);
    link_init(&reactor->passes);
    int r = uv_loop_init(&reactor->loop);
    if (r < 0) {
        free(reactor);
        return r;
    }
    r = log_buffer_new(&reactor->loop, &reactor->counters, &reactor->log);
    if (r == 0)
        r = uv_async_init(&reactor->loop, &reactor->wake, run_posts);
    if (r < 0) {
        log_buffer_close(reactor->log);
        (void)uv_run(&reactor->loop, UV_RUN_DEFAULT);
        uv_loop_close(&reactor->loop);
        free(reactor);
        return r;
    }
    *ret_reactor = reactor;
    return 0;
}

bool reactor_run_here(struct reactor *reactor)
{
    struct reactor *before = current;
    bool any = false;
    current = reactor;
    do {
        any |= atomic_load_explicit(&reactor->posts, memory_order_acquire) != NULL;
        uv_run(&reactor->loop, UV_RUN_NOWAIT);
    } while (atomic_load_explicit(&reactor->posts, memory_order_acquire));
    current = before;
    return any;
}

void reactor_free(struct reactor *reactor)
{
    if (!reactor)
        return;
    struct reactor *before = current;
    current = reactor;
    /* Or uv_stop() would keep the loop from closing its handles. */
    atomic_store_explicit(&reactor->stopping, false, memory_order_release);
    while (atomic_load_explicit(&reactor->posts, memory_order_acquire))
        run_posts(&reactor->wake); /* what was posted after the loop ended still owns things */
    log_buffer_close(reactor->log);
    uv_close((uv_handle_t *)&reactor->wake, NULL);
    while (uv_run(&reactor->loop, UV_RUN_DEFAULT) != 0) /* uv_stop() ended the first run before anything was closed */
        ;
    uv_loop_close(&reactor->loop);
    current = before == reactor ? NULL : before;
    snapshot_unref(reactor->snapshot);
    free(reactor);
}

static void *run_loop(void *data)
{
    struct reactor *reactor = data;
    current = reactor;
    while (!atomic_load_explicit(&reactor->stopping, memory_order_acquire))
        uv_run(&reactor->loop, UV_RUN_DEFAULT);
    return NULL;
}

int reactor_start(struct reactor *reactor)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&reactor->thread, NULL, run_loop, reactor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    reactor->started = r == 0;
    return -r;
}

void reactor_stop(struct reactor *reactor)
{
    atomic_store_explicit(&reactor->stopping, true, memory_order_release);
    uv_async_send(&reactor->wake);
}

void reactor_join(struct reactor *reactor)
{
    if (reactor->started)
        pthread_join(reactor->thread, NULL);
    reactor->started = false;
}

void reactor_post(struct reactor *reactor, struct reactor_post *post, void (*run)(struct reactor_post *post))
{
    post->run = run;
    post->next = atomic_load_explicit(&reactor->posts, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&reactor->posts, &post->next, post, memory_order_release,
                                                  memory_order_relaxed))
        ;
    uv_async_send(&reactor->wake);
}

uv_loop_t *reactor_loop(struct reactor *reactor)
{
    return &reactor->loop;
}

struct gateway *reactor_gateway(struct reactor *reactor)
{
    return reactor->gateway;
}

unsigned reactor_index(const struct reactor *reactor)
{
    return reactor->index;
}

struct counters *reactor_counters(struct reactor *reactor)
{
    return &reactor->counters;
}

struct log_buffer *reactor_log(struct reactor *reactor)
{
    return reactor->log;
}

struct snapshot *reactor_snapshot(struct reactor *reactor)
{
    return reactor->snapshot;
}

void reactor_set_snapshot(struct reactor *reactor, struct snapshot *snapshot)
{
    snapshot_unref(reactor->snapshot);
    reactor->snapshot = snapshot;
}

struct link *reactor_listeners(struct reactor *reactor)
{
    return &reactor->listeners;
}

struct link *reactor_exchanges(struct reactor *reactor)
{
    return &reactor->exchanges;
}

struct link *reactor_calls(struct reactor *reactor)
{
    return &reactor->calls;
}

struct link *reactor_passes(struct reactor *reactor)
{
    return &reactor->passes;
}

/* The parts that a message passes, each on its own, beside what the ancestor of this product reported of its own (it
   had a registry, a queue, a pool and sessions, too): the catalogue, posts between threads, the worker pool, sessions.
   Rates are of wall-clock time where threads work together, else of one thread's CPU time; the best of some rounds. */
#include <stdio.h>
#include <string.h>

#include "gateway/core/session.h"
#include "tests/bench/generator.h"
#include "tests/bench/house.h"

enum { ROUNDS = 5, FINDS = 2000000, POSTS = 1000000, NODES = 4096, JOBS = 200000, AT_ONCE = 64, SESSIONS = 200000 };

/* In thousands a second. */
static void say(const char *what, double per_second, unsigned ancestor)
{
    printf("%-46s %8.0f k/s", what, per_second / 1e3);
    if (ancestor > 0)
        printf("   ancestor: %u k/s", ancestor);
    printf("\n");
}

static double best_of(double (*run)(struct gateway *gateway), struct gateway *gateway)
{
    double best = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        best = MAX(best, run(gateway));
    return best;
}

/* ---- the registry ---- */

static double find_items(struct gateway *gateway)
{
    static const char *const keys[] = {"echo", "time", "none"};
    struct snapshot *snapshot = gateway_snapshot(gateway);
    size_t found = 0;
    uint64_t start_ns = house_cpu_ns();
    for (unsigned i = 0; i < FINDS; i++)
        found += catalogue_find(snapshot->catalogue, ITEM_TOOL, span_of(keys[i % ARRAY_SIZE(keys)])) != NULL;
    double rate = FINDS * 1e9 / (double)(house_cpu_ns() - start_ns);
    snapshot_unref(snapshot);
    return found == FINDS / ARRAY_SIZE(keys) * 2 + MIN(FINDS % ARRAY_SIZE(keys), (size_t)2) ? rate : 0;
}

/* A new list with one item less, and one with it again. */
static double edit_catalogue(struct gateway *gateway)
{
    enum { EDITS = 20000 };
    struct snapshot *snapshot = gateway_snapshot(gateway);
    struct catalogue *now =
        catalogue_ref((struct catalogue *)(uintptr_t)snapshot->catalogue); /* counted, not changed */
    struct item *item = item_ref(catalogue_find(now, ITEM_TOOL, SPAN("time")));
    uint64_t start_ns = house_cpu_ns();
    int r = 0;
    for (unsigned i = 0; i < EDITS && r == 0; i++) {
        struct catalogue_builder *builder = NULL;
        struct catalogue *next = NULL;
        unsigned changed;
        r = catalogue_builder_new(now, &builder);
        if (r == 0 && i % 2 == 0)
            r = catalogue_builder_remove(builder, ITEM_TOOL, SPAN("time"), item->provider);
        else if (r == 0)
            r = catalogue_builder_add(builder, item_ref(item));
        if (r == 0)
            r = catalogue_builder_finish(builder, &next, &changed);
        catalogue_builder_free(builder);
        catalogue_unref(now);
        now = next;
    }
    double rate = r == 0 ? EDITS * 1e9 / (double)(house_cpu_ns() - start_ns) : 0;
    catalogue_unref(now);
    item_unref(item);
    snapshot_unref(snapshot);
    return rate;
}

/* ---- the queue ---- */

struct node {
    struct reactor_post post;
    _Atomic bool under_way;
};
static struct node nodes[NODES];
static _Atomic size_t arrived;

static void arrive(struct reactor_post *post)
{
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
    atomic_store_explicit(&CONTAINER_OF(post, struct node, post)->under_way, false, memory_order_release);
}

/* From this thread to the reactor's, until the last has run. */
static double post_nodes(struct gateway *gateway)
{
    uint64_t start_ns = generator_now_ns();
    atomic_store(&arrived, 0);
    for (size_t i = 0; i < POSTS; i++) {
        struct node *node = &nodes[i % NODES];
        while (atomic_load_explicit(&node->under_way, memory_order_acquire))
            ;
        atomic_store_explicit(&node->under_way, true, memory_order_relaxed);
        reactor_post(gateway->reactor[0], &node->post, arrive);
    }
    while (atomic_load(&arrived) < POSTS)
        ;
    return POSTS * 1e9 / (double)(generator_now_ns() - start_ns);
}

/* ---- the pool ---- */

static uv_loop_t loop;
static uv_work_t works[AT_ONCE];
static size_t jobs_begun, jobs_done;

static void nothing(uv_work_t *work UNUSED)
{
}

static void next_job(uv_work_t *work, int status UNUSED)
{
    jobs_done++;
    if (jobs_begun < JOBS && uv_queue_work(&loop, work, nothing, next_job) == 0)
        jobs_begun++;
}

/* From a loop to a worker thread and back. */
static double run_jobs(struct gateway *gateway UNUSED)
{
    uint64_t start_ns = generator_now_ns();
    jobs_begun = jobs_done = 0;
    for (unsigned i = 0; i < AT_ONCE; i++)
        if (uv_queue_work(&loop, &works[i], nothing, next_job) == 0)
            jobs_begun++;
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return jobs_done == JOBS ? JOBS * 1e9 / (double)(generator_now_ns() - start_ns) : 0;
}

/* ---- sessions ---- */

/* Opened, found by its id, closed. */
static double pass_sessions(struct gateway *gateway)
{
    uint64_t start_ns = house_cpu_ns();
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct session *session = NULL;
        if (session_open(gateway, REVISION_2025_11_25, 0, NULL, &session) != 0)
            return 0;
        session_unref(session_find(gateway, span_of(session_id(session)), NULL));
        session_close(session);
        session_unref(session);
    }
    return SESSIONS * 1e9 / (double)(house_cpu_ns() - start_ns);
}

int main(void)
{
    struct gateway *gateway = house_new(NULL);
    if (!gateway || reactor_start(gateway->reactor[0]) < 0 || uv_loop_init(&loop) != 0)
        return 1;
    say("catalogue: found by name", best_of(find_items, gateway), 553);
    say("catalogue: a new one with one item changed", best_of(edit_catalogue, gateway), 0);
    say("posts from one thread to another", best_of(post_nodes, gateway), 971);
    say("worker pool: handed over and back", best_of(run_jobs, gateway), 149);
    say("sessions: opened, found, closed", best_of(pass_sessions, gateway), 242);
    uv_loop_close(&loop);
    reactor_stop(gateway->reactor[0]);
    reactor_join(gateway->reactor[0]);
    gateway_free(gateway);
    return 0;
}

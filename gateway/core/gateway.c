/* The whole: makes and frees what all reactors share, and puts new snapshots before them. Publishing is ordered by one
   lock, so that every reactor sees the same snapshots in the same order; reading never takes it, save for threads that
   are no reactor. */
#include "gateway/core/gateway.h"

#include <errno.h>
#include <unistd.h>

#include "auth/policy.h"
#include "gateway/base/clock.h"
#include "gateway/core/audit.h"
#include "gateway/core/guard.h"
#include "gateway/core/inbox.h"
#include "gateway/core/memory_guard.h"
#include "gateway/core/overload.h"
#include "gateway/core/seal.h"
#include "gateway/core/session.h"
#include "gateway/core/subscriptions.h"
#include "gateway/core/task.h"
#include "limits/count_table.h"
#include "limits/rate_table.h"

enum { MAX_REACTORS = 256, HOUSEKEEPING_MS = 1000 };

void gateway_apply_limits(struct gateway *gateway, const struct settings *settings)
{
    struct quotas *quotas = &gateway->quotas;
    quota_set_limit(quotas, QUOTA_CONNECTIONS, settings->limits.max_connections);
    quota_set_limit(quotas, QUOTA_SESSIONS, settings->limits.max_sessions);
    quota_set_limit(quotas, QUOTA_STREAMS, settings->limits.max_streams);
    quota_set_limit(quotas, QUOTA_IN_FLIGHT, settings->limits.max_in_flight);
    quota_set_limit(quotas, QUOTA_TASKS, settings->limits.max_tasks);
    quota_set_limit(quotas, QUOTA_SUBSCRIPTIONS, settings->limits.max_subscriptions);
    quota_set_limit(quotas, QUOTA_WORKERS, settings->limits.workers);
    quota_set_limit(quotas, QUOTA_PROCESSES, settings->limits.max_processes);
    atomic_store(&gateway->client_descriptors, settings->descriptors.allowed.clients);
    atomic_store(&gateway->lingering_refused, settings->descriptors.allowed.lingering);
    overload_apply(gateway, settings);
    memory_guard_apply(gateway, settings);
}

/* ---- housekeeping: once a second on the first reactor ---- */

static void keep_house(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;
    struct snapshot *snapshot = reactor_snapshot(gateway->reactor[0]);
    unsigned ended = session_table_sweep(gateway, snapshot->settings->limits.session_idle_ms);
    counter_add(reactor_counters(gateway->reactor[0]), COUNTER_TIMEOUT_SESSION, ended);
    task_table_sweep(gateway);
    audit_tick(gateway->audit);
    overload_look(gateway);
}

static int start_housekeeping(struct gateway *gateway)
{
    uv_timer_t *timer = calloc(1, sizeof(*timer));
    if (!timer)
        return -ENOMEM;
    uv_timer_init(reactor_loop(gateway->reactor[0]), timer);
    timer->data = gateway;
    gateway->housekeeping = timer;
    return uv_timer_start(timer, keep_house, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* ---- making ---- */

unsigned gateway_count_reactors(const struct settings *settings)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = settings->threads ? settings->threads : (unsigned)MAX(online, 1);
    return MIN(count, (unsigned)MAX_REACTORS);
}

static int make_reactors(struct gateway *gateway, unsigned count)
{
    gateway->reactor = calloc(count, sizeof(*gateway->reactor));
    if (!gateway->reactor)
        return -ENOMEM;
    for (; gateway->reactors < count; gateway->reactors++) {
        int r = reactor_new(gateway, gateway->reactors, &gateway->reactor[gateway->reactors]);
        if (r < 0)
            return r;
        reactor_set_snapshot(gateway->reactor[gateway->reactors], snapshot_ref(gateway->snapshot));
    }
    int r = overload_new(gateway);
    if (r == 0)
        r = start_housekeeping(gateway);
    return r == 0 ? memory_guard_new(gateway) : r;
}

static int make_limits(struct gateway *gateway, size_t buckets)
{
    struct quotas *quotas = &gateway->quotas;
    int r = rate_table_new(buckets, quotas, QUOTA_ATTEMPT_BUCKETS, &gateway->attempts);
    if (r == 0)
        r = rate_table_new(buckets, quotas, QUOTA_REQUEST_BUCKETS, &gateway->requests);
    if (r == 0)
        r = rate_table_new(buckets, quotas, QUOTA_TOOL_BUCKETS, &gateway->tool_rates);
    if (r == 0)
        r = count_table_new(&gateway->tool_calls);
    return r == 0 ? count_table_new(&gateway->networks) : r;
}

static void free_limits(struct gateway *gateway)
{
    count_table_free(gateway->networks);
    count_table_free(gateway->tool_calls);
    rate_table_free(gateway->tool_rates);
    rate_table_free(gateway->requests);
    rate_table_free(gateway->attempts);
}

int gateway_new(struct snapshot *snapshot, struct gateway **ret_gateway)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    if (!gateway)
        return -ENOMEM;
    gateway->snapshot = snapshot;
    gateway->started_wall_ms = clock_wall_ms();
    pthread_mutex_init(&gateway->publish_lock, NULL);
    memory_init(&gateway->memory);
    gateway_apply_limits(gateway, snapshot->settings);
    int r = audit_new(gateway, &gateway->audit);
    if (r == 0)
        r = session_table_new(&gateway->sessions);
    if (r == 0)
        r = task_table_new(&gateway->tasks);
    if (r == 0)
        r = inbox_table_new(&gateway->inboxes);
    if (r == 0)
        r = seal_new(snapshot->settings->state_key, &gateway->seal);
    if (r == 0)
        r = make_limits(gateway, snapshot->settings->limits.max_buckets);
    if (r == 0)
        r = make_reactors(gateway, gateway_count_reactors(snapshot->settings));
    if (r < 0) {
        gateway->snapshot = NULL; /* still the caller's */
        gateway_free(gateway);
        return r;
    }
    *ret_gateway = gateway;
    return 0;
}

/* Posts of one reactor may post to another. */
static void run_posts(struct gateway *gateway)
{
    bool any = true;
    while (any) {
        any = false;
        for (unsigned i = 0; i < gateway->reactors; i++)
            any |= reactor_run_here(gateway->reactor[i]);
    }
}

void gateway_free(struct gateway *gateway)
{
    if (!gateway)
        return;
    if (gateway->housekeeping)
        uv_close((uv_handle_t *)gateway->housekeeping, free_handle);
    memory_guard_free(gateway);
    run_posts(gateway); /* what handlers said last still goes to tasks and sessions */
    task_table_free(gateway->tasks);
    session_table_free(gateway->sessions);
    run_posts(gateway);
    audit_free(gateway->audit);
    for (unsigned i = 0; i < gateway->reactors; i++)
        reactor_free(gateway->reactor[i]);
    free(gateway->reactor);
    overload_free(gateway);
    inbox_table_free(gateway->inboxes);
    seal_free(gateway->seal);
    free_limits(gateway);
    snapshot_unref(gateway->snapshot);
    pthread_mutex_destroy(&gateway->publish_lock);
    free(gateway);
}

/* ---- publishing ---- */

struct new_snapshot {
    struct reactor_post post;
    struct reactor *reactor;
    struct snapshot *snapshot; /* counted */
};

static void adopt(struct reactor_post *post)
{
    struct new_snapshot *new_snapshot = CONTAINER_OF(post, struct new_snapshot, post);
    const struct guard *before = reactor_snapshot(new_snapshot->reactor)->guard;
    bool other_guard = before != new_snapshot->snapshot->guard; /* both are alive */
    reactor_set_snapshot(new_snapshot->reactor, new_snapshot->snapshot);
    if (other_guard)
        guard_recheck(new_snapshot->reactor);
    free(new_snapshot);
}

/* With the lock held. All nodes are made before any is posted: either every reactor follows or none does. */
static int post_snapshot(struct gateway *gateway, struct snapshot *snapshot)
{
    struct new_snapshot *node[MAX_REACTORS];
    for (unsigned i = 0; i < gateway->reactors; i++) {
        node[i] = calloc(1, sizeof(*node[i]));
        if (!node[i]) {
            while (i > 0)
                free(node[--i]);
            return -ENOMEM;
        }
    }
    for (unsigned i = 0; i < gateway->reactors; i++) {
        node[i]->reactor = gateway->reactor[i];
        node[i]->snapshot = snapshot_ref(snapshot);
        reactor_post(gateway->reactor[i], &node[i]->post, adopt);
    }
    return 0;
}

/* With the lock held. The old one is the caller's, to give up when the lock is free: what it frees may be anybody's. */
static int publish(struct gateway *gateway, struct snapshot *snapshot, struct snapshot **ret_old)
{
    int r = post_snapshot(gateway, snapshot);
    if (r < 0)
        return r;
    *ret_old = gateway->snapshot;
    gateway->snapshot = snapshot_ref(snapshot);
    gateway_apply_limits(gateway, snapshot->settings);
    return 0;
}

static int announce(struct gateway *gateway, unsigned changed)
{
    if (changed && subscriptions_announce(gateway, changed, (struct span){0}) < 0)
        return GATEWAY_NOT_ANNOUNCED;
    return 0;
}

int gateway_publish(struct gateway *gateway, struct snapshot *snapshot, unsigned changed)
{
    struct snapshot *old = NULL;
    pthread_mutex_lock(&gateway->publish_lock);
    int r = publish(gateway, snapshot, &old);
    pthread_mutex_unlock(&gateway->publish_lock);
    snapshot_unref(old);
    snapshot_unref(snapshot);
    return r == 0 ? announce(gateway, changed) : r;
}

struct snapshot *gateway_snapshot(struct gateway *gateway)
{
    struct reactor *reactor = reactor_current();
    if (reactor && reactor_gateway(reactor) == gateway)
        return snapshot_ref(reactor_snapshot(reactor));
    pthread_mutex_lock(&gateway->publish_lock);
    struct snapshot *snapshot = snapshot_ref(gateway->snapshot);
    pthread_mutex_unlock(&gateway->publish_lock);
    return snapshot;
}

/* `items` as catalogue_add_changes() has them, where a policy makes a difference. */
struct changed {
    unsigned kinds;
    struct text items;
};

struct edit {
    int (*run)(struct catalogue_builder *builder, void *data);
    void *data;
};

/* With the lock held: the newest catalogue, changed by `edit`, becomes the newest snapshot. */
static int edit_catalogue(struct gateway *gateway, struct settings_holder *settings, const struct edit *edit,
                          struct changed *changed, struct snapshot **ret_old)
{
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct snapshot *snapshot = NULL;
    int r = catalogue_builder_new(snapshot_catalogue(gateway->snapshot), &builder);
    if (r == 0)
        r = edit->run(builder, edit->data);
    if (r == 0)
        r = catalogue_builder_finish(builder, &catalogue, &changed->kinds);
    catalogue_builder_free(builder);
    if (r != 0)
        return r;
    if (changed->kinds && settings_holder_get(settings)->policies)
        catalogue_add_changes(snapshot_catalogue(gateway->snapshot), catalogue, &changed->items);
    r = snapshot_new(settings_holder_ref(settings), catalogue, &snapshot);
    if (r < 0) {
        settings_holder_unref(settings);
        catalogue_unref(catalogue);
        return r;
    }
    r = publish(gateway, snapshot, ret_old);
    snapshot_unref(snapshot);
    return r;
}

/* `settings` NULL: as they are. */
static int change(struct gateway *gateway, struct settings_holder *settings, const struct edit *edit,
                  unsigned announced)
{
    struct changed changed = {.items = TEXT(CATALOGUE_MAX_CHANGES * (CATALOGUE_MAX_URI_BYTES + 2))};
    struct snapshot *old = NULL;
    pthread_mutex_lock(&gateway->publish_lock);
    int r = edit_catalogue(gateway, settings ? settings : snapshot_settings(gateway->snapshot), edit, &changed, &old);
    pthread_mutex_unlock(&gateway->publish_lock);
    snapshot_unref(old);
    if (announced) /* whatever changed, and whoever sees it */
        text_done(&changed.items);
    if (r == 0 && (changed.kinds | announced))
        r = subscriptions_announce_changes(gateway, changed.kinds | announced, text_span(&changed.items)) < 0
                ? GATEWAY_NOT_ANNOUNCED
                : 0;
    text_done(&changed.items);
    return r;
}

/* Another policy makes other lists for somebody; for whom is not looked into. */
static unsigned changed_by_policy(struct gateway *gateway, const struct settings *next)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    const struct settings *now = snapshot->settings;
    bool same = policy_same(now->policy, now->policies, next->policy, next->policies);
    snapshot_unref(snapshot);
    return same ? 0 : (1U << ITEM_KINDS) - 1;
}

int gateway_reconfigure(struct gateway *gateway, struct settings_holder *settings,
                        int (*edit)(struct catalogue_builder *builder, void *data), void *data)
{
    return change(gateway, settings, &(struct edit){edit, data},
                  changed_by_policy(gateway, settings_holder_get(settings)));
}

int gateway_edit_catalogue(struct gateway *gateway, int (*edit)(struct catalogue_builder *builder, void *data),
                           void *data, unsigned announced)
{
    return change(gateway, NULL, &(struct edit){edit, data}, announced);
}

int gateway_resource_updated(struct gateway *gateway, struct span uri)
{
    return subscriptions_announce(gateway, 0, uri);
}

const char *gateway_phase_name(enum gateway_phase phase)
{
    static const char *const names[] = {
        [GATEWAY_STARTING] = "starting", [GATEWAY_READY] = "ready",     [GATEWAY_LEAVING] = "leaving",
        [GATEWAY_DRAINING] = "draining", [GATEWAY_STOPPED] = "stopped",
    };
    return names[phase];
}

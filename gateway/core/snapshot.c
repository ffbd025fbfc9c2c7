/* Snapshots and the settings they show: two counted records. Any thread; the last reference frees. */
#include "gateway/core/snapshot.h"

#include <errno.h>
#include <stdatomic.h>

#include "auth/policy.h"
#include "gateway/core/guard.h"

struct settings_holder {
    _Atomic unsigned references;
    struct settings *settings;
    struct policy *policy; /* borrows from the settings */
    struct guard *guard;   /* counted */
    void (*release)(struct settings *settings);
};

struct snapshot_full {
    struct snapshot seen; /* first: what others hold a pointer to */
    _Atomic unsigned references;
    struct settings_holder *holder;
    struct catalogue *owned_catalogue;
};

static struct snapshot_full *full(struct snapshot *snapshot)
{
    return CONTAINER_OF(snapshot, struct snapshot_full, seen);
}

int settings_holder_new(struct settings *settings, void (*release)(struct settings *settings),
                        struct settings_holder **ret_holder)
{
    struct settings_holder *holder = malloc(sizeof(*holder));
    if (!holder)
        return -ENOMEM;
    *holder = (struct settings_holder){.references = 1, .settings = settings, .release = release};
    int result = settings->policies ? policy_new(settings->policy, settings->policies, &holder->policy) : 0;
    if (result < 0) {
        free(holder);
        return result;
    }
    *ret_holder = holder;
    return 0;
}

struct settings_holder *settings_holder_ref(struct settings_holder *holder)
{
    atomic_fetch_add_explicit(&holder->references, 1, memory_order_relaxed);
    return holder;
}

void settings_holder_unref(struct settings_holder *holder)
{
    if (!holder || atomic_fetch_sub_explicit(&holder->references, 1, memory_order_acq_rel) != 1)
        return;
    policy_free(holder->policy);
    guard_unref(holder->guard);
    if (holder->release)
        holder->release(holder->settings);
    free(holder);
}

const struct settings *settings_holder_get(const struct settings_holder *holder)
{
    return holder->settings;
}

void settings_holder_set_guard(struct settings_holder *holder, struct guard *guard)
{
    holder->guard = guard;
}

struct guard *settings_holder_guard(const struct settings_holder *holder)
{
    return holder->guard;
}

int snapshot_new(struct settings_holder *settings, struct catalogue *catalogue, struct snapshot **ret_snapshot)
{
    struct snapshot_full *snapshot = malloc(sizeof(*snapshot));
    if (!snapshot)
        return -ENOMEM;
    *snapshot = (struct snapshot_full){
        .seen = {.settings = settings->settings,
                 .guard = settings->guard,
                 .catalogue = catalogue,
                 .policy = settings->policy},
        .references = 1,
        .holder = settings,
        .owned_catalogue = catalogue,
    };
    *ret_snapshot = &snapshot->seen;
    return 0;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&full(snapshot)->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub_explicit(&full(snapshot)->references, 1, memory_order_acq_rel) != 1)
        return;
    catalogue_unref(full(snapshot)->owned_catalogue);
    settings_holder_unref(full(snapshot)->holder);
    free(full(snapshot));
}

struct settings_holder *snapshot_settings(struct snapshot *snapshot)
{
    return full(snapshot)->holder;
}

struct catalogue *snapshot_catalogue(struct snapshot *snapshot)
{
    return full(snapshot)->owned_catalogue;
}

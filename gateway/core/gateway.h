/* The process-wide whole: what all reactors share. Made by main, passed down, never global. */
#pragma once
#include <pthread.h>

#include "gateway/core/reactor.h"
#include "gateway/core/snapshot.h"
#include "limits/memory.h"
#include "limits/quota.h"

struct session_table;
struct task_table;
struct inbox_table;
struct seal;
struct trace_sink;
struct command_keeper;
struct rate_table;
struct count_table;
struct memory_guard;
struct overload;
struct audit;

enum gateway_phase {
    GATEWAY_STARTING,
    GATEWAY_READY,
    GATEWAY_LEAVING,  /* serves as ever, but says on /readyz and with each answer that it will not for long */
    GATEWAY_DRAINING, /* finishes what it has; nobody new gets in */
    GATEWAY_STOPPED,  /* ends what is left, and begins nothing */
};

struct gateway {
    _Atomic int phase; /* enum gateway_phase */
    struct reactor **reactor;
    unsigned reactors;
    struct quotas quotas;
    _Atomic int client_descriptors;     /* limits/descriptors.h; 0: no bound */
    _Atomic unsigned lingering_refused; /* the same; 0: as many as a ring has room for */
    struct memory memory;
    struct memory_guard *memory_guard;
    struct overload *overload;
    struct session_table *sessions;
    struct task_table *tasks;
    struct inbox_table *inboxes;
    struct seal *seal;              /* of requestState */
    struct rate_table *attempts;    /* to prove who one is, by network (rates.h) */
    struct rate_table *requests;    /* by caller */
    struct rate_table *tool_rates;  /* by caller and rule (tool_limits.h) */
    struct count_table *tool_calls; /* under way, by rule */
    struct count_table *networks;   /* their connections */
    struct audit *audit;            /* off until main opens it */
    struct trace_sink *trace_sink;  /* set before the reactors run; NULL: nobody wants spans */
    struct command_keeper *keeper;  /* set like that; NULL: what commands start may outlive a gateway that is killed */
    uint64_t started_wall_ms;
    /* The newest snapshot; reactors follow within one turn of their loops. */
    pthread_mutex_t publish_lock;
    struct snapshot *snapshot;
    uv_timer_t *housekeeping; /* idle sessions and old tasks, on the first reactor */
};

/* Makes everything but the reactors' fronts: quotas and seal from the settings, tables, `threads` reactors, the first
   snapshot. Takes the snapshot's reference on success. 0 or -errno. */
MUST_USE int gateway_new(struct snapshot *snapshot, struct gateway **ret_gateway);
/* How many reactors it has with these settings. */
unsigned gateway_count_reactors(const struct settings *settings);
/* All reactors have stopped. Takes NULL. */
void gateway_free(struct gateway *gateway);

/* Puts a new snapshot before all reactors (any thread, in the order of the calls) and tells clients that asked for it
   which lists changed: `changed` has a bit (1 << kind) per item kind. Takes the reference. 0; GATEWAY_NOT_ANNOUNCED:
   done, but for want of memory not all clients were told; or -ENOMEM: then nothing has changed. */
enum { GATEWAY_NOT_ANNOUNCED = 1 };
MUST_USE int gateway_publish(struct gateway *gateway, struct snapshot *snapshot, unsigned changed);
/* The newest snapshot with a reference, whatever thread asks. */
struct snapshot *gateway_snapshot(struct gateway *gateway);
/* Changes the catalogue in one step, whoever else does the same: `edit` fills a builder that begins with the newest
   catalogue; not 0 from it changes nothing and is returned. `announced` is added to what changed. 0,
   GATEWAY_NOT_ANNOUNCED, or -errno. Any thread. */
MUST_USE int gateway_edit_catalogue(struct gateway *gateway, int (*edit)(struct catalogue_builder *builder, void *data),
                                    void *data, unsigned announced);
/* A reload: the same with new settings (borrowed: the snapshots take their own references), in one step. If their
   policy is another, all lists are announced. */
MUST_USE int gateway_reconfigure(struct gateway *gateway, struct settings_holder *settings,
                                 int (*edit)(struct catalogue_builder *builder, void *data), void *data);
/* Applies limits from settings (start and reload). */
void gateway_apply_limits(struct gateway *gateway, const struct settings *settings);
/* Tells whoever subscribed to `uri`. Any thread. 0 or -ENOMEM. */
MUST_USE int gateway_resource_updated(struct gateway *gateway, struct span uri);

/* "starting", "ready", "leaving", "draining", "stopped". */
const char *gateway_phase_name(enum gateway_phase phase);
static inline enum gateway_phase gateway_phase(struct gateway *gateway)
{
    return (enum gateway_phase)atomic_load_explicit(&gateway->phase, memory_order_acquire);
}

/* Counters: one set per reactor, written by its thread alone, summed when somebody looks. Relaxed atomics, so a reader
   on another thread sees each number whole. What they are called outside stands in counters.def. */
#pragma once
#include <stdatomic.h>

#include "gateway/mcp/methods.h"

enum counter {
#define COUNTER(name, ...) COUNTER_##name,
#include "gateway/core/counters.def"
#undef COUNTER
    COUNTER_COUNT
};

enum outcome { OUTCOME_OK, OUTCOME_TOOL_ERROR, OUTCOME_ERROR, OUTCOME_REFUSED, OUTCOME_CANCELLED, OUTCOME_COUNT };

enum { LATENCY_BUCKETS = 18 };

struct counters {
    _Atomic uint64_t event[COUNTER_COUNT];
    _Atomic uint64_t requests[METHOD_COUNT][ERA_COUNT][OUTCOME_COUNT];
    _Atomic uint64_t latency[ERA_COUNT][LATENCY_BUCKETS]; /* last bucket: slower than all bounds */
    _Atomic uint64_t latency_sum_ns[ERA_COUNT];
};

/* Only the owning thread adds, so a plain load and store is enough and cheaper than a locked addition. */
static inline void counter_bump(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount, memory_order_relaxed);
}
static inline void counter_add(struct counters *counters, enum counter name, uint64_t amount)
{
    counter_bump(&counters->event[name], amount);
}
/* From a thread that does not own the counters (rare events only); the owner's plain additions may swallow one that
   happens at the same instant, which a count of drops can bear. */
static inline void counter_add_shared(struct counters *counters, enum counter name, uint64_t amount)
{
    atomic_fetch_add_explicit(&counters->event[name], amount, memory_order_relaxed);
}
/* One request has ended. */
void counters_request(struct counters *counters, enum method method, enum era era, enum outcome outcome,
                      uint64_t duration_ns);
/* Upper bound of a latency bucket in nanoseconds; UINT64_MAX for the last. */
uint64_t counters_latency_bound_ns(unsigned bucket);
/* Adds all of `from` to `sum`. */
void counters_sum(struct counters *sum, const struct counters *from);

/* The outside names of an event counter: "weir_refusals_total", "reason=\"payload\"" or "", help. */
const char *counter_metric(enum counter name);
const char *counter_labels(enum counter name);
const char *counter_help(enum counter name);
const char *outcome_name(enum outcome outcome);

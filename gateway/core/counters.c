/* Adds up what the reactors count. Writers are the owning threads; sums are taken by whoever renders them. */
#include "gateway/core/counters.h"

static const uint64_t latency_bounds_us[LATENCY_BUCKETS - 1] = {
    50,    100,    250,    500,    1000,    2500,    5000,     10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 5000000, 30000000, 60000000,
};

static const struct counter_row {
    const char *metric;
    const char *labels;
    const char *help;
} rows[COUNTER_COUNT] = {
#define COUNTER(name, row_metric, row_labels, row_help) [COUNTER_##name] = {row_metric, row_labels, row_help},
#include "gateway/core/counters.def"
#undef COUNTER
};

uint64_t counters_latency_bound_ns(unsigned bucket)
{
    return bucket < LATENCY_BUCKETS - 1 ? latency_bounds_us[bucket] * 1000 : UINT64_MAX;
}

void counters_request(struct counters *counters, enum method method, enum era era, enum outcome outcome,
                      uint64_t duration_ns)
{
    counter_bump(&counters->requests[method][era][outcome], 1);
    counter_bump(&counters->latency_sum_ns[era], duration_ns);
    unsigned bucket = 0;
    while (bucket < LATENCY_BUCKETS - 1 && duration_ns > latency_bounds_us[bucket] * 1000)
        bucket++;
    counter_bump(&counters->latency[era][bucket], 1);
}

void counters_sum(struct counters *sum, const struct counters *from)
{
    /* The struct is nothing but 64-bit counters. */
    _Static_assert(sizeof(struct counters) % sizeof(_Atomic uint64_t) == 0, "counters only");
    _Atomic uint64_t *to = (_Atomic uint64_t *)sum;
    const _Atomic uint64_t *source = (const _Atomic uint64_t *)from;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        counter_bump(&to[i], atomic_load_explicit(&source[i], memory_order_relaxed));
}

const char *counter_metric(enum counter name)
{
    return rows[name].metric;
}

const char *counter_labels(enum counter name)
{
    return rows[name].labels;
}

const char *counter_help(enum counter name)
{
    return rows[name].help;
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[OUTCOME_COUNT] = {
        [OUTCOME_OK] = "ok",           [OUTCOME_TOOL_ERROR] = "tool_error", [OUTCOME_ERROR] = "error",
        [OUTCOME_REFUSED] = "refused", [OUTCOME_CANCELLED] = "cancelled",
    };
    return names[outcome];
}

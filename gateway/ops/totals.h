/* What all reactors have counted, as one set of counters. */
#pragma once
#include "gateway/core/gateway.h"

/* Fills `totals` with the sums. Any thread; each number is whole, but the reactors go on counting meanwhile. */
void totals_take(const struct gateway *gateway, struct counters *totals);
/* Requests that have ended: what `totals` has in its latency buckets. */
uint64_t totals_requests(const struct counters *totals, enum era era);

/* A quantile (0 < quantile < 1) of the durations in seconds, estimated as if requests were spread evenly within their
   bucket; beyond all bounds: the largest bound. Negative without any request. */
double totals_quantile(const struct counters *totals, enum era era, double quantile);
static inline uint64_t totals_load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

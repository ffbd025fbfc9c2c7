/* Sums over reactors and what can be estimated from them. Any thread; owns nothing; its cost grows with the number of
   reactors and nothing else. */
#include "gateway/ops/totals.h"

void totals_take(const struct gateway *gateway, struct counters *totals)
{
    memset(totals, 0, sizeof(*totals));
    for (unsigned i = 0; i < gateway->reactors; i++)
        counters_sum(totals, reactor_counters(gateway->reactor[i]));
}

uint64_t totals_requests(const struct counters *totals, enum era era)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        sum += totals_load(&totals->latency[era][i]);
    return sum;
}

static double bound_seconds(unsigned bucket)
{
    return (double)counters_latency_bound_ns(bucket) / 1e9;
}

double totals_quantile(const struct counters *totals, enum era era, double quantile)
{
    uint64_t count = totals_requests(totals, era);
    double rank = quantile * (double)count, below = 0;
    if (count == 0)
        return -1;
    for (unsigned i = 0; i < LATENCY_BUCKETS - 1; i++) {
        double here = (double)totals_load(&totals->latency[era][i]);
        double lower = i == 0 ? 0 : bound_seconds(i - 1);
        if (here > 0 && below + here >= rank)
            return lower + (bound_seconds(i) - lower) * (rank - below) / here;
        below += here;
    }
    return bound_seconds(LATENCY_BUCKETS - 2);
}

/* The bucket's one number is read as a distance from now, in arithmetic that wraps: behind now the bucket is full,
   ahead of it so many nanoseconds of tokens are gone. Any thread; owns nothing. */
#include "limits/token_bucket.h"

/* Threads read the clock in one order and get here in another: what is so little ahead of its bound is no clock that
   was set back. */
static const uint64_t SET_BACK_NS = 1000000000;

struct token_rate token_rate_per(uint64_t count, uint64_t period_ns, uint64_t burst)
{
    if (count == 0)
        return (struct token_rate){0};
    return (struct token_rate){
        .interval_ns = MAX((period_ns + count - 1) / count, (uint64_t)1),
        .burst = MIN(burst > 0 ? burst : count, (uint64_t)TOKEN_RATE_MAX_BURST),
    };
}

void token_bucket_init(struct token_bucket *bucket, uint64_t now_ns)
{
    atomic_store_explicit(&bucket->full_at_ns, now_ns, memory_order_relaxed);
}

static uint64_t ahead(uint64_t full_at_ns, uint64_t now_ns)
{
    uint64_t distance = full_at_ns - now_ns;
    return distance <= INT64_MAX ? distance : 0;
}

uint64_t token_bucket_full_in_ns(const struct token_bucket *bucket, uint64_t now_ns)
{
    return ahead(atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed), now_ns);
}

/* What the take makes of what was gone: 0, or TOKEN_BUCKET_EMPTY. A bucket cannot be emptier than empty, save when the
   clock was set back, or its rate was changed: then it is empty. */
static int step(const struct token_rate *rate, uint64_t gone_ns, uint64_t *ret_gone_ns)
{
    uint64_t depth_ns = rate->interval_ns * rate->burst;
    if (gone_ns > depth_ns && gone_ns - depth_ns > SET_BACK_NS)
        gone_ns = depth_ns;
    bool granted = gone_ns + rate->interval_ns <= depth_ns;
    *ret_gone_ns = granted ? gone_ns + rate->interval_ns : gone_ns;
    return granted ? 0 : TOKEN_BUCKET_EMPTY;
}

int token_bucket_take(struct token_bucket *bucket, const struct token_rate *rate, uint64_t now_ns,
                      uint64_t *ret_retry_ns)
{
    uint64_t full_at_ns = atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed), gone_ns;
    int result;
    if (rate->interval_ns == 0)
        return 0;
    do {
        uint64_t before_ns = ahead(full_at_ns, now_ns);
        result = step(rate, before_ns, &gone_ns);
        if (gone_ns == before_ns)
            break;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->full_at_ns, &full_at_ns, now_ns + gone_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    if (result == TOKEN_BUCKET_EMPTY)
        *ret_retry_ns = gone_ns + rate->interval_ns - rate->interval_ns * rate->burst;
    return result;
}

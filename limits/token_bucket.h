/* A token bucket: a steady rate, with bursts. It keeps one number, the moment at which it will be full again, so a take
   is one compare-and-swap and a bucket that nobody uses costs nothing (the virtual scheduling of the generic cell rate
   algorithm, ITU-T I.371). Any thread. */
#pragma once
#include <stdatomic.h>

#include "gateway/base/defs.h"

struct token_bucket {
    _Atomic uint64_t full_at_ns; /* on the clock of now_ns; up to now: it is full */
};

/* How fast, and how much at once. Not part of the bucket, so that a reload changes both for all. */
struct token_rate {
    uint64_t interval_ns; /* from one token to the next; 0: no limit */
    uint64_t burst;       /* tokens in a full bucket, >= 1 */
};

enum { TOKEN_BUCKET_EMPTY = 1 };
enum { TOKEN_RATE_MAX_BURST = 1000000 };

/* `count` tokens per `period_ns`, rounded so that it is never more; count 0: no limit. A burst of 0 is one of `count`.
 */
struct token_rate token_rate_per(uint64_t count, uint64_t period_ns, uint64_t burst);

/* Full. */
void token_bucket_init(struct token_bucket *bucket, uint64_t now_ns);
/* Takes one token. 0, or TOKEN_BUCKET_EMPTY with the time until there is one again. `now_ns` is a monotonic clock;
   where it is set back all the same, or begins anew after 2^64, nothing is granted by that and nobody is shut out for
   longer than the bucket takes to fill (and a second). */
MUST_USE int token_bucket_take(struct token_bucket *bucket, const struct token_rate *rate, uint64_t now_ns,
                               uint64_t *ret_retry_ns);
/* How long it takes to be full; 0: it is, and has nothing to remember. */
uint64_t token_bucket_full_in_ns(const struct token_bucket *bucket, uint64_t now_ns);

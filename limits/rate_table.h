/* Token buckets by whom they are of: a bounded table of addresses and identities. A table that strangers fill: its size
   is fixed, its places are found by a keyed hash, and who is forgotten when a place is wanted is whoever has the least
   to be remembered for: first those whose bucket is full again (nothing is lost with them), longest unused ones first;
   then those who have taken least. So a spray of addresses pushes out its own, and never a bucket that is emptier than
   theirs. Any thread. */
#pragma once
#include "limits/limit_key.h"
#include "limits/quota.h"
#include "limits/token_bucket.h"

struct rate_table;

/* At least `capacity` places. The row's `used` is how many there is something in, `limit` how many there are, `evicted`
   counts buckets that were forgotten before they were full again. The quotas outlive the table. 0 or -errno. */
MUST_USE int rate_table_new(size_t capacity, struct quotas *quotas, enum quota_name row, struct rate_table **ret_table);
void rate_table_free(struct rate_table *table); /* NULL is fine */
/* Takes one token of the key's bucket; a key that is not there begins with a full one. 0, or TOKEN_BUCKET_EMPTY with
   the time until there is one again. */
MUST_USE int rate_table_take(struct rate_table *table, const struct limit_key *key, const struct token_rate *rate,
                             uint64_t now_ns, uint64_t *ret_retry_ns);

/* Whole seconds of Retry-After, rounded up, at least one. */
unsigned rate_retry_s(uint64_t retry_ns);

/* Sets of WAYS places; a key's hash says which set. A set has one of a few locks, which is held for a look at its
   places and a take, some tens of nanoseconds. Any thread; owns the places, which the kernel gives when they are first
   used. */
#include "limits/rate_table.h"

#include <errno.h>
#include <pthread.h>

#include "gateway/base/random.h"
#include "gateway/base/siphash.h"

enum { WAYS = 16, STRIPES = 64, CACHE_LINE = 64, NS_PER_SECOND = 1000000000 };

struct place_of_rate {
    struct limit_key key; /* realm 0: nobody's */
    struct token_bucket bucket;
};

struct stripe {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
};

struct rate_table {
    struct stripe stripe[STRIPES];
    struct siphash_key hash_key;
    struct quotas *quotas;
    enum quota_name row;
    size_t sets; /* a power of two */
    struct place_of_rate *place;
};

static size_t sets_for(size_t capacity)
{
    size_t sets = 1;
    while (sets * WAYS < capacity)
        sets *= 2;
    return sets;
}

int rate_table_new(size_t capacity, struct quotas *quotas, enum quota_name row, struct rate_table **ret_table)
{
    struct rate_table *table = aligned_alloc(CACHE_LINE, sizeof(*table));
    if (!table)
        return -ENOMEM;
    *table = (struct rate_table){.quotas = quotas, .row = row, .sets = sets_for(capacity)};
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&table->stripe[i].lock, NULL);
    table->place = calloc(table->sets * WAYS, sizeof(*table->place));
    int result = table->place ? random_bytes(&table->hash_key, sizeof(table->hash_key)) : -ENOMEM;
    if (result < 0) {
        rate_table_free(table);
        return result;
    }
    quota_set_limit(quotas, row, table->sets * WAYS);
    *ret_table = table;
    return 0;
}

void rate_table_free(struct rate_table *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&table->stripe[i].lock);
    free(table->place);
    free(table);
}

static struct place_of_rate *find(struct place_of_rate *set, const struct limit_key *key)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (limit_key_equal(&set[i].key, key))
            return &set[i];
    return NULL;
}

/* Nobody's place, or that of whoever is full again longest, or will be soonest. */
static struct place_of_rate *choose(struct place_of_rate *set, uint64_t now_ns)
{
    struct place_of_rate *best = NULL;
    int64_t best_ns = INT64_MAX;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].key.realm == 0)
            return &set[i];
        int64_t full_in_ns = (int64_t)(atomic_load_explicit(&set[i].bucket.full_at_ns, memory_order_relaxed) - now_ns);
        if (!best || full_in_ns < best_ns) {
            best = &set[i];
            best_ns = full_in_ns;
        }
    }
    return best;
}

static struct place_of_rate *make_room(struct rate_table *table, struct place_of_rate *set, const struct limit_key *key,
                                       uint64_t now_ns)
{
    struct place_of_rate *place = choose(set, now_ns);
    if (place->key.realm == 0)
        quota_note(table->quotas, table->row, 1);
    else if (token_bucket_full_in_ns(&place->bucket, now_ns) > 0)
        quota_note_evicted(table->quotas, table->row);
    place->key = *key;
    token_bucket_init(&place->bucket, now_ns);
    return place;
}

int rate_table_take(struct rate_table *table, const struct limit_key *key, const struct token_rate *rate,
                    uint64_t now_ns, uint64_t *ret_retry_ns)
{
    if (rate->interval_ns == 0)
        return 0;
    size_t index = siphash(&table->hash_key, limit_key_span(key)).word[0] & (table->sets - 1);
    struct place_of_rate *set = &table->place[index * WAYS];
    pthread_mutex_t *lock = &table->stripe[index % STRIPES].lock;
    pthread_mutex_lock(lock);
    struct place_of_rate *place = find(set, key);
    if (!place)
        place = make_room(table, set, key, now_ns);
    int result = token_bucket_take(&place->bucket, rate, now_ns, ret_retry_ns);
    pthread_mutex_unlock(lock);
    return result;
}

unsigned rate_retry_s(uint64_t retry_ns)
{
    uint64_t seconds = retry_ns / NS_PER_SECOND + (retry_ns % NS_PER_SECOND > 0);
    return (unsigned)MIN(MAX(seconds, (uint64_t)1), (uint64_t)UINT32_MAX);
}

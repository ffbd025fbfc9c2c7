/* Chains of counted keys, found by a keyed hash, under one lock per stripe of chains. Any thread; owns the keys that
   count something. */
#include "limits/count_table.h"

#include <errno.h>
#include <pthread.h>

#include "gateway/base/random.h"
#include "gateway/base/siphash.h"

enum { CHAINS = 16384, STRIPES = 64, CACHE_LINE = 64 };

struct counted {
    struct counted *next;
    struct limit_key key;
    uint64_t count; /* > 0 */
    unsigned chain;
};

struct count_stripe {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
};

struct count_table {
    struct count_stripe stripe[STRIPES];
    struct siphash_key hash_key;
    struct counted *chain[CHAINS];
};

/* Where a key is, with its lock held. */
struct spot {
    struct counted **at; /* points to NULL: it is not there */
    unsigned chain;
};

int count_table_new(struct count_table **ret_table)
{
    struct count_table *table = aligned_alloc(CACHE_LINE, sizeof(*table));
    if (!table)
        return -ENOMEM;
    memset(table, 0, sizeof(*table));
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&table->stripe[i].lock, NULL);
    int result = random_bytes(&table->hash_key, sizeof(table->hash_key));
    if (result < 0)
        count_table_free(table);
    else
        *ret_table = table;
    return result;
}

static void drop(struct counted **at)
{
    struct counted *counted = *at;
    *at = counted->next;
    free(counted);
}

void count_table_free(struct count_table *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < CHAINS; i++)
        while (table->chain[i])
            drop(&table->chain[i]);
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&table->stripe[i].lock);
    free(table);
}

static void lock(struct count_table *table, unsigned chain)
{
    pthread_mutex_lock(&table->stripe[chain % STRIPES].lock);
}

static void unlock(struct count_table *table, unsigned chain)
{
    pthread_mutex_unlock(&table->stripe[chain % STRIPES].lock);
}

static struct spot go(struct count_table *table, const struct limit_key *key)
{
    unsigned chain = (unsigned)(siphash(&table->hash_key, limit_key_span(key)).word[0] % CHAINS);
    struct spot spot = {.at = &table->chain[chain], .chain = chain};
    lock(table, chain);
    while (*spot.at && !limit_key_equal(&(*spot.at)->key, key))
        spot.at = &(*spot.at)->next;
    return spot;
}

static int add(const struct spot *spot, const struct limit_key *key)
{
    struct counted *counted = malloc(sizeof(*counted));
    if (!counted)
        return -ENOMEM;
    *counted = (struct counted){.key = *key, .count = 1, .chain = spot->chain};
    *spot->at = counted;
    return 0;
}

int count_table_take(struct count_table *table, const struct limit_key *key, uint64_t limit,
                     struct counted **ret_counted)
{
    struct spot spot = go(table, key);
    uint64_t count = *spot.at ? (*spot.at)->count : 0;
    int result = 0;
    if (count >= limit)
        result = COUNT_TABLE_FULL;
    else if (count > 0)
        (*spot.at)->count++;
    else
        result = add(&spot, key);
    if (result == 0)
        *ret_counted = *spot.at;
    unlock(table, spot.chain);
    return result;
}

void count_table_give(struct count_table *table, struct counted *counted)
{
    if (!counted)
        return;
    unsigned chain = counted->chain;
    struct counted **at = &table->chain[chain];
    lock(table, chain);
    while (*at != counted)
        at = &(*at)->next;
    if (--counted->count == 0)
        drop(at);
    unlock(table, chain);
}

uint64_t count_table_count(struct count_table *table, const struct limit_key *key)
{
    struct spot spot = go(table, key);
    uint64_t count = *spot.at ? (*spot.at)->count : 0;
    unlock(table, spot.chain);
    return count;
}

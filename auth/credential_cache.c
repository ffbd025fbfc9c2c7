/* A table in stripes, each with a lock, a uthash and a list in order of use. An entry's place is one half of a 128-bit
   SipHash of what was shown, and it is believed only if the other half agrees, compared in constant time: who does not
   know the key guesses both halves once in 2^128 divided by the number of entries. The table owns one reference of each
   identity. */
#include "auth/credential_cache.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>

/* Without memory uthash leaves the entry out instead of ending the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "gateway/base/clock.h"
#include "gateway/base/random.h"
#include "gateway/base/siphash.h"

enum {
    STRIPES = 16,
    STRIPED_FROM = 1024, /* a smaller table is one stripe: its bound is exact */
    FINGERPRINT_BYTES = 32,
    ADDRESS_HASH_BYTES = 16,
};

struct entry {
    uint64_t place, check;
    struct identity *identity; /* NULL: worth nothing */
    const char *why;
    uint64_t ends_ns;          /* of the monotonic clock */
    struct entry *next, *prev; /* in order of use: the head is next to go */
    UT_hash_handle hh;
};

struct stripe {
    pthread_mutex_t lock;
    struct entry *table;
    struct entry *used;
    uint64_t found, missed, evicted;
};

struct credential_cache {
    struct siphash_key key;
    size_t stripes, max_of_stripe;
    struct stripe stripe[STRIPES];
};

int credential_cache_new(size_t max_entries, struct credential_cache **ret_cache)
{
    struct credential_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    int result = random_bytes(&cache->key, sizeof(cache->key));
    if (result < 0) {
        free(cache);
        return result;
    }
    cache->stripes = max_entries < STRIPED_FROM ? 1 : STRIPES;
    cache->max_of_stripe = MAX(max_entries / cache->stripes, (size_t)1);
    for (size_t i = 0; i < cache->stripes; i++)
        pthread_mutex_init(&cache->stripe[i].lock, NULL);
    *ret_cache = cache;
    return 0;
}

/* Under the stripe's lock. */
static void remove_entry(struct stripe *stripe, struct entry *entry)
{
    HASH_DEL(stripe->table, entry);
    DL_DELETE(stripe->used, entry);
    identity_unref(entry->identity);
    free(entry);
}

void credential_cache_free(struct credential_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->stripes; i++) {
        while (cache->stripe[i].used)
            remove_entry(&cache->stripe[i], cache->stripe[i].used);
        pthread_mutex_destroy(&cache->stripe[i].lock);
    }
    OPENSSL_cleanse(cache, sizeof(*cache));
    free(cache);
}

/* ---- places ---- */

/* Of local sockets the one thing that matters is that they are local. */
static struct span address_part(const struct address *address, uint8_t bytes[ADDRESS_HASH_BYTES])
{
    if (!address || address->size == 0)
        return (struct span){NULL, 0};
    if (address_bytes(address, bytes) < 0)
        return SPAN("unix");
    return (struct span){(const char *)bytes, ADDRESS_HASH_BYTES};
}

static struct siphash hash_of(const struct credential_cache *cache, const struct credential_cache_key *key)
{
    uint8_t bytes[ADDRESS_HASH_BYTES];
    char kind = (char)key->kind;
    const struct span parts[] = {
        {&kind, 1},
        {(const char *)key->certificate_fingerprint, key->certificate_fingerprint ? FINGERPRINT_BYTES : 0},
        address_part(key->address, bytes),
        key->secret,
    };
    return siphash_parts(&cache->key, parts, ARRAY_SIZE(parts));
}

static struct stripe *stripe_of(struct credential_cache *cache, const struct siphash *hash)
{
    return &cache->stripe[(hash->word[0] >> 32) % cache->stripes];
}

/* The hash is keyed: its own bits place it, there is nothing to hash again. Under the stripe's lock. */
static struct entry *find_entry(struct stripe *stripe, const struct siphash *hash)
{
    struct entry *entry = NULL;
    HASH_FIND_BYHASHVALUE(hh, stripe->table, &hash->word[0], sizeof(hash->word[0]), (unsigned)hash->word[0], entry);
    return entry && CRYPTO_memcmp(&entry->check, &hash->word[1], sizeof(entry->check)) == 0 ? entry : NULL;
}

static bool is_over(const struct entry *entry)
{
    uint64_t ends_wall_ms = entry->identity ? entry->identity->expires_wall_ms : 0;
    return clock_now_ns() >= entry->ends_ns || (ends_wall_ms != 0 && clock_wall_ms() >= ends_wall_ms);
}

/* ---- using ---- */

/* Under the stripe's lock. */
static int take(struct stripe *stripe, struct entry *entry, struct identity **ret_identity, const char **ret_why)
{
    DL_DELETE(stripe->used, entry);
    DL_APPEND(stripe->used, entry);
    if (entry->identity) {
        *ret_identity = identity_ref(entry->identity);
        return 0;
    }
    *ret_why = entry->why;
    return CREDENTIAL_CACHE_REFUSED;
}

int credential_cache_find(struct credential_cache *cache, const struct credential_cache_key *key,
                          struct identity **ret_identity, const char **ret_why)
{
    struct siphash hash = hash_of(cache, key);
    struct stripe *stripe = stripe_of(cache, &hash);
    int result = CREDENTIAL_CACHE_MISSING;
    pthread_mutex_lock(&stripe->lock);
    struct entry *entry = find_entry(stripe, &hash);
    if (entry && is_over(entry)) {
        remove_entry(stripe, entry);
        entry = NULL;
    }
    if (entry)
        result = take(stripe, entry, ret_identity, ret_why);
    stripe->found += entry ? 1 : 0;
    stripe->missed += entry ? 0 : 1;
    pthread_mutex_unlock(&stripe->lock);
    return result;
}

static struct entry *new_entry(const struct siphash *hash, struct identity *identity, const char *why,
                               uint64_t lives_ms)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->place = hash->word[0];
    entry->check = hash->word[1];
    entry->identity = identity_ref(identity);
    entry->why = why;
    entry->ends_ns = clock_now_ns() + MIN(lives_ms, UINT32_MAX) * 1000000;
    return entry;
}

/* Under the stripe's lock. */
static int put(struct credential_cache *cache, struct stripe *stripe, struct entry *entry)
{
    struct entry *old = NULL;
    HASH_FIND_BYHASHVALUE(hh, stripe->table, &entry->place, sizeof(entry->place), (unsigned)entry->place, old);
    if (old) {
        remove_entry(stripe, old);
    } else if (HASH_COUNT(stripe->table) >= cache->max_of_stripe) {
        remove_entry(stripe, stripe->used);
        stripe->evicted++;
    }
    HASH_ADD_BYHASHVALUE(hh, stripe->table, place, sizeof(entry->place), (unsigned)entry->place, entry);
    if (!entry->hh.tbl)
        return -ENOMEM;
    DL_APPEND(stripe->used, entry);
    return 0;
}

int credential_cache_add(struct credential_cache *cache, const struct credential_cache_key *key,
                         struct identity *identity, const char *why, uint64_t lives_ms)
{
    struct siphash hash = hash_of(cache, key);
    struct stripe *stripe = stripe_of(cache, &hash);
    struct entry *entry = new_entry(&hash, identity, why, lives_ms);
    if (!entry)
        return -ENOMEM;
    pthread_mutex_lock(&stripe->lock);
    int result = put(cache, stripe, entry);
    pthread_mutex_unlock(&stripe->lock);
    if (result < 0) {
        identity_unref(entry->identity);
        free(entry);
    }
    return result;
}

void credential_cache_read_counts(struct credential_cache *cache, struct credential_cache_counts *ret_counts)
{
    *ret_counts = (struct credential_cache_counts){0};
    for (size_t i = 0; i < cache->stripes; i++) {
        struct stripe *stripe = &cache->stripe[i];
        pthread_mutex_lock(&stripe->lock);
        ret_counts->entries += HASH_COUNT(stripe->table);
        ret_counts->found += stripe->found;
        ret_counts->missed += stripe->missed;
        ret_counts->evicted += stripe->evicted;
        pthread_mutex_unlock(&stripe->lock);
    }
}

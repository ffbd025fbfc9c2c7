/* A set of keys behind a lock, and the fetch that brings the next one. The lock comes before the fetcher's. Freed when
   the fetcher lets go of the fetch, after the last reference has gone. */
#include "auth/key_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "gateway/base/clock.h"

struct key_source {
    _Atomic unsigned references;
    struct fetch fetch;
    char *url, *ca;
    uint64_t ttl_ms;

    pthread_mutex_t lock; /* of all below */
    struct jwks *keys;
    bool answered;        /* at least once, well or not */
    unsigned failures;    /* since the last good answer */
    uint64_t answered_ms; /* monotonic */
    struct key_source_status status;
};

static void free_source(struct key_source *source)
{
    jwks_unref(source->keys);
    pthread_mutex_destroy(&source->lock);
    free(source->url);
    free(source->ca);
    free(source);
}

/* ---- answers: the fetcher's thread ---- */

static uint64_t retry_ms(unsigned failures)
{
    unsigned doublings = MIN(failures - 1, 16U);
    return MIN((uint64_t)KEY_SOURCE_RETRY_MIN_MS << doublings, (uint64_t)KEY_SOURCE_RETRY_MAX_MS);
}

/* Under the lock. */
static uint64_t note_failure(struct key_source *source, const char *error)
{
    source->failures++;
    source->status.failures++;
    source->status.failed_wall_ms = clock_wall_ms();
    (void)snprintf(source->status.error, sizeof(source->status.error), "%s", error);
    return source->answered_ms + retry_ms(source->failures);
}

/* Under the lock. */
static uint64_t note_keys(struct key_source *source, struct jwks *keys)
{
    jwks_unref(source->keys);
    source->keys = keys;
    source->failures = 0;
    source->status = (struct key_source_status){.keys = jwks_count(keys),
                                                .left_out = jwks_left_out(keys),
                                                .good_wall_ms = clock_wall_ms(),
                                                .failed_wall_ms = source->status.failed_wall_ms,
                                                .failures = source->status.failures};
    return source->answered_ms + source->ttl_ms;
}

static uint64_t answered(struct fetch *fetch, const struct fetch_answer *answer)
{
    struct key_source *source = CONTAINER_OF(fetch, struct key_source, fetch);
    struct jwks *keys = NULL;
    const char *why = answer->error;
    if (!why && jwks_parse(answer->body, &keys, &why) < 0)
        why = "out of memory";
    pthread_mutex_lock(&source->lock);
    source->answered = true;
    source->answered_ms = clock_now_ms();
    uint64_t due_ms = keys ? note_keys(source, keys) : note_failure(source, why);
    pthread_mutex_unlock(&source->lock);
    return due_ms;
}

static void released(struct fetch *fetch)
{
    free_source(CONTAINER_OF(fetch, struct key_source, fetch));
}

static const struct fetch_ops key_fetch = {answered, released};

/* ---- life ---- */

static int copy_settings(const struct key_source_settings *settings, struct key_source *source)
{
    source->ttl_ms = settings->ttl_ms;
    source->url = strdup(settings->url);
    if (settings->ca)
        source->ca = strdup(settings->ca);
    return source->url && (source->ca || !settings->ca) ? 0 : -ENOMEM;
}

int key_source_new(const struct key_source_settings *settings, struct fetcher *fetcher, struct key_source **ret_source)
{
    int result = fetcher_check_url(span_of(settings->url), true);
    if (result < 0)
        return result;
    struct key_source *source = calloc(1, sizeof(*source));
    if (!source)
        return -ENOMEM;
    atomic_init(&source->references, 1);
    pthread_mutex_init(&source->lock, NULL);
    result = copy_settings(settings, source);
    source->fetch.ops = &key_fetch;
    source->fetch.request = (struct fetch_request){.url = source->url, .ca = source->ca, .max_bytes = JWKS_MAX_BYTES};
    if (result == 0)
        result = fetcher_add(fetcher, &source->fetch, NULL) == FETCHER_FULL ? -EBUSY : 0;
    if (result == 0)
        *ret_source = source;
    else
        free_source(source);
    return result;
}

struct key_source *key_source_ref(struct key_source *source)
{
    atomic_fetch_add_explicit(&source->references, 1, memory_order_relaxed);
    return source;
}

void key_source_unref(struct key_source *source, struct fetcher *fetcher)
{
    if (source && atomic_fetch_sub_explicit(&source->references, 1, memory_order_acq_rel) == 1)
        fetcher_remove(fetcher, &source->fetch);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool key_source_is(const struct key_source *source, const struct key_source_settings *settings)
{
    return same_text(source->url, settings->url) && same_text(source->ca, settings->ca) &&
           source->ttl_ms == settings->ttl_ms;
}

/* ---- use ---- */

struct jwks *key_source_keys(struct key_source *source)
{
    pthread_mutex_lock(&source->lock);
    struct jwks *keys = jwks_ref(source->keys);
    pthread_mutex_unlock(&source->lock);
    return keys;
}

/* Under the lock. The first answer is waited for; after that an issuer without keys is asked when its time has come,
   not when a token wants it. */
static int judge(const struct key_source *source, const struct jwks *seen)
{
    if (source->keys != seen)
        return KEY_SOURCE_CHANGED;
    if (!source->answered)
        return KEY_SOURCE_ASKING;
    if (!source->keys)
        return KEY_SOURCE_AWAY;
    if (clock_now_ms() - source->answered_ms >= KEY_SOURCE_UNKNOWN_KEY_MS)
        return KEY_SOURCE_ASKING;
    return source->failures > 0 ? KEY_SOURCE_AWAY : KEY_SOURCE_CURRENT;
}

int key_source_ask(struct key_source *source, struct fetcher *fetcher, const struct jwks *seen,
                   struct authenticator_waiter *waiter)
{
    pthread_mutex_lock(&source->lock);
    int result = judge(source, seen);
    if (result == KEY_SOURCE_ASKING)
        fetcher_wait(fetcher, &source->fetch, waiter);
    pthread_mutex_unlock(&source->lock);
    return result;
}

void key_source_read_status(struct key_source *source, struct key_source_status *ret_status)
{
    pthread_mutex_lock(&source->lock);
    *ret_status = source->status;
    pthread_mutex_unlock(&source->lock);
}

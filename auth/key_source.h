/* An issuer's keys: where they come from, and the set that was fetched last. Fetched when it is made, again after its
   time in the background, and earlier when a token names a key that is not among them, but for that at most once a
   minute. While the issuer is away the old set stays, and it is asked again at growing intervals. Counted, so that a
   reload can go on with it. Any thread. */
#pragma once
#include "auth/fetcher.h"
#include "auth/jwks.h"

struct key_source;

enum {
    KEY_SOURCE_UNKNOWN_KEY_MS = 60000, /* no sooner is a set fetched again for a key that it lacks */
    KEY_SOURCE_RETRY_MIN_MS = 1000,    /* doubled with each failure */
    KEY_SOURCE_RETRY_MAX_MS = 60000,
};

struct key_source_settings {
    const char *url, *ca;
    uint64_t ttl_ms;
};

/* Copies the settings, and asks at once. 0, -EINVAL (the URL), -ENOMEM, or -EBUSY (the fetcher is full). */
MUST_USE int key_source_new(const struct key_source_settings *settings, struct fetcher *fetcher,
                            struct key_source **ret_source);
struct key_source *key_source_ref(struct key_source *source);
/* With the fetcher it was made with. NULL is fine. */
void key_source_unref(struct key_source *source, struct fetcher *fetcher);
bool key_source_is(const struct key_source *source, const struct key_source_settings *settings);

/* The set as it is now, counted; NULL: none was fetched yet. */
struct jwks *key_source_keys(struct key_source *source);

enum {
    KEY_SOURCE_CHANGED = 1, /* it is another set by now: look there first */
    KEY_SOURCE_ASKING,      /* the waiter is told when the issuer has answered, or has not */
    KEY_SOURCE_CURRENT,     /* the issuer was asked a moment ago: there is no such key */
    KEY_SOURCE_AWAY,        /* it cannot be asked now */
};
/* A token needs a key that is not in `seen` (NULL: there was no set). One of the outcomes. */
MUST_USE int key_source_ask(struct key_source *source, struct fetcher *fetcher, const struct jwks *seen,
                            struct authenticator_waiter *waiter);

struct key_source_status {
    size_t keys, left_out;
    uint64_t good_wall_ms, failed_wall_ms; /* 0: never */
    uint64_t failures;                     /* all of them */
    char error[FETCH_ERROR_BYTES];         /* of the last one; "": it was good, or there was none */
};
void key_source_read_status(struct key_source *source, struct key_source_status *ret_status);

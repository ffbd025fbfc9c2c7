/* What is known of credentials that were verified: whose they are, or (introspection) that they are worth nothing.
   Credentials are not kept: an entry is known by a keyed hash of what was shown, made with a random key that lives and
   dies with the table, so neither a dump of the table nor its timing says anything about them. Bounded; what was used
   longest ago makes room. Any thread; stripes of one lock each. */
#pragma once
#include "auth/identity.h"

struct credential_cache;

/* What was shown, all of it: another address or another certificate is another entry. Borrowed. */
struct credential_cache_key {
    int kind; /* credential_kind */
    struct span secret;
    const uint8_t *certificate_fingerprint; /* NULL: none */
    const struct address *address;          /* NULL: whichever. The port counts for nothing */
};

/* At most max_entries, at least one. 0 or -errno. */
MUST_USE int credential_cache_new(size_t max_entries, struct credential_cache **ret_cache);
void credential_cache_free(struct credential_cache *cache); /* NULL is fine */

enum {
    CREDENTIAL_CACHE_MISSING = 1, /* nothing is known, or not any more */
    CREDENTIAL_CACHE_REFUSED,     /* known to be worth nothing; *ret_why says how */
};
/* 0 with a counted identity, or an outcome. Under 1 µs. */
MUST_USE int credential_cache_find(struct credential_cache *cache, const struct credential_cache_key *key,
                                   struct identity **ret_identity, const char **ret_why);

/* Remembers for lives_ms (measured by the monotonic clock, so that a jump of the wall clock does not keep it alive) and
   not beyond the identity's own end. Takes a reference of its own; NULL: worth nothing, for the reason `why` (static).
   In the place of what was known before. 0 or -ENOMEM, which only means that it must be verified again. */
MUST_USE int credential_cache_add(struct credential_cache *cache, const struct credential_cache_key *key,
                                  struct identity *identity, const char *why, uint64_t lives_ms);

struct credential_cache_counts {
    uint64_t entries, found, missed, evicted;
};
void credential_cache_read_counts(struct credential_cache *cache, struct credential_cache_counts *ret_counts);

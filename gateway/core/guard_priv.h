/* What the guard's files share: guard.c (the way in), guard_wait.c (while an issuer is asked), guard_challenge.c (what
   is said to those who are not let in). */
#pragma once
#include "gateway/core/guard.h"

enum { GUARD_RETRY_AFTER_S = 5 /* an issuer that did not answer gets a moment */ };

struct guard {
    _Atomic unsigned references;
    bool required;
    uint64_t cache_ms;                   /* how long what an issuer said is believed */
    struct authenticator *authenticator; /* counted */
    /* guard_challenge.c; NULL: no tokens are taken, so there is nothing that clients could ask for */
    char *challenge; /* parameters of WWW-Authenticate: resource_metadata */
    char *scope;     /* the value of its scope; NULL: none */
    char *metadata;  /* JSON */
    char *path;      /* of the resource in its URL: "/mcp" or "" */
};

static inline uint64_t guard_cache_ms(const struct guard *guard)
{
    return guard ? guard->cache_ms : 0;
}

/* What the settings say of the protected resource. 0 or -ENOMEM. */
MUST_USE int guard_describe(struct guard *guard, const struct settings *settings);

/* authenticator_verify(), with the visit as who waits. */
MUST_USE int guard_wait_verify(struct reactor *reactor, struct guard *guard, const struct credentials *credentials,
                               struct guard_visit *visit, struct identity **ret_identity, const char **ret_why);
/* It has waited for as long as a request may. */
bool guard_wait_expired(const struct guard_visit *visit);

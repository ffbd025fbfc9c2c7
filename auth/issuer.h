/* One issuer of the configuration: judges tokens that say they are of it, or that may be. Either its keys are known
   (key_source.h) or it is asked about each token (introspection.h). Any thread. */
#pragma once
#include "auth/authenticator.h"
#include "auth/claims.h"
#include "auth/jwt.h"
#include "auth/key_source.h"
#include "auth/settings.h"

struct issuer;

/* What all issuers share. */
struct issuer_rules {
    uint64_t leeway_ms, jwks_ttl_ms;
};

/* Copies the settings. With the keys of one of `previous` (a reload) that fetched them from the same place. 0, -EINVAL
   (no issuer, neither keys nor introspection, keys without an audience, a bad URL, an unknown algorithm) or -errno. */
MUST_USE int issuer_new(const struct issuer_settings *settings, const struct issuer_rules *rules,
                        struct fetcher *fetcher, struct issuer *const *previous, size_t previous_count,
                        struct issuer **ret_issuer);
/* With the fetcher it was made with. NULL is fine. */
void issuer_free(struct issuer *issuer, struct fetcher *fetcher);

const char *issuer_name(const struct issuer *issuer);
bool issuer_is_introspected(const struct issuer *issuer);

/* A set of algorithms by their names; none: all. 0 or -EINVAL. */
MUST_USE int issuer_algorithms(const struct name_list *names, unsigned *ret_algorithms);

/* What a token is shown with, and who waits if the issuer must be asked. */
struct issuer_question {
    struct span token;
    const uint8_t *certificate_fingerprint; /* NULL: none */
    const struct address *address;
    struct authenticator_waiter *waiter;
};

/* A signed token that jwt_read() took without refusing it, by the issuer's keys; and any token, by asking. 0 with a
   counted identity, AUTHENTICATOR_REFUSED, _PENDING or _UNAVAILABLE, or -ENOMEM. */
MUST_USE int issuer_verify(struct issuer *issuer, struct fetcher *fetcher, const struct jwt *jwt,
                           const struct issuer_question *question, struct identity **ret_identity,
                           const char **ret_why);
MUST_USE int issuer_introspect(struct issuer *issuer, struct fetcher *fetcher, const struct issuer_question *question,
                               struct identity **ret_identity, const char **ret_why);

void issuer_read_status(struct issuer *issuer, struct authenticator_issuer *ret_status);

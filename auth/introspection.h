/* An issuer that is asked about each token (RFC 7662), with the credentials of its configuration. The same question is
   asked once, however many wait for it. Answers are kept for a moment, so that who waited finds them; how long a caller
   is believed after that is the credential cache's. While the issuer is away it is asked again at growing intervals,
   and until then nobody waits. Counted; any thread. */
#pragma once
#include "auth/claims.h"
#include "auth/fetcher.h"

struct introspector;

enum {
    INTROSPECTION_MAX_OPEN = 256, /* questions at a time */
    INTROSPECTION_MAX_ANSWERS = 4096,
    INTROSPECTION_ANSWER_MS = 2000,    /* an answer is kept so long */
    INTROSPECTION_REFUSED_MS = 10000,  /* and one that says no, so long */
    INTROSPECTION_RETRY_MIN_MS = 1000, /* doubled with each failure */
    INTROSPECTION_RETRY_MAX_MS = 30000,
};

struct introspection_settings {
    const char *url, *ca;
    const char *client_id, *client_secret; /* HTTP Basic; NULL: none */
    const char *issuer;                    /* iss, if an answer has one */
    const char *audience;                  /* that an answer must name; NULL: any */
    uint64_t leeway_ms;
};

/* Copies the settings. 0, -EINVAL (the URL) or -errno. */
MUST_USE int introspector_new(const struct introspection_settings *settings, struct introspector **ret_introspector);
void introspector_unref(struct introspector *introspector); /* NULL is fine */

enum {
    INTROSPECTION_REFUSED = 1, /* worth nothing; *ret_why (static) says how */
    INTROSPECTION_ASKING,      /* the waiter is told when the issuer has answered, or has not */
    INTROSPECTION_AWAY,        /* it cannot be asked now */
    INTROSPECTION_FULL,        /* too many questions are open */
};
/* 0 with a counted identity that has no address, an outcome, or -ENOMEM. A token that is bound to a client certificate
   is only good with it: `certificate_fingerprint` is what was shown (NULL: none). */
MUST_USE int introspector_ask(struct introspector *introspector, struct fetcher *fetcher, struct span token,
                              const uint8_t *certificate_fingerprint, struct authenticator_waiter *waiter,
                              struct identity **ret_identity, const char **ret_why);

/* What an answer says of a token: 0 with a counted identity; INTROSPECTION_REFUSED (*ret_why, static);
   INTROSPECTION_AWAY (it is no answer: *ret_why says how); or -ENOMEM. */
MUST_USE int introspection_read(struct span answer, const struct claims_rules *rules, struct identity **ret_identity,
                                const char **ret_why);

struct introspector_status {
    uint64_t good_wall_ms, failed_wall_ms; /* 0: never */
    uint64_t failures;                     /* all of them */
    char error[FETCH_ERROR_BYTES];         /* of the last one; "": it was good, or there was none */
};
void introspector_read_status(struct introspector *introspector, struct introspector_status *ret_status);

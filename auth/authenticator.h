/* Credentials into identities. Two steps, so that whoever limits attempts can do so between them, before any
   cryptography:

       authenticator_find()     what was verified already: a look into a table
         … an attempt is charged to the address …
       authenticator_verify()   hashes, signatures; may have to ask an issuer, and then says so

   Neither blocks: what must be fetched (JWKS, introspection) is fetched on a thread of the authenticator's own. One for
   all reactors; any thread. */
#pragma once
#include "auth/identity.h"
#include "auth/settings.h"

struct authenticator;

/* What a request shows, as it came; all borrowed, absent where it did not come. */
struct credentials {
    struct span authorization;              /* the field's value: "Bearer …" */
    struct span api_key;                    /* X-API-Key */
    struct span subprotocol;                /* of mcp.auth.<token> in a WebSocket upgrade */
    struct span dpop;                       /* RFC 9449 proof */
    struct span certificate_subject;        /* of a verified client certificate, RFC 4514 */
    const uint8_t *certificate_fingerprint; /* its SHA-256; NULL: none was shown (RFC 8705 bound tokens need it) */
    const struct address *address;
};

enum {
    AUTHENTICATOR_NONE = 1,    /* nothing was shown */
    AUTHENTICATOR_UNKNOWN,     /* find(): something that has not been verified yet: charge an attempt, then verify() */
    AUTHENTICATOR_REFUSED,     /* verify(): wrong; *ret_why says how */
    AUTHENTICATOR_PENDING,     /* verify(): an issuer is being asked; waiter->done() is called, then verify() again */
    AUTHENTICATOR_UNAVAILABLE, /* verify(): the issuer cannot be asked now: try again later (503) */
};

/* Embedded in whoever waits. `done` is called once, on a thread of the authenticator's: post to where you belong. */
struct authenticator_waiter {
    struct authenticator_waiter *next;
    void (*done)(struct authenticator_waiter *waiter);
};

/* With the keys of `previous` where its issuers are the same (a reload; NULL: none), which stays its owner's. The
   fetching thread starts when the first issuer is configured. 0 or -errno. */
MUST_USE int authenticator_new(const struct auth_settings *settings, struct authenticator *previous,
                               struct authenticator **ret_authenticator);
/* Counted: exchanges of an old snapshot may still use it. Every waiter is told before the last reference goes. */
struct authenticator *authenticator_ref(struct authenticator *authenticator);
void authenticator_unref(struct authenticator *authenticator); /* NULL is fine */

/* 0 with a counted identity, AUTHENTICATOR_NONE or AUTHENTICATOR_UNKNOWN. Under 1 µs. */
MUST_USE int authenticator_find(struct authenticator *authenticator, const struct credentials *credentials,
                                struct identity **ret_identity);
/* 0 with a counted identity (remembered from now on), or REFUSED, PENDING, UNAVAILABLE, or -ENOMEM. `why` is static:
   "expired", "wrong audience", "unknown key": for the audit log and error_description. */
MUST_USE int authenticator_verify(struct authenticator *authenticator, const struct credentials *credentials,
                                  struct authenticator_waiter *waiter, struct identity **ret_identity,
                                  const char **ret_why);
/* The waiter's owner goes away first. False: done() has been called, or is being called. */
bool authenticator_forget(struct authenticator *authenticator, struct authenticator_waiter *waiter);

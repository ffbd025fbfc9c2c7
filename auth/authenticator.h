/* Credentials into identities. Two steps, so that whoever limits attempts can do so between them, before any
   cryptography:

       authenticator_find()     what was verified already: a look into a table
         … an attempt is charged to the address …
       authenticator_verify()   hashes, signatures; may have to ask an issuer, and then says so

   Neither blocks: what must be fetched (JWKS, introspection) is fetched on a thread of the authenticator's own. One for
   all reactors; any thread.

   Which credential counts, when several were shown: one of Authorization, X-API-Key and the subprotocol (two that
   differ are refused, RFC 6750, 2), and only without any of them the client's certificate. A certificate that comes
   with a token is what the token may be bound to (RFC 8705).

   Not built: proofs of possession (DPoP, RFC 9449). A token that is bound to a key (cnf.jkt), and any that comes under
   the scheme DPoP, is refused, never taken as a bearer's. */
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
    AUTHENTICATOR_REFUSED,     /* verify(): wrong; *ret_why says how (401, invalid_token) */
    AUTHENTICATOR_MALFORMED,   /* verify(): no credential at all, or two; *ret_why says how (400, invalid_request) */
    AUTHENTICATOR_PENDING,     /* verify(): an issuer is being asked; waiter->done() is called, then verify() again */
    AUTHENTICATOR_UNAVAILABLE, /* verify(): the issuer cannot be asked now: try again later (503) */
};

/* Embedded in whoever waits. `done` is called once, on a thread of the authenticator's (post to where you belong; do
   not drop the authenticator there); from then on the waiter is its owner's again. */
struct authenticator_waiter {
    struct authenticator_waiter *next, *previous;
    struct fetch *fetch; /* what it waits for; NULL: for nothing */
    void (*done)(struct authenticator_waiter *waiter);
};

/* With the keys of `previous` where its issuers are the same (a reload; NULL: none), which stays its owner's. Copies
   what it needs of the settings, and takes nothing over that was verified under the old ones. The fetching thread
   starts when the first issuer is configured. 0, -EINVAL (settings that authenticator_check_*() would have refused) or
   -errno.
 */
MUST_USE int authenticator_new(const struct auth_settings *settings, struct authenticator *previous,
                               struct authenticator **ret_authenticator);
/* Counted: exchanges of an old snapshot may still use it. The last reference tells every waiter, and waits for the
   fetching thread to end: never on that thread. */
struct authenticator *authenticator_ref(struct authenticator *authenticator);
void authenticator_unref(struct authenticator *authenticator); /* NULL is fine */

/* 0 with a counted identity, AUTHENTICATOR_NONE or AUTHENTICATOR_UNKNOWN, or -ENOMEM. Under 1 µs. A client certificate
   was verified by the handshake: it is never UNKNOWN. */
MUST_USE int authenticator_find(struct authenticator *authenticator, const struct credentials *credentials,
                                struct identity **ret_identity);
/* 0 with a counted identity (remembered from now on), or REFUSED, MALFORMED, PENDING, UNAVAILABLE, or -ENOMEM. `why` is
   static: "expired", "wrong audience", "unknown key": for the audit log and error_description; it is set with the three
   outcomes that refuse. After done() it may be PENDING once more (another issuer has to be asked, or the answer was
   pushed out of a full table): whoever waits sets an end to that. */
MUST_USE int authenticator_verify(struct authenticator *authenticator, const struct credentials *credentials,
                                  struct authenticator_waiter *waiter, struct identity **ret_identity,
                                  const char **ret_why);
/* The waiter's owner goes away first. True: done() will not be called. False: it has been called, or is about to be. */
bool authenticator_forget(struct authenticator *authenticator, struct authenticator_waiter *waiter);

/* ---- for configuration ---- */

/* Whether keys or introspection may be fetched from there: https, http on loopback, file:PATH (keys only). 0, -EINVAL
   or -ENOMEM. */
MUST_USE int authenticator_check_url(struct span url, bool may_be_file);
/* A name of RFC 7518 or 8037 that is verified here: "RS256" … "EdDSA". 0 or -EINVAL. */
MUST_USE int authenticator_check_algorithm(struct span name);

/* ---- for /metrics and /status ---- */

struct authenticator_counts {
    uint64_t cached;          /* credentials that are remembered now */
    uint64_t found;           /* looks into the table that found somebody */
    uint64_t missed;          /* and that did not */
    uint64_t evicted;         /* verified credentials that made room for others */
    uint64_t fetched, failed; /* of keys and introspection */
    uint64_t full;            /* questions that were refused, because too many were open (UNAVAILABLE) */
};
void authenticator_read_counts(struct authenticator *authenticator, struct authenticator_counts *ret_counts);

struct authenticator_issuer {
    const char *issuer;      /* borrowed of the authenticator */
    bool introspected;       /* asked about each token; else its keys are fetched */
    size_t keys;             /* usable ones */
    uint64_t good_wall_ms;   /* last answer that was good; 0: never */
    uint64_t failed_wall_ms; /* last one that was not, or did not come; 0: never */
    uint64_t failures;       /* all of those; they outlive a reload that keeps the issuer */
    char error[96];          /* what was wrong then; "": nothing since the last good one */
};
/* False: there are no more than `index` issuers. */
bool authenticator_read_issuer(struct authenticator *authenticator, size_t index,
                               struct authenticator_issuer *ret_issuer);

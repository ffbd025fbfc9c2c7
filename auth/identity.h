/* Who is calling: made once when a credential has been verified, then immutable and counted, because the requests of
   one credential share it. Policy, limits, logs, sessions and sealed request state all refer to this object and to
   nothing else about the caller. Any thread. */
#pragma once
#include <stdatomic.h>

#include "gateway/base/address.h"

enum identity_proof {
    IDENTITY_ANONYMOUS,     /* nothing was shown, and nothing has to be */
    IDENTITY_LOCAL,         /* standard input and output: whoever started the gateway */
    IDENTITY_CERTIFICATE,   /* mutual TLS */
    IDENTITY_API_KEY,       /* one of auth.api_keys */
    IDENTITY_JWT,           /* a token whose signature was verified here */
    IDENTITY_INTROSPECTION, /* an opaque token that its issuer vouched for (RFC 7662) */
};

enum { IDENTITY_KEY_BYTES = 16 };

struct identity {
    _Atomic unsigned references;
    enum identity_proof proof;
    char *subject;   /* the key's name, the token's sub, the certificate's RFC 4514 name; "" if anonymous */
    char *issuer;    /* of a token; NULL: none */
    char *client_id; /* of a token; NULL: unknown */
    char **scope;    /* what it may be used for */
    size_t scopes;
    struct address address;          /* from where the credential was shown; with trusted proxies whom they speak for */
    uint64_t expires_wall_ms;        /* after it the credential is worth nothing; 0: never */
    uint8_t key[IDENTITY_KEY_BYTES]; /* the same for the same proof, issuer and subject, whatever the address: what
                                        limits, sessions and request state are bound to */
};

/* What it is made of; all borrowed. */
struct identity_facts {
    enum identity_proof proof;
    struct span subject, issuer, client_id;
    const struct span *scope;
    size_t scopes;
    const struct address *address; /* NULL: none */
    uint64_t expires_wall_ms;
};

/* One reference. 0 or -ENOMEM. */
MUST_USE int identity_new(const struct identity_facts *facts, struct identity **ret_identity);
/* The same one, but for the address. 0 or -ENOMEM. */
MUST_USE int identity_at(const struct identity *identity, const struct address *address,
                         struct identity **ret_identity);
struct identity *identity_ref(struct identity *identity); /* NULL is fine */
void identity_unref(struct identity *identity);           /* NULL is fine */
bool identity_has_scope(const struct identity *identity, struct span scope);
/* "anonymous", "local", "certificate", "api_key", "jwt", "introspection": for logs. */
const char *identity_proof_name(enum identity_proof proof);

/* What a request shows, reduced to the one credential that counts. Fields may be hostile: they are read strictly and
   bounded. Any thread; spans are borrowed from the request or from the credential itself. */
#pragma once
#include "auth/authenticator.h"
#include "gateway/base/text.h"

enum credential_kind {
    CREDENTIAL_BEARER,  /* Authorization: Bearer (RFC 6750, 2.1), or the subprotocol: an API key or a token */
    CREDENTIAL_API_KEY, /* X-API-Key */
    CREDENTIAL_DPOP,    /* Authorization: DPoP (RFC 9449, 7.1) */
    CREDENTIAL_CERTIFICATE,
};

enum { CREDENTIAL_MAX_BYTES = 8 * 1024 }; /* of a token or key */

struct credential {
    enum credential_kind kind;
    struct span secret;  /* the token or the key; of a certificate its fingerprint */
    struct text decoded; /* holds the secret if it came percent-encoded */
};

enum {
    CREDENTIAL_NONE = 1,  /* nothing was shown */
    CREDENTIAL_MALFORMED, /* no credential, too long, or two that differ; *ret_why says which */
    CREDENTIAL_REFUSED,   /* of a scheme that is not taken; *ret_why says so */
};
/* The order: Authorization, the subprotocol and X-API-Key, which must not differ if several came; then the certificate
   if `certificates`. A subprotocol is an HTTP token, which cannot hold all that a bearer's token may ('/', '='): what
   it cannot hold comes percent-encoded, which is safe to take back, as no bearer's token has a '%'. 0 or an outcome, or
   -ENOMEM; with 0, credential_done() is due. */
MUST_USE int credential_read(const struct credentials *credentials, bool certificates,
                             struct credential *ret_credential, const char **ret_why);
/* Whether it is made of what a credential of its kind may be made of. Apart from reading it, because what is known
   already was looked at when it came for the first time. 0 or CREDENTIAL_MALFORMED. */
MUST_USE int credential_check(const struct credential *credential, const char **ret_why);
void credential_done(struct credential *credential);

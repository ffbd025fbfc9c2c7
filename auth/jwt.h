/* A signed token (RFC 7515, compact form; RFC 7519): read strictly and bounded, before anything of it is believed. What
   its header says chooses among the rows of algorithm.h and the issuer's own keys, nothing else: keys that it brings or
   points to (jwk, jku, x5c, x5u) are not looked at, extensions that it declares critical are not known. Any thread;
   spans are borrowed from the token and from the jwt. */
#pragma once
#include <json-c/json_object.h>

#include "auth/jwks.h"
#include "gateway/base/text.h"

enum {
    JWT_MAX_HEADER_BYTES = 2048, /* decoded */
    JWT_MAX_KEYS_TRIED = 4,      /* of those that fit: a token without a kid is not worth more work */
};

struct jwt {
    struct span token;
    struct json_object *header, *claims;
    const struct algorithm *algorithm;
    struct span kid;       /* absent: none */
    struct text signature; /* decoded */
};

enum {
    JWT_OPAQUE = 1, /* not of the form at all: may be a token of another kind */
    JWT_REFUSED,    /* of the form, and wrong; *ret_why (static) says how */
};
/* 0 with the token's parts, an outcome, or -ENOMEM. With 0 and with JWT_REFUSED, jwt_done() is due: what could be read
   is there (a token may be for somebody who wants it otherwise). */
MUST_USE int jwt_read(struct span token, struct jwt *ret_jwt, const char **ret_why);
void jwt_done(struct jwt *jwt);

enum { JWT_NO_KEY = 1, JWT_WRONG_SIGNATURE };
/* By the keys that go with its header. 0, JWT_NO_KEY (none does: perhaps a newer one), JWT_WRONG_SIGNATURE, or -ENOMEM.
 */
MUST_USE int jwt_verify(const struct jwt *jwt, const struct jwks *jwks);

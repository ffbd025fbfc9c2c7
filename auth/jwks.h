/* A set of an issuer's public keys (RFC 7517, 5), as it was fetched: parsed whole, then immutable and counted. A key
   that cannot verify a signature (another use, an unknown kind), or that must not (RSA of less than 2048 bits, a point
   that is not on its curve, a key that was published with its private part) is left out and counted. Any thread. */
#pragma once
#include "auth/algorithm.h"

struct jwks;
struct jwk;

enum {
    JWKS_MAX_BYTES = 256 * 1024,
    JWKS_MAX_KEYS = 64,
    JWKS_RSA_MIN_BITS = 2048,
    JWKS_RSA_MAX_BITS = 8192, /* a larger one makes each look too dear */
};

enum { JWKS_BAD = 1 };
/* 0 and one reference, JWKS_BAD (*ret_why, static, says why: no JSON, no "keys", too many, none that is usable), or
   -ENOMEM. */
MUST_USE int jwks_parse(struct span json, struct jwks **ret_jwks, const char **ret_why);
struct jwks *jwks_ref(struct jwks *jwks); /* NULL is fine */
void jwks_unref(struct jwks *jwks);       /* NULL is fine */
size_t jwks_count(const struct jwks *jwks);
size_t jwks_left_out(const struct jwks *jwks);

/* The next key after `after` (NULL: the first one) that goes with the algorithm and the token's kid; an absent kid goes
   with every key. NULL: no more. */
const struct jwk *jwks_next(const struct jwks *jwks, const struct jwk *after, const struct algorithm *algorithm,
                            struct span kid);

enum { JWK_WRONG = 1 };
/* Whether `signature` is the key's, over `token` up to its second dot. The key must be one that jwks_next() gave for
   this algorithm. 0, JWK_WRONG or -ENOMEM. */
MUST_USE int jwk_verify(const struct jwk *key, const struct algorithm *algorithm, struct span token,
                        struct span signature);

/* The signatures that are verified here (RFC 7518, 3.1; RFC 8037; RFC 9864): one row each, with the only kind of key it
   goes with. What is not in the table does not exist: "none" and every HMAC are not. Any thread. */
#pragma once
#include "gateway/base/span.h"

enum key_kind { KEY_RSA, KEY_P256, KEY_P384, KEY_P521, KEY_ED25519 };

struct algorithm {
    const char *name;
    enum key_kind kind;
    size_t signature_bytes; /* 0: as many as the key's modulus */
};

enum { ALGORITHMS = 11 };
extern const struct algorithm algorithms[ALGORITHMS];

/* NULL: not in the table. */
const struct algorithm *algorithm_find(struct span name);
/* Sets of them, a bit each. */
static inline unsigned algorithm_bit(const struct algorithm *algorithm)
{
    return 1U << (algorithm - algorithms);
}

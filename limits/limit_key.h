/* Whom a limit is about, where each caller has one of his own: a network, an identity, a name. Plain records; any
   thread. */
#pragma once
#include "gateway/base/address.h"

struct limit_key {
    uint8_t bytes[16];
    uint32_t realm; /* which of the limits that share a table; >= 1 */
};

/* The bits of an address that are one caller. */
struct limit_prefixes {
    unsigned ipv4; /* 0..32 */
    unsigned ipv6; /* 0..128 */
};

/* The network that the address is of; all local sockets are one. */
struct limit_key limit_key_of_address(const struct address *address, struct limit_prefixes prefixes, uint32_t realm);

static inline bool limit_key_equal(const struct limit_key *a, const struct limit_key *b)
{
    return a->realm == b->realm && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
static inline struct span limit_key_span(const struct limit_key *key)
{
    _Static_assert(sizeof(*key) == sizeof(key->bytes) + sizeof(key->realm), "no padding: it is hashed whole");
    return (struct span){(const char *)key, sizeof(*key)};
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose values nobody can foretell without its key, for tables that
   strangers choose the keys of. Pure; any thread. */
#pragma once
#include "gateway/base/defs.h"

struct hash_key {
    uint64_t word[2];
};

/* A fresh key. 0 or -errno. */
MUST_USE int hash_key_new(struct hash_key *ret_key);
uint64_t keyed_hash(const struct hash_key *key, const void *bytes, size_t size);

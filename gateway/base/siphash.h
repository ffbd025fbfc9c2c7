/* SipHash-2-4 with 128 bits of result (Aumasson and Bernstein): a keyed hash for tables whose keys strangers choose,
   and a tag that nobody can make without the key. Any thread. */
#pragma once
#include "gateway/base/span.h"

struct siphash_key {
    uint64_t word[2]; /* random_bytes() */
};

struct siphash {
    uint64_t word[2];
};

/* Of the parts, one behind another; where one ends is part of what is hashed. */
struct siphash siphash_parts(const struct siphash_key *key, const struct span *part, size_t parts);
/* Of these bytes as they are. */
struct siphash siphash(const struct siphash_key *key, struct span bytes);

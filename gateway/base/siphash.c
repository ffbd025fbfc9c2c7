/* SipHash-2-4-128, after its paper. Pure; any thread. Bytes are gathered into words as they come, so that several parts
   are hashed without being joined first. */
#include "gateway/base/siphash.h"

#include <endian.h>

enum { ROUNDS_PER_WORD = 2, ROUNDS_AT_END = 4, WORD_BYTES = 8 };

struct state {
    uint64_t v0, v1, v2, v3;
    uint64_t tail; /* bytes that make no word yet, the first one lowest */
    unsigned in_tail;
    uint64_t size; /* of all bytes so far */
};

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void mix(struct state *state, unsigned rounds)
{
    uint64_t v0 = state->v0, v1 = state->v1, v2 = state->v2, v3 = state->v3;
    while (rounds-- > 0) {
        v0 += v1;
        v2 += v3;
        v1 = rotate(v1, 13) ^ v0;
        v3 = rotate(v3, 16) ^ v2;
        v0 = rotate(v0, 32) + v3;
        v2 += v1;
        v3 = rotate(v3, 21) ^ v0;
        v1 = rotate(v1, 17) ^ v2;
        v2 = rotate(v2, 32);
    }
    *state = (struct state){v0, v1, v2, v3, state->tail, state->in_tail, state->size};
}

static inline void add_word(struct state *state, uint64_t word)
{
    state->v3 ^= word;
    mix(state, ROUNDS_PER_WORD);
    state->v0 ^= word;
}

static uint64_t load(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

static void add_byte(struct state *state, unsigned char byte)
{
    state->tail |= (uint64_t)byte << (8 * state->in_tail++);
    if (state->in_tail < WORD_BYTES)
        return;
    add_word(state, state->tail);
    state->tail = 0;
    state->in_tail = 0;
}

static void add(struct state *state, struct span bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    size_t left = bytes.size;
    state->size += bytes.size;
    for (; left > 0 && state->in_tail > 0; left--)
        add_byte(state, *at++);
    for (; left >= WORD_BYTES; left -= WORD_BYTES, at += WORD_BYTES)
        add_word(state, load(at));
    for (; left > 0; left--)
        add_byte(state, *at++);
}

static struct state begin(const struct siphash_key *key)
{
    return (struct state){
        .v0 = key->word[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->word[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        .v2 = key->word[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->word[1] ^ UINT64_C(0x7465646279746573),
    };
}

static struct siphash end(struct state *state)
{
    struct siphash hash;
    add_word(state, state->tail | state->size << 56);
    state->v2 ^= 0xee;
    mix(state, ROUNDS_AT_END);
    hash.word[0] = state->v0 ^ state->v1 ^ state->v2 ^ state->v3;
    state->v1 ^= 0xdd;
    mix(state, ROUNDS_AT_END);
    hash.word[1] = state->v0 ^ state->v1 ^ state->v2 ^ state->v3;
    return hash;
}

struct siphash siphash_parts(const struct siphash_key *key, const struct span *part, size_t parts)
{
    struct state state = begin(key);
    for (size_t i = 0; i < parts; i++) {
        uint64_t size = htole64(part[i].size);
        add(&state, (struct span){(const char *)&size, sizeof(size)});
        add(&state, part[i]);
    }
    return end(&state);
}

struct siphash siphash(const struct siphash_key *key, struct span bytes)
{
    struct state state = begin(key);
    add(&state, bytes);
    return end(&state);
}

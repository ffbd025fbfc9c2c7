/* SipHash with two rounds per word and four at the end, over 64-bit words in little-endian order. Pure functions; owns
   nothing. */
#include "gateway/base/keyed_hash.h"

#include <endian.h>
#include <string.h>

#include "gateway/base/random.h"

enum { WORD_BYTES = 8, ROUNDS = 2, LAST_ROUNDS = 4 };

struct hash_state {
    uint64_t a, b, c, d;
};

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void mix(struct hash_state *state, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        state->a += state->b;
        state->c += state->d;
        state->b = rotate(state->b, 13) ^ state->a;
        state->d = rotate(state->d, 16) ^ state->c;
        state->a = rotate(state->a, 32) + state->d;
        state->c += state->b;
        state->b = rotate(state->b, 17) ^ state->c;
        state->d = rotate(state->d, 21) ^ state->a;
        state->c = rotate(state->c, 32);
    }
}

static inline void absorb(struct hash_state *state, uint64_t word)
{
    state->d ^= word;
    mix(state, ROUNDS);
    state->a ^= word;
}

/* What is left of the bytes, and their number's low byte on top. */
static uint64_t last_word(const uint8_t *at, size_t size)
{
    uint64_t word = (uint64_t)size << 56;
    for (size_t i = 0; i < size % WORD_BYTES; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

int hash_key_new(struct hash_key *ret_key)
{
    return random_bytes(ret_key, sizeof(*ret_key));
}

uint64_t keyed_hash(const struct hash_key *key, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    struct hash_state state = {
        .a = key->word[0] ^ 0x736f6d6570736575, /* "somepseudorandomlygeneratedbytes", as the paper has it */
        .b = key->word[1] ^ 0x646f72616e646f6d,
        .c = key->word[0] ^ 0x6c7967656e657261,
        .d = key->word[1] ^ 0x7465646279746573,
    };
    for (size_t whole = size / WORD_BYTES; whole > 0; whole--, at += WORD_BYTES) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        absorb(&state, le64toh(word));
    }
    absorb(&state, last_word(at, size));
    state.c ^= 0xff;
    mix(&state, LAST_ROUNDS);
    return state.a ^ state.b ^ state.c ^ state.d;
}

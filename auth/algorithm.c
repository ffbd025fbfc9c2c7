/* The table of signature algorithms. Any thread; owns nothing. */
#include "auth/algorithm.h"

const struct algorithm algorithms[ALGORITHMS] = {
    {"RS256", KEY_RSA, 0},    {"RS384", KEY_RSA, 0},      {"RS512", KEY_RSA, 0},        {"PS256", KEY_RSA, 0},
    {"PS384", KEY_RSA, 0},    {"PS512", KEY_RSA, 0},      {"ES256", KEY_P256, 64},      {"ES384", KEY_P384, 96},
    {"ES512", KEY_P521, 132}, {"EdDSA", KEY_ED25519, 64}, {"Ed25519", KEY_ED25519, 64}, /* the same, in its newer name
                                                                                         */
};

const struct algorithm *algorithm_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
        if (span_is(name, algorithms[i].name))
            return &algorithms[i];
    return NULL;
}

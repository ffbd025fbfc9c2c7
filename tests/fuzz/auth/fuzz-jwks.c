/* Fuzz target: what issuers answer, key sets and introspection. Beyond not crashing, it checks what must hold: a set
   that is taken has keys, each of which goes with an algorithm of its own kind and verifies no garbage; an answer that
   is taken is somebody's. */
#include "auth/introspection.h"
#include "auth/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static size_t check_keys(const struct jwks *jwks, const struct algorithm *algorithm)
{
    static const char garbage[1024] = {1};
    const struct jwk *key = NULL;
    size_t count = 0;
    while ((key = jwks_next(jwks, key, algorithm, (struct span){NULL, 0}))) {
        size_t size = algorithm->signature_bytes ? algorithm->signature_bytes : JWKS_RSA_MIN_BITS / 8;
        check(jwk_verify(key, algorithm, SPAN("eyJhbGciOiJFUzI1NiJ9.e30.AA"), (struct span){garbage, size}) ==
              JWK_WRONG);
        count++;
    }
    return count;
}

static void check_set(struct span input)
{
    struct jwks *jwks = NULL;
    const char *why = NULL;
    size_t used = 0;
    int result = jwks_parse(input, &jwks, &why);
    check(result == 0 || (result == JWKS_BAD && why));
    if (result != 0)
        return;
    check(jwks_count(jwks) > 0 && jwks_count(jwks) + jwks_left_out(jwks) <= JWKS_MAX_KEYS);
    for (size_t i = 0; i < ALGORITHMS; i++)
        used += check_keys(jwks, &algorithms[i]);
    check(used >= jwks_count(jwks));
    jwks_unref(jwks);
}

static void check_answer(struct span input)
{
    const struct claims_rules rules = {.issuer = SPAN("https://issuer.example"), .leeway_ms = 1000};
    struct identity *identity = NULL;
    const char *why = NULL;
    int result = introspection_read(input, &rules, &identity, &why);
    check(result == 0 || ((result == INTROSPECTION_REFUSED || result == INTROSPECTION_AWAY) && why));
    if (result == 0)
        check(identity->subject[0] != '\0' && identity->scopes <= CLAIMS_MAX_SCOPES);
    identity_unref(identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    check_set(input);
    check_answer(input);
    return 0;
}

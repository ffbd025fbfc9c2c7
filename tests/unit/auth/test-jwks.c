/* Unit tests of auth/jwks.h: which keys of a set are taken, and what they verify. */
#include "tests/unit/auth/tokens.h"

#include "auth/jwks.h"

#include <stdio.h>

static const char *why;

/* The keys that are taken of a set of one; `more` is put behind the key's own members. -1: the set is refused. */
static int taken(enum tokens_key which, const char *more)
{
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    struct jwks *jwks = NULL;
    text_add_literal(&json, "{\"keys\":[{");
    tokens_add_jwk(&json, tokens_key(which), more);
    text_add_literal(&json, "}]}");
    int result = jwks_parse(text_span(&json), &jwks, &why);
    if (result == JWKS_BAD)
        return -1;
    assert_int_equal(result, 0);
    int count = (int)jwks_count(jwks);
    jwks_unref(jwks);
    return count;
}

static void test_members(void **state UNUSED)
{
    static const struct {
        const char *more;
        int expected;
        const char *comment;
    } rows[] = {
        {"", 1, "no more than the key"},
        {",\"use\":\"sig\",\"kid\":\"a\",\"unknown\":[{}]", 1, "the usual"},
        {",\"use\":\"enc\"", -1, "for encryption"},
        {",\"use\":1", -1, "a use that is no text"},
        {",\"key_ops\":[\"sign\",\"verify\"]", 1, "verifies"},
        {",\"key_ops\":[\"encrypt\",1]", -1, "does not"},
        {",\"key_ops\":\"verify\"", -1, "operations that are no list"},
        {",\"d\":\"AQ\"", -1, "its private part was published"},
        {",\"p\":null", -1, "even if it is nothing"},
        {",\"k\":\"AQ\"", -1, "a symmetric member"},
        {",\"alg\":\"HS256\"", -1, "an algorithm that is not of its kind"},
        {",\"alg\":\"none\"", -1, "none"},
        {",\"alg\":7", -1, "an algorithm that is no text"},
        {",\"kid\":7", -1, "a kid that is no text"},
        {",\"kty\":\"oct\"", -1, "symmetric after all: the last one counts"},
        {",\"kid\":\"\\u0000\"", -1, "a NUL, with which json-c ends a name"},
        {",\"x5c\":[\"AAAA\"],\"x5u\":\"http://127.0.0.1:1/\"", 1, "certificates are not looked at"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (enum tokens_key which = 0; which < TOKENS_KEYS; which++)
            if (taken(which, rows[i].more) != rows[i].expected)
                fail_msg("%s (key %d)", rows[i].comment, (int)which);
}

static void test_sets(void **state UNUSED)
{
    static const struct {
        const char *json, *expected;
    } rows[] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{\"keys\":[]} {}", "no JSON object"},
        {"{\"keys\":[]", "no JSON object"},
        {"{\"keys\":[],}", "no JSON object"},
        {"{}", "no list of keys"},
        {"{\"keys\":{}}", "no list of keys"},
        {"{\"keys\":null}", "no list of keys"},
        {"{\"keys\":[]}", "no usable key"},
        {"{\"keys\":[1,null,\"a\",[],{}]}", "no usable key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "no usable key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}]}", "no usable key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"A===\",\"e\":\"AQAB\"}]}", "no usable key"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}", "no usable key"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AQ\",\"y\":\"AQ\"}]}", "no usable key"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\","
         "\"y\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
         "no usable key"}, /* a point that is not on the curve */
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}]}",
         "no usable key"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQEB\"}]}", "no usable key"},
        {"{\"keys\":[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}", "no JSON object"}, /* too deep */
        {"{\"keys\":[\"\xff\"]}", "no JSON object"},                                 /* not UTF-8 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct jwks *jwks = NULL;
        why = NULL;
        assert_int_equal(jwks_parse(span_of(rows[i].json), &jwks, &why), JWKS_BAD);
        assert_null(jwks);
        if (strcmp(why, rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].json, why);
    }
    jwks_unref(NULL);
}

/* A modulus of so many bits; nobody knows its factors, which is no matter here. */
static int rsa_taken(size_t bits, unsigned char first, unsigned char last, const char *exponent)
{
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    struct jwks *jwks = NULL;
    unsigned char *n = calloc(1, bits / 8);
    memset(n, 0x5a, bits / 8);
    n[0] = first;
    n[bits / 8 - 1] = last;
    text_add_literal(&json, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"");
    tokens_add_base64(&json, n, bits / 8);
    text_addf(&json, "\",\"e\":\"%s\"}]}", exponent);
    free(n);
    int result = jwks_parse(text_span(&json), &jwks, &why);
    jwks_unref(jwks);
    return result;
}

static void test_rsa_sizes(void **state UNUSED)
{
    static const struct {
        size_t bits;
        unsigned char first, last;
        const char *exponent;
        int expected;
        const char *comment;
    } rows[] = {
        {2048, 0x80, 1, "AQAB", 0, "the smallest"},
        {2048, 0x7f, 1, "AQAB", JWKS_BAD, "one bit less"},
        {1024, 0x80, 1, "AQAB", JWKS_BAD, "half"},
        {8192, 0x80, 1, "AQAB", 0, "the largest"},
        {8200, 0x01, 1, "AQAB", JWKS_BAD, "one bit more"},
        {2056, 0x00, 1, "AQAB", JWKS_BAD, "a leading zero"},
        {2048, 0x80, 2, "AQAB", JWKS_BAD, "an even modulus"},
        {2048, 0x80, 1, "Aw", 0, "the exponent 3"},
        {2048, 0x80, 1, "AQ", JWKS_BAD, "the exponent 1: every signature would be right"},
        {2048, 0x80, 1, "Ag", JWKS_BAD, "an even exponent"},
        {2048, 0x80, 1, "AAEAAQ", JWKS_BAD, "an exponent with a leading zero"},
        {2048, 0x80, 1, "AQAAAAAAAAAB", JWKS_BAD, "an exponent of nine bytes"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rsa_taken(rows[i].bits, rows[i].first, rows[i].last, rows[i].exponent) != rows[i].expected)
            fail_msg("%s", rows[i].comment);
}

static void test_bounds(void **state UNUSED)
{
    for (size_t count = JWKS_MAX_KEYS; count <= JWKS_MAX_KEYS + 1; count++) {
        CLEANUP(text_done) struct text json = TEXT(JWKS_MAX_BYTES);
        struct jwks *jwks = NULL;
        text_add_literal(&json, "{\"keys\":[{");
        tokens_add_jwk(&json, tokens_key(TOKENS_P256), "}");
        for (size_t i = 1; i < count; i++)
            text_add_literal(&json, ",1");
        text_add_literal(&json, "]}");
        assert_int_equal(jwks_parse(text_span(&json), &jwks, &why), count > JWKS_MAX_KEYS ? JWKS_BAD : 0);
        if (count > JWKS_MAX_KEYS) {
            assert_string_equal(why, "too many keys");
        } else {
            assert_int_equal(jwks_count(jwks), 1);
            assert_int_equal(jwks_left_out(jwks), count - 1);
        }
        jwks_unref(jwks);
    }
    char *huge = malloc(JWKS_MAX_BYTES + 1);
    memset(huge, ' ', JWKS_MAX_BYTES + 1);
    struct jwks *jwks = NULL;
    assert_int_equal(jwks_parse((struct span){huge, JWKS_MAX_BYTES + 1}, &jwks, &why), JWKS_BAD);
    free(huge);
}

/* Which keys go with an algorithm and a kid. */
static void test_next(void **state UNUSED)
{
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    struct jwks *jwks = NULL;
    text_add_literal(&json, "{\"keys\":[{");
    tokens_add_jwk(&json, tokens_key(TOKENS_RSA), ",\"kid\":\"a\"},{");
    tokens_add_jwk(&json, tokens_key(TOKENS_P256), ",\"kid\":\"a\"},{");
    tokens_add_jwk(&json, tokens_key(TOKENS_RSA), ",\"kid\":\"b\",\"alg\":\"PS256\"},{");
    tokens_add_jwk(&json, tokens_key(TOKENS_RSA_OTHER), "}]}");
    assert_int_equal(jwks_parse(text_span(&json), &jwks, &why), 0);
    static const struct {
        const char *algorithm, *kid;
        size_t expected;
    } rows[] = {
        {"RS256", "a", 1}, {"ES256", "a", 1}, {"ES384", "a", 0},  {"RS256", "b", 0},  {"PS256", "b", 1},
        {"PS256", "c", 0}, {"PS256", "", 0},  {"RS512", NULL, 2}, {"PS256", NULL, 3}, {"EdDSA", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct algorithm *algorithm = algorithm_find(span_of(rows[i].algorithm));
        const struct jwk *key = NULL;
        size_t count = 0;
        while ((key = jwks_next(jwks, key, algorithm, span_of(rows[i].kid))))
            count++;
        assert_int_equal(count, rows[i].expected);
    }
    struct jwks *shared = jwks_ref(jwks);
    jwks_unref(jwks);
    assert_int_equal(jwks_count(shared), 4);
    jwks_unref(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_sets), cmocka_unit_test(test_rsa_sizes),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

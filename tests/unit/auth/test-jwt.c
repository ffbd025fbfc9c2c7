/* Unit tests of auth/jwt.h: every algorithm, and every way to pretend. */
#include "tests/unit/auth/tokens.h"

#include "auth/claims.h"
#include "auth/credential.h"
#include "auth/jwt.h"

#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>

#define CLAIMS "{\"iss\":\"https://issuer\",\"sub\":\"alice\"}"

static struct jwks *jwks;
static const char *why;

static int set_up(void **state UNUSED)
{
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    tokens_add_jwks(&json);
    return jwks_parse(text_span(&json), &jwks, &why);
}

static int tear_down(void **state UNUSED)
{
    jwks_unref(jwks);
    return 0;
}

/* What becomes of a token: 0, or "opaque", "no key", "signature", or why it was refused. */
static const char *outcome(struct span token)
{
    struct jwt jwt;
    int result = jwt_read(token, &jwt, &why);
    if (result == JWT_OPAQUE)
        return "opaque";
    assert_true(result == 0 || result == JWT_REFUSED);
    int verified = result == 0 ? jwt_verify(&jwt, jwks) : 0;
    jwt_done(&jwt);
    if (result == JWT_REFUSED)
        return why;
    return verified == JWT_NO_KEY ? "no key" : verified == JWT_WRONG_SIGNATURE ? "signature" : NULL;
}

static void check(struct span token, const char *expected, const char *comment)
{
    const char *got = outcome(token);
    if ((got == NULL) != (expected == NULL) || (got && strcmp(got, expected) != 0))
        fail_msg("%s: %s", comment, got ? got : "accepted");
}

static const struct {
    const char *algorithm;
    enum tokens_key key;
} good[] = {
    {"RS256", TOKENS_RSA},  {"RS384", TOKENS_RSA},       {"RS512", TOKENS_RSA},       {"PS256", TOKENS_RSA},
    {"PS384", TOKENS_RSA},  {"PS512", TOKENS_RSA_OTHER}, {"ES256", TOKENS_P256},      {"ES384", TOKENS_P384},
    {"ES512", TOKENS_P521}, {"EdDSA", TOKENS_ED25519},   {"Ed25519", TOKENS_ED25519},
};

static void test_algorithms(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    assert_int_equal(ARRAY_SIZE(good), ALGORITHMS);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        tokens_usual(&token, good[i].key, good[i].algorithm, CLAIMS);
        check(text_span(&token), NULL, good[i].algorithm);
    }
}

/* Any byte of any part that is another one. */
static void test_tampered(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        tokens_usual(&token, good[i].key, good[i].algorithm, CLAIMS);
        for (size_t k = 0; k < token.size; k += 1 + k / 7) {
            char old = token.at[k];
            token.at[k] = old == 'B' ? 'C' : 'B';
            if (!outcome(text_span(&token)))
                fail_msg("%s: byte %zu", good[i].algorithm, k);
            token.at[k] = old;
        }
        char *signature = strrchr(token.at, '.') + 1; /* of other sizes, and all zeros */
        for (size_t cut = 1; cut < 5; cut++)
            assert_non_null(outcome((struct span){token.at, token.size - cut}));
        memset(signature, 'A', strlen(signature));
        check(text_span(&token), "signature", "a signature of zeros");
        check((struct span){token.at, (size_t)(signature - token.at) + 4}, "signature", "three bytes of zeros");
    }
}

/* The claims of one token with the signature of another. */
static void test_exchanged(void **state UNUSED)
{
    CLEANUP(text_done) struct text one = TEXT(TOKENS_MAX_BYTES), other = TEXT(TOKENS_MAX_BYTES);
    tokens_usual(&one, TOKENS_P256, "ES256", CLAIMS);
    tokens_usual(&other, TOKENS_P256, "ES256", "{\"iss\":\"https://issuer\",\"sub\":\"mallory\"}");
    CLEANUP(text_done) struct text mixed = TEXT(TOKENS_MAX_BYTES);
    text_add(&mixed, (struct span){other.at, (size_t)(strrchr(other.at, '.') - other.at)});
    text_add(&mixed, span_of(strrchr(one.at, '.')));
    check(text_span(&mixed), "signature", "exchanged");
}

static void test_headers(void **state UNUSED)
{
    static const struct {
        const char *header, *expected;
        const char *comment;
    } rows[] = {
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", NULL, "without a type"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"typ\":\"AT+JWT\"}", NULL, "types have no case"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"typ\":\"application/at+jwt\"}", NULL, "the long form"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"typ\":\"dpop+jwt\"}", "not an access token", "a proof"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"typ\":\"logout+jwt\"}", "not an access token", "a logout"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"typ\":1}", "not an access token", "a type that is no text"},
        {"{\"alg\":\"ES256\"}", NULL, "without a kid: the key that fits"},
        {"{\"alg\":\"ES256\",\"kid\":\"\"}", "no key", "an empty kid"},
        {"{\"alg\":\"ES256\",\"kid\":\"3\"}", "no key", "the kid of another kind of key"},
        {"{\"alg\":\"ES384\",\"kid\":\"2\"}", "no key", "another curve's algorithm"},
        {"{\"alg\":\"ES256\",\"kid\":\"9\"}", "no key", "a kid that is not known"},
        {"{\"alg\":\"ES256\",\"kid\":2}", "wrong key id", "a kid that is no text"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"crit\":[\"b64\"],\"b64\":false}",
         "critical extensions, of which none is known here", "critical extensions"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"crit\":[]}", "critical extensions, of which none is known here",
         "none of them"},
        {"{\"alg\":\"none\"}", "algorithm not allowed", "none"},
        {"{\"alg\":\"None\"}", "algorithm not allowed", "None"},
        {"{\"alg\":\"\"}", "algorithm not allowed", "nothing"},
        {"{\"alg\":\"es256\",\"kid\":\"2\"}", "algorithm not allowed", "algorithms have a case"},
        {"{\"alg\":\"HS256\",\"kid\":\"2\"}", "algorithm not allowed", "HMAC"},
        {"{\"alg\":\"ES256K\",\"kid\":\"2\"}", "algorithm not allowed", "not in the table"},
        {"{\"alg\":[\"ES256\"],\"kid\":\"2\"}", "algorithm not allowed", "a list"},
        {"{\"kid\":\"2\"}", "opaque", "no algorithm"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"} ", NULL, "a blank behind"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}{}", "opaque", "two objects"},
        {"[\"ES256\"]", "opaque", "no object"},
        {"{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"2\"}", NULL, "twice: the last one counts, for everybody"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"alg\":\"none\"}", "algorithm not allowed", "twice, the other way"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"alg\\u0000\":\"none\"}", "opaque", "a NUL in a name"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"x\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "opaque", "too deep"},
    };
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        tokens_make(&token, rows[i].header, CLAIMS, tokens_key(TOKENS_P256), "ES256");
        check(text_span(&token), rows[i].expected, rows[i].comment);
    }
}

/* Whatever key a token brings or points to, it is the issuer's that counts. */
static void test_keys_it_brings(void **state UNUSED)
{
    CLEANUP(text_done) struct text header = TEXT(TOKENS_MAX_BYTES), token = TEXT(TOKENS_MAX_BYTES);
    EVP_PKEY *strange = EVP_EC_gen("P-256");
    text_add_literal(&header, "{\"alg\":\"ES256\",\"kid\":\"2\",\"jku\":\"http://127.0.0.1:1/\",\"jwk\":{");
    tokens_add_jwk(&header, strange, "}}");
    text_terminate(&header);
    tokens_make(&token, header.at, CLAIMS, strange, "ES256");
    check(text_span(&token), "signature", "signed with the key that it brings");
    tokens_make(&token, header.at, CLAIMS, tokens_key(TOKENS_P256), "ES256");
    check(text_span(&token), NULL, "signed with the issuer's");
    EVP_PKEY_free(strange);
}

/* The old trick: the issuer's public key, in any of its forms, as the secret of an HMAC. */
static void test_confusion(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES), jwk = TEXT(TOKENS_MAX_BYTES);
    BIO *pem = BIO_new(BIO_s_mem());
    char *secret = NULL;
    assert_int_equal(PEM_write_bio_PUBKEY(pem, tokens_key(TOKENS_RSA)), 1);
    struct span secrets[] = {{NULL, (size_t)BIO_get_mem_data(pem, &secret)}, {NULL, 0}};
    secrets[0].at = secret;
    tokens_add_jwk(&jwk, tokens_key(TOKENS_RSA), "");
    secrets[1] = text_span(&jwk);
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
        unsigned char mac[32];
        unsigned size = sizeof(mac);
        tokens_make(&token, "{\"alg\":\"HS256\",\"kid\":\"0\"}", CLAIMS, NULL, NULL);
        token.size--;
        HMAC(EVP_sha256(), secrets[i].at, (int)secrets[i].size, (unsigned char *)token.at, token.size, mac, &size);
        text_add_literal(&token, ".");
        tokens_add_base64(&token, mac, size);
        check(text_span(&token), "algorithm not allowed", "HMAC with the public key");
    }
    BIO_free(pem);
    static const char *const other[] = {"ES256", "EdDSA", "PS256", "RS384"};
    for (size_t i = 0; i < ARRAY_SIZE(other); i++) { /* signed as RS256, said to be something else */
        char header[64];
        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"0\"}", other[i]);
        tokens_make(&token, header, CLAIMS, tokens_key(TOKENS_RSA), "RS256");
        check(text_span(&token), other[i][0] == 'E' ? "no key" : "signature", other[i]);
    }
}

/* Two RSA keys fit a token without a kid; both are tried, but not any number. */
static void test_without_kid(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES), json = TEXT(TOKENS_MAX_BYTES);
    tokens_make(&token, "{\"alg\":\"RS256\"}", CLAIMS, tokens_key(TOKENS_RSA_OTHER), "RS256");
    check(text_span(&token), NULL, "the second one");
    struct jwks *many = NULL;
    struct jwt jwt;
    text_add_literal(&json, "{\"keys\":[{");
    for (size_t i = 0; i < JWT_MAX_KEYS_TRIED; i++)
        tokens_add_jwk(&json, tokens_key(TOKENS_RSA), "},{");
    tokens_add_jwk(&json, tokens_key(TOKENS_RSA_OTHER), ",\"kid\":\"x\"}]}");
    assert_int_equal(jwks_parse(text_span(&json), &many, &why), 0);
    assert_int_equal(jwt_read(text_span(&token), &jwt, &why), 0);
    assert_int_equal(jwt_verify(&jwt, many), JWT_WRONG_SIGNATURE);
    jwt.kid = SPAN("x");
    assert_int_equal(jwt_verify(&jwt, many), 0);
    jwt_done(&jwt);
    jwks_unref(many);
}

static void test_forms(void **state UNUSED)
{
    static const struct {
        const char *token, *expected;
    } rows[] = {
        {"", "opaque"},
        {".", "opaque"},
        {"..", "opaque"},
        {"...", "opaque"},
        {"opaque-token", "opaque"},
        {"a.b.c.d.e", "opaque"},                            /* the form of an encrypted one */
        {"e30.e30.AA", "opaque"},                           /* {}.{} */
        {"eyJhbGciOiJFUzI1NiJ9.e30.", "wrong signature"},   /* {"alg":"ES256"}.{}. */
        {"eyJhbGciOiJFUzI1NiJ9.e30.A", "wrong signature"},  /* one digit is no byte */
        {"eyJhbGciOiJFUzI1NiJ9.e30.AB", "wrong signature"}, /* bits that make no byte */
        {"eyJhbGciOiJFUzI1NiJ9.e30.AA==", "wrong signature"},
        {"eyJhbGciOiJFUzI1NiJ9.e30=.AA", "opaque"},
        {"eyJhbGciOiJFUzI1NiJ9.e3 0.AA", "opaque"},
        {"eyJhbGciOiJFUzI1NiJ9.e30.AA", "signature"},
        {"eyJhbGciOiJFUzI1NiJ9.W10.AA", "opaque"}, /* claims that are a list */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(span_of(rows[i].token), rows[i].expected, rows[i].token);
}

static void test_bounds(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES), part = TEXT(TOKENS_MAX_BYTES);
    text_add_literal(&part, "{\"alg\":\"ES256\",\"kid\":\"2\",\"a\":\"");
    while (part.size < JWT_MAX_HEADER_BYTES - 1)
        text_add_char(&part, 'a');
    part.at[part.size - 1] = '"';
    text_add_char(&part, '}');
    text_terminate(&part);
    tokens_make(&token, part.at, CLAIMS, tokens_key(TOKENS_P256), "ES256");
    check(text_span(&token), NULL, "the largest header");
    part.at[part.size - 1] = ' ';
    text_add_char(&part, '}');
    text_terminate(&part);
    tokens_make(&token, part.at, CLAIMS, tokens_key(TOKENS_P256), "ES256");
    check(text_span(&token), "opaque", "a larger one");
    text_clear(&part);
    text_add_literal(&part, "{\"a\":\"");
    while (part.size < CREDENTIAL_MAX_BYTES)
        text_add_char(&part, 'a');
    text_add_literal(&part, "\"}");
    text_terminate(&part);
    tokens_usual(&token, TOKENS_P256, "ES256", part.at);
    check(text_span(&token), "opaque", "a token that is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms),  cmocka_unit_test(test_tampered),       cmocka_unit_test(test_exchanged),
        cmocka_unit_test(test_headers),     cmocka_unit_test(test_keys_it_brings), cmocka_unit_test(test_confusion),
        cmocka_unit_test(test_without_kid), cmocka_unit_test(test_forms),          cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

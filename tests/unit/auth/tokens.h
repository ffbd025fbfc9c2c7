/* Keys, key sets and tokens for tests, made with OpenSSL alone: what is tested here stands on another library. Each key
   is made once per process. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "gateway/base/encoding.h"

enum { TOKENS_MAX_BYTES = 64 * 1024 };

enum tokens_key { TOKENS_RSA, TOKENS_RSA_OTHER, TOKENS_P256, TOKENS_P384, TOKENS_P521, TOKENS_ED25519, TOKENS_KEYS };

static inline EVP_PKEY *tokens_key(enum tokens_key which)
{
    static EVP_PKEY *made[TOKENS_KEYS];
    static const char *const curve[TOKENS_KEYS] = {
        [TOKENS_P256] = "P-256", [TOKENS_P384] = "P-384", [TOKENS_P521] = "P-521"};
    if (!made[which]) {
        if (curve[which])
            made[which] = EVP_EC_gen(curve[which]);
        else if (which == TOKENS_ED25519)
            made[which] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        else
            made[which] = EVP_RSA_gen(2048);
    }
    assert_non_null(made[which]);
    return made[which];
}

static inline void tokens_add_base64(struct text *out, const void *bytes, size_t size)
{
    base64_encode(BASE64_URL, (struct span){bytes, size}, out);
}

static inline void tokens_add_number(struct text *out, EVP_PKEY *key, const char *name, size_t size)
{
    BIGNUM *number = NULL;
    unsigned char bytes[1024];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    size = size ? size : (size_t)BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, (int)size), (int)size);
    tokens_add_base64(out, bytes, size);
    BN_free(number);
}

static inline void tokens_add_point(struct text *out, EVP_PKEY *key, const char *curve, size_t size)
{
    text_addf(out, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"", curve);
    tokens_add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, size);
    text_add_literal(out, "\",\"y\":\"");
    tokens_add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    text_add_literal(out, "\"");
}

/* The members of a public JWK without braces; `more`: further members, with a comma before each. */
static inline void tokens_add_jwk(struct text *out, EVP_PKEY *key, const char *more)
{
    unsigned char raw[32];
    size_t size = sizeof(raw);
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA")) {
        text_add_literal(out, "\"kty\":\"RSA\",\"n\":\"");
        tokens_add_number(out, key, OSSL_PKEY_PARAM_RSA_N, 0);
        text_add_literal(out, "\",\"e\":\"");
        tokens_add_number(out, key, OSSL_PKEY_PARAM_RSA_E, 0);
        text_add_literal(out, "\"");
    } else if (EVP_PKEY_is_a(key, "ED25519")) {
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &size), 1);
        text_add_literal(out, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        tokens_add_base64(out, raw, size);
        text_add_literal(out, "\"");
    } else {
        tokens_add_point(out, key, bits == 256 ? "P-256" : bits == 384 ? "P-384" : "P-521", ((size_t)bits + 7) / 8);
    }
    text_add(out, span_of(more));
}

/* All the keys, the kid of each its number. */
static inline void tokens_add_jwks(struct text *out)
{
    text_add_literal(out, "{\"keys\":[");
    for (enum tokens_key i = 0; i < TOKENS_KEYS; i++) {
        char more[32];
        (void)snprintf(more, sizeof(more), ",\"kid\":\"%d\"", (int)i);
        text_add(out, i ? SPAN(",{") : SPAN("{"));
        tokens_add_jwk(out, tokens_key(i), more);
        text_add_literal(out, "}");
    }
    text_add_literal(out, "]}");
}

/* ---- signing ---- */

/* RFC 7518, 3.4: r and s, each as long as the curve's field. */
static inline void tokens_flatten(const unsigned char *der, size_t der_size, size_t half, struct text *out)
{
    unsigned char flat[132];
    const unsigned char *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    assert_non_null(pair);
    assert_true(BN_bn2binpad(ECDSA_SIG_get0_r(pair), flat, (int)half) > 0);
    assert_true(BN_bn2binpad(ECDSA_SIG_get0_s(pair), flat + half, (int)half) > 0);
    ECDSA_SIG_free(pair);
    tokens_add_base64(out, flat, half * 2);
}

static inline const EVP_MD *tokens_digest(const char *algorithm)
{
    if (algorithm[0] == 'E' && algorithm[1] == 'd')
        return NULL;
    return strcmp(algorithm + 2, "256") == 0   ? EVP_sha256()
           : strcmp(algorithm + 2, "384") == 0 ? EVP_sha384()
                                               : EVP_sha512();
}

/* The signature over what `out` holds, appended behind a dot. */
static inline void tokens_sign(struct text *out, EVP_PKEY *key, const char *algorithm)
{
    unsigned char signature[1024];
    size_t size = sizeof(signature);
    EVP_PKEY_CTX *parameters = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, &parameters, tokens_digest(algorithm), NULL, key), 1);
    if (algorithm[0] == 'P') {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(context, signature, &size, (const unsigned char *)out->at, out->size), 1);
    EVP_MD_CTX_free(context);
    text_add_literal(out, ".");
    if (EVP_PKEY_is_a(key, "EC"))
        tokens_flatten(signature, size, ((size_t)EVP_PKEY_get_bits(key) + 7) / 8, out);
    else
        tokens_add_base64(out, signature, size);
}

/* A whole token into `out`, terminated; key NULL: with an empty signature. */
static inline char *tokens_make(struct text *out, const char *header, const char *claims, EVP_PKEY *key,
                                const char *algorithm)
{
    text_clear(out);
    base64_encode(BASE64_URL, span_of(header), out);
    text_add_literal(out, ".");
    base64_encode(BASE64_URL, span_of(claims), out);
    if (key)
        tokens_sign(out, key, algorithm);
    else
        text_add_literal(out, ".");
    text_terminate(out);
    assert_int_equal(out->error, 0);
    return out->at;
}

/* The usual header: its algorithm and the key's number as kid. */
static inline char *tokens_usual(struct text *out, enum tokens_key which, const char *algorithm, const char *claims)
{
    char header[128];
    (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%d\",\"typ\":\"at+jwt\"}", algorithm, (int)which);
    return tokens_make(out, header, claims, tokens_key(which), algorithm);
}

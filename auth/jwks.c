/* Keys out of a JWKS, and signatures by them. RSA and elliptic curves are libcjose's; Edwards curves, which it does not
   know, are OpenSSL's. libcjose verifies what the token's header says, so everything that decides which key goes with
   which algorithm is done here before it is asked: it sees a token only together with a key of the right kind and
   curve, and with a signature of the right size (0.6.2 does not look at the size of a PSS signature). Any thread: a key
   is only read after it was made. Owns its keys. */
#include "auth/jwks.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#include <cjose/jwk.h>
#include <cjose/jws.h>
#include <json-c/json.h>

#include "auth/claims.h"
#include "gateway/base/encoding.h"

enum { BYTE_BITS = 8, EXPONENT_MAX_BYTES = 8, ED25519_BYTES = 32, KEY_ID_MAX_BYTES = 512 };

struct jwk {
    char *kid;              /* NULL: none */
    unsigned algorithms;    /* it may be used with, as bits */
    size_t signature_bytes; /* of an RSA key: its modulus */
    cjose_jwk_t *cjose;     /* or */
    EVP_PKEY *edwards;      /* one of them */
};

struct jwks {
    _Atomic unsigned references;
    size_t keys, left_out;
    struct jwk key[];
};

/* What a member of the set is worth. */
enum { LEFT_OUT = 1 };

/* ---- the parts of a key ---- */

static int read_bytes(const struct json_object *member, const char *name, struct text *out)
{
    int result = base64_decode(BASE64_URL, claims_text(member, name), out);
    if (result == -ENOMEM)
        return result;
    return result == 0 && out->size > 0 ? 0 : LEFT_OUT;
}

static size_t bits(const struct text *number)
{
    unsigned char top = (unsigned char)number->at[0];
    return top == 0 ? 0 : number->size * BYTE_BITS - (size_t)__builtin_clz(top) + 24;
}

static bool is_odd(const struct text *number)
{
    return number->at[number->size - 1] & 1;
}

/* libcjose copies what it is given. */
static uint8_t *bytes_of(const struct text *text)
{
    return (uint8_t *)text->at;
}

/* libcjose calls a point that is not on its curve a lack of memory; OpenSSL's queue knows better. */
static int made(struct jwk *key, const cjose_err *error)
{
    unsigned long reason = ERR_peek_last_error();
    bool no_memory =
        error->code == CJOSE_ERR_NO_MEMORY && (reason == 0 || ERR_GET_REASON(reason) == ERR_R_MALLOC_FAILURE);
    ERR_clear_error(); /* this thread's TLS connections read the queue, too */
    if (key->cjose || key->edwards)
        return 0;
    return no_memory ? -ENOMEM : LEFT_OUT;
}

static int read_rsa(const struct json_object *member, struct jwk *key)
{
    CLEANUP(text_done) struct text n = TEXT(JWKS_RSA_MAX_BITS / BYTE_BITS), e = TEXT(EXPONENT_MAX_BYTES);
    cjose_err error = {.code = CJOSE_ERR_NONE};
    int result = read_bytes(member, "n", &n);
    if (result == 0)
        result = read_bytes(member, "e", &e);
    if (result != 0)
        return result;
    bool exponent = e.at[0] != 0 && is_odd(&e) && (e.size > 1 || e.at[0] > 1);
    if (bits(&n) < JWKS_RSA_MIN_BITS || !is_odd(&n) || !exponent)
        return LEFT_OUT;
    key->cjose = cjose_jwk_create_RSA_spec(
        &(cjose_jwk_rsa_keyspec){.n = bytes_of(&n), .nlen = n.size, .e = bytes_of(&e), .elen = e.size}, &error);
    key->signature_bytes = n.size;
    return made(key, &error);
}

/* That the point is on its curve is looked at by OpenSSL when it is set. */
static int read_point(const struct json_object *member, cjose_jwk_ec_curve curve, size_t size, struct jwk *key)
{
    CLEANUP(text_done) struct text x = TEXT(size), y = TEXT(size);
    cjose_err error = {.code = CJOSE_ERR_NONE};
    int result = read_bytes(member, "x", &x);
    if (result == 0)
        result = read_bytes(member, "y", &y);
    if (result != 0)
        return result;
    if (x.size != size || y.size != size)
        return LEFT_OUT;
    key->cjose = cjose_jwk_create_EC_spec(
        &(cjose_jwk_ec_keyspec){.crv = curve, .x = bytes_of(&x), .xlen = x.size, .y = bytes_of(&y), .ylen = y.size},
        &error);
    return made(key, &error);
}

static int read_p256(const struct json_object *member, struct jwk *key)
{
    return read_point(member, CJOSE_JWK_EC_P_256, 32, key);
}

static int read_p384(const struct json_object *member, struct jwk *key)
{
    return read_point(member, CJOSE_JWK_EC_P_384, 48, key);
}

static int read_p521(const struct json_object *member, struct jwk *key)
{
    return read_point(member, CJOSE_JWK_EC_P_521, 66, key);
}

static int read_ed25519(const struct json_object *member, struct jwk *key)
{
    CLEANUP(text_done) struct text x = TEXT(ED25519_BYTES);
    cjose_err none = {.code = CJOSE_ERR_NONE};
    int result = read_bytes(member, "x", &x);
    if (result != 0)
        return result;
    if (x.size == ED25519_BYTES)
        key->edwards = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes_of(&x), x.size);
    return made(key, &none);
}

/* ---- a key ---- */

static const struct kind {
    const char *kty, *crv; /* NULL: has no curve */
    enum key_kind kind;
    int (*read)(const struct json_object *member, struct jwk *key);
} kinds[] = {
    {"RSA", NULL, KEY_RSA, read_rsa},
    {"EC", "P-256", KEY_P256, read_p256},
    {"EC", "P-384", KEY_P384, read_p384},
    {"EC", "P-521", KEY_P521, read_p521},
    {"OKP", "Ed25519", KEY_ED25519, read_ed25519},
};

static const struct kind *find_kind(const struct json_object *member)
{
    struct span kty = claims_text(member, "kty"), crv = claims_text(member, "crv");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (span_is(kty, kinds[i].kty) && (!kinds[i].crv || span_is(crv, kinds[i].crv)))
            return &kinds[i];
    return NULL;
}

/* Whoever published it has given it away: what it signs proves nothing. */
static bool is_private(const struct json_object *member)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (claims_has(member, names[i]))
            return true;
    return false;
}

/* RFC 7517, 4.2 and 4.3. */
static bool is_for_signatures(const struct json_object *member)
{
    struct json_object *operations = NULL;
    if (claims_has(member, "use") && !span_is(claims_text(member, "use"), "sig"))
        return false;
    if (!json_object_object_get_ex(member, "key_ops", &operations))
        return true;
    size_t count = json_object_is_type(operations, json_type_array) ? json_object_array_length(operations) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *operation = json_object_array_get_idx(operations, i);
        const char *name = json_object_is_type(operation, json_type_string) ? json_object_get_string(operation) : "";
        if (strcmp(name, "verify") == 0)
            return true;
    }
    return false;
}

/* Its own alg, or all of its kind. */
static unsigned algorithms_of(const struct json_object *member, enum key_kind kind)
{
    unsigned all = 0;
    bool one = claims_has(member, "alg");
    struct span name = claims_text(member, "alg");
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (algorithms[i].kind == kind && (!one || span_is(name, algorithms[i].name)))
            all |= algorithm_bit(&algorithms[i]);
    return all;
}

static int read_kid(const struct json_object *member, struct jwk *key)
{
    struct span kid = claims_text(member, "kid");
    if (!claims_has(member, "kid"))
        return 0;
    if (span_absent(kid) || kid.size > KEY_ID_MAX_BYTES)
        return LEFT_OUT;
    key->kid = span_copy(kid);
    return key->kid ? 0 : -ENOMEM;
}

static void done_key(struct jwk *key)
{
    free(key->kid);
    EVP_PKEY_free(key->edwards);
    if (key->cjose)
        cjose_jwk_release(key->cjose);
}

static int read_key(const struct json_object *member, struct jwk *ret_key)
{
    struct jwk key = {.kid = NULL};
    const struct kind *kind = json_object_is_type(member, json_type_object) ? find_kind(member) : NULL;
    if (!kind || is_private(member) || !is_for_signatures(member))
        return LEFT_OUT;
    key.algorithms = algorithms_of(member, kind->kind);
    int result = key.algorithms ? read_kid(member, &key) : LEFT_OUT;
    if (result == 0)
        result = kind->read(member, &key);
    if (result == 0)
        *ret_key = key;
    else
        done_key(&key);
    return result;
}

/* ---- the set ---- */

static int read_keys(const struct json_object *list, struct jwks *jwks)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        int result = read_key(json_object_array_get_idx(list, i), &jwks->key[jwks->keys]);
        if (result < 0)
            return result;
        jwks->keys += result == 0 ? 1 : 0;
        jwks->left_out += result == 0 ? 0 : 1;
    }
    return 0;
}

static int bad(const char *why, const char **ret_why)
{
    *ret_why = why;
    return JWKS_BAD;
}

static int read_set(const struct json_object *object, struct jwks **ret_jwks, const char **ret_why)
{
    struct json_object *list = NULL;
    if (!json_object_object_get_ex(object, "keys", &list) || !json_object_is_type(list, json_type_array))
        return bad("no list of keys", ret_why);
    size_t count = json_object_array_length(list);
    if (count > JWKS_MAX_KEYS)
        return bad("too many keys", ret_why);
    struct jwks *jwks = calloc(1, sizeof(*jwks) + count * sizeof(jwks->key[0]));
    if (!jwks)
        return -ENOMEM;
    atomic_init(&jwks->references, 1);
    int result = read_keys(list, jwks);
    if (result == 0 && jwks->keys == 0)
        result = bad("no usable key", ret_why);
    if (result == 0)
        *ret_jwks = jwks;
    else
        jwks_unref(jwks);
    return result;
}

int jwks_parse(struct span json, struct jwks **ret_jwks, const char **ret_why)
{
    struct json_object *object = NULL;
    int result = claims_parse(json, JWKS_MAX_BYTES, &object);
    if (result != 0)
        return result < 0 ? result : bad("no JSON object", ret_why);
    result = read_set(object, ret_jwks, ret_why);
    json_object_put(object);
    return result;
}

struct jwks *jwks_ref(struct jwks *jwks)
{
    if (jwks)
        atomic_fetch_add_explicit(&jwks->references, 1, memory_order_relaxed);
    return jwks;
}

void jwks_unref(struct jwks *jwks)
{
    if (!jwks || atomic_fetch_sub_explicit(&jwks->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < jwks->keys; i++)
        done_key(&jwks->key[i]);
    free(jwks);
}

size_t jwks_count(const struct jwks *jwks)
{
    return jwks->keys;
}

size_t jwks_left_out(const struct jwks *jwks)
{
    return jwks->left_out;
}

const struct jwk *jwks_next(const struct jwks *jwks, const struct jwk *after, const struct algorithm *algorithm,
                            struct span kid)
{
    for (const struct jwk *key = after ? after + 1 : jwks->key; key < jwks->key + jwks->keys; key++) {
        bool named = span_absent(kid) || (key->kid && span_is(kid, key->kid));
        if (named && (key->algorithms & algorithm_bit(algorithm)))
            return key;
    }
    return NULL;
}

/* ---- signatures ---- */

static int verify_edwards(const struct jwk *key, struct span token, struct span signature)
{
    const char *dot = memrchr(token.at, '.', token.size);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        return -ENOMEM;
    int result = JWK_WRONG;
    if (dot && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->edwards) == 1 &&
        EVP_DigestVerify(context, (const unsigned char *)signature.at, signature.size, (const unsigned char *)token.at,
                         (size_t)(dot - token.at)) == 1)
        result = 0;
    EVP_MD_CTX_free(context);
    return result;
}

/* Two parsers have read the header now: what they say must be the same. */
static bool agrees(cjose_jws_t *jws, const struct algorithm *algorithm)
{
    cjose_err error;
    const char *name = cjose_header_get(cjose_jws_get_protected(jws), CJOSE_HDR_ALG, &error);
    return name && strcmp(name, algorithm->name) == 0;
}

static int verify_cjose(const struct jwk *key, const struct algorithm *algorithm, struct span token)
{
    cjose_err error = {.code = CJOSE_ERR_NONE};
    cjose_jws_t *jws = cjose_jws_import(token.at, token.size, &error);
    bool right = jws && agrees(jws, algorithm) && cjose_jws_verify(jws, key->cjose, &error);
    cjose_jws_release(jws);
    if (right)
        return 0;
    return error.code == CJOSE_ERR_NO_MEMORY ? -ENOMEM : JWK_WRONG;
}

int jwk_verify(const struct jwk *key, const struct algorithm *algorithm, struct span token, struct span signature)
{
    size_t size = algorithm->signature_bytes ? algorithm->signature_bytes : key->signature_bytes;
    if (signature.size != size || !(key->algorithms & algorithm_bit(algorithm)))
        return JWK_WRONG;
    int result = key->edwards ? verify_edwards(key, token, signature) : verify_cjose(key, algorithm, token);
    ERR_clear_error();
    return result;
}

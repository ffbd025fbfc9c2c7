/* What it costs to know who is calling: `bench-guard [rounds]`. Prints one line per row, with the best and the median
   of the rounds: on a shared machine the best is the cost, the median says how far to trust it. One thread; keys come
   from files, so that nothing is asked of anybody. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/api_key.h"
#include "auth/authenticator.h"
#include "auth/jwt.h"
#include "gateway/base/clock.h"
#include "gateway/base/encoding.h"

enum { ROUNDS_DEFAULT = 51, ROUNDS_MAX = 1001, TOKEN_MAX_BYTES = 8192, API_KEYS = 1000, SIGNATURE_MAX_BYTES = 1024 };
#define ISSUER   "https://issuer.example"
#define AUDIENCE "https://gw.example/mcp"

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench-guard: %s failed\n", what);
    exit(EXIT_FAILURE);
}

/* ---- keys and tokens ---- */

struct signer {
    const char *algorithm;
    EVP_PKEY *key;
    size_t half; /* of an elliptic curve's signature; 0: RSA */
};

static void add_number(struct text *out, EVP_PKEY *key, const char *name, size_t size)
{
    BIGNUM *number = NULL;
    unsigned char bytes[SIGNATURE_MAX_BYTES];
    must(EVP_PKEY_get_bn_param(key, name, &number) == 1, "reading a key");
    size = size ? size : (size_t)BN_num_bytes(number);
    must(BN_bn2binpad(number, bytes, (int)size) > 0, "writing a key");
    BN_free(number);
    base64_encode(BASE64_URL, (struct span){(const char *)bytes, size}, out);
}

static void add_key(struct text *out, const struct signer *signer)
{
    if (signer->half) {
        text_add_literal(out, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ES256\",\"x\":\"");
        add_number(out, signer->key, OSSL_PKEY_PARAM_EC_PUB_X, signer->half);
        text_add_literal(out, "\",\"y\":\"");
        add_number(out, signer->key, OSSL_PKEY_PARAM_EC_PUB_Y, signer->half);
    } else {
        text_add_literal(out, "{\"kty\":\"RSA\",\"kid\":\"RS256\",\"n\":\"");
        add_number(out, signer->key, OSSL_PKEY_PARAM_RSA_N, 0);
        text_add_literal(out, "\",\"e\":\"");
        add_number(out, signer->key, OSSL_PKEY_PARAM_RSA_E, 0);
    }
    text_add_literal(out, "\"}");
}

static size_t flatten(const struct signer *signer, unsigned char *signature, size_t size)
{
    const unsigned char *at = signature;
    if (!signer->half)
        return size;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)size);
    must(pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int)signer->half) > 0 &&
             BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + signer->half, (int)signer->half) > 0,
         "writing a signature");
    ECDSA_SIG_free(pair);
    return signer->half * 2;
}

/* "Bearer ", and a token like those of real issuers, of some 600 bytes. */
static void make_field(const struct signer *signer, struct text *out)
{
    static const char claims[] = "{\"iss\":\"" ISSUER "\",\"aud\":[\"" AUDIENCE "\"],\"sub\":\"248289761001\",\"exp\":"
                                 "4000000000,\"iat\":1700000000,\"jti\":\"5f0a2c6e4d3b4f7a9d1e8c7b6a5f4e3d\","
                                 "\"client_id\":\"s6BhdRkqt3\",\"scope\":\"tools read resources prompts\"}";
    unsigned char signature[SIGNATURE_MAX_BYTES];
    size_t size = sizeof(signature), before = sizeof("Bearer ") - 1;
    char header[128];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", signer->algorithm,
                   signer->algorithm);
    text_add_literal(out, "Bearer ");
    base64_encode(BASE64_URL, span_of(header), out);
    text_add_literal(out, ".");
    base64_encode(BASE64_URL, span_of(claims), out);
    must(out->error == 0 && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) == 1 &&
             EVP_DigestSign(context, signature, &size, (const unsigned char *)out->at + before, out->size - before) ==
                 1,
         "signing");
    EVP_MD_CTX_free(context);
    text_add_literal(out, ".");
    base64_encode(BASE64_URL, (struct span){(const char *)signature, flatten(signer, signature, size)}, out);
    must(out->error == 0, "making a token");
}

/* ---- the authenticator ---- */

static char key_digests[API_KEYS][API_KEY_HEX_BYTES + 1];
static char name[] = "ci", issuer_name[] = ISSUER, audience[] = AUDIENCE;
#define LAST_KEY "weir-bench-key-0000000000000999"

static void told(struct authenticator_waiter *waiter)
{
    (void)waiter;
}

/* Until the keys have been read from their file. */
static void await_keys(struct authenticator *authenticator)
{
    struct authenticator_issuer status;
    while (authenticator_read_issuer(authenticator, 0, &status) && status.keys == 0) {
        must(status.error[0] == '\0', "reading the keys");
        sched_yield();
    }
}

static struct authenticator *make_authenticator(char *jwks_url, uint64_t cache_ms)
{
    static struct api_key_settings keys[API_KEYS];
    struct issuer_settings issuer = {.issuer = issuer_name, .audience = audience, .jwks = jwks_url};
    struct authenticator *authenticator = NULL;
    for (size_t i = 0; i < API_KEYS; i++) {
        char key[sizeof(LAST_KEY)];
        (void)snprintf(key, sizeof(key), "weir-bench-key-%016zu", i);
        must(api_key_hash(span_of(key), key_digests[i]) == 0, "hashing a key");
        keys[i] = (struct api_key_settings){.name = name, .sha256 = key_digests[i]};
    }
    must(authenticator_new(&(struct auth_settings){.api_key = keys,
                                                   .api_keys = API_KEYS,
                                                   .issuer = &issuer,
                                                   .issuers = 1,
                                                   .cache_ms = cache_ms,
                                                   .jwks_ttl_ms = UINT32_MAX,
                                                   .max_cached = 10000},
                           NULL, &authenticator) == 0,
         "making the authenticator");
    await_keys(authenticator);
    return authenticator;
}

/* ---- measuring ---- */

struct row {
    const char *name;
    bool cached;  /* find() of what is known; else verify() of what is not */
    bool refused; /* and it is wrong */
    size_t turns;
    struct credentials shown;
};

static void turn(struct authenticator *authenticator, const struct row *row)
{
    struct identity *identity = NULL;
    struct authenticator_waiter waiter = {.done = told};
    const char *why = NULL;
    int result = row->cached ? authenticator_find(authenticator, &row->shown, &identity)
                             : authenticator_verify(authenticator, &row->shown, &waiter, &identity, &why);
    must(result == (row->refused ? AUTHENTICATOR_REFUSED : 0), row->name);
    identity_unref(identity);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void run_row(struct authenticator *authenticator, const struct row *row, size_t rounds)
{
    double times[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        uint64_t start = clock_now_ns();
        for (size_t k = 0; k < row->turns; k++)
            turn(authenticator, row);
        times[i] = (double)(clock_now_ns() - start) / (double)row->turns;
    }
    qsort(times, rounds, sizeof(times[0]), compare);
    printf("%s: best %.0f ns, median %.0f ns\n", row->name, times[0], times[rounds / 2]);
}

static void run(char *jwks_url, struct span rs256, struct span es256, size_t rounds)
{
    struct address here;
    must(address_parse(SPAN("192.0.2.1:1"), &here) == 0, "an address");
    const struct credentials key = {.api_key = SPAN(LAST_KEY), .address = &here},
                             wrong = {.api_key = SPAN("weir-bench-key-none-of-them-000"), .address = &here},
                             rsa = {.authorization = rs256, .address = &here},
                             curve = {.authorization = es256, .address = &here};
    const struct row rows[] = {
        {"known API key", true, false, 20000, key},
        {"known token, RS256", true, false, 20000, rsa},
        {"known token, ES256", true, false, 20000, curve},
        {"API key among 1000, new", false, false, 1000, key},
        {"API key among 1000, wrong", false, true, 1000, wrong},
        {"token, RS256, new", false, false, 100, rsa},
        {"token, ES256, new", false, false, 100, curve},
    };
    /* With and without a memory: what is not remembered is new each time. */
    struct authenticator *remembers = make_authenticator(jwks_url, UINT32_MAX),
                         *forgets = make_authenticator(jwks_url, 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct row first = rows[i];
        first.cached = false;
        if (rows[i].cached)
            turn(remembers, &first);
        run_row(rows[i].cached ? remembers : forgets, &rows[i], rounds);
    }
    authenticator_unref(remembers);
    authenticator_unref(forgets);
}

static void write_keys(const char *path, const struct signer *signers, size_t count)
{
    CLEANUP(text_done) struct text set = TEXT(TOKEN_MAX_BYTES);
    text_add_literal(&set, "{\"keys\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text_add_literal(&set, ",");
        add_key(&set, &signers[i]);
    }
    text_add_literal(&set, "]}");
    FILE *file = fopen(path, "w");
    must(file && fwrite(set.at, 1, set.size, file) == set.size && fclose(file) == 0, "writing the keys");
}

int main(int argc, char **argv)
{
    uint64_t rounds = ROUNDS_DEFAULT;
    if (argc > 2 || (argc == 2 && (span_to_uint64(span_of(argv[1]), &rounds) || rounds == 0 || rounds > ROUNDS_MAX))) {
        fprintf(stderr, "usage: bench-guard [rounds, at most %d]\n", ROUNDS_MAX);
        return 2;
    }
    const struct signer signers[] = {{"RS256", EVP_RSA_gen(2048), 0}, {"ES256", EVP_EC_gen("P-256"), 32}};
    CLEANUP(text_done) struct text rs256 = TEXT(TOKEN_MAX_BYTES), es256 = TEXT(TOKEN_MAX_BYTES);
    char path[] = "/tmp/weir-bench-guard-XXXXXX", url[64];
    int descriptor = mkstemp(path);
    must(descriptor >= 0 && signers[0].key && signers[1].key, "preparing");
    close(descriptor);
    write_keys(path, signers, ARRAY_SIZE(signers));
    (void)snprintf(url, sizeof(url), "file:%s", path);
    make_field(&signers[0], &rs256);
    make_field(&signers[1], &es256);
    run(url, text_span(&rs256), text_span(&es256), (size_t)rounds);
    (void)unlink(path);
    for (size_t i = 0; i < ARRAY_SIZE(signers); i++)
        EVP_PKEY_free(signers[i].key);
    return 0;
}

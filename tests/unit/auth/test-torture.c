/* Memory that runs out: every scenario runs again and again, and in the n-th run its n-th allocation fails, alone or
   with all that follow. Whatever comes of it, nothing crashes or leaks, nobody waits for ever, and what is refused for
   want of memory is not called wrong. The linker puts the allocator of this file before the real one; which thread's
   allocations fail is chosen, so that runs are alike. Starts threads (pthread_create). */
#include "tests/unit/auth/http_server.h"
#include "tests/unit/auth/tokens.h"

#include "auth/api_key.h"
#include "auth/credential.h"
#include "auth/credential_cache.h"
#include "auth/introspection.h"
#include "auth/jwt.h"

#define ISSUER   "https://issuer.example"
#define AUDIENCE "https://gw.example/mcp"
#define KEY      "weir-key-0000000000000000000001"
#define CLAIMS                                                                                                         \
    "{\"iss\":\"" ISSUER "\",\"aud\":[\"" AUDIENCE "\"],\"sub\":\"a\",\"client_id\":\"b\",\"exp\":4000000000,"         \
    "\"scope\":\"c d\"}"
#define ANSWER "{\"active\":true,\"sub\":\"bob\",\"aud\":\"" AUDIENCE "\",\"scope\":\"c d\"}"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

/* ---- the allocator ---- */

enum whose { WHOSE_NOBODY, WHOSE_OURS, WHOSE_OTHERS };

static struct {
    _Atomic enum whose whose;
    _Atomic bool all_that_follow;
    _Atomic unsigned long left; /* allocations until one fails */
    _Atomic unsigned long failed;
} memory;
static __thread bool ours; /* the thread that runs the scenario */

static bool refused(void)
{
    /* Looked at once: it changes while other threads allocate. */
    enum whose whose = memory.whose;
    if (whose == WHOSE_NOBODY || (whose == WHOSE_OURS) != ours)
        return false;
    if (memory.left > 1) {
        memory.left--;
        return false;
    }
    if (memory.failed > 0 && !memory.all_that_follow)
        return false;
    memory.failed++;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refused() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : __real_strdup(text);
}

/* ---- what scenarios stand on ---- */

static struct text token = TEXT(TOKENS_MAX_BYTES), edwards = TEXT(TOKENS_MAX_BYTES), set = TEXT(TOKENS_MAX_BYTES);
static char digest[API_KEY_HEX_BYTES + 1], name[] = "ci", scope[] = "tools", issuer_name[] = ISSUER, other[] = "other",
                                           audience[] = AUDIENCE, keys_url[64], answers_url[64], client_id[] = "weir";
static char *scopes[] = {scope, name};
static struct http_server keys, answers;
static struct api_key_settings api_key = {.name = name, .sha256 = digest, .scopes = {scopes, 2}};
static struct issuer_settings issuers[] = {{.issuer = issuer_name, .audience = audience, .jwks = keys_url},
                                           {.issuer = other,
                                            .audience = audience,
                                            .introspection = answers_url,
                                            .client_id = client_id,
                                            .client_secret = client_id,
                                            .ca = NULL}};
static const struct auth_settings settings = {.api_key = &api_key,
                                              .api_keys = 1,
                                              .issuer = issuers,
                                              .issuers = ARRAY_SIZE(issuers),
                                              .certificates = true,
                                              .cache_ms = 60000,
                                              .jwks_ttl_ms = 60000,
                                              .max_cached = 10};

static int set_up(void **state UNUSED)
{
    ours = true;
    tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS);
    tokens_usual(&edwards, TOKENS_ED25519, "EdDSA", CLAIMS);
    tokens_add_jwks(&set);
    http_server_start(&keys);
    http_server_start(&answers);
    http_server_answer(&keys, "200 OK", text_span(&set));
    http_server_answer(&answers, "200 OK", SPAN(ANSWER));
    (void)snprintf(keys_url, sizeof(keys_url), "%s", http_server_url(&keys));
    (void)snprintf(answers_url, sizeof(answers_url), "%s", http_server_url(&answers));
    return api_key_hash(SPAN(KEY), digest);
}

static int tear_down(void **state UNUSED)
{
    http_server_stop(&keys);
    http_server_stop(&answers);
    text_done(&token);
    text_done(&edwards);
    text_done(&set);
    return 0;
}

/* ---- scenarios: each says what became of it, 0 or -ENOMEM ---- */

static int parse_keys(void)
{
    struct jwks *jwks = NULL;
    const char *why = NULL;
    int result = jwks_parse(text_span(&set), &jwks, &why);
    jwks_unref(jwks);
    return result;
}

static int verify_one(const struct jwks *jwks, struct span one)
{
    struct jwt jwt;
    const char *why = NULL;
    int result = jwt_read(one, &jwt, &why);
    if (result != 0)
        return result;
    result = jwt_verify(&jwt, jwks);
    jwt_done(&jwt);
    return result;
}

static int verify_token(void)
{
    struct jwks *jwks = NULL;
    const char *why = NULL;
    enum whose whose = memory.whose;
    memory.whose = WHOSE_NOBODY;
    assert_int_equal(jwks_parse(text_span(&set), &jwks, &why), 0);
    memory.whose = whose;
    int result = verify_one(jwks, text_span(&token));
    if (result == 0)
        result = verify_one(jwks, text_span(&edwards));
    jwks_unref(jwks);
    return result;
}

static int read_answer(void)
{
    static const struct claims_rules rules = {.issuer = SPAN(ISSUER), .audience = SPAN(AUDIENCE)};
    struct identity *identity = NULL, *moved = NULL;
    const char *why = NULL;
    struct address address;
    assert_int_equal(address_parse(SPAN("192.0.2.1:1"), &address), 0);
    int result = introspection_read(SPAN(ANSWER), &rules, &identity, &why);
    if (result == 0)
        result = identity_at(identity, &address, &moved);
    identity_unref(identity);
    identity_unref(moved);
    return result;
}

static int read_credential(void)
{
    struct credentials shown = {.subprotocol = SPAN("a%2Fb"), .api_key = SPAN("a/b")};
    struct credential credential;
    const char *why = NULL;
    int result = credential_read(&shown, true, &credential, &why);
    if (result == 0)
        credential_done(&credential);
    return result;
}

static int remember(void)
{
    struct credential_cache *cache = NULL;
    struct identity *identity = NULL;
    const char *why = NULL;
    int result = credential_cache_new(2, &cache);
    for (int i = 0; i < 4 && result == 0; i++) {
        struct credential_cache_key key = {.kind = i, .secret = SPAN("a")};
        result = credential_cache_add(cache, &key, NULL, "why", 60000);
        int found = credential_cache_find(cache, &key, &identity, &why);
        assert_int_equal(found, result == 0 ? CREDENTIAL_CACHE_REFUSED : CREDENTIAL_CACHE_MISSING);
    }
    credential_cache_free(cache);
    return result;
}

/* Known at once, so that nothing depends on what the fetcher does. */
static int use_key(void)
{
    struct authenticator *authenticator = NULL;
    struct auth_settings only = settings;
    struct identity *identity = NULL;
    const char *why = NULL;
    static const uint8_t fingerprint[32] = {1};
    static const struct credentials shown = {.api_key = SPAN(KEY)},
                                    certificate = {.certificate_subject = SPAN("CN=a"),
                                                   .certificate_fingerprint = fingerprint};
    only.issuers = 0;
    int result = authenticator_new(&only, NULL, &authenticator);
    if (result == 0)
        result = authenticator_verify(authenticator, &shown, NULL, &identity, &why);
    identity_unref(TAKE(identity));
    if (result == 0)
        result = authenticator_find(authenticator, &certificate, &identity);
    identity_unref(TAKE(identity));
    authenticator_unref(authenticator);
    return result;
}

static int verify(struct authenticator *authenticator, struct span one)
{
    CLEANUP(text_done) struct text field = TEXT(TOKENS_MAX_BYTES);
    struct told told = TOLD;
    struct identity *identity = NULL;
    const char *why = NULL;
    enum whose whose = memory.whose;
    int result;
    memory.whose = WHOSE_NOBODY;
    text_add_literal(&field, "Bearer ");
    text_add(&field, one);
    memory.whose = whose;
    const struct credentials shown = {.authorization = text_span(&field)};
    while ((result = authenticator_verify(authenticator, &shown, &told.waiter, &identity, &why)) ==
           AUTHENTICATOR_PENDING)
        told_await(&told);
    identity_unref(identity);
    return result;
}

static int use_issuers(void)
{
    struct authenticator *authenticator = NULL, *next = NULL;
    int result = authenticator_new(&settings, NULL, &authenticator);
    if (result == 0)
        result = verify(authenticator, text_span(&token));
    if (result == 0)
        result = verify(authenticator, SPAN("opaque"));
    if (result == 0)
        result = authenticator_new(&settings, authenticator, &next);
    authenticator_unref(authenticator);
    authenticator_unref(next);
    return result;
}

/* ---- running them ---- */

/* What cannot be remembered, or not be asked for now, is no error: then it is done again. */
static bool is_expected(int result, unsigned long failed, enum whose whose)
{
    if (result == 0 || (failed > 0 && result == -ENOMEM))
        return true;
    return failed > 0 && whose == WHOSE_OTHERS && result == AUTHENTICATOR_UNAVAILABLE;
}

static unsigned long run_once(int (*scenario)(void), enum whose whose, unsigned long n, bool all)
{
    memory.left = n;
    memory.failed = 0;
    memory.all_that_follow = all;
    memory.whose = whose;
    int result = scenario();
    memory.whose = WHOSE_NOBODY;
    if (!is_expected(result, memory.failed, whose))
        fail_msg("allocation %lu%s: %d", n, all ? " and all that follow" : "", result);
    return memory.failed;
}

static void torture(int (*scenario)(void), enum whose whose)
{
    unsigned long n = 1;
    while (run_once(scenario, whose, n, false) > 0)
        n++;
    print_message("%lu allocations\n", n - 1);
    assert_true(n > 1);
    for (unsigned long from = 1; from < n; from++)
        (void)run_once(scenario, whose, from, true);
}

static void test_parts(void **state UNUSED)
{
    static int (*const scenarios[])(void) = {
        parse_keys, verify_token, read_answer, read_credential, remember, use_key,
    };
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        torture(scenarios[i], WHOSE_OURS);
}

static void test_reactor(void **state UNUSED)
{
    torture(use_issuers, WHOSE_OURS);
}

static void test_fetching_thread(void **state UNUSED)
{
    torture(use_issuers, WHOSE_OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_reactor),
        cmocka_unit_test(test_fetching_thread),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

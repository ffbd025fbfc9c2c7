/* Unit tests of auth/authenticator.h: from what is shown to an identity. Starts threads (pthread_create). */
#include "tests/unit/auth/http_server.h"
#include "tests/unit/auth/tokens.h"

#include "auth/api_key.h"
#include "gateway/base/clock.h"

#define ISSUER   "https://issuer.example"
#define ASKED    "https://asked.example"
#define AUDIENCE "https://gw.example/mcp"
#define KEY      "weir-key-0000000000000000000001"
#define CLAIMS(more)                                                                                                   \
    "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"sub\":\"alice\",\"exp\":2000,\"scope\":\"tools\"" more "}"
#define ASKED_ANSWER "{\"active\":true,\"sub\":\"bob\",\"aud\":\"" AUDIENCE "\"}"

enum { NOW_MS = 1000000, LEEWAY_MS = 10000, CACHE_MS = 60000, TTL_MS = 3600000 };
static const uint64_t MS_NS = 1000000;
static const uint8_t certificate[32] = {0xff}, other_certificate[32] = {0xfe};

static struct http_server keys, answers; /* one server each for keys and introspection */
static char key_digest[API_KEY_HEX_BYTES + 1];
static char key_name[] = "ci", scope[] = "tools", issuer_name[] = ISSUER, asked_name[] = ASKED, audience[] = AUDIENCE;
static char keys_url[64], answers_url[64], client_id[] = "weir", client_secret[] = "secret";
static char *scopes[] = {scope};
static struct api_key_settings api_key;
static struct issuer_settings issuers[2];
static struct auth_settings settings;
static struct authenticator *authenticator;
static struct address here, there;

static void serve_keys(void)
{
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    tokens_add_jwks(&json);
    http_server_answer(&keys, "200 OK", text_span(&json));
}

static int set_up(void **state UNUSED)
{
    clock_fake(1000 * MS_NS, NOW_MS);
    http_server_start(&keys);
    http_server_start(&answers);
    serve_keys();
    http_server_answer(&answers, "200 OK", SPAN("{\"active\":false}"));
    (void)snprintf(keys_url, sizeof(keys_url), "%s", http_server_url(&keys));
    (void)snprintf(answers_url, sizeof(answers_url), "%s", http_server_url(&answers));
    assert_int_equal(api_key_hash(SPAN(KEY), key_digest), 0);
    assert_int_equal(address_parse(SPAN("192.0.2.1:1"), &here), 0);
    assert_int_equal(address_parse(SPAN("192.0.2.2:1"), &there), 0);
    api_key = (struct api_key_settings){.name = key_name, .sha256 = key_digest, .scopes = {scopes, 1}};
    issuers[0] = (struct issuer_settings){.issuer = issuer_name, .audience = audience, .jwks = keys_url};
    issuers[1] = (struct issuer_settings){.issuer = asked_name,
                                          .audience = audience,
                                          .introspection = answers_url,
                                          .client_id = client_id,
                                          .client_secret = client_secret};
    settings = (struct auth_settings){.api_key = &api_key,
                                      .api_keys = 1,
                                      .issuer = issuers,
                                      .issuers = 2,
                                      .certificates = true,
                                      .leeway_ms = LEEWAY_MS,
                                      .cache_ms = CACHE_MS,
                                      .jwks_ttl_ms = TTL_MS,
                                      .max_cached = 1000};
    return authenticator_new(&settings, NULL, &authenticator);
}

static int tear_down(void **state UNUSED)
{
    authenticator_unref(authenticator);
    http_server_stop(&keys);
    http_server_stop(&answers);
    clock_fake_end();
    return 0;
}

/* ---- showing ---- */

static char field[TOKENS_MAX_BYTES];

static struct credentials bearer(const char *token)
{
    (void)snprintf(field, sizeof(field), "Bearer %s", token);
    return (struct credentials){.authorization = span_of(field), .address = &here};
}

/* Verifies to the end: waits for issuers as often as is asked for. */
static int verify(const struct credentials *shown, struct identity **ret_identity, const char **ret_why)
{
    struct told told = TOLD;
    int result;
    while ((result = authenticator_verify(authenticator, shown, &told.waiter, ret_identity, ret_why)) ==
           AUTHENTICATOR_PENDING)
        told_await(&told);
    return result;
}

/* The subject, or why not, with the outcome before it. */
static const char *outcome(const struct credentials *shown)
{
    static char text[128];
    static const char *const names[] = {
        [AUTHENTICATOR_NONE] = "none",
        [AUTHENTICATOR_REFUSED] = "refused",
        [AUTHENTICATOR_MALFORMED] = "malformed",
        [AUTHENTICATOR_UNAVAILABLE] = "unavailable",
    };
    struct identity *identity = NULL;
    const char *why = "";
    int result = verify(shown, &identity, &why);
    assert_in_range(result, 0, AUTHENTICATOR_UNAVAILABLE);
    if (result == 0)
        (void)snprintf(text, sizeof(text), "%s", identity->subject);
    else
        (void)snprintf(text, sizeof(text), "%s: %s", names[result], why);
    identity_unref(identity);
    return text;
}

static bool is_known(const struct credentials *shown)
{
    struct identity *identity = NULL;
    int result = authenticator_find(authenticator, shown, &identity);
    assert_true(result == 0 || result == AUTHENTICATOR_UNKNOWN);
    identity_unref(identity);
    return result == 0;
}

/* ---- the kinds ---- */

static void test_nothing(void **state UNUSED)
{
    struct identity *identity = NULL;
    struct credentials nothing = {.address = &here};
    assert_int_equal(authenticator_find(authenticator, &nothing, &identity), AUTHENTICATOR_NONE);
    assert_string_equal(outcome(&nothing), "none: ");
}

static void test_api_key(void **state UNUSED)
{
    struct identity *identity = NULL;
    const char *why = NULL;
    const struct credentials ways[] = {
        {.authorization = SPAN("Bearer " KEY), .address = &here},
        {.subprotocol = SPAN(KEY), .address = &here},
        {.api_key = SPAN(KEY), .address = &here},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        assert_int_equal(is_known(&ways[i]), i == 1); /* a token is the same token in either place */
        assert_string_equal(outcome(&ways[i]), "ci");
        assert_true(is_known(&ways[i]));
    }
    assert_int_equal(authenticator_find(authenticator, &ways[0], &identity), 0);
    assert_int_equal(identity->proof, IDENTITY_API_KEY);
    assert_true(identity_has_scope(identity, SPAN("tools")));
    assert_null(identity->issuer);
    assert_memory_equal(&identity->address, &here, sizeof(here));
    identity_unref(identity);
    struct credentials elsewhere = ways[0];
    elsewhere.address = &there;
    assert_false(is_known(&elsewhere)); /* an identity has its address */
    assert_int_equal(verify(&elsewhere, &identity, &why), 0);
    assert_memory_equal(&identity->address, &there, sizeof(there));
    identity_unref(identity);
    assert_string_equal(outcome(&(struct credentials){.api_key = SPAN("weir-key-0000000000000000000002")}),
                        "refused: unknown key");
    clock_fake_advance(CACHE_MS * MS_NS);
    assert_false(is_known(&ways[0]));
}

static void test_wrong_fields(void **state UNUSED)
{
    static const struct {
        const char *authorization, *api_key, *expected;
    } rows[] = {
        {"Bearer a b", NULL, "malformed: not a bearer token"},
        {"Bearer abc", KEY, "malformed: two different credentials"},
        {"Basic abc", NULL, "refused: unsupported authorization scheme"},
        {"DPoP abc", NULL, "refused: proofs of possession (DPoP) are not verified here"},
        {"DPoP " KEY, NULL, "refused: proofs of possession (DPoP) are not verified here"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct credentials shown = {.authorization = span_of(rows[i].authorization),
                                    .api_key = span_of(rows[i].api_key)};
        assert_false(is_known(&shown)); /* it costs an attempt */
        assert_string_equal(outcome(&shown), rows[i].expected);
    }
}

static void test_certificate(void **state UNUSED)
{
    struct identity *identity = NULL, *again = NULL;
    struct credentials shown = {
        .certificate_subject = SPAN("CN=a"), .certificate_fingerprint = certificate, .address = &here};
    assert_int_equal(authenticator_find(authenticator, &shown, &identity), 0);
    assert_string_equal(identity->subject, "CN=a");
    assert_int_equal(identity->proof, IDENTITY_CERTIFICATE);
    assert_int_equal(authenticator_find(authenticator, &shown, &again), 0);
    assert_ptr_equal(again, identity);
    identity_unref(identity);
    identity_unref(again);
    assert_string_equal(outcome(&shown), "CN=a");
    shown.api_key = SPAN(KEY);
    assert_string_equal(outcome(&shown), "ci");
}

/* ---- signed tokens ---- */

static void test_token(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    static const struct {
        const char *algorithm;
        enum tokens_key key;
    } rows[] = {{"RS256", TOKENS_RSA},
                {"PS384", TOKENS_RSA},
                {"ES256", TOKENS_P256},
                {"ES512", TOKENS_P521},
                {"EdDSA", TOKENS_ED25519}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct credentials shown =
            bearer(tokens_usual(&token, rows[i].key, rows[i].algorithm, CLAIMS(",\"client_id\":\"app\"")));
        struct identity *identity = NULL;
        const char *why = NULL;
        assert_false(is_known(&shown));
        assert_int_equal(verify(&shown, &identity, &why), 0);
        assert_int_equal(identity->proof, IDENTITY_JWT);
        assert_string_equal(identity->subject, "alice");
        assert_string_equal(identity->issuer, ISSUER);
        assert_string_equal(identity->client_id, "app");
        assert_true(identity_has_scope(identity, SPAN("tools")));
        assert_int_equal(identity->expires_wall_ms, 2000 * 1000 + LEEWAY_MS);
        identity_unref(identity);
        assert_true(is_known(&shown));
    }
    assert_int_equal(http_server_requests(&keys), 1);
}

/* It is known no longer than it lives. */
static void test_expiry(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    struct credentials shown = bearer(tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS(",\"exp\":1005")));
    assert_string_equal(outcome(&shown), "alice");
    clock_fake_advance((5000 + LEEWAY_MS - 1) * MS_NS);
    assert_true(is_known(&shown));
    clock_fake_advance(MS_NS);
    assert_false(is_known(&shown));
    assert_string_equal(outcome(&shown), "refused: expired");
}

static void test_refused_tokens(void **state UNUSED)
{
    static const struct {
        const char *header, *claims, *expected;
    } rows[] = {
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(""), "alice"},
        {"{\"alg\":\"none\"}", CLAIMS(""), "refused: algorithm not allowed"},
        {"{\"alg\":\"HS256\",\"kid\":\"2\"}", CLAIMS(""), "refused: algorithm not allowed"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"crit\":[\"x\"]}", CLAIMS(""),
         "refused: critical extensions, of which none is known here"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\",\"typ\":\"dpop+jwt\"}", CLAIMS(""), "refused: not an access token"},
        {"{\"alg\":\"ES256\",\"kid\":\"9\"}", CLAIMS(""), "refused: unknown key"},
        {"{\"alg\":\"ES384\",\"kid\":\"2\"}", CLAIMS(""), "refused: unknown key"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"iss\":\"https://other\""), "refused: wrong issuer"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"iss\":1"), "refused: wrong issuer"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"aud\":\"other\""), "refused: wrong audience"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"exp\":990"), "refused: expired"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"nbf\":1011"), "refused: not valid yet"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"sub\":\"\""), "refused: no subject"},
        {"{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS(",\"cnf\":{\"jkt\":\"x\"}"),
         "refused: bound to a key (DPoP), and proofs of possession are not verified here"},
    };
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct credentials shown =
            bearer(tokens_make(&token, rows[i].header, rows[i].claims, tokens_key(TOKENS_P256), "ES256"));
        const char *got = outcome(&shown);
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("%s %s: %s", rows[i].header, rows[i].claims, got);
    }
    tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS(""));
    char *byte = &token.at[token.size - 10];
    *byte = *byte == 'A' ? 'B' : 'A';
    struct credentials tampered = bearer(token.at);
    assert_string_equal(outcome(&tampered), "refused: wrong signature");
    assert_false(is_known(&tampered));
    assert_int_equal(http_server_requests(&keys), 1);
    assert_int_equal(http_server_requests(&answers), 0); /* nobody else is shown what they issued */
}

static void test_bound_token(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    struct credentials shown =
        bearer(tokens_usual(&token, TOKENS_P256, "ES256",
                            CLAIMS(",\"cnf\":{\"x5t#S256\":\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}")));
    shown.certificate_subject = SPAN("CN=a");
    shown.certificate_fingerprint = certificate;
    assert_string_equal(outcome(&shown), "alice");
    assert_true(is_known(&shown));
    shown.certificate_fingerprint = other_certificate; /* stolen: that it is known is no help */
    assert_false(is_known(&shown));
    assert_string_equal(outcome(&shown), "refused: bound to another client certificate");
    shown.certificate_fingerprint = NULL;
    assert_string_equal(outcome(&shown), "refused: bound to a client certificate, and none was shown");
}

static void test_allowed_algorithms(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    char one[] = "RS256", bad[] = "HS256", *allowed[] = {one}, *wrong[] = {bad};
    struct authenticator *strict = NULL;
    issuers[0].algorithms = (struct name_list){allowed, 1};
    assert_int_equal(authenticator_new(&settings, authenticator, &strict), 0);
    authenticator_unref(authenticator);
    authenticator = strict;
    struct credentials shown = bearer(tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS("")));
    assert_string_equal(outcome(&shown), "refused: algorithm not allowed");
    shown = bearer(tokens_usual(&token, TOKENS_RSA, "RS256", CLAIMS("")));
    assert_string_equal(outcome(&shown), "alice");
    issuers[0].algorithms = (struct name_list){wrong, 1};
    strict = NULL;
    assert_int_equal(authenticator_new(&settings, NULL, &strict), -EINVAL);
}

/* Keys are rotated while the gateway runs; the issuer goes away, and comes back. */
static void test_rotation(void **state UNUSED)
{
    CLEANUP(text_done) struct text old = TEXT(TOKENS_MAX_BYTES), new = TEXT(TOKENS_MAX_BYTES);
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    tokens_usual(&old, TOKENS_P256, "ES256", CLAIMS(""));
    tokens_make(&new, "{\"alg\":\"ES256\",\"kid\":\"new\"}", CLAIMS(""), tokens_key(TOKENS_P256), "ES256");
    struct credentials shown = bearer(old.at);
    assert_string_equal(outcome(&shown), "alice");
    shown = bearer(new.at);
    assert_string_equal(outcome(&shown), "refused: unknown key");
    http_server_answer(&keys, "500 Away", SPAN(""));
    clock_fake_advance(60000 * MS_NS);
    assert_string_equal(outcome(&shown), "unavailable: the issuer's keys cannot be fetched");
    struct credentials elsewhere = bearer(old.at);
    elsewhere.address = &there;
    assert_string_equal(outcome(&elsewhere), "alice"); /* by the key that was kept */
    text_add_literal(&json, "{\"keys\":[{\"kid\":\"new\",");
    tokens_add_jwk(&json, tokens_key(TOKENS_P256), "}]}");
    http_server_answer(&keys, "200 OK", text_span(&json));
    clock_fake_advance(60000 * MS_NS);
    shown = bearer(new.at);
    assert_string_equal(outcome(&shown), "alice");
    shown = bearer(old.at);
    assert_string_equal(outcome(&shown), "refused: unknown key");
}

/* ---- opaque tokens ---- */

static void test_introspection(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    struct identity *identity = NULL;
    struct credentials shown = bearer("opaque-token");
    assert_string_equal(outcome(&shown), "refused: not active");
    assert_false(is_known(&shown));
    http_server_answer(&answers, "200 OK", SPAN(ASKED_ANSWER));
    shown = bearer("another-token");
    assert_string_equal(outcome(&shown), "bob");
    assert_int_equal(authenticator_find(authenticator, &shown, &identity), 0);
    assert_int_equal(identity->proof, IDENTITY_INTROSPECTION);
    assert_string_equal(identity->issuer, ASKED);
    assert_memory_equal(&identity->address, &here, sizeof(here));
    identity_unref(identity);
    clock_fake_advance((CACHE_MS - 1) * MS_NS);
    assert_true(is_known(&shown));
    clock_fake_advance(MS_NS);
    assert_false(is_known(&shown));
    assert_int_equal(http_server_requests(&answers), 2);
    http_server_answer(&answers, "500 Away", SPAN(""));
    assert_string_equal(outcome(&shown), "unavailable: the issuer does not answer");
    clock_fake_advance(1000 * MS_NS);
    http_server_answer(&answers, "200 OK", SPAN(ASKED_ANSWER));
    /* One in the form of a JWT that names the issuer, however it is signed. */
    shown = bearer(tokens_make(&token, "{\"alg\":\"HS256\"}", "{\"iss\":\"" ASKED "\"}", NULL, NULL));
    size_t size = strlen(field);
    (void)snprintf(field + size, sizeof(field) - size, "AA");
    shown.authorization = span_of(field);
    assert_string_equal(outcome(&shown), "bob");
    assert_in_range(http_server_requests(&keys), 0, 1); /* at the beginning, if that has happened yet */
}

/* ---- waiting ---- */

static void test_many_wait(void **state UNUSED)
{
    struct told told[] = {TOLD, TOLD, TOLD};
    struct identity *identity = NULL;
    const char *why = NULL;
    http_server_hold(&answers, true);
    http_server_answer(&answers, "200 OK", SPAN(ASKED_ANSWER));
    struct credentials shown = bearer("opaque-token");
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        assert_int_equal(authenticator_verify(authenticator, &shown, &told[i].waiter, &identity, &why),
                         AUTHENTICATOR_PENDING);
    assert_true(authenticator_forget(authenticator, &told[1].waiter));
    http_server_hold(&answers, false);
    told_await(&told[0]);
    told_await(&told[2]);
    assert_false(authenticator_forget(authenticator, &told[0].waiter));
    assert_int_equal(told_times(&told[1]), 0);
    assert_int_equal(authenticator_verify(authenticator, &shown, &told[0].waiter, &identity, &why), 0);
    identity_unref(identity);
    assert_int_equal(http_server_requests(&answers), 1);
}

static void test_end(void **state UNUSED)
{
    struct told told = TOLD;
    struct identity *identity = NULL;
    const char *why = NULL;
    http_server_hold(&answers, true);
    struct credentials shown = bearer("opaque-token");
    assert_int_equal(authenticator_verify(authenticator, &shown, &told.waiter, &identity, &why), AUTHENTICATOR_PENDING);
    http_server_await(&answers, 1);
    authenticator_unref(TAKE(authenticator));
    told_await(&told);
}

/* ---- a reload ---- */

static void test_reload(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    struct authenticator *next = NULL;
    struct credentials key = {.api_key = SPAN(KEY)};
    tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS(""));
    struct credentials shown = bearer(token.at);
    assert_string_equal(outcome(&shown), "alice");
    assert_string_equal(outcome(&key), "ci");
    settings.api_keys = 0;
    assert_int_equal(authenticator_new(&settings, authenticator, &next), 0);
    authenticator_unref(authenticator);
    authenticator = next;
    http_server_answer(&keys, "500 Away", SPAN(""));
    assert_false(is_known(&shown)); /* verified under other settings */
    assert_string_equal(outcome(&shown), "alice");
    assert_string_equal(outcome(&key), "refused: unknown key");
    assert_int_equal(http_server_requests(&keys), 1);
    settings.issuers = 0;
    next = NULL;
    assert_int_equal(authenticator_new(&settings, authenticator, &next), 0);
    authenticator_unref(authenticator);
    authenticator = next;
    assert_string_equal(outcome(&shown), "refused: wrong issuer");
}

static void test_bad_settings(void **state UNUSED)
{
    char plain[] = "http://issuer.example/keys", file[] = "file:/a", empty[] = "";
    const struct issuer_settings bad[] = {
        {.issuer = issuer_name, .audience = audience},
        {.issuer = issuer_name, .audience = audience, .jwks = keys_url, .introspection = answers_url},
        {.issuer = issuer_name, .jwks = keys_url},
        {.audience = audience, .jwks = keys_url},
        {.issuer = empty, .audience = audience, .jwks = keys_url},
        {.issuer = issuer_name, .audience = audience, .jwks = plain},
        {.issuer = issuer_name, .audience = audience, .introspection = plain},
        {.issuer = issuer_name, .audience = audience, .introspection = file},
    };
    struct authenticator *made = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        issuers[1] = bad[i];
        assert_int_equal(authenticator_new(&settings, NULL, &made), -EINVAL);
        assert_null(made);
    }
}

static void test_status(void **state UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    struct authenticator_issuer status;
    struct authenticator_counts counts;
    struct credentials shown = bearer(tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS("")));
    assert_string_equal(outcome(&shown), "alice");
    assert_true(is_known(&shown));
    http_server_answer(&answers, "400 No", SPAN(""));
    shown = bearer("opaque-token");
    assert_string_equal(outcome(&shown), "unavailable: the issuer does not answer");
    assert_true(authenticator_read_issuer(authenticator, 0, &status));
    assert_string_equal(status.issuer, ISSUER);
    assert_false(status.introspected);
    assert_int_equal(status.keys, TOKENS_KEYS);
    assert_int_equal(status.good_wall_ms, NOW_MS);
    assert_string_equal(status.error, "");
    assert_true(authenticator_read_issuer(authenticator, 1, &status));
    assert_true(status.introspected);
    assert_string_equal(status.error, "the answer is 400");
    assert_false(authenticator_read_issuer(authenticator, 2, &status));
    authenticator_read_counts(authenticator, &counts);
    assert_int_equal(counts.cached, 1);
    assert_int_equal(counts.found, 1);
    assert_int_equal(counts.fetched, 1);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(authenticator_check_algorithm(SPAN("ES256")), 0);
    assert_int_equal(authenticator_check_algorithm(SPAN("HS256")), -EINVAL);
    assert_int_equal(authenticator_check_url(SPAN("https://a.example/"), false), 0);
    assert_int_equal(authenticator_check_url(SPAN("http://a.example/"), false), -EINVAL);
}

/* ---- many threads ---- */

enum { THREADS = 4, TURNS = 200 };

static void *use(void *data UNUSED)
{
    CLEANUP(text_done) struct text token = TEXT(TOKENS_MAX_BYTES);
    char value[TOKENS_MAX_BYTES / 8];
    tokens_usual(&token, TOKENS_P256, "ES256", CLAIMS(""));
    (void)snprintf(value, sizeof(value), "Bearer %s", token.at);
    for (int i = 0; i < TURNS; i++) {
        const struct credentials shown[] = {{.authorization = span_of(value), .address = i % 2 ? &here : &there},
                                            {.authorization = SPAN("Bearer opaque-token"), .address = &here},
                                            {.api_key = SPAN(KEY), .address = &here}};
        for (size_t k = 0; k < ARRAY_SIZE(shown); k++) {
            struct identity *identity = NULL;
            const char *why = NULL;
            if (authenticator_find(authenticator, &shown[k], &identity) != 0)
                assert_int_equal(verify(&shown[k], &identity, &why), 0);
            identity_unref(identity);
        }
    }
    return NULL;
}

static void test_threads(void **state UNUSED)
{
    pthread_t thread[THREADS];
    (void)tokens_key(TOKENS_P256);
    http_server_answer(&answers, "200 OK", SPAN(ASKED_ANSWER));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(http_server_requests(&keys), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),
        TEST(test_api_key),
        TEST(test_wrong_fields),
        TEST(test_certificate),
        TEST(test_token),
        TEST(test_expiry),
        TEST(test_refused_tokens),
        TEST(test_bound_token),
        TEST(test_allowed_algorithms),
        TEST(test_rotation),
        TEST(test_introspection),
        TEST(test_many_wait),
        TEST(test_end),
        TEST(test_reload),
        TEST(test_bad_settings),
        TEST(test_status),
        TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

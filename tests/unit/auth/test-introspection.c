/* Unit tests of auth/introspection.h: what answers say, and how they are asked for. Starts threads (pthread_create). */
#include "tests/unit/auth/http_server.h"

#include "auth/introspection.h"
#include "gateway/base/clock.h"

#define ISSUER   "https://issuer.example"
#define AUDIENCE "https://gw.example/mcp"
#define ACTIVE   "{\"active\":true,\"sub\":\"alice\",\"client_id\":\"app\",\"scope\":\"a b\",\"aud\":\"" AUDIENCE "\"}"

enum { NOW_MS = 1000000 };
static const uint64_t MS_NS = 1000000;
static const uint8_t fingerprint[32] = {0xff};

/* ---- what an answer says ---- */

static void test_read(void **state UNUSED)
{
    static const struct {
        const char *answer, *expected; /* the subject, "- why" (refused) or "! why" (no answer) */
    } rows[] = {
        {ACTIVE, "alice"},
        {"{\"active\":false}", "- not active"},
        {"{\"active\":false,\"sub\":\"alice\",\"aud\":\"" AUDIENCE "\"}", "- not active"},
        {"{\"active\":\"true\",\"sub\":\"alice\",\"aud\":\"" AUDIENCE "\"}",
         "! the answer does not say whether the token is active"},
        {"{\"active\":1,\"sub\":\"alice\"}", "! the answer does not say whether the token is active"},
        {"{\"sub\":\"alice\"}", "! the answer does not say whether the token is active"},
        {"[true]", "! the answer is no JSON object"},
        {"", "! the answer is no JSON object"},
        {"<html>", "! the answer is no JSON object"},
        {"{\"active\":true,\"sub\":\"alice\"}", "- no audience"},
        {"{\"active\":true,\"sub\":\"alice\",\"aud\":\"other\"}", "- wrong audience"},
        {"{\"active\":true,\"aud\":\"" AUDIENCE "\"}", "- no subject"},
        {"{\"active\":true,\"sub\":\"a\",\"aud\":\"" AUDIENCE "\",\"iss\":\"x\"}", "- wrong issuer"},
        {"{\"active\":true,\"sub\":\"a\",\"aud\":\"" AUDIENCE "\",\"iss\":\"" ISSUER "\"}", "a"},
        {"{\"active\":true,\"sub\":\"a\",\"aud\":\"" AUDIENCE "\",\"exp\":1000}", "- expired"},
        {"{\"active\":true,\"sub\":\"a\",\"aud\":\"" AUDIENCE "\",\"nbf\":2000}", "- not valid yet"},
        {"{\"active\":true,\"sub\":\"a\",\"aud\":\"" AUDIENCE "\",\"cnf\":{\"jkt\":\"x\"}}",
         "- bound to a key (DPoP), and proofs of possession are not verified here"},
    };
    const struct claims_rules rules = {.issuer = SPAN(ISSUER), .audience = SPAN(AUDIENCE)};
    clock_fake(0, NOW_MS);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char got[128];
        struct identity *identity = NULL;
        const char *why = NULL;
        int result = introspection_read(span_of(rows[i].answer), &rules, &identity, &why);
        (void)snprintf(got, sizeof(got), "%s%s",
                       result == 0                       ? ""
                       : result == INTROSPECTION_REFUSED ? "- "
                                                         : "! ",
                       result == 0 ? identity->subject : why);
        identity_unref(identity);
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].answer, got);
    }
    clock_fake_end();
}

/* ---- asking ---- */

static struct fetcher *fetcher;
static struct http_server server;
static struct introspector *introspector;

static int set_up(void **state UNUSED)
{
    clock_fake(1000 * MS_NS, NOW_MS);
    http_server_start(&server);
    assert_int_equal(fetcher_new(&fetcher), 0);
    return introspector_new(&(struct introspection_settings){.url = http_server_url(&server),
                                                             .client_id = "weir:1",
                                                             .client_secret = "a b%",
                                                             .issuer = ISSUER,
                                                             .audience = AUDIENCE},
                            &introspector);
}

static int tear_down(void **state UNUSED)
{
    introspector_unref(introspector);
    fetcher_unref(fetcher);
    http_server_stop(&server);
    clock_fake_end();
    return 0;
}

static int ask_with(const char *token, const uint8_t *certificate, struct told *told, const char **ret_text)
{
    static char text[64];
    struct identity *identity = NULL;
    const char *why = "";
    int result = introspector_ask(introspector, fetcher, span_of(token), certificate, &told->waiter, &identity, &why);
    (void)snprintf(text, sizeof(text), "%s", result == 0 ? identity->subject : why);
    identity_unref(identity);
    *ret_text = text;
    return result;
}

/* To the end: asks, waits and asks again. */
static int ask(const char *token, const uint8_t *certificate, const char **ret_text)
{
    struct told told = TOLD;
    int result = ask_with(token, certificate, &told, ret_text);
    if (result != INTROSPECTION_ASKING)
        return result;
    told_await(&told);
    return ask_with(token, certificate, &told, ret_text);
}

static void test_active(void **state UNUSED)
{
    const char *text = NULL;
    struct identity *identity = NULL;
    struct told told = TOLD;
    http_server_answer(&server, "200 OK", SPAN(ACTIVE));
    assert_int_equal(ask("tok/en+1", NULL, &text), 0);
    assert_string_equal(text, "alice");
    assert_non_null(strstr(server.request.at, "\r\nAuthorization: Basic d2VpciUzQTE6YSUyMGIlMjU=\r\n"));
    assert_non_null(strstr(server.request.at, "\r\n\r\ntoken_type_hint=access_token&token=tok%2Fen%2B1"));
    assert_int_equal(introspector_ask(introspector, fetcher, SPAN("tok/en+1"), NULL, &told.waiter, &identity, &text),
                     0);
    assert_int_equal(identity->proof, IDENTITY_INTROSPECTION);
    assert_string_equal(identity->issuer, ISSUER);
    assert_string_equal(identity->client_id, "app");
    assert_int_equal(identity->scopes, 2);
    assert_int_equal(identity->address.size, 0);
    identity_unref(identity);
    assert_int_equal(http_server_requests(&server), 1);
    clock_fake_advance(INTROSPECTION_ANSWER_MS * MS_NS); /* it may have been revoked by now */
    http_server_answer(&server, "200 OK", SPAN("{\"active\":false}"));
    assert_int_equal(ask("tok/en+1", NULL, &text), INTROSPECTION_REFUSED);
    assert_string_equal(text, "not active");
    assert_int_equal(http_server_requests(&server), 2);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask("tok/en+1", NULL, &text), INTROSPECTION_REFUSED);
    assert_int_equal(http_server_requests(&server), 2);
    clock_fake_advance(INTROSPECTION_REFUSED_MS * MS_NS);
    assert_int_equal(ask("tok/en+1", NULL, &text), INTROSPECTION_REFUSED);
    assert_int_equal(http_server_requests(&server), 3);
}

/* The answer for one who showed the certificate is none for one who did not. */
static void test_bound(void **state UNUSED)
{
    const char *text = NULL;
    http_server_answer(&server, "200 OK",
                       SPAN("{\"active\":true,\"sub\":\"a\",\"aud\":\"" AUDIENCE "\",\"cnf\":{\"x5t#S256\":"
                            "\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}"));
    assert_int_equal(ask("t", fingerprint, &text), 0);
    assert_int_equal(ask("t", NULL, &text), INTROSPECTION_REFUSED);
    assert_string_equal(text, "bound to a client certificate, and none was shown");
    assert_int_equal(http_server_requests(&server), 2);
}

static void test_away(void **state UNUSED)
{
    static const unsigned pauses_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct introspector_status status;
    const char *text = NULL;
    http_server_answer(&server, "401 No", SPAN(""));
    for (size_t i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
        assert_int_equal(ask("t", NULL, &text), INTROSPECTION_AWAY);
        assert_int_equal(http_server_requests(&server), i + 1);
        clock_fake_advance((pauses_ms[i] - 1) * MS_NS);
        assert_int_equal(ask("another", NULL, &text), INTROSPECTION_AWAY);
        clock_fake_advance(MS_NS);
    }
    introspector_read_status(introspector, &status);
    assert_string_equal(status.error, "the answer is 401");
    assert_int_equal(status.good_wall_ms, 0);
    http_server_answer(&server, "200 OK", SPAN(ACTIVE));
    assert_int_equal(ask("t", NULL, &text), 0);
    introspector_read_status(introspector, &status);
    assert_string_equal(status.error, "");
    assert_int_equal(status.good_wall_ms, clock_wall_ms());
    http_server_answer(&server, "200 OK", SPAN("<html>"));
    assert_int_equal(ask("u", NULL, &text), INTROSPECTION_AWAY);
    clock_fake_advance(1000 * MS_NS);
    http_server_answer(&server, "200 OK", SPAN(ACTIVE));
    assert_int_equal(ask("u", NULL, &text), 0);
}

/* The same question is asked once; more than so many are not opened. */
static void test_open(void **state UNUSED)
{
    struct told told[3] = {TOLD, TOLD, TOLD};
    const char *text = NULL;
    char token[32];
    struct told *many = calloc(INTROSPECTION_MAX_OPEN, sizeof(*many));
    http_server_answer(&server, "200 OK", SPAN(ACTIVE));
    http_server_hold(&server, true);
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        assert_int_equal(ask_with("same", NULL, &told[i], &text), INTROSPECTION_ASKING);
    for (size_t i = 1; i < INTROSPECTION_MAX_OPEN; i++) {
        many[i] = (struct told)TOLD;
        (void)snprintf(token, sizeof(token), "other-%zu", i);
        assert_int_equal(ask_with(token, NULL, &many[i], &text), INTROSPECTION_ASKING);
    }
    struct told late = TOLD;
    assert_int_equal(ask_with("one more", NULL, &late, &text), INTROSPECTION_FULL);
    assert_true(fetcher_forget(fetcher, &told[1].waiter));
    http_server_hold(&server, false);
    told_await(&told[0]);
    told_await(&told[2]);
    assert_int_equal(told_times(&told[1]), 0);
    for (size_t i = 1; i < INTROSPECTION_MAX_OPEN; i++)
        told_await(&many[i]);
    assert_int_equal(ask_with("same", NULL, &told[0], &text), 0);
    assert_int_equal(http_server_requests(&server), INTROSPECTION_MAX_OPEN);
    free(many);
}

/* Everybody goes while a question is open. */
static void test_gone(void **state UNUSED)
{
    struct told told = TOLD;
    const char *text = NULL;
    http_server_hold(&server, true);
    assert_int_equal(ask_with("t", NULL, &told, &text), INTROSPECTION_ASKING);
    http_server_await(&server, 1);
    introspector_unref(TAKE(introspector));
    fetcher_unref(TAKE(fetcher));
    told_await(&told);
}

static void test_settings(void **state UNUSED)
{
    static const char *const bad[] = {"http://issuer.example/", "file:/answers", ""};
    struct introspector *made = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(introspector_new(&(struct introspection_settings){.url = bad[i], .issuer = ISSUER}, &made),
                         -EINVAL);
    introspector_unref(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        TEST(test_active),
        TEST(test_bound),
        TEST(test_away),
        TEST(test_open),
        TEST(test_gone),
        TEST(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of auth/key_source.h: keys that are fetched, fetched again, and kept. Starts threads (pthread_create). */
#include "tests/unit/auth/http_server.h"
#include "tests/unit/auth/tokens.h"

#include "auth/key_source.h"
#include "gateway/base/clock.h"

enum { TTL_MS = 3600000 };
static const uint64_t MS_NS = 1000000;

static struct fetcher *fetcher;
static struct http_server server;

static int set_up(void **state UNUSED)
{
    clock_fake(1000 * MS_NS, 5000);
    http_server_start(&server);
    return fetcher_new(&fetcher);
}

static int tear_down(void **state UNUSED)
{
    fetcher_unref(fetcher);
    http_server_stop(&server);
    clock_fake_end();
    return 0;
}

/* One key with this kid. */
static void serve_key(enum tokens_key which, const char *kid)
{
    CLEANUP(text_done) struct text json = TEXT(TOKENS_MAX_BYTES);
    text_addf(&json, "{\"keys\":[{\"kid\":\"%s\",", kid);
    tokens_add_jwk(&json, tokens_key(which), "}]}");
    http_server_answer(&server, "200 OK", text_span(&json));
}

static struct key_source *new_source(void)
{
    struct key_source *source = NULL;
    assert_int_equal(key_source_new(&(struct key_source_settings){.url = http_server_url(&server), .ttl_ms = TTL_MS},
                                    fetcher, &source),
                     0);
    return source;
}

static bool has_key(struct key_source *source, const char *kid)
{
    struct jwks *keys = key_source_keys(source);
    bool has = keys && jwks_next(keys, NULL, algorithm_find(SPAN("ES256")), span_of(kid));
    jwks_unref(keys);
    return has;
}

/* Asks for a key that is not there, waits if that is to be done, and says what became of it. */
static int ask(struct key_source *source)
{
    struct told told = TOLD;
    struct jwks *keys = key_source_keys(source);
    int result = key_source_ask(source, fetcher, keys, &told.waiter);
    jwks_unref(keys);
    if (result == KEY_SOURCE_ASKING)
        told_await(&told);
    return result;
}

/* Until the thread has seen that the clock stands elsewhere: a fetch of nothing wakes it. */
static void wake(void)
{
    struct key_source *other = NULL;
    assert_int_equal(
        key_source_new(&(struct key_source_settings){.url = "file:/dev/null", .ttl_ms = TTL_MS}, fetcher, &other), 0);
    (void)ask(other);
    key_source_unref(other, fetcher);
}

static struct key_source_status status_of(struct key_source *source)
{
    struct key_source_status status;
    key_source_read_status(source, &status);
    return status;
}

static void test_rotation(void **state UNUSED)
{
    serve_key(TOKENS_P256, "old");
    struct key_source *source = new_source();
    (void)ask(source);
    assert_true(has_key(source, "old"));
    serve_key(TOKENS_P256, "new");
    for (int i = 0; i < 5; i++) /* a moment after it was asked there is nothing new to hear */
        assert_int_equal(ask(source), KEY_SOURCE_CURRENT);
    clock_fake_advance((KEY_SOURCE_UNKNOWN_KEY_MS - 1) * MS_NS);
    assert_int_equal(ask(source), KEY_SOURCE_CURRENT);
    assert_int_equal(http_server_requests(&server), 1);
    clock_fake_advance(MS_NS);
    assert_int_equal(ask(source), KEY_SOURCE_ASKING);
    assert_true(has_key(source, "new"));
    assert_false(has_key(source, "old"));
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(source), KEY_SOURCE_CURRENT);
    assert_int_equal(http_server_requests(&server), 2);
    key_source_unref(source, fetcher);
}

/* What was looked in is not what is there now. */
static void test_changed(void **state UNUSED)
{
    struct told told = TOLD;
    serve_key(TOKENS_P256, "a");
    struct key_source *source = new_source();
    (void)ask(source);
    assert_int_equal(key_source_ask(source, fetcher, NULL, &told.waiter), KEY_SOURCE_CHANGED);
    assert_int_equal(told_times(&told), 0);
    key_source_unref(source, fetcher);
}

/* The issuer goes away: its keys stay, an unknown one is unavailable and not refused. */
static void test_kept(void **state UNUSED)
{
    serve_key(TOKENS_P256, "a");
    struct key_source *source = new_source();
    (void)ask(source);
    http_server_answer(&server, "503 Away", SPAN(""));
    clock_fake_advance(KEY_SOURCE_UNKNOWN_KEY_MS * MS_NS);
    assert_int_equal(ask(source), KEY_SOURCE_ASKING);
    assert_int_equal(ask(source), KEY_SOURCE_AWAY);
    assert_true(has_key(source, "a"));
    struct key_source_status status = status_of(source);
    assert_string_equal(status.error, "the answer is 503");
    assert_int_equal(status.keys, 1);
    assert_int_equal(status.good_wall_ms, 5000);
    assert_int_equal(status.failed_wall_ms, 5000 + KEY_SOURCE_UNKNOWN_KEY_MS);
    assert_int_equal(status.failures, 1);
    http_server_answer(&server, "200 OK", SPAN("{\"keys\":[]}")); /* and if it speaks nonsense, no less */
    clock_fake_advance(KEY_SOURCE_UNKNOWN_KEY_MS * MS_NS);
    assert_int_equal(ask(source), KEY_SOURCE_ASKING);
    assert_true(has_key(source, "a"));
    assert_string_equal(status_of(source).error, "no usable key");
    key_source_unref(source, fetcher);
}

/* Away from the beginning: one waits for the first answer, nobody for the next ones, which come at growing intervals.
 */
static void test_back_off(void **state UNUSED)
{
    static const unsigned pauses_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    http_server_answer(&server, "500 No", SPAN(""));
    struct key_source *source = new_source();
    (void)ask(source);
    for (size_t i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
        assert_int_equal(ask(source), KEY_SOURCE_AWAY);
        clock_fake_advance((pauses_ms[i] - 1) * MS_NS);
        wake();
        assert_int_equal(http_server_requests(&server), i + 1);
        clock_fake_advance(MS_NS);
        wake();
        http_server_await(&server, (unsigned)i + 2);
        while (status_of(source).failed_wall_ms != clock_wall_ms())
            wake();
    }
    serve_key(TOKENS_P256, "a");
    clock_fake_advance(KEY_SOURCE_RETRY_MAX_MS * MS_NS);
    while (!has_key(source, "a"))
        wake();
    assert_string_equal(status_of(source).error, "");
    key_source_unref(source, fetcher);
}

/* Nobody asks, and they are fetched again all the same. */
static void test_in_the_background(void **state UNUSED)
{
    serve_key(TOKENS_P256, "a");
    struct key_source *source = new_source();
    (void)ask(source);
    serve_key(TOKENS_P256, "b");
    clock_fake_advance((TTL_MS - 1) * MS_NS);
    wake();
    assert_true(has_key(source, "a"));
    assert_int_equal(http_server_requests(&server), 1);
    clock_fake_advance(MS_NS);
    while (!has_key(source, "b"))
        wake();
    assert_int_equal(http_server_requests(&server), 2);
    key_source_unref(source, fetcher);
}

/* Gone while it is asked: its waiter is told, and it is freed later. */
static void test_gone(void **state UNUSED)
{
    struct told told = TOLD;
    http_server_hold(&server, true);
    struct key_source *source = new_source();
    assert_int_equal(key_source_ask(source, fetcher, NULL, &told.waiter), KEY_SOURCE_ASKING);
    http_server_await(&server, 1);
    key_source_unref(key_source_ref(source), fetcher);
    assert_int_equal(told_times(&told), 0);
    key_source_unref(source, fetcher);
    told_await(&told);
    key_source_unref(NULL, fetcher);
}

static void test_settings(void **state UNUSED)
{
    char url[64];
    struct key_source *source = NULL;
    static const char *const bad[] = {"http://issuer.example/jwks", "", "jwks"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(key_source_new(&(struct key_source_settings){.url = bad[i]}, fetcher, &source), -EINVAL);
    (void)snprintf(url, sizeof(url), "%s", http_server_url(&server));
    source = new_source();
    assert_true(key_source_is(source, &(struct key_source_settings){.url = url, .ttl_ms = TTL_MS}));
    assert_false(key_source_is(source, &(struct key_source_settings){.url = url, .ttl_ms = TTL_MS + 1}));
    assert_false(key_source_is(source, &(struct key_source_settings){.url = url, .ca = "a", .ttl_ms = TTL_MS}));
    assert_false(key_source_is(source, &(struct key_source_settings){.url = "file:a", .ttl_ms = TTL_MS}));
    key_source_unref(source, fetcher);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rotation),          TEST(test_changed), TEST(test_kept),     TEST(test_back_off),
        TEST(test_in_the_background), TEST(test_gone),    TEST(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

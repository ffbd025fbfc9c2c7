/* Unit tests of auth/credential_cache.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/credential_cache.h"
#include "gateway/base/clock.h"

#include <pthread.h>
#include <stdio.h>

enum { SECOND_MS = 1000, WALL_MS = 1700000000 };
static const uint64_t SECOND_NS = 1000000000;

static struct identity *new_identity(const char *subject, uint64_t expires_wall_ms)
{
    struct identity *identity = NULL;
    assert_int_equal(identity_new(&(struct identity_facts){.proof = IDENTITY_API_KEY,
                                                           .subject = span_of(subject),
                                                           .expires_wall_ms = expires_wall_ms},
                                  &identity),
                     0);
    return identity;
}

static struct credential_cache *new_cache(size_t max_entries)
{
    struct credential_cache *cache = NULL;
    assert_int_equal(credential_cache_new(max_entries, &cache), 0);
    return cache;
}

static void add(struct credential_cache *cache, const struct credential_cache_key *key, const char *subject,
                uint64_t expires_wall_ms, uint64_t lives_ms)
{
    struct identity *identity = new_identity(subject, expires_wall_ms);
    assert_int_equal(credential_cache_add(cache, key, identity, NULL, lives_ms), 0);
    identity_unref(identity);
}

/* The subject of whoever is found; "" if nobody. */
static const char *find(struct credential_cache *cache, const struct credential_cache_key *key)
{
    static char subject[32];
    struct identity *identity = NULL;
    const char *why = NULL;
    int result = credential_cache_find(cache, key, &identity, &why);
    assert_true(result == 0 || result == CREDENTIAL_CACHE_MISSING);
    (void)snprintf(subject, sizeof(subject), "%s", result == 0 ? identity->subject : "");
    identity_unref(identity);
    return subject;
}

static struct credential_cache_key secret_key(const char *secret)
{
    return (struct credential_cache_key){.secret = span_of(secret)};
}

/* Whatever was shown otherwise is another entry. */
static void test_keys_differ(void **state UNUSED)
{
    static const uint8_t one[32] = {1}, two[32] = {2};
    static const char *const hosts[] = {"127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "unix:/a"};
    struct address address[ARRAY_SIZE(hosts)], other_port, mapped;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        assert_int_equal(address_parse(span_of(hosts[i]), &address[i]), 0);
    const struct credential_cache_key keys[] = {
        {.kind = 0, .secret = SPAN("secret")},
        {.kind = 1, .secret = SPAN("secret")},
        {.kind = 0, .secret = SPAN("secres")},
        {.kind = 0, .secret = SPAN("secret"), .certificate_fingerprint = one},
        {.kind = 0, .secret = SPAN("secret"), .certificate_fingerprint = two},
        {.kind = 0, .secret = SPAN("secret"), .address = &address[0]},
        {.kind = 0, .secret = SPAN("secret"), .address = &address[1]},
        {.kind = 0, .secret = SPAN("secret"), .address = &address[2]},
        {.kind = 0, .secret = SPAN("secret"), .address = &address[3]},
    };
    struct credential_cache *cache = new_cache(100);
    char name[32];
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        assert_string_equal(find(cache, &keys[i]), "");
        (void)snprintf(name, sizeof(name), "%zu", i);
        add(cache, &keys[i], name, 0, SECOND_MS);
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        (void)snprintf(name, sizeof(name), "%zu", i);
        assert_string_equal(find(cache, &keys[i]), name);
    }
    assert_int_equal(address_parse(SPAN("127.0.0.1:2"), &other_port), 0);
    assert_int_equal(address_parse(SPAN("[::ffff:127.0.0.1]:3"), &mapped), 0);
    assert_string_equal(find(cache, &(struct credential_cache_key){.secret = SPAN("secret"), .address = &other_port}),
                        "5");
    assert_string_equal(find(cache, &(struct credential_cache_key){.secret = SPAN("secret"), .address = &mapped}), "5");
    credential_cache_free(cache);
}

static void test_time(void **state UNUSED)
{
    struct credential_cache *cache = new_cache(10);
    struct credential_cache_key lives = secret_key("lives"), ends = secret_key("ends");
    clock_fake(SECOND_NS, WALL_MS);
    add(cache, &lives, "a", 0, 5 * SECOND_MS);
    add(cache, &ends, "b", WALL_MS + 2 * SECOND_MS, 5 * SECOND_MS);
    clock_fake_advance(2 * SECOND_NS - 1);
    assert_string_equal(find(cache, &ends), "b");
    clock_fake_advance(1);
    assert_string_equal(find(cache, &ends), "");
    assert_string_equal(find(cache, &lives), "a");
    clock_fake_advance(3 * SECOND_NS - 1);
    assert_string_equal(find(cache, &lives), "a");
    clock_fake_advance(1);
    assert_string_equal(find(cache, &lives), "");
    clock_fake_end();
    credential_cache_free(cache);
}

/* The wall clock jumps back a year: nothing lives longer than it was to. It jumps forth: what has an end has ended. */
static void test_clock_jumps(void **state UNUSED)
{
    static const uint64_t YEAR_MS = UINT64_C(31536000000);
    struct credential_cache *cache = new_cache(10);
    struct credential_cache_key key = secret_key("a"), other = secret_key("b");
    clock_fake(SECOND_NS, 2 * YEAR_MS);
    add(cache, &key, "a", 2 * YEAR_MS + 3 * SECOND_MS, 5 * SECOND_MS);
    clock_fake(2 * SECOND_NS, YEAR_MS);
    assert_string_equal(find(cache, &key), "a");
    clock_fake(6 * SECOND_NS, YEAR_MS);
    assert_string_equal(find(cache, &key), "");
    add(cache, &key, "a", YEAR_MS + 3 * SECOND_MS, 5 * SECOND_MS);
    add(cache, &other, "b", 0, 5 * SECOND_MS);
    clock_fake(7 * SECOND_NS, 3 * YEAR_MS);
    assert_string_equal(find(cache, &key), "");
    assert_string_equal(find(cache, &other), "b");
    clock_fake_end();
    credential_cache_free(cache);
}

static void test_oldest_goes(void **state UNUSED)
{
    struct credential_cache *cache = new_cache(3);
    struct credential_cache_key key[] = {secret_key("0"), secret_key("1"), secret_key("2"), secret_key("3")};
    struct credential_cache_counts counts;
    for (size_t i = 0; i < 3; i++)
        add(cache, &key[i], "x", 0, SECOND_MS * SECOND_MS);
    assert_string_equal(find(cache, &key[0]), "x"); /* used: now 1 is the oldest */
    add(cache, &key[3], "x", 0, SECOND_MS * SECOND_MS);
    assert_string_equal(find(cache, &key[1]), "");
    assert_string_equal(find(cache, &key[0]), "x");
    assert_string_equal(find(cache, &key[2]), "x");
    assert_string_equal(find(cache, &key[3]), "x");
    add(cache, &key[2], "y", 0, SECOND_MS * SECOND_MS); /* in place: nobody goes */
    assert_string_equal(find(cache, &key[2]), "y");
    credential_cache_read_counts(cache, &counts);
    assert_int_equal(counts.entries, 3);
    assert_int_equal(counts.evicted, 1);
    assert_int_equal(counts.found, 5);
    assert_int_equal(counts.missed, 1);
    credential_cache_free(cache);
}

static void test_bounded(void **state UNUSED)
{
    enum { MOST = 2048, ADDED = 20000 };
    struct credential_cache *cache = new_cache(MOST);
    struct credential_cache_counts counts;
    struct identity *identity = new_identity("x", 0);
    for (uint32_t i = 0; i < ADDED; i++) {
        struct credential_cache_key key = {.secret = {(const char *)&i, sizeof(i)}};
        assert_int_equal(credential_cache_add(cache, &key, identity, NULL, SECOND_MS * SECOND_MS), 0);
    }
    credential_cache_read_counts(cache, &counts);
    assert_true(counts.entries <= MOST);
    assert_true(counts.entries > MOST / 2);
    assert_int_equal(counts.entries + counts.evicted, ADDED);
    assert_int_equal(identity->references, counts.entries + 1);
    credential_cache_free(cache);
    assert_int_equal(identity->references, 1);
    identity_unref(identity);
}

static void test_worth_nothing(void **state UNUSED)
{
    struct credential_cache *cache = new_cache(0); /* one, at least */
    struct credential_cache_key key = secret_key("a");
    struct identity *identity = NULL;
    const char *why = NULL;
    clock_fake(SECOND_NS, WALL_MS);
    assert_int_equal(credential_cache_add(cache, &key, NULL, "inactive", SECOND_MS), 0);
    assert_int_equal(credential_cache_find(cache, &key, &identity, &why), CREDENTIAL_CACHE_REFUSED);
    assert_string_equal(why, "inactive");
    clock_fake_advance(SECOND_NS);
    assert_int_equal(credential_cache_find(cache, &key, &identity, &why), CREDENTIAL_CACHE_MISSING);
    clock_fake_end();
    credential_cache_free(cache);
    credential_cache_free(NULL);
}

/* ---- many threads ---- */

enum { THREADS = 4, TURNS = 5000, SECRETS = 50 };

static void *use(void *data)
{
    struct credential_cache *cache = data;
    struct identity *identity = new_identity("shared", 0);
    for (uint32_t i = 0; i < TURNS; i++) {
        uint32_t secret = i % SECRETS;
        struct credential_cache_key key = {.secret = {(const char *)&secret, sizeof(secret)}};
        struct identity *found = NULL;
        const char *why = NULL;
        if (credential_cache_find(cache, &key, &found, &why) != 0)
            (void)!credential_cache_add(cache, &key, identity, NULL, i % 7);
        identity_unref(found);
    }
    identity_unref(identity);
    return NULL;
}

static void test_threads(void **state UNUSED)
{
    struct credential_cache *cache = new_cache(SECRETS / 2);
    struct credential_cache_counts counts;
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use, cache), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    credential_cache_read_counts(cache, &counts);
    assert_int_equal(counts.found + counts.missed, THREADS * TURNS);
    credential_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_differ), cmocka_unit_test(test_time),    cmocka_unit_test(test_clock_jumps),
        cmocka_unit_test(test_oldest_goes), cmocka_unit_test(test_bounded), cmocka_unit_test(test_worth_nothing),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

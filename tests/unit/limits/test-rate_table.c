/* Unit tests of limits/rate_table.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/rate_table.h"

#include <arpa/inet.h>
#include <pthread.h>

static const uint64_t SECOND = 1000000000, START = 1000000000000;
static const struct limit_prefixes whole = {32, 64};

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(span_of(text), &address), 0);
    return address;
}

static struct limit_key key_of(const char *text)
{
    struct address address = address_of(text);
    return limit_key_of_address(&address, whole, 1);
}

static struct limit_key key_number(uint32_t number)
{
    struct address address = {.ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(number)},
                              .size = sizeof(address.ipv4)};
    return limit_key_of_address(&address, whole, 1);
}

static unsigned drain(struct rate_table *table, struct limit_key key, const struct token_rate *rate, uint64_t now_ns)
{
    uint64_t retry;
    unsigned taken = 0;
    while (rate_table_take(table, &key, rate, now_ns, &retry) == 0)
        taken++;
    return taken;
}

static void test_apart(void **state)
{
    struct quotas quotas = {0};
    struct rate_table *table;
    struct token_rate rate = token_rate_per(10, 60 * SECOND, 10);
    uint64_t retry = 0;
    (void)state;
    assert_int_equal(rate_table_new(1000, &quotas, QUOTA_ATTEMPT_BUCKETS, &table), 0);
    struct limit_key key = key_of("192.0.2.1:1000");
    assert_int_equal(drain(table, key, &rate, START), 10);
    assert_int_equal(drain(table, key_of("192.0.2.1:2000"), &rate, START), 0);
    assert_int_equal(drain(table, key_of("[::ffff:192.0.2.1]:1000"), &rate, START), 0);
    assert_int_equal(drain(table, key_of("192.0.2.2:1000"), &rate, START), 10);
    key.realm = 2;
    assert_int_equal(drain(table, key, &rate, START), 10);
    assert_int_equal(rate_table_take(table, &key, &rate, START, &retry), TOKEN_BUCKET_EMPTY);
    assert_true(retry == 6 * SECOND);
    assert_int_equal(quota_used(&quotas, QUOTA_ATTEMPT_BUCKETS), 3);
    assert_int_equal(quotas.row[QUOTA_ATTEMPT_BUCKETS].limit, 1024);
    assert_int_equal(quotas.row[QUOTA_ATTEMPT_BUCKETS].evicted, 0);
    rate_table_free(table);
}

static void test_no_limit_takes_no_place(void **state)
{
    struct quotas quotas = {0};
    struct rate_table *table;
    struct token_rate rate = {0};
    struct limit_key key = key_of("192.0.2.1:1000");
    uint64_t retry;
    (void)state;
    assert_int_equal(rate_table_new(16, &quotas, QUOTA_ATTEMPT_BUCKETS, &table), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(rate_table_take(table, &key, &rate, START, &retry), 0);
    assert_int_equal(quota_used(&quotas, QUOTA_ATTEMPT_BUCKETS), 0);
    rate_table_free(table);
}

/* Ten times as many networks as there are places: the table is as large as it was, and every loss is counted. */
static void test_a_spray_grows_nothing(void **state)
{
    struct quotas quotas = {0};
    struct rate_table *table;
    struct token_rate rate = token_rate_per(10, 60 * SECOND, 10);
    uint64_t retry;
    (void)state;
    assert_int_equal(rate_table_new(256, &quotas, QUOTA_ATTEMPT_BUCKETS, &table), 0);
    for (uint32_t i = 0; i < 2560; i++) {
        struct limit_key key = key_number(i);
        assert_int_equal(rate_table_take(table, &key, &rate, START + i, &retry), 0);
    }
    uint64_t used = quota_used(&quotas, QUOTA_ATTEMPT_BUCKETS);
    assert_int_equal(used, 256);
    assert_int_equal(quotas.row[QUOTA_ATTEMPT_BUCKETS].evicted, 2560 - used);
    rate_table_free(table);
}

/* Who has nothing left stays, whatever the spray: his wait is what the attacker would like forgotten. */
static void test_a_spray_frees_nobody(void **state)
{
    struct quotas quotas = {0};
    struct rate_table *table;
    struct token_rate rate = token_rate_per(10, 60 * SECOND, 10);
    uint64_t retry;
    struct limit_key limited = key_of("203.0.113.9:1");
    (void)state;
    assert_int_equal(rate_table_new(64, &quotas, QUOTA_ATTEMPT_BUCKETS, &table), 0);
    assert_int_equal(drain(table, limited, &rate, START), 10);
    for (uint32_t i = 0; i < 100000; i++) {
        struct limit_key key = key_number(i);
        assert_int_equal(rate_table_take(table, &key, &rate, START + i, &retry), 0);
    }
    assert_int_equal(drain(table, limited, &rate, START + SECOND), 0);
    rate_table_free(table);
}

/* Buckets that are full again carry nothing: they make room first, and nobody counts it. */
static void test_full_ones_go_first(void **state)
{
    struct quotas quotas = {0};
    struct rate_table *table;
    struct token_rate rate = token_rate_per(10, 60 * SECOND, 10);
    uint64_t retry;
    (void)state;
    assert_int_equal(rate_table_new(16, &quotas, QUOTA_ATTEMPT_BUCKETS, &table), 0);
    for (uint32_t i = 0; i < 16; i++) {
        struct limit_key key = key_number(i);
        assert_int_equal(rate_table_take(table, &key, &rate, START + i * SECOND, &retry), 0);
    }
    struct limit_key newcomer = key_number(100), eldest = key_number(0), youngest = key_number(15);
    uint64_t now = START + 16 * SECOND; /* ten of the sixteen are full again */
    assert_int_equal(drain(table, newcomer, &rate, now), 10);
    assert_int_equal(quotas.row[QUOTA_ATTEMPT_BUCKETS].evicted, 0);
    assert_int_equal(drain(table, eldest, &rate, now), 10); /* it was forgotten, and nothing with it */
    assert_int_equal(drain(table, youngest, &rate, now), 9);
    assert_int_equal(drain(table, newcomer, &rate, now), 0);
    rate_table_free(table);
}

static void test_retry_seconds(void **state)
{
    static const struct {
        uint64_t ns;
        unsigned seconds;
    } rows[] = {{0, 1}, {1, 1}, {1000000000, 1}, {1000000001, 2}, {6000000000, 6}, {UINT64_MAX, UINT32_MAX}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(rate_retry_s(rows[i].ns), rows[i].seconds);
}

/* ---- several threads ---- */

enum { THREADS = 8, ROUNDS = 20000, KEYS = 300 };

struct contest {
    struct rate_table *table;
    struct token_rate rate;
    _Atomic uint64_t granted[KEYS];
};

static void *take(void *data)
{
    struct contest *contest = data;
    uint64_t retry;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct limit_key key = key_number(i % KEYS);
        if (rate_table_take(contest->table, &key, &contest->rate, START, &retry) == 0)
            atomic_fetch_add(&contest->granted[i % KEYS], 1);
    }
    return NULL;
}

/* There is room for all, and time stands still: each key is granted its burst, by whomever it is asked for. */
static void test_threads(void **state)
{
    struct quotas quotas = {0};
    struct contest contest = {.rate = token_rate_per(10, 60 * SECOND, 10)};
    pthread_t thread[THREADS];
    (void)state;
    assert_int_equal(rate_table_new(65536, &quotas, QUOTA_ATTEMPT_BUCKETS, &contest.table), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take, &contest), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(contest.granted[i], 10);
    assert_int_equal(quota_used(&quotas, QUOTA_ATTEMPT_BUCKETS), KEYS);
    rate_table_free(contest.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_no_limit_takes_no_place),
        cmocka_unit_test(test_a_spray_grows_nothing),
        cmocka_unit_test(test_a_spray_frees_nobody),
        cmocka_unit_test(test_full_ones_go_first),
        cmocka_unit_test(test_retry_seconds),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

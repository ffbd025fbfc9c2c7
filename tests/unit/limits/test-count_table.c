/* Unit tests of limits/count_table.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/count_table.h"

#include <pthread.h>
#include <stdatomic.h>

static struct limit_key key_number(uint32_t number)
{
    struct limit_key key = {.realm = 1};
    memcpy(key.bytes, &number, sizeof(number));
    return key;
}

static void test_up_to_the_limit(void **state)
{
    struct count_table *table;
    struct counted *held[5], *none = NULL;
    struct limit_key one = key_number(1), other = key_number(2), realm = key_number(1);
    (void)state;
    realm.realm = 2;
    assert_int_equal(count_table_new(&table), 0);
    assert_int_equal(count_table_take(table, &one, 2, &held[0]), 0);
    assert_int_equal(count_table_take(table, &one, 2, &held[1]), 0);
    assert_int_equal(count_table_take(table, &one, 2, &none), COUNT_TABLE_FULL);
    assert_int_equal(count_table_take(table, &other, 2, &held[2]), 0);
    assert_int_equal(count_table_take(table, &realm, 2, &held[3]), 0);
    assert_int_equal(count_table_take(table, &one, 0, &none), COUNT_TABLE_FULL);
    assert_null(none);
    count_table_give(table, held[0]);
    assert_int_equal(count_table_take(table, &one, 2, &held[0]), 0);
    assert_int_equal(count_table_count(table, &one), 2);
    for (unsigned i = 0; i < 4; i++)
        count_table_give(table, held[i]);
    count_table_give(table, NULL);
    assert_int_equal(count_table_count(table, &one), 0);
    assert_int_equal(count_table_take(table, &one, 1, &held[0]), 0);
    count_table_free(table); /* with what it holds */
    count_table_free(NULL);
}

/* More keys than there are chains: they share, and stay apart. */
static void test_many(void **state)
{
    enum { MANY = 50000 };
    static struct counted *held[MANY];
    struct count_table *table;
    (void)state;
    assert_int_equal(count_table_new(&table), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        struct limit_key key = key_number(i);
        for (uint32_t k = 0; k <= i % 3; k++)
            assert_int_equal(count_table_take(table, &key, 3, &held[i]), 0);
    }
    for (uint32_t i = 0; i < MANY; i += 2)
        count_table_give(table, held[i]);
    for (uint32_t i = 0; i < MANY; i++) {
        struct limit_key key = key_number(i);
        assert_int_equal(count_table_count(table, &key), i % 3 + i % 2);
    }
    count_table_free(table);
}

enum { THREADS = 8, ROUNDS = 20000, LIMIT = 3, KEYS = 5 };

struct contest {
    struct count_table *table;
    _Atomic uint64_t holders[KEYS], most;
};

static void *take_and_give(void *data)
{
    struct contest *contest = data;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct limit_key key = key_number(i % KEYS);
        struct counted *held;
        if (count_table_take(contest->table, &key, LIMIT, &held) != 0)
            continue;
        uint64_t now = atomic_fetch_add(&contest->holders[i % KEYS], 1) + 1, most = atomic_load(&contest->most);
        while (now > most && !atomic_compare_exchange_weak(&contest->most, &most, now))
            ;
        atomic_fetch_sub(&contest->holders[i % KEYS], 1);
        count_table_give(contest->table, held);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct contest contest = {0};
    pthread_t thread[THREADS];
    (void)state;
    assert_int_equal(count_table_new(&contest.table), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &contest), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(contest.most > 0 && contest.most <= LIMIT);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct limit_key key = key_number(i);
        assert_int_equal(count_table_count(contest.table, &key), 0);
    }
    count_table_free(contest.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_the_limit),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

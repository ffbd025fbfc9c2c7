/* Unit tests of limits/quota.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/quota.h"

#include <pthread.h>
#include <string.h>

static void test_up_to_the_limit(void **state)
{
    struct quotas quotas = {0};
    (void)state;
    quota_set_limit(&quotas, QUOTA_SESSIONS, 3);
    assert_int_equal(quota_take(&quotas, QUOTA_SESSIONS, 1), 0);
    assert_int_equal(quota_take(&quotas, QUOTA_SESSIONS, 2), 0);
    assert_int_equal(quota_take(&quotas, QUOTA_SESSIONS, 1), QUOTA_REFUSED);
    assert_int_equal(quota_used(&quotas, QUOTA_SESSIONS), 3);
    assert_int_equal(quotas.row[QUOTA_SESSIONS].refused, 1);
    quota_give(&quotas, QUOTA_SESSIONS, 1);
    assert_int_equal(quota_take(&quotas, QUOTA_SESSIONS, 1), 0);
    assert_int_equal(quotas.row[QUOTA_SESSIONS].highest, 3);
}

static void test_amounts(void **state)
{
    static const struct {
        uint64_t limit, used, amount;
        int result;
        const char *comment;
    } rows[] = {
        {0, 0, 1, QUOTA_REFUSED, "nothing is allowed"},
        {0, 0, 0, 0, "nothing of nothing"},
        {1, 0, 1, 0, "the only one"},
        {10, 4, 6, 0, "exactly the rest"},
        {10, 4, 7, QUOTA_REFUSED, "one more than the rest"},
        {10, 10, 0, 0, "nothing more"},
        {10, 1, UINT64_MAX, QUOTA_REFUSED, "a sum that would wrap round"},
        {UINT64_MAX, 5, UINT64_MAX - 5, 0, "no limit of its own"},
        {UINT64_MAX, 6, UINT64_MAX - 5, QUOTA_REFUSED, "more than can be counted"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct quotas quotas = {0};
        print_message("%s\n", rows[i].comment);
        quota_set_limit(&quotas, QUOTA_STREAMS, rows[i].limit);
        assert_int_equal(quota_take(&quotas, QUOTA_STREAMS, rows[i].used), 0);
        assert_int_equal(quota_take(&quotas, QUOTA_STREAMS, rows[i].amount), rows[i].result);
        uint64_t granted = rows[i].used + (rows[i].result == 0 ? rows[i].amount : 0);
        assert_true(quota_used(&quotas, QUOTA_STREAMS) == granted);
        assert_int_equal(quotas.row[QUOTA_STREAMS].refused, rows[i].result == QUOTA_REFUSED);
    }
}

/* Quotas are each other's neighbours only in memory. */
static void test_rows_are_apart(void **state)
{
    struct quotas quotas = {0};
    (void)state;
    for (unsigned i = 0; i < QUOTA_COUNT; i++)
        quota_set_limit(&quotas, (enum quota_name)i, i + 1);
    for (unsigned i = 0; i < QUOTA_COUNT; i++)
        assert_int_equal(quota_take(&quotas, (enum quota_name)i, i + 1), 0);
    for (unsigned i = 0; i < QUOTA_COUNT; i++) {
        assert_int_equal(quota_take(&quotas, (enum quota_name)i, 1), QUOTA_REFUSED);
        assert_int_equal(quota_used(&quotas, (enum quota_name)i), i + 1);
    }
}

/* A reload may lower a limit below what is in use: nobody is thrown out, nobody comes in. */
static void test_lowered_below_use(void **state)
{
    struct quotas quotas = {0};
    (void)state;
    quota_set_limit(&quotas, QUOTA_CONNECTIONS, 10);
    assert_int_equal(quota_take(&quotas, QUOTA_CONNECTIONS, 8), 0);
    quota_set_limit(&quotas, QUOTA_CONNECTIONS, 5);
    assert_int_equal(quota_take(&quotas, QUOTA_CONNECTIONS, 1), QUOTA_REFUSED);
    quota_give(&quotas, QUOTA_CONNECTIONS, 3);
    assert_int_equal(quota_take(&quotas, QUOTA_CONNECTIONS, 1), QUOTA_REFUSED);
    quota_give(&quotas, QUOTA_CONNECTIONS, 1);
    assert_int_equal(quota_take(&quotas, QUOTA_CONNECTIONS, 1), 0);
}

static void test_given_back_too_often(void **state)
{
    struct quotas quotas = {0};
    (void)state;
    quota_set_limit(&quotas, QUOTA_TASKS, 2);
    assert_int_equal(quota_take(&quotas, QUOTA_TASKS, 1), 0);
    quota_give(&quotas, QUOTA_TASKS, 5);
    assert_int_equal(quota_used(&quotas, QUOTA_TASKS), 0);
    assert_int_equal(quota_take(&quotas, QUOTA_TASKS, 2), 0);
    assert_int_equal(quota_take(&quotas, QUOTA_TASKS, 1), QUOTA_REFUSED);
}

/* What metrics and refusals say: every row has a name of its own, the option that sets it, and a sentence. */
static void test_texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < QUOTA_COUNT; i++) {
        assert_true(strlen(quota_label((enum quota_name)i)) > 0);
        assert_true(strlen(quota_help((enum quota_name)i)) > 0);
        assert_int_equal(strncmp(quota_option((enum quota_name)i), "limits.", 7), 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(quota_label((enum quota_name)i), quota_label((enum quota_name)j));
    }
}

/* ---- several threads ---- */

enum { THREADS = 8, ROUNDS = 20000, LIMIT = 5 };

struct contest {
    struct quotas quotas;
    _Atomic uint64_t holders; /* counted by the threads themselves */
    _Atomic uint64_t most;    /* of them at once */
    _Atomic uint64_t granted;
    _Atomic uint64_t refused;
};

static void note_most(struct contest *contest, uint64_t now)
{
    uint64_t most = atomic_load(&contest->most);
    while (now > most && !atomic_compare_exchange_weak(&contest->most, &most, now))
        ;
}

static void *take_and_give(void *data)
{
    struct contest *contest = data;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t amount = 1 + i % 2;
        if (quota_take(&contest->quotas, QUOTA_WORKERS, amount) != 0) {
            atomic_fetch_add(&contest->refused, 1);
            continue;
        }
        atomic_fetch_add(&contest->granted, 1);
        note_most(contest, atomic_fetch_add(&contest->holders, amount) + amount);
        atomic_fetch_sub(&contest->holders, amount);
        quota_give(&contest->quotas, QUOTA_WORKERS, amount);
    }
    return NULL;
}

/* Whatever the threads do: never more than the limit is granted, every attempt is one or the other, and at the end all
   is given back. */
static void test_never_more_than_the_limit(void **state)
{
    struct contest contest = {0};
    pthread_t thread[THREADS];
    (void)state;
    quota_set_limit(&contest.quotas, QUOTA_WORKERS, LIMIT);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &contest), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(contest.most <= LIMIT);
    assert_true(contest.granted > 0);
    assert_int_equal(contest.granted + contest.refused, THREADS * ROUNDS);
    assert_int_equal(contest.quotas.row[QUOTA_WORKERS].refused, contest.refused);
    assert_true(contest.quotas.row[QUOTA_WORKERS].highest >= contest.most);
    assert_true(contest.quotas.row[QUOTA_WORKERS].highest <= LIMIT);
    assert_int_equal(quota_used(&contest.quotas, QUOTA_WORKERS), 0);
    assert_int_equal(quota_take(&contest.quotas, QUOTA_WORKERS, LIMIT), 0);
}

static void *take_only(void *data)
{
    struct contest *contest = data;
    for (unsigned i = 0; i < ROUNDS; i++)
        if (quota_take(&contest->quotas, QUOTA_PROCESSES, 1) == 0)
            atomic_fetch_add(&contest->granted, 1);
    return NULL;
}

/* Nobody gives back: exactly the limit is granted in the end, for a refusal never eats a place for good. */
static void test_exactly_the_limit(void **state)
{
    struct contest contest = {0};
    pthread_t thread[THREADS];
    (void)state;
    quota_set_limit(&contest.quotas, QUOTA_PROCESSES, 1000);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_only, &contest), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(contest.granted, 1000);
    assert_int_equal(quota_used(&contest.quotas, QUOTA_PROCESSES), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_the_limit),
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_rows_are_apart),
        cmocka_unit_test(test_lowered_below_use),
        cmocka_unit_test(test_given_back_too_often),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_never_more_than_the_limit),
        cmocka_unit_test(test_exactly_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of limits/token_bucket.h, with the clock in hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/token_bucket.h"

#include <pthread.h>

#include "gateway/base/clock.h"

static const uint64_t SECOND = 1000000000, START = 1000000000000;

static struct token_bucket full_at(uint64_t now_ns)
{
    struct token_bucket bucket;
    token_bucket_init(&bucket, now_ns);
    return bucket;
}

/* How many tokens there are to be had at this moment. */
static unsigned drain(struct token_bucket *bucket, const struct token_rate *rate, uint64_t now_ns)
{
    uint64_t retry;
    unsigned taken = 0;
    while (taken < 1000 && token_bucket_take(bucket, rate, now_ns, &retry) == 0)
        taken++;
    return taken;
}

static void test_rates(void **state)
{
    static const struct {
        uint64_t count, period, burst, interval, depth;
        const char *comment;
    } rows[] = {
        {10, 60, 10, 6000000000, 10, "ten a minute"},
        {3, 1, 1, 333333334, 1, "rounded so that it is never more than three a second"},
        {7, 1, 0, 142857143, 7, "no burst of its own: one of a second's worth"},
        {1, 60, 5, 60000000000, 5, "one a minute, five at once"},
        {1000000, 1, 0, 1000, 1000000, "the most"},
        {1, 1, 100000000, 1000000000, TOKEN_RATE_MAX_BURST, "a burst beyond the most"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct token_rate rate = token_rate_per(rows[i].count, rows[i].period * SECOND, rows[i].burst);
        print_message("%s\n", rows[i].comment);
        assert_true(rate.interval_ns == rows[i].interval);
        assert_true(rate.burst == rows[i].depth);
    }
}

static void test_no_limit(void **state)
{
    struct token_rate rate = token_rate_per(0, SECOND, 5);
    struct token_bucket bucket = full_at(START);
    (void)state;
    assert_int_equal(drain(&bucket, &rate, START), 1000);
    assert_true(token_bucket_full_in_ns(&bucket, START) == 0);
}

static void test_burst_and_refill(void **state)
{
    struct token_rate rate = token_rate_per(10, 60 * SECOND, 10);
    struct token_bucket bucket = full_at(START);
    uint64_t retry = 0, now = START;
    (void)state;
    assert_int_equal(drain(&bucket, &rate, now), 10);
    assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), TOKEN_BUCKET_EMPTY);
    assert_true(retry == 6 * SECOND);
    assert_true(token_bucket_full_in_ns(&bucket, now) == 60 * SECOND);
    now += 6 * SECOND - 1;
    assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), TOKEN_BUCKET_EMPTY);
    assert_true(retry == 1); /* to the nanosecond */
    now += 1;
    assert_int_equal(drain(&bucket, &rate, now), 1);
    now += 3600 * SECOND; /* an hour later there is a burst, and no more */
    assert_int_equal(drain(&bucket, &rate, now), 10);
}

/* Whoever comes exactly as often as he may is never refused; whoever asks too early gains nothing by it. */
static void test_steady(void **state)
{
    struct token_rate rate = token_rate_per(3, SECOND, 1);
    struct token_bucket bucket = full_at(START);
    uint64_t retry, now = START;
    (void)state;
    for (unsigned i = 0; i < 1000; i++, now += rate.interval_ns) {
        assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), 0);
        assert_int_equal(token_bucket_take(&bucket, &rate, now + rate.interval_ns - 1, &retry), TOKEN_BUCKET_EMPTY);
        assert_true(retry == 1);
    }
}

static void test_what_the_retry_says(void **state)
{
    struct token_rate rate = token_rate_per(7, SECOND, 3);
    struct token_bucket bucket = full_at(START);
    uint64_t retry = 0, now = START;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        (void)drain(&bucket, &rate, now);
        assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), TOKEN_BUCKET_EMPTY);
        assert_int_equal(token_bucket_take(&bucket, &rate, now + retry - 1, &retry), TOKEN_BUCKET_EMPTY);
        assert_true(retry == 1);
        now = START + (i + 1) * rate.interval_ns;
        assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), 0);
    }
}

/* The clock goes back, by a little, by hours, by all there is: nothing is granted for it, and the wait is never longer
   than from empty to one token, or a second. */
static void test_set_back(void **state)
{
    static const uint64_t steps[] = {1, 1000000, 2000000000, 3600000000000, 999999999999};
    struct token_rate rate = token_rate_per(10, 60 * SECOND, 10);
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct token_bucket bucket = full_at(START);
        uint64_t retry = 0;
        (void)drain(&bucket, &rate, START);
        uint64_t now = START - steps[i]; /* may be before zero: that is the same */
        assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), TOKEN_BUCKET_EMPTY);
        assert_true(retry <= 7 * SECOND);
        assert_int_equal(drain(&bucket, &rate, now + retry), 1);
    }
}

static void test_wraps(void **state)
{
    struct token_rate rate = token_rate_per(2, SECOND, 4);
    uint64_t retry = 0, now = UINT64_MAX - SECOND;
    struct token_bucket bucket = full_at(now);
    (void)state;
    assert_int_equal(drain(&bucket, &rate, now), 4); /* full again at a time that is small */
    assert_true(token_bucket_full_in_ns(&bucket, now) == 2 * SECOND);
    now += SECOND / 2;
    assert_int_equal(drain(&bucket, &rate, now), 1);
    now += SECOND; /* past zero */
    assert_true(now < SECOND);
    assert_int_equal(drain(&bucket, &rate, now), 2);
    assert_int_equal(token_bucket_take(&bucket, &rate, now, &retry), TOKEN_BUCKET_EMPTY);
    assert_true(retry == SECOND / 2);
}

/* A reload makes the rate another: nobody gains more than the new burst, nobody waits for the old one. */
static void test_other_rate(void **state)
{
    struct token_rate slow = token_rate_per(1, 60 * SECOND, 100), fast = token_rate_per(10, SECOND, 10);
    struct token_bucket bucket = full_at(START);
    uint64_t retry = 0;
    (void)state;
    assert_int_equal(drain(&bucket, &slow, START), 100);
    assert_int_equal(token_bucket_take(&bucket, &fast, START, &retry), TOKEN_BUCKET_EMPTY);
    assert_true(retry == SECOND / 10);
    assert_int_equal(drain(&bucket, &fast, START + SECOND), 10);
}

static void test_on_the_gateways_clock(void **state)
{
    struct token_rate rate = token_rate_per(1, SECOND, 1);
    uint64_t retry;
    (void)state;
    clock_fake(START, 0);
    struct token_bucket bucket = full_at(clock_now_ns());
    assert_int_equal(token_bucket_take(&bucket, &rate, clock_now_ns(), &retry), 0);
    assert_int_equal(token_bucket_take(&bucket, &rate, clock_now_ns(), &retry), TOKEN_BUCKET_EMPTY);
    clock_fake_advance(SECOND);
    assert_int_equal(token_bucket_take(&bucket, &rate, clock_now_ns(), &retry), 0);
    clock_fake_end();
}

/* ---- several threads ---- */

enum { THREADS = 8, ROUNDS = 20000 };

struct contest {
    struct token_bucket bucket;
    struct token_rate rate;
    _Atomic uint64_t now_ns, granted;
};

static void *take(void *data)
{
    struct contest *contest = data;
    uint64_t retry;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t now_ns = atomic_fetch_add(&contest->now_ns, 1000);
        if (token_bucket_take(&contest->bucket, &contest->rate, now_ns, &retry) == 0)
            atomic_fetch_add(&contest->granted, 1);
    }
    return NULL;
}

/* A burst, and one token per interval that went by: not one more, whatever order the threads get there in. */
static void test_threads(void **state)
{
    struct contest contest = {.rate = token_rate_per(100000, SECOND, 50), .now_ns = START};
    pthread_t thread[THREADS];
    (void)state;
    token_bucket_init(&contest.bucket, START);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take, &contest), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    uint64_t most = 50 + THREADS * ROUNDS * 1000ull / contest.rate.interval_ns;
    assert_true(contest.granted <= most);
    assert_true(contest.granted >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_burst_and_refill),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_what_the_retry_says),
        cmocka_unit_test(test_set_back),
        cmocka_unit_test(test_wraps),
        cmocka_unit_test(test_other_rate),
        cmocka_unit_test(test_on_the_gateways_clock),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

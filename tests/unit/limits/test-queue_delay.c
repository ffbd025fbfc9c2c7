/* Unit tests of limits/queue_delay.h, with the clock in hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "limits/queue_delay.h"

static const uint64_t MS = 1000000, START = 5000000000, TARGET = 50000000;

/* One that went in `waited` ago begins now. */
static void leave(struct queue_delay *queue, uint64_t now_ns, uint64_t waited_ns)
{
    queue_delay_enter(queue, now_ns - waited_ns);
    queue_delay_leave(queue, now_ns - waited_ns, now_ns, TARGET);
}

/* Rows of one queue, one after another. */
static void test_moments(void **state)
{
    static const struct {
        uint64_t at_ms, waited_ms; /* one begins that had waited so long; NOBODY: none does */
        bool stands;
        const char *comment;
    } rows[] = {
#define NOBODY UINT64_MAX
        {0, NOBODY, false, "nothing has been seen"},
        {10, 1, false, "in time"},
        {200, 51, false, "too long: the first one may be a burst"},
        {250, 80, false, "an interval has not passed"},
        {299, 120, false, "nor now"},
        {300, 130, true, "for an interval nobody was in time"},
        {310, NOBODY, true, "and nothing else is known"},
        {320, 50, false, "one was in time: as long as the target is not too long"},
        {400, 400, false, "a burst that takes long"},
        {401, 0, false, "is over in one stroke"},
        {405, 60, false, "too long once more"},
        {550, NOBODY, false, "but only once, and nothing has been seen since"},
        {560, 40, false, "in time"},
        {590, 60, false, "again"},
        {700, 60, true, "and again"},
        {859, NOBODY, true, "what was seen is news for an interval and as long as it had waited"},
        {860, NOBODY, false, "and no longer"},
        {1000, 70, false, "so a pause is the end of it: this is the first one"},
        {1150, 70, true, "until it is the second"},
    };
    struct queue_delay queue = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t now = START + rows[i].at_ms * MS;
        print_message("%s\n", rows[i].comment);
        if (rows[i].waited_ms != NOBODY)
            leave(&queue, now, rows[i].waited_ms * MS);
        assert_int_equal(queue_delay_stands(&queue, now), rows[i].stands);
    }
    assert_int_equal(queue.waiting, 0);
}

/* A queue from which nothing comes any more has no news, and stands all the same. */
static void test_something_waits(void **state)
{
    struct queue_delay queue = {0};
    (void)state;
    leave(&queue, START, 60 * MS);
    leave(&queue, START + 100 * MS, 60 * MS);
    queue_delay_enter(&queue, START + 150 * MS);
    assert_true(queue_delay_stands(&queue, START + 100000 * MS));
    queue_delay_leave(&queue, START + 150 * MS, START + 100001 * MS, TARGET);
    assert_true(queue_delay_stands(&queue, START + 150000 * MS)); /* it had waited so long */
    queue_delay_enter(&queue, START + 300000 * MS);
    assert_false(queue_delay_stands(&queue, START + 300000 * MS));
    queue_delay_leave(&queue, START + 300000 * MS, START + 300001 * MS, TARGET);
}

/* A queue from which nothing has come out yet. */
static void test_what_still_waits(void **state)
{
    struct queue_delay queue = {0};
    (void)state;
    leave(&queue, START, 60 * MS);
    queue_delay_enter(&queue, START + 1 * MS);
    queue_delay_look(&queue, START + 1 * MS, START + 51 * MS, TARGET);
    assert_false(queue_delay_stands(&queue, START + 51 * MS)); /* it has not waited too long yet */
    queue_delay_look(&queue, START + 1 * MS, START + 99 * MS, TARGET);
    assert_false(queue_delay_stands(&queue, START + 99 * MS));
    queue_delay_look(&queue, START + 1 * MS, START + 100 * MS, TARGET);
    assert_true(queue_delay_stands(&queue, START + 100 * MS));
    queue_delay_look(&queue, START + 100 * MS, START + 101 * MS, TARGET); /* a younger one says nothing */
    assert_true(queue_delay_stands(&queue, START + 101 * MS));
    queue_delay_leave(&queue, START + 100 * MS, START + 102 * MS, TARGET);
    assert_false(queue_delay_stands(&queue, START + 102 * MS));
}

static void test_longest(void **state)
{
    struct queue_delay queue = {0};
    (void)state;
    leave(&queue, START, 3 * MS);
    leave(&queue, START, 9 * MS);
    leave(&queue, START, 4 * MS);
    assert_int_equal(queue_delay_take_longest(&queue), 9 * MS);
    assert_int_equal(queue_delay_take_longest(&queue), 0);
}

/* Threads read the clock one after another, and a clock that begins anew must not shut anybody out. */
static void test_odd_clocks(void **state)
{
    struct queue_delay queue = {0};
    (void)state;
    queue_delay_enter(&queue, START + 2);
    queue_delay_leave(&queue, START + 2, START, TARGET);
    assert_int_equal(queue_delay_take_longest(&queue), 0);
    leave(&queue, START, 60 * MS);
    leave(&queue, START - 200 * MS, 60 * MS);
    assert_false(queue_delay_stands(&queue, START - 200 * MS));
    leave(&queue, UINT64_MAX, UINT64_MAX); /* wraps around, harmlessly */
    assert_int_equal(queue.waiting, 0);
}

static void *come_and_go(void *data)
{
    struct queue_delay *queue = data;
    for (unsigned i = 0; i < 100000; i++) {
        queue_delay_enter(queue, START + i);
        queue_delay_leave(queue, START + i, START + i + (i & 1) * 2 * TARGET, TARGET);
        (void)!queue_delay_stands(queue, START + i);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct queue_delay queue = {0};
    pthread_t thread[4];
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &queue), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(queue.waiting, 0);
    assert_int_equal(queue_delay_take_longest(&queue), 2 * TARGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),          cmocka_unit_test(test_something_waits), cmocka_unit_test(test_longest),
        cmocka_unit_test(test_what_still_waits), cmocka_unit_test(test_odd_clocks),      cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

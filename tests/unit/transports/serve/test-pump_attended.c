/* A pump whose inner end is attended to by the owner of its other side: who is told what, and who carries when. */
#include "tests/unit/transports/serve/pump_bench.h"

struct owner {
    unsigned came, ended, taken, gone;
};

static void on_told(void *context, enum pump_news news)
{
    struct owner *owner = context;
    unsigned *count[] = {[PUMP_CAME] = &owner->came,
                         [PUMP_ENDED] = &owner->ended,
                         [PUMP_TAKEN] = &owner->taken,
                         [PUMP_GONE] = &owner->gone};
    ++*count[news];
}

static void open_attended(struct bench *bench, struct owner *owner)
{
    open_bench(bench, (struct pump_settings){0});
    assert_true(pump_attend(bench->pump, &(struct pump_attendant){.told = on_told, .context = owner}));
    *owner = (struct owner){0};
}

static void turn_often(struct bench *bench)
{
    for (unsigned i = 0; i < 20; i++) {
        turn(bench);
        take(&bench->peer);
    }
}

/* The loop does not look at the inner end until the owner leaves it. */
static void test_carries_when_asked(void **state UNUSED)
{
    struct bench bench = {0};
    struct owner owner;
    open_attended(&bench, &owner);
    assert_true(put(&bench.peer, SPAN("question")));
    WAIT_FOR(&bench, owner.came == 1);
    take(&bench.inner);
    assert_got(&bench.inner, "question");
    assert_int_equal(pump_flush(bench.pump), 0);
    assert_true(put(&bench.inner, SPAN("answer")));
    turn_often(&bench);
    assert_int_equal(bench.peer.got.size, 0);
    assert_int_equal(pump_flush(bench.pump), strlen("answer"));
    WAIT_FOR(&bench, bench.peer.got.size > 0);
    assert_got(&bench.peer, "answer");
    assert_true(put(&bench.inner, SPAN(" and more")));
    pump_leave(bench.pump);
    WAIT_FOR(&bench, bench.peer.got.size > strlen("answer"));
    assert_got(&bench.peer, "answer and more");
    assert_true(put(&bench.peer, SPAN("!")));
    WAIT_FOR(&bench, bench.inner.got.size == strlen("question!"));
    assert_int_equal(owner.came, 1);
    close_bench(&bench);
    assert_int_equal(owner.gone, 0);
}

static void test_the_peers_end_is_told(void **state UNUSED)
{
    struct bench bench = {0};
    struct owner owner;
    open_attended(&bench, &owner);
    assert_true(put(&bench.peer, SPAN("last")));
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, owner.ended > 0);
    assert_int_equal(owner.came, 1);
    take(&bench.inner);
    assert_got(&bench.inner, "last");
    assert_int_equal(owner.gone, 0);
    assert_true(put(&bench.inner, SPAN("heard")));
    assert_int_equal(pump_flush(bench.pump), strlen("heard"));
    WAIT_FOR(&bench, bench.peer.got.size > 0);
    close_bench(&bench);
    assert_int_equal(owner.ended, 1);
    assert_int_equal(owner.gone, 1);
}

/* Both are told to whoever comes late. */
static void test_what_came_before_is_told(void **state UNUSED)
{
    struct bench bench = {0};
    struct owner owner = {0};
    open_bench(&bench, (struct pump_settings){0});
    assert_true(put(&bench.peer, SPAN("early")));
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, bench.inner.at_end);
    assert_true(pump_attend(bench.pump, &(struct pump_attendant){.told = on_told, .context = &owner}));
    assert_int_equal(owner.came, 1);
    assert_int_equal(owner.ended, 1);
    close_bench(&bench);
}

static void test_the_pumps_end_is_told(void **state UNUSED)
{
    struct linger at_once = {.l_onoff = 1};
    struct bench bench = {0};
    struct owner owner;
    open_attended(&bench, &owner);
    setsockopt(bench.peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    hang_up(&bench.peer);
    WAIT_FOR(&bench, bench.told == 1);
    assert_int_equal(owner.gone, 1);
    close_bench(&bench);
    assert_int_equal(owner.gone, 1);
}

static void test_one_that_is_over(void **state UNUSED)
{
    struct bench bench = {0};
    struct owner owner = {0};
    open_bench(&bench, (struct pump_settings){0});
    pump_cut(bench.pump);
    assert_false(pump_attend(bench.pump, &(struct pump_attendant){.told = on_told, .context = &owner}));
    assert_int_equal(owner.came + owner.ended + owner.taken + owner.gone, 0);
    close_bench(&bench);
    assert_int_equal(owner.gone, 0);
}

/* A peer that does not read stops the owner's flushing; it is told when there is room again. */
static void test_back_pressure(void **state UNUSED)
{
    enum { SIZE = 8 * 1024 * 1024 };
    struct bench bench = {0};
    struct owner owner;
    char *bytes = malloc(SIZE);
    size_t sent = 0, carried = 1;
    fill(bytes, SIZE, 5);
    open_attended(&bench, &owner);
    while (carried > 0) {
        ssize_t size = send(bench.inner.fd, bytes + sent, SIZE - sent, MSG_DONTWAIT);
        sent += size > 0 ? (size_t)size : 0;
        carried = pump_flush(bench.pump);
        assert_true(sent < SIZE);
    }
    assert_true(pump_queued(bench.pump) > 0);
    uint64_t until = clock_now_ms() + LIMIT_MS;
    while (bench.peer.got.size < SIZE) {
        unsigned before = owner.taken;
        turn(&bench);
        take(&bench.peer);
        ssize_t size = send(bench.inner.fd, bytes + sent, SIZE - sent, MSG_DONTWAIT);
        sent += size > 0 ? (size_t)size : 0;
        while ((owner.taken > before || size > 0) && pump_flush(bench.pump) > 0)
            ; /* the owner knows what it writes, and is told of the rest */
        assert_true(clock_now_ms() < until);
    }
    assert_memory_equal(bench.peer.got.at, bytes, SIZE);
    assert_true(owner.taken > 0);
    free(bytes);
    close_bench(&bench);
}

/* ---- an attendant's filter ---- */

struct keeper {
    struct owner owner;
    char kept[64];
    size_t size;
    bool passes; /* it keeps nothing more */
};

static void on_told_keeper(void *context, enum pump_news news)
{
    on_told(&((struct keeper *)context)->owner, news);
}

static size_t on_filter(void *context, char *bytes, size_t size, struct pump_order *order)
{
    struct keeper *keeper = context;
    if (keeper->passes)
        return size;
    assert_true(keeper->size + size <= sizeof(keeper->kept));
    memcpy(keeper->kept + keeper->size, bytes, size);
    keeper->size += size;
    order->holds = true;
    return 0;
}

static void open_kept(struct bench *bench, struct keeper *keeper)
{
    open_bench(bench, (struct pump_settings){0});
    assert_true(pump_attend(bench->pump,
                            &(struct pump_attendant){.told = on_told_keeper, .filter = on_filter, .context = keeper}));
    keeper->owner = (struct owner){0};
}

/* Nothing of what is held is told, and the peer's end comes behind it. */
static void test_what_is_held_is_passed(void **state UNUSED)
{
    struct bench bench = {0};
    struct keeper keeper = {.size = 0};
    open_kept(&bench, &keeper);
    assert_true(put(&bench.peer, SPAN("question")));
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, keeper.size == strlen("question"));
    turn_often(&bench);
    take(&bench.inner);
    assert_int_equal(bench.inner.got.size, 0);
    assert_false(bench.inner.at_end);
    assert_int_equal(keeper.owner.came + keeper.owner.ended, 0);
    assert_int_equal(pump_passed(bench.pump), 0);
    pump_pass(bench.pump, (struct span){keeper.kept, keeper.size});
    assert_int_equal(keeper.owner.came, 1);
    assert_int_equal(pump_passed(bench.pump), strlen("question"));
    WAIT_FOR(&bench, bench.inner.at_end);
    assert_got(&bench.inner, "question");
    assert_int_equal(keeper.owner.ended, 1);
    close_bench(&bench);
}

/* What was of use is answered without the inner end, which hears of nothing. */
static void test_what_is_held_is_of_use(void **state UNUSED)
{
    struct bench bench = {0};
    struct keeper keeper = {.size = 0};
    open_kept(&bench, &keeper);
    assert_true(put(&bench.peer, SPAN("question")));
    WAIT_FOR(&bench, keeper.size > 0);
    pump_write(bench.pump, SPAN("answer"));
    pump_pass(bench.pump, (struct span){NULL, 0});
    WAIT_FOR(&bench, bench.peer.got.size > 0);
    assert_got(&bench.peer, "answer");
    assert_int_equal(keeper.owner.came, 0);
    keeper.passes = true;
    assert_true(put(&bench.peer, SPAN("next")));
    WAIT_FOR(&bench, keeper.owner.came == 1);
    take(&bench.inner);
    assert_got(&bench.inner, "next");
    close_bench(&bench);
}

/* The owner leaves with something held: it is lost, and nothing waits for it. */
static void test_held_for_nobody(void **state UNUSED)
{
    struct bench bench = {0};
    struct keeper keeper = {.size = 0};
    open_kept(&bench, &keeper);
    assert_true(put(&bench.peer, SPAN("question")));
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, keeper.size > 0);
    pump_leave(bench.pump);
    WAIT_FOR(&bench, bench.inner.at_end);
    assert_int_equal(bench.inner.got.size, 0);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carries_when_asked),       cmocka_unit_test(test_the_peers_end_is_told),
        cmocka_unit_test(test_what_came_before_is_told), cmocka_unit_test(test_the_pumps_end_is_told),
        cmocka_unit_test(test_one_that_is_over),         cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_what_is_held_is_passed),   cmocka_unit_test(test_what_is_held_is_of_use),
        cmocka_unit_test(test_held_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

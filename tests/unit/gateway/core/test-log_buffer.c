/* Unit tests of gateway/core/log_buffer.h: what comes out of the pipe, when, and what is dropped when nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/core/log_buffer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/core/counters.h"

struct bench {
    uv_loop_t loop;
    uv_async_t alive; /* as a reactor's loop always is */
    struct counters counters;
    struct log_buffer *buffer;
    int pipe[2];
};

static void set_up(struct bench *bench)
{
    *bench = (struct bench){.buffer = NULL};
    assert_int_equal(pipe2(bench->pipe, O_CLOEXEC), 0);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(uv_async_init(&bench->loop, &bench->alive, NULL), 0);
    assert_int_equal(log_buffer_new(&bench->loop, &bench->counters, &bench->buffer), 0);
    log_set_descriptor(bench->pipe[1]);
    log_set_format(LOG_LOGFMT);
    log_set_level(LOG_INFO);
    clock_fake(0, 1795402010123);
}

static void tear_down(struct bench *bench)
{
    log_buffer_close(bench->buffer);
    uv_close((uv_handle_t *)&bench->alive, NULL);
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    log_set_descriptor(-1);
    clock_fake_end();
    close(bench->pipe[0]);
    if (bench->pipe[1] >= 0)
        close(bench->pipe[1]);
}

static void add(struct bench *bench, int64_t number)
{
    const struct log_field fields[] = {LOG_NUMBER("n", number)};
    log_buffer_add(bench->buffer, LOG_INFO, "line", fields, ARRAY_SIZE(fields));
}

static uint64_t dropped(struct bench *bench)
{
    return atomic_load(&bench->counters.event[COUNTER_LOG_LINES_DROPPED]);
}

/* What is in the pipe now. */
static size_t take(struct bench *bench, char *out, size_t room)
{
    fcntl(bench->pipe[0], F_SETFL, O_NONBLOCK);
    ssize_t got = read(bench->pipe[0], out, room);
    return got < 0 ? 0 : (size_t)got;
}

static void test_a_turn(void **state UNUSED)
{
    static const char expected[] = "time=2026-11-23T02:46:50.123Z level=info event=line n=1\n"
                                   "time=2026-11-23T02:46:50.123Z level=info event=line n=2\n";
    struct bench bench;
    char got[4096];
    set_up(&bench);
    add(&bench, 1);
    add(&bench, 2);
    assert_int_equal(take(&bench, got, sizeof(got)), 0);
    (void)uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_int_equal(take(&bench, got, sizeof(got)), strlen(expected));
    assert_memory_equal(got, expected, strlen(expected));
    const struct log_field none[] = {LOG_NUMBER("n", 3)};
    log_buffer_add(bench.buffer, LOG_DEBUG, "line", none, 1);
    (void)uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_int_equal(take(&bench, got, sizeof(got)), 0);
    add(&bench, 4); /* written by the end of the buffer */
    log_buffer_flush(bench.buffer);
    assert_int_equal(take(&bench, got, sizeof(got)), strlen(expected) / 2);
    assert_int_equal(dropped(&bench), 0);
    tear_down(&bench);
}

/* Nobody reads: nothing waits, what does not fit is counted, and once somebody reads all lines are whole. */
static void test_a_reader_that_does_not(void **state UNUSED)
{
    enum { LINES = 20000 };
    static char got[1 << 20];
    struct bench bench;
    set_up(&bench);
    for (int i = 0; i < LINES; i++) {
        add(&bench, i);
        (void)uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    uint64_t lost = dropped(&bench);
    assert_true(lost > 0 && lost < LINES);
    size_t size = 0, more;
    do {
        more = take(&bench, got + size, sizeof(got) - size);
        size += more;
        (void)uv_run(&bench.loop, UV_RUN_NOWAIT);
    } while (more > 0);
    uint64_t lines = 0;
    for (char *at = got; at < got + size; at = strchr(at, '\n') + 1, lines++)
        assert_memory_equal(at, "time=2026", 9);
    assert_int_equal(lines + lost, LINES);
    assert_int_equal(dropped(&bench), lost);
    tear_down(&bench);
}

static void test_a_reader_that_is_gone(void **state UNUSED)
{
    struct bench bench;
    set_up(&bench);
    log_set_descriptor(-1);
    add(&bench, 1); /* silenced: not even made */
    assert_int_equal(dropped(&bench), 0);
    log_set_descriptor(bench.pipe[1]);
    add(&bench, 2);
    log_set_descriptor(-1);
    log_buffer_flush(bench.buffer);
    assert_int_equal(dropped(&bench), 1);
    tear_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_turn),
        cmocka_unit_test(test_a_reader_that_does_not),
        cmocka_unit_test(test_a_reader_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

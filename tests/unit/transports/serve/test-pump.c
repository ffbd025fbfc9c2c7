/* The pump between real sockets: what goes in comes out, ends are carried over, and nothing is left behind. */
#include <stdio.h>

#include "tests/unit/transports/serve/pump_bench.h"

/* ---- carrying ---- */

/* Both ways at once, far more than any buffer takes. */
static void test_carries(void **state UNUSED)
{
    enum { SIZE = 6 * 1024 * 1024 };
    struct bench bench = {0};
    char *bytes = malloc(SIZE);
    size_t out = 0, in = 0;
    fill(bytes, SIZE, 7);
    open_bench(&bench, (struct pump_settings){0});
    while (bench.peer.got.size < SIZE || bench.inner.got.size < SIZE) {
        ssize_t sent = send(bench.peer.fd, bytes + in, SIZE - in, MSG_DONTWAIT);
        in += sent > 0 ? (size_t)sent : 0;
        sent = send(bench.inner.fd, bytes + out, SIZE - out, MSG_DONTWAIT);
        out += sent > 0 ? (size_t)sent : 0;
        turn(&bench);
        take(&bench.peer);
        take(&bench.inner);
    }
    assert_memory_equal(bench.peer.got.at, bytes, SIZE);
    assert_memory_equal(bench.inner.got.at, bytes, SIZE);
    assert_int_equal(pump_queued(bench.pump), 0);
    free(bytes);
    close_bench(&bench);
}

/* A library that does not read stops the peer; one that reads again gets everything. */
static void test_back_pressure_inward(void **state UNUSED)
{
    struct bench bench = {0};
    char bytes[4096];
    size_t sent = 0, stuck = 0;
    fill(bytes, sizeof(bytes), 1);
    open_bench(&bench, (struct pump_settings){0});
    while (stuck < 200) {
        ssize_t size = send(bench.peer.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        stuck = size > 0 ? 0 : stuck + 1;
        sent += size > 0 ? (size_t)size : 0;
        turn(&bench);
        assert_true(sent < 32 * MIB);
    }
    WAIT_FOR(&bench, bench.inner.got.size == sent);
    close_bench(&bench);
}

static void test_back_pressure_outward(void **state UNUSED)
{
    struct bench bench = {0};
    char bytes[4096];
    size_t sent = 0, stuck = 0;
    fill(bytes, sizeof(bytes), 2);
    open_bench(&bench, (struct pump_settings){0});
    while (stuck < 200) {
        ssize_t size = send(bench.inner.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        stuck = size > 0 ? 0 : stuck + 1;
        sent += size > 0 ? (size_t)size : 0;
        turn(&bench);
        assert_true(pump_queued(bench.pump) <= PUMP_MAX_QUEUE);
        assert_true(sent < 32 * MIB);
    }
    assert_true(pump_queued(bench.pump) > 0);
    WAIT_FOR(&bench, bench.peer.got.size == sent);
    assert_int_equal(pump_queued(bench.pump), 0);
    close_bench(&bench);
}

/* ---- ends ---- */

static void test_peer_half_closes(void **state UNUSED)
{
    enum { SIZE = 3 * 1024 * 1024 };
    struct bench bench = {0};
    char *bytes = malloc(SIZE);
    size_t out = 0;
    fill(bytes, SIZE, 3);
    open_bench(&bench, (struct pump_settings){0});
    assert_true(put(&bench.peer, SPAN("question")));
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, bench.inner.at_end);
    assert_got(&bench.inner, "question");
    for (int i = 0; i < 100; i++)
        turn(&bench);
    assert_int_equal(bench.told, 0);
    while (out < SIZE) {
        ssize_t sent = send(bench.inner.fd, bytes + out, SIZE - out, MSG_DONTWAIT);
        out += sent > 0 ? (size_t)sent : 0;
        turn(&bench);
        take(&bench.peer);
    }
    hang_up(&bench.inner);
    WAIT_FOR(&bench, bench.peer.at_end && bench.told);
    assert_int_equal(bench.peer.got.size, SIZE);
    assert_memory_equal(bench.peer.got.at, bytes, SIZE);
    assert_int_equal(bench.reason, PUMP_CLOSED_BY_PEER);
    free(bytes);
    close_bench(&bench);
}

static void test_inner_half_closes(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    assert_true(put(&bench.inner, SPAN("answer")));
    shutdown(bench.inner.fd, SHUT_WR);
    WAIT_FOR(&bench, bench.peer.at_end);
    assert_got(&bench.peer, "answer");
    assert_true(put(&bench.peer, SPAN("thanks")));
    WAIT_FOR(&bench, bench.inner.got.size == 6);
    hang_up(&bench.peer);
    WAIT_FOR(&bench, bench.told);
    assert_true(bench.inner.at_end);
    assert_int_equal(bench.reason, PUMP_CLOSED_BY_INNER);
    close_bench(&bench);
}

/* The last answer reaches a peer that goes on sending; then it is not waited for any longer. */
static void test_inner_closes_under_a_talking_peer(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    assert_true(put(&bench.peer, SPAN("unread")));
    assert_true(put(&bench.inner, SPAN("go away")));
    turn(&bench);
    hang_up(&bench.inner);
    uint64_t begin = clock_now_ms();
    while (!bench.told) {
        (void)put(&bench.peer, SPAN("and another thing"));
        turn(&bench);
        take(&bench.peer);
    }
    assert_got(&bench.peer, "go away");
    assert_true(bench.peer.at_end);
    assert_in_range(clock_now_ms() - begin, PUMP_LINGER_MS - 50, LIMIT_MS);
    assert_int_equal(bench.reason, PUMP_CLOSED_BY_INNER);
    close_bench(&bench);
}

static void reset(struct side *side)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    hang_up(side);
}

static void test_peer_resets(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    assert_true(put(&bench.peer, SPAN("x")));
    WAIT_FOR(&bench, bench.inner.got.size == 1);
    reset(&bench.peer);
    WAIT_FOR(&bench, bench.told && bench.inner.at_end);
    assert_int_equal(bench.reason, PUMP_CLOSED_BY_PEER);
    close_bench(&bench);
}

/* Nothing is read from the peer then, and its reset is seen all the same. */
static void test_peer_resets_under_back_pressure(void **state UNUSED)
{
    struct bench bench = {0};
    char bytes[4096] = {0};
    size_t stuck = 0;
    open_bench(&bench, (struct pump_settings){0});
    while (stuck < 100) {
        stuck = send(bench.peer.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 ? 0 : stuck + 1;
        turn(&bench);
    }
    reset(&bench.peer);
    uint64_t until = clock_now_ms() + LIMIT_MS;
    while (!bench.told && clock_now_ms() < until)
        turn(&bench);
    assert_int_equal(bench.told, 1);
    close_bench(&bench);
}

static void test_peer_resets_after_its_half_close(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, bench.inner.at_end);
    reset(&bench.peer);
    WAIT_FOR(&bench, bench.told);
    assert_int_equal(bench.reason, PUMP_CLOSED_BY_PEER);
    close_bench(&bench);
}

/* A peer that takes nothing while the library has closed is not waited for for ever, and no time is spent on it. */
static void test_stalls(void **state UNUSED)
{
    struct bench bench = {0};
    char bytes[4096] = {0};
    size_t stuck = 0;
    open_bench(&bench, (struct pump_settings){0});
    while (stuck < 200) {
        stuck = send(bench.inner.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 ? 0 : stuck + 1;
        turn(&bench);
    }
    hang_up(&bench.inner);
    uint64_t begin = clock_now_ms();
    unsigned turns = 0;
    while (!bench.told && clock_now_ms() - begin < LIMIT_MS) {
        uv_run(&bench.loop, UV_RUN_ONCE);
        turns++;
    }
    assert_int_equal(bench.told, 1);
    assert_int_equal(bench.reason, PUMP_STALLED);
    assert_true(clock_now_ms() - begin >= PUMP_STALL_MS - 50);
    assert_true(turns < 200);
    close_bench(&bench);
}

/* Urgent data keeps a poll for errors awake: it must not become a busy loop. */
static void test_urgent_data_does_not_spin(void **state UNUSED)
{
    struct bench bench = {0};
    char bytes[4096] = {0};
    size_t stuck = 0;
    open_bench(&bench, (struct pump_settings){0});
    while (stuck < 100) {
        stuck = send(bench.peer.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 ? 0 : stuck + 1;
        turn(&bench);
    }
    (void)send(bench.peer.fd, "!", 1, MSG_OOB | MSG_DONTWAIT);
    shutdown(bench.peer.fd, SHUT_WR);
    for (int i = 0; i < 50; i++)
        turn(&bench);
    struct pollfd loop = {.fd = uv_backend_fd(&bench.loop), .events = POLLIN};
    assert_int_equal(poll(&loop, 1, 200), 0);
    close_bench(&bench);
}

static void test_cut(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    pump_cut(bench.pump);
    assert_int_equal(bench.told, 0);
    pump_cut(bench.pump);
    pump_finish(bench.pump, SPAN("too late"));
    WAIT_FOR(&bench, bench.told && bench.peer.at_end && bench.inner.at_end);
    assert_int_equal(bench.reason, PUMP_CUT);
    assert_int_equal(pumps_count(bench.pumps), 0);
    close_bench(&bench);
}

static void test_all_are_cut(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    assert_int_equal(pumps_count(bench.pumps), 1);
    close_bench(&bench);
    assert_int_equal(bench.reason, PUMP_CUT);
}

static void test_finish(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){0});
    assert_true(put(&bench.inner, SPAN("written before; ")));
    pump_finish(bench.pump, SPAN("bye"));
    pump_finish(bench.pump, SPAN("bye again"));
    WAIT_FOR(&bench, bench.peer.at_end && bench.inner.at_end);
    assert_got(&bench.peer, "written before; bye");
    hang_up(&bench.peer);
    WAIT_FOR(&bench, bench.told);
    assert_int_equal(bench.reason, PUMP_FINISHED);
    close_bench(&bench);
}

/* ---- filters ---- */

/* Doubles every 'd', drops every 'x', ends at 'q' (which goes on). */
static size_t filter(void *context, char *bytes, size_t size, struct pump_order *order)
{
    struct bench *bench = context;
    static char last[] = "last";
    CLEANUP(text_done) struct text out = TEXT(size + PUMP_FILTER_ROOM);
    for (size_t i = 0; i < size && !order->finish; i++) {
        if (bytes[i] == 'x')
            continue;
        text_add_char(&out, bytes[i]);
        if (bytes[i] == 'd')
            text_add_char(&out, 'd');
        if (bytes[i] == 'q')
            *order = (struct pump_order){.finish = true, .last = span_of(last)};
    }
    assert_int_equal(bench->told, 0);
    memcpy(bytes, out.at ? out.at : "", out.size);
    return out.size;
}

static void test_filter(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){
                           .filter = filter, .first_to_inner = SPAN("GET dx;"), .first_from_outer = SPAN("early dx")});
    assert_true(put(&bench.peer, SPAN(" late dx")));
    WAIT_FOR(&bench, bench.inner.got.size == 24 - 1);
    assert_got(&bench.inner, "GET dx;early dd late dd");
    assert_true(put(&bench.inner, SPAN("dx")));
    for (const char *c = "abxcq no more"; *c; c++)
        assert_true(put(&bench.peer, (struct span){c, 1}));
    WAIT_FOR(&bench, bench.inner.at_end && bench.peer.at_end);
    assert_got(&bench.inner, "GET dx;early dd late ddabcq");
    assert_got(&bench.peer, "dxlast");
    shutdown(bench.peer.fd, SHUT_WR);
    WAIT_FOR(&bench, bench.told);
    assert_int_equal(bench.reason, PUMP_FINISHED);
    close_bench(&bench);
}

static void test_first_bytes_are_bounded(void **state UNUSED)
{
    struct bench bench = {0};
    int outer[2], inner[2];
    struct pump *pump;
    char *bytes = calloc(1, PUMP_MAX_FIRST + 1);
    open_bench(&bench, (struct pump_settings){0});
    tcp_pair(outer);
    assert_int_equal(pump_socketpair(inner), 0);
    struct pump_settings settings = {.outer_fd = outer[0],
                                     .inner_fd = inner[0],
                                     .first_to_inner = {bytes, PUMP_MAX_FIRST + 1},
                                     .ended = on_ended,
                                     .context = &bench};
    assert_int_equal(pump_new(bench.pumps, &settings, &pump), -EMSGSIZE);
    char byte;
    assert_int_equal(recv(inner[1], &byte, 1, 0), 0);
    close(outer[1]);
    close(inner[1]);
    free(bytes);
    close_bench(&bench);
}

/* A descriptor that cannot be polled: everything is taken back, nobody is told. */
static void test_start_fails(void **state UNUSED)
{
    struct bench bench = {0};
    int outer[2];
    struct pump *pump;
    open_bench(&bench, (struct pump_settings){0});
    tcp_pair(outer);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct pump_settings settings = {.outer_fd = outer[0], .inner_fd = file, .ended = on_ended, .context = &bench};
    assert_true(pump_new(bench.pumps, &settings, &pump) < 0);
    tcp_pair(outer);
    close(outer[0]);
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    settings = (struct pump_settings){.outer_fd = file, .inner_fd = outer[1], .ended = on_ended, .context = &bench};
    assert_true(pump_new(bench.pumps, &settings, &pump) < 0);
    turn(&bench);
    assert_int_equal(bench.told, 0);
    assert_int_equal(pumps_count(bench.pumps), 1);
    close_bench(&bench);
}

/* ---- swallowing ---- */

#define HEAD "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nA: \r\r\n\r\n"

static void test_swallows_a_head(void **state UNUSED)
{
    const struct span all = SPAN(HEAD "\r\n\r\nframe");
    for (size_t chunk = 1; chunk <= all.size; chunk++) {
        struct bench bench = {0};
        open_bench(&bench, (struct pump_settings){.swallow_head = true});
        for (size_t at = 0; at < all.size; at += chunk) {
            assert_true(put(&bench.inner, (struct span){all.at + at, MIN(chunk, all.size - at)}));
            turn(&bench);
        }
        WAIT_FOR(&bench, bench.peer.got.size == 9);
        assert_got(&bench.peer, "\r\n\r\nframe");
        close_bench(&bench);
    }
}

static void test_other_heads_end_it(void **state UNUSED)
{
    struct bench bench = {0};
    open_bench(&bench, (struct pump_settings){.swallow_head = true});
    assert_true(put(&bench.inner, SPAN("HTTP/1.1 403 Forbidden\r\n\r\nframe")));
    WAIT_FOR(&bench, bench.peer.at_end && bench.inner.at_end);
    assert_int_equal(bench.peer.got.size, 0);
    hang_up(&bench.peer);
    WAIT_FOR(&bench, bench.told);
    assert_int_equal(bench.reason, PUMP_REFUSED);
    close_bench(&bench);

    open_bench(&bench, (struct pump_settings){.swallow_head = true});
    char head[PUMP_MAX_SWALLOWED + 64];
    memset(head, 'a', sizeof(head));
    memcpy(head, "HTTP/1.1 101", 12);
    assert_true(put(&bench.inner, (struct span){head, sizeof(head)}));
    WAIT_FOR(&bench, bench.peer.at_end);
    hang_up(&bench.peer);
    WAIT_FOR(&bench, bench.told);
    assert_int_equal(bench.reason, PUMP_REFUSED);
    close_bench(&bench);
}

/* ---- at random ---- */

static unsigned random_state;

static unsigned any(unsigned below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

struct script {
    char *bytes;
    size_t size, sent;
    bool open;
};

static void act(struct side *side, struct script *script)
{
    switch (any(40)) {
    case 0:
        hang_up(side);
        script->open = false;
        break;
    case 1:
        shutdown(side->fd, SHUT_WR);
        script->open = false;
        break;
    case 2 ... 20:
        take(side);
        break;
    default: {
        size_t size = any(40000);
        size = MIN(script->size - script->sent, size);
        ssize_t sent =
            script->open ? send(side->fd, script->bytes + script->sent, size, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        script->sent += sent > 0 ? (size_t)sent : 0;
    }
    }
}

static bool is_beginning(const struct side *side, const char *bytes)
{
    return side->got.size == 0 || memcmp(side->got.at, bytes, side->got.size) == 0;
}

/* Whatever both sides do: what arrives is a beginning of what was sent, and the end is told once. */
static void test_at_random(void **state UNUSED)
{
    enum { SIZE = 1024 * 1024, ROUNDS = 400, STEPS = 400 };
    char *bytes = malloc(SIZE);
    fill(bytes, SIZE, 99);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct bench bench = {0};
        struct script peer = {bytes, SIZE, 0, true}, library = {bytes, SIZE, 0, true};
        random_state = round;
        open_bench(&bench, (struct pump_settings){0});
        for (unsigned step = 0; step < STEPS; step++) {
            if (bench.peer.fd >= 0)
                act(&bench.peer, &peer);
            if (bench.inner.fd >= 0)
                act(&bench.inner, &library);
            turn(&bench);
        }
        if (bench.peer.got.size > library.sent || !is_beginning(&bench.peer, bytes) ||
            bench.inner.got.size > peer.sent || !is_beginning(&bench.inner, bytes))
            fail_msg("round %u", round);
        close_bench(&bench);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carries),
        cmocka_unit_test(test_back_pressure_inward),
        cmocka_unit_test(test_back_pressure_outward),
        cmocka_unit_test(test_peer_half_closes),
        cmocka_unit_test(test_inner_half_closes),
        cmocka_unit_test(test_inner_closes_under_a_talking_peer),
        cmocka_unit_test(test_peer_resets),
        cmocka_unit_test(test_peer_resets_under_back_pressure),
        cmocka_unit_test(test_peer_resets_after_its_half_close),
        cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_urgent_data_does_not_spin),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_all_are_cut),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_first_bytes_are_bounded),
        cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_swallows_a_head),
        cmocka_unit_test(test_other_heads_end_it),
        cmocka_unit_test(test_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

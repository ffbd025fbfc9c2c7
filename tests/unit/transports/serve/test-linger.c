/* Unit tests of transports/serve/linger.h: one reactor's loop, run by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/serve/linger.h"
#include "transports/serve/pump.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct house {
    struct gateway gateway;
    struct reactor *reactor;
    struct linger_ring ring;
    bool closed;
};

static struct house *open_house(unsigned most)
{
    struct house *house = calloc(1, sizeof(*house));
    assert_non_null(house);
    atomic_store(&house->gateway.lingering_refused, most);
    assert_int_equal(reactor_new(&house->gateway, 0, &house->reactor), 0);
    linger_init(&house->ring, house->reactor);
    return house;
}

static void turn(struct house *house)
{
    uv_run(reactor_loop(house->reactor), UV_RUN_ONCE);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct house *)handle->data)->closed = true;
}

static void close_house(struct house *house)
{
    linger_close(&house->ring, on_closed, house);
    while (!house->closed)
        turn(house);
    reactor_free(house->reactor);
    free(house);
}

/* The client's end of one that lingers. */
static int enter(struct house *house)
{
    int ends[2];
    assert_int_equal(pump_socketpair(ends), 0);
    assert_int_equal(send(ends[0], "refused", 7, 0), 7);
    linger_add(&house->ring, ends[0]);
    return ends[1];
}

static bool is_cut(int client)
{
    return send(client, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

/* A client may write a lot more before it reads. */
static void test_writes_on(void **state)
{
    enum { MORE = 4 * MIB };
    struct house *house = open_house(0);
    static const char piece[16 * KIB];
    char text[16];
    size_t sent = 0;
    (void)state;
    int client = enter(house);
    while (sent < MORE) {
        ssize_t size = send(client, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(size > 0 || errno == EAGAIN);
        if (size > 0)
            sent += (size_t)size;
        else
            turn(house);
    }
    assert_int_equal(recv(client, text, sizeof(text), 0), 7);
    assert_int_equal(recv(client, text, sizeof(text), 0), 0);
    close(client);
    while (house->ring.count > 0) /* as soon as it has closed */
        turn(house);
    assert_false(uv_is_active((uv_handle_t *)&house->ring.timer));
    close_house(house);
}

static void test_time(void **state)
{
    struct house *house = open_house(0);
    (void)state;
    int client = enter(house);
    uint64_t start_ms = uv_now(reactor_loop(house->reactor));
    assert_false(is_cut(client));
    while (house->ring.count > 0)
        turn(house);
    assert_true(uv_now(reactor_loop(house->reactor)) - start_ms >= LINGER_MS);
    assert_true(is_cut(client));
    close(client);
    close_house(house);
}

/* As many as are allowed; the oldest gives way. */
static void test_ring(void **state)
{
    enum { CLIENTS = LINGER_SOCKETS + 5 };
    static const unsigned rows[] = {1, 3, 0};
    (void)state;
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        struct house *house = open_house(rows[row]);
        unsigned most = rows[row] == 0 ? LINGER_SOCKETS : rows[row];
        int client[CLIENTS];
        for (unsigned i = 0; i < CLIENTS; i++)
            client[i] = enter(house);
        assert_int_equal(house->ring.count, most);
        for (unsigned i = 0; i < CLIENTS; i++) {
            assert_int_equal(is_cut(client[i]), i + most < CLIENTS);
            close(client[i]);
        }
        close_house(house);
    }
}

static void test_clear(void **state)
{
    struct house *house = open_house(0);
    (void)state;
    int first = enter(house), second = enter(house);
    linger_clear(&house->ring);
    assert_true(is_cut(first) && is_cut(second));
    int third = enter(house);
    assert_false(is_cut(third));
    close(first), close(second), close(third);
    close_house(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_on),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

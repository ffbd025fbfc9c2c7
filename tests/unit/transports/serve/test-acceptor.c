/* Unit tests of transports/serve/acceptor.h: one reactor's loop, run by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/serve/acceptor.h"
#include "transports/serve/listening.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_TAKEN = 512 };

struct house {
    struct gateway gateway;
    struct reactor *reactor;
    struct listening *listening;
    struct acceptor *acceptor;
    int taken[MAX_TAKEN];
    unsigned count;
    bool freed;
};

static void on_accepted(void *context, int fd, const struct address *client)
{
    struct house *house = context;
    int on = 0;
    socklen_t size = sizeof(on);
    assert_true(address_is_loopback(client));
    if (!address_is_local(client)) {
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        assert_true(on);
    }
    assert_true(house->count < MAX_TAKEN);
    house->taken[house->count++] = fd;
}

static void on_freed(void *context)
{
    ((struct house *)context)->freed = true;
}

static struct house *open_house(uint64_t places)
{
    struct address address;
    struct house *house = calloc(1, sizeof(*house));
    assert_non_null(house);
    quota_set_limit(&house->gateway.quotas, QUOTA_CONNECTIONS, places);
    assert_int_equal(reactor_new(&house->gateway, 0, &house->reactor), 0);
    assert_int_equal(address_parse(SPAN("127.0.0.1:0"), &address), 0);
    assert_int_equal(listening_open(&address, 1, &house->listening), 0);
    assert_int_equal(
        acceptor_new(house->reactor, listening_take(house->listening, 0), on_accepted, house, &house->acceptor), 0);
    return house;
}

static void turn(struct house *house)
{
    uv_run(reactor_loop(house->reactor), UV_RUN_ONCE);
}

static void close_house(struct house *house)
{
    acceptor_free(house->acceptor, on_freed, house);
    while (!house->freed)
        turn(house);
    for (unsigned i = 0; i < house->count; i++)
        close(house->taken[i]);
    listening_close(house->listening);
    reactor_free(house->reactor);
    free(house);
}

static int enter(struct house *house)
{
    const struct address *address = listening_address(house->listening);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address->any, address->size), 0);
    return fd;
}

static uint64_t counted(struct house *house, enum counter counter)
{
    return reactor_counters(house->reactor)->event[counter];
}

static void test_up_to_the_limit(void **state)
{
    struct house *house = open_house(2);
    char text[1024] = "";
    (void)state;
    int first = enter(house), second = enter(house), third = enter(house);
    while (counted(house, COUNTER_CONNECTIONS) < 3)
        turn(house);
    assert_int_equal(house->count, 2);
    assert_int_equal(quota_used(&house->gateway.quotas, QUOTA_CONNECTIONS), 2);
    assert_int_equal(counted(house, COUNTER_REFUSED_CONNECTION), 1);
    assert_true(read(third, text, sizeof(text) - 1) > 0);
    assert_memory_equal(text, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(text, "\r\nRetry-After: "));
    assert_int_equal(read(third, text, sizeof(text)), 0);
    assert_int_equal(write(third, "late", 4), 4); /* it lingers: no reset for a client that still writes */

    quota_give(&house->gateway.quotas, QUOTA_CONNECTIONS, 1);
    int fourth = enter(house);
    while (house->count < 3)
        turn(house);
    close(first), close(second), close(third), close(fourth);
    close_house(house);
}

static void test_many_refusals_keep_few_sockets(void **state)
{
    enum { GUESTS = 200 };
    struct house *house = open_house(0);
    int guest[GUESTS], next = dup(0);
    (void)state;
    for (unsigned i = 0; i < GUESTS; i++) {
        guest[i] = enter(house);
        while (counted(house, COUNTER_REFUSED_CONNECTION) < i + 1)
            turn(house);
    }
    int highest = dup(0);
    assert_true(highest < next + GUESTS + 100); /* and not twice the guests */
    for (unsigned i = 0; i < GUESTS; i++)
        close(guest[i]);
    close(next);
    close(highest);
    close_house(house);
}

/* Numbers from a bound on are not for clients: they are told so, and few of them linger. */
static void test_descriptors_for_clients(void **state UNUSED)
{
    enum { GUESTS = 40, CLIENTS = 10, LINGERING = 5 };
    struct house *house = open_house(1000);
    int guest[GUESTS], next = dup(0), highest = 0;
    close(next);
    for (unsigned i = 0; i < GUESTS; i++) /* before anybody is accepted, so that the numbers are known */
        guest[i] = enter(house);
    next += GUESTS;
    atomic_store(&house->gateway.client_descriptors, next + CLIENTS);
    atomic_store(&house->gateway.lingering_refused, LINGERING);
    while (counted(house, COUNTER_CONNECTIONS) < GUESTS)
        turn(house);
    assert_int_equal(house->count, CLIENTS);
    assert_int_equal(quota_used(&house->gateway.quotas, QUOTA_CONNECTIONS), CLIENTS);
    assert_int_equal(house->gateway.quotas.row[QUOTA_CONNECTIONS].refused, GUESTS - CLIENTS);
    assert_int_equal(counted(house, COUNTER_REFUSED_CONNECTION), GUESTS - CLIENTS);
    highest = dup(0);
    assert_true(highest <= next + CLIENTS + LINGERING);
    close(highest);
    for (unsigned i = 0; i < GUESTS; i++)
        close(guest[i]);
    close_house(house);
}

/* Without descriptors it pauses instead of spinning, and goes on by itself. */
static void test_no_descriptors(void **state)
{
    struct house *house = open_house(100);
    struct rlimit limit, low;
    (void)state;
    int guest = enter(house), next = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    close(next);
    low = (struct rlimit){(rlim_t)next, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (counted(house, COUNTER_ACCEPT_PAUSES) < 1)
        turn(house);
    assert_int_equal(uv_run(reactor_loop(house->reactor), UV_RUN_NOWAIT) > 0, 1);
    assert_int_equal(counted(house, COUNTER_ACCEPT_PAUSES), 1); /* nothing to do until the pause is over */
    while (counted(house, COUNTER_ACCEPT_PAUSES) < 2)
        turn(house);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (house->count < 1)
        turn(house);
    close(guest);
    close_house(house);
}

/* Who is connected when a drain begins is not turned away. */
static void test_stop_takes_the_backlog(void **state)
{
    struct house *house = open_house(100);
    int guest[10];
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(guest); i++)
        guest[i] = enter(house);
    assert_int_equal(house->count, 0);
    acceptor_stop(house->acceptor);
    assert_int_equal(house->count, ARRAY_SIZE(guest));
    acceptor_stop(house->acceptor);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct address *address = listening_address(house->listening);
    assert_int_equal(connect(fd, &address->any, address->size), -1);
    close(fd);
    for (unsigned i = 0; i < ARRAY_SIZE(guest); i++)
        close(guest[i]);
    close_house(house);
}

/* Who has begun gets in; who has not is dropped by the kernel, and refused when the socket is closed. */
static void test_shut(void **state UNUSED)
{
    enum { PATIENCE_MS = 30000 };
    struct house *house = open_house(10);
    const struct address *address = listening_address(house->listening);
    int before = enter(house), late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t size = sizeof(error);
    acceptor_shut(house->acceptor);
    assert_int_equal(connect(late, &address->any, address->size), -1);
    assert_int_equal(errno, EINPROGRESS);
    struct pollfd answer = {.fd = late, .events = POLLOUT};
    assert_int_equal(poll(&answer, 1, 0), 0);
    acceptor_stop(house->acceptor);
    assert_int_equal(house->count, 1);
    assert_int_equal(write(before, "served", 6), 6);
    assert_int_equal(recv(house->taken[0], &(char[6]){0}, 6, MSG_WAITALL), 6);
    assert_int_equal(poll(&answer, 1, PATIENCE_MS), 1);
    assert_int_equal(getsockopt(late, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    assert_int_equal(error, ECONNREFUSED);
    acceptor_shut(house->acceptor); /* harmless now */
    close(before), close(late);
    close_house(house);
}

static void test_shut_unix(void **state UNUSED)
{
    struct address address;
    struct house *house = open_house(10), *other = calloc(1, sizeof(*other));
    char path[64];
    assert_non_null(other);
    (void)snprintf(path, sizeof(path), "unix:/tmp/weir-test-%d.sock", (int)getpid());
    assert_int_equal(address_parse(span_of(path), &address), 0);
    assert_int_equal(listening_open(&address, 1, &other->listening), 0);
    assert_int_equal(
        acceptor_new(house->reactor, listening_take(other->listening, 0), on_accepted, other, &other->acceptor), 0);
    acceptor_shut(other->acceptor); /* a Unix socket knows no SYN */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &address.any, address.size), 0);
    acceptor_stop(other->acceptor);
    assert_int_equal(other->count, 1);
    acceptor_free(other->acceptor, on_freed, other);
    while (!other->freed)
        turn(house);
    close(fd), close(other->taken[0]);
    listening_close(other->listening);
    free(other);
    close_house(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_to_the_limit),
        cmocka_unit_test(test_many_refusals_keep_few_sockets),
        cmocka_unit_test(test_descriptors_for_clients),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_stop_takes_the_backlog),
        cmocka_unit_test(test_shut),
        cmocka_unit_test(test_shut_unix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

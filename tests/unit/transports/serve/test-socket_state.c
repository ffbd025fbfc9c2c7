/* Unit tests of transports/serve/socket_state.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/serve/socket_state.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connected pair over TCP (ends[0] is the accepted one) or over Unix sockets. */
static void connect_pair(bool tcp, int ends[2])
{
    if (!tcp) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        return;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[1], (struct sockaddr *)&address, size), 0);
    ends[0] = accept(listener, NULL, NULL);
    assert_true(ends[0] >= 0);
    close(listener);
}

static void wait_readable(int fd)
{
    char byte;
    assert_true(recv(fd, &byte, 1, MSG_PEEK) >= 0);
}

static void check_life(bool tcp)
{
    int ends[2];
    char bytes[3];
    connect_pair(tcp, ends);
    assert_false(socket_state_has_input(ends[0]));
    assert_false(socket_state_at_end(ends[0]));
    assert_int_equal(write(ends[1], "abc", 3), 3);
    wait_readable(ends[0]);
    assert_true(socket_state_has_input(ends[0]));
    assert_int_equal(socket_state_received(ends[0]), tcp ? 3 : 0);
    shutdown(ends[1], SHUT_WR);
    assert_false(socket_state_at_end(ends[0])); /* three bytes are left to read */
    assert_int_equal(read(ends[0], bytes, 3), 3);
    wait_readable(ends[0]);
    assert_true(socket_state_at_end(ends[0]));
    assert_false(socket_state_has_input(ends[0]));
    assert_int_equal(socket_state_received(ends[0]), tcp ? 4 : 0);
    close(ends[0]);
    close(ends[1]);
    assert_true(socket_state_at_end(-1));
}

static void test_life_tcp(void **state)
{
    (void)state;
    check_life(true);
}

static void test_life_unix(void **state)
{
    (void)state;
    check_life(false);
}

/* A full socket stands still until the peer reads. */
static void test_progress(void **state)
{
    static char bytes[65536];
    int ends[2];
    (void)state;
    connect_pair(false, ends);
    while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    uint64_t before = socket_state_progress(ends[0]);
    assert_true(socket_state_progress(ends[0]) == before);
    for (unsigned i = 0; i < 4; i++)
        assert_true(read(ends[1], bytes, sizeof(bytes)) > 0);
    assert_true(socket_state_progress(ends[0]) > before);
    close(ends[0]);
    close(ends[1]);
}

/* What was not taken is gone with the connection, and the peer learns of it at once. */
static void test_forget(void **state)
{
    static char bytes[65536];
    int ends[2];
    (void)state;
    connect_pair(true, ends);
    while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    socket_state_forget(ends[0]);
    close(ends[0]);
    struct pollfd waiting = {.fd = ends[1]};
    assert_int_equal(poll(&waiting, 1, 10000), 1); /* nothing but an error can be told to who asks for nothing */
    assert_true(waiting.revents & POLLERR);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_tcp),
        cmocka_unit_test(test_life_unix),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of transports/serve/listening.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/serve/listening.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct address parse(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(span_of(text), &address), 0);
    return address;
}

static int connect_to(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, &address->any, address->size) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static void test_one_port_for_all(void **state)
{
    static const char *const rows[] = {"127.0.0.1:0", "[::1]:0"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address address = parse(rows[i]);
        struct listening *listening = NULL;
        int result = listening_open(&address, 3, &listening);
        if (result == -EADDRNOTAVAIL || result == -EAFNOSUPPORT)
            continue; /* a machine without IPv6 */
        assert_int_equal(result, 0);
        for (unsigned n = 0; n < 3; n++) {
            int fd = listening_take(listening, n);
            struct address bound = {.size = 0};
            socklen_t size = sizeof(bound.ipv6);
            assert_true(fd >= 0);
            assert_int_equal(getsockname(fd, &bound.any, &size), 0);
            assert_int_equal(bound.ipv4.sin_port, listening_address(listening)->ipv4.sin_port);
            assert_int_not_equal(bound.ipv4.sin_port, 0);
            assert_int_equal(listening_take(listening, n), -1);
            close(fd);
        }
        assert_int_equal(listening_take(listening, 3), -1);
        listening_close(listening);
    }
}

static void test_refusals(void **state)
{
    struct address address = parse("127.0.0.1:0"), foreign = parse("192.0.2.1:0");
    struct listening *listening = NULL;
    (void)state;
    assert_int_equal(listening_open(&address, 0, &listening), -EINVAL);
    assert_int_equal(listening_open(&address, LISTENING_MAX_SOCKETS + 1, &listening), -EINVAL);
    assert_int_equal(listening_open(&foreign, 1, &listening), -EADDRNOTAVAIL);
    assert_null(listening);
    listening_close(NULL);
}

static void test_unix_socket(void **state)
{
    char text[ADDRESS_BYTES], directory[] = "/tmp/weir-test-XXXXXX";
    struct listening *listening = NULL, *other = NULL;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(text, sizeof(text), "unix:%s/socket", directory);
    struct address address = parse(text);

    /* What a process that was killed leaves behind. */
    int left = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(left, &address.any, address.size), 0);
    close(left);
    assert_int_equal(listening_open(&address, 2, &listening), 0);

    int fd = connect_to(&address);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(listening_open(&address, 1, &other), -EADDRINUSE);
    fd = connect_to(&address); /* and the first one has not lost its path by that */
    assert_true(fd >= 0);
    close(fd);

    int first = listening_take(listening, 0), second = listening_take(listening, 1);
    assert_true(first >= 0 && second >= 0 && first != second);
    close(first);
    close(second);
    listening_close(listening);
    assert_int_equal(access(address.local.sun_path, F_OK), -1);
    assert_int_equal(rmdir(directory), 0);
}

/* A file that is no socket is nobody's to remove. */
static void test_a_file_stays(void **state)
{
    char text[ADDRESS_BYTES], path[] = "/tmp/weir-test-XXXXXX";
    struct listening *listening;
    (void)state;
    close(mkstemp(path));
    snprintf(text, sizeof(text), "unix:%s", path);
    struct address address = parse(text);
    assert_int_equal(listening_open(&address, 1, &listening), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_port_for_all),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_a_file_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

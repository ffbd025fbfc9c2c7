/* Unit tests of transports/serve/refusal.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/serve/refusal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_text(void **state)
{
    static const struct {
        enum error_name error;
        unsigned retry_after_s;
        const char *line;
    } rows[] = {
        {ERROR_REQUEST_TIMEOUT, 0, "HTTP/1.1 408 Request Timeout\r\n"},
        {ERROR_PAYLOAD_TOO_LARGE, 0, "HTTP/1.1 413 Content Too Large\r\n"},
        {ERROR_OVER_CAPACITY, 7, "HTTP/1.1 503 Service Unavailable\r\n"},
        {ERROR_BAD_HTTP, 0, "HTTP/1.1 400 Refused\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[2048] = "", length[64];
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        refusal_send(ends[0], rows[i].error, rows[i].retry_after_s);
        assert_true(read(ends[1], text, sizeof(text) - 1) > 0);
        assert_memory_equal(text, rows[i].line, strlen(rows[i].line));
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        assert_int_equal(strstr(text, "\r\nRetry-After: 7\r\n") != NULL, rows[i].retry_after_s == 7);
        const char *body = strstr(text, "\r\n\r\n");
        assert_non_null(body);
        snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(body + 4));
        assert_non_null(strstr(text, length));
        assert_memory_equal(body + 4, "{\"jsonrpc\":\"2.0\",", 17);
        close(ends[0]);
        close(ends[1]);
    }
}

/* Neither a full nor a dead socket holds anybody up. */
static void test_no_harm(void **state)
{
    static char bytes[65536];
    int ends[2];
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    refusal_send(ends[0], ERROR_REQUEST_TIMEOUT, 0);
    close(ends[1]);
    refusal_send(ends[0], ERROR_REQUEST_TIMEOUT, 0);
    close(ends[0]);
    refusal_send(-1, ERROR_REQUEST_TIMEOUT, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

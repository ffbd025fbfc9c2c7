/* A pump between real sockets: the peer on the one side, what stands for a library on the other, and the loop turned by
   hand. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "transports/serve/pump.h"

enum { LIMIT_MS = 20000, CHUNK = 32 * 1024 };

struct side { /* the peer, or the library */
    int fd;
    struct text got;
    bool at_end;
    bool reset;
};

struct bench {
    uv_loop_t loop;
    struct pumps *pumps;
    struct pump *pump;
    struct side peer, inner; /* what stands for a library has the inner end */
    int told;
    enum pump_reason reason;
    struct text *filtered;
    int (*order)(struct bench *bench, char *bytes, size_t size, struct pump_order *order);
};

static inline void on_ended(void *context, enum pump_reason reason)
{
    struct bench *bench = context;
    bench->told++;
    bench->reason = reason;
    bench->pump = NULL;
}

static inline void tcp_pair(int fd[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd[1], (struct sockaddr *)&address, size), 0);
    fd[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd[0] >= 0);
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    close(listener);
}

static inline void open_bench(struct bench *bench, struct pump_settings settings)
{
    int outer[2], inner[2];
    *bench = (struct bench){.filtered = bench->filtered, .order = bench->order};
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(pumps_new(&bench->loop, &bench->pumps), 0);
    tcp_pair(outer);
    assert_int_equal(pump_socketpair(inner), 0);
    bench->peer = (struct side){.fd = outer[1], .got = TEXT(64 * MIB)};
    bench->inner = (struct side){.fd = inner[1], .got = TEXT(64 * MIB)};
    settings.outer_fd = outer[0];
    settings.inner_fd = inner[0];
    settings.ended = on_ended;
    settings.context = bench;
    assert_int_equal(pump_new(bench->pumps, &settings, &bench->pump), 0);
}

static inline void hang_up(struct side *side)
{
    if (side->fd >= 0)
        close(side->fd);
    side->fd = -1;
}

static inline void close_bench(struct bench *bench)
{
    hang_up(&bench->peer);
    hang_up(&bench->inner);
    pumps_free(bench->pumps);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(bench->told, 1);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    text_done(&bench->peer.got);
    text_done(&bench->inner.got);
}

static inline void take(struct side *side)
{
    char *to = text_reserve(&side->got, CHUNK);
    assert_non_null(to);
    if (side->fd < 0 || side->at_end || side->reset)
        return;
    ssize_t size = recv(side->fd, to, CHUNK, MSG_DONTWAIT);
    if (size > 0)
        side->got.size += (size_t)size;
    else if (size == 0)
        side->at_end = true;
    else if (errno != EAGAIN)
        side->reset = true;
}

static inline bool put(struct side *side, struct span bytes)
{
    ssize_t sent = send(side->fd, bytes.at, bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == (ssize_t)bytes.size;
}

static inline void turn(struct bench *bench)
{
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

#define WAIT_FOR(bench, condition)                                                                                     \
    do {                                                                                                               \
        uint64_t wait_until = clock_now_ms() + LIMIT_MS;                                                               \
        while (!(condition)) {                                                                                         \
            assert_true(clock_now_ms() < wait_until);                                                                  \
            turn(bench);                                                                                               \
            take(&(bench)->peer);                                                                                      \
            take(&(bench)->inner);                                                                                     \
        }                                                                                                              \
    } while (0)

static inline void assert_got(const struct side *side, const char *text)
{
    assert_int_equal(side->got.size, strlen(text));
    assert_memory_equal(side->got.at, text, strlen(text));
}

static inline void fill(char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = (char)(seed >> 16);
    }
}

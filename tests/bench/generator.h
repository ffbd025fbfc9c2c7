/* What the load generators share: the clock, sockets to loopback, files that are sent, latencies. A generator that
   cannot go on says why and ends with status 1. One thread; everything it keeps lives as long as the process. */
#pragma once
#include "gateway/base/defs.h"

enum { GENERATOR_MAX_SECONDS = 120 };

uint64_t generator_now_ns(void);
/* Of "1" or "0.25" seconds, GENERATOR_MAX_SECONDS at most; 0: that is no time. */
uint64_t generator_span_ns(const char *seconds);
/* Says the word, in a line of its own (or nothing), and waits for a line on standard input: whoever started us looks at
   the server meanwhile. */
void generator_pause(const char *word);
/* Says what failed, and errno. */
_Noreturn void generator_fail(const char *what);
/* At most `room` bytes of the file; fails when there is none. */
size_t generator_read_file(const char *path, char *out, size_t room);
/* The whole file on the heap. */
char *generator_load_file(const char *path, size_t *ret_size);

/* A blocking socket to 127.0.0.1, without Nagle's delay; source: the last two bytes of 127.0.x.y that it comes from, or
   0. -1 with errno when it cannot be connected. */
MUST_USE int generator_try_connect(int port, unsigned source);
int generator_connect(int port);
/* From now on it does not block, and its input is told to `epoll_fd` with `data`. */
void generator_watch(int epoll_fd, int fd, void *data);

/* Latencies in microseconds; those beyond `room` are not kept. */
struct samples {
    uint32_t *us;
    size_t count, room;
};
void samples_init(struct samples *samples, size_t room);
void samples_add(struct samples *samples, uint64_t since_ns);
void samples_sort(struct samples *samples);
/* Of sorted ones: part 0.99 is the 99th percentile, 1 the largest. 0 without any. */
uint32_t samples_at(const struct samples *samples, double part);

#include "tests/bench/generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t generator_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t generator_span_ns(const char *seconds)
{
    double number = strtod(seconds, NULL);
    return number > 0 && number <= GENERATOR_MAX_SECONDS ? (uint64_t)(number * 1e9) : 0;
}

void generator_pause(const char *word)
{
    char line[16];
    (void)printf("%s", word);
    (void)fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        generator_fail("standard input");
}

_Noreturn void generator_fail(const char *what)
{
    (void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

size_t generator_read_file(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(out, 1, room, file) : 0;
    if (size == 0)
        generator_fail(path);
    (void)fclose(file);
    return size;
}

char *generator_load_file(const char *path, size_t *ret_size)
{
    struct stat facts;
    char *bytes = stat(path, &facts) == 0 ? malloc((size_t)facts.st_size + 1) : NULL;
    if (!bytes)
        generator_fail(path);
    *ret_size = generator_read_file(path, bytes, (size_t)facts.st_size);
    return bytes;
}

static struct sockaddr_in loopback(int port, unsigned host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(0x7f000000U | (host ? host : 1));
    return address;
}

/* The port is chosen when the connection is made: then two to different places may have the same. */
static int bind_source(int fd, unsigned source)
{
    struct sockaddr_in address = loopback(0, source);
    int yes = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

int generator_try_connect(int port, unsigned source)
{
    struct sockaddr_in address = loopback(port, 1);
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        generator_fail("socket");
    if ((source != 0 && bind_source(fd, source) < 0) || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

int generator_connect(int port)
{
    int fd = generator_try_connect(port, 0);
    if (fd < 0)
        generator_fail("connect");
    return fd;
}

void generator_watch(int epoll_fd, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        generator_fail("fcntl");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        generator_fail("epoll_ctl");
}

void samples_init(struct samples *samples, size_t room)
{
    *samples = (struct samples){.us = calloc(room, sizeof(*samples->us)), .room = room};
    if (!samples->us)
        generator_fail("set-up");
}

void samples_add(struct samples *samples, uint64_t since_ns)
{
    if (samples->count < samples->room)
        samples->us[samples->count++] = (uint32_t)((generator_now_ns() - since_ns) / 1000);
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

void samples_sort(struct samples *samples)
{
    qsort(samples->us, samples->count, sizeof(*samples->us), by_value);
}

uint32_t samples_at(const struct samples *samples, double part)
{
    return samples->count == 0 ? 0 : samples->us[(size_t)((double)(samples->count - 1) * part)];
}

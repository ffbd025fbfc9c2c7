/* Load from outside: one thread, one epoll, bounded in time and count, to loopback only.

     load rate PORT CONNECTIONS SECONDS REQUEST      sends the bytes of the file REQUEST over and over on kept-alive
   connections and prints requests, failures (status other than 200) and latencies in microseconds load streams PORT
   COUNT REQUEST TRIGGER         opens COUNT streams with REQUEST, says so, waits for a line on standard input, sends
   TRIGGER once and prints how long it took until every stream had an event

   Answers are read by their Content-Length; what a stream sends is counted by its event terminators. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/span.h"

enum { MAX_CONNECTIONS = 16000, MAX_REQUEST = 65536, MAX_ANSWER = 16384, MAX_SECONDS = 120, MAX_SAMPLES = 8000000 };

struct connection {
    int fd;
    uint64_t sent_ns;
    size_t have;
    bool listening; /* a stream that has its first event */
    char answer[MAX_ANSWER];
};

static struct connection *connections;
static char request[MAX_REQUEST];
static size_t request_size;
static uint32_t *samples_us;
static size_t samples, failures;
static int epoll_fd;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t read_file(const char *path, char *out)
{
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(out, 1, MAX_REQUEST, file) : 0;
    if (size == 0)
        fail(path);
    (void)fclose(file);
    return size;
}

static void open_connection(struct connection *connection, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        fail("epoll_ctl");
}

static void send_request(struct connection *connection)
{
    connection->sent_ns = now_ns();
    connection->have = 0;
    if (write(connection->fd, request, request_size) != (ssize_t)request_size)
        fail("write");
}

static ssize_t receive(struct connection *connection)
{
    ssize_t got = read(connection->fd, connection->answer + connection->have, MAX_ANSWER - 1 - connection->have);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        fail("the server closed a connection");
    if (got > 0)
        connection->have += (size_t)got;
    connection->answer[connection->have] = '\0';
    return got;
}

/* The whole answer is there. */
static bool answered(const struct connection *connection)
{
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    if (!end || !length)
        return false;
    return connection->have >= (size_t)(end + 4 - connection->answer) + strtoul(length + 17, NULL, 10);
}

/* ---- rate ---- */

static void note(const struct connection *connection)
{
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0)
        failures++;
    if (samples < MAX_SAMPLES)
        samples_us[samples++] = (uint32_t)((now_ns() - connection->sent_ns) / 1000);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void run_rate(int count, int seconds)
{
    struct epoll_event events[256];
    uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t)seconds * 1000000000;
    for (int i = 0; i < count; i++)
        send_request(&connections[i]);
    while (now_ns() < end_ns) {
        /* Never asleep: waking the client would be charged to the server, and the more so the slower it is. */
        int ready = epoll_wait(epoll_fd, events, 256, 0);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (receive(connection) > 0 && answered(connection)) {
                note(connection);
                send_request(connection);
            }
        }
    }
    double elapsed_s = (double)(now_ns() - start_ns) / 1e9;
    qsort(samples_us, samples, sizeof(*samples_us), by_value);
    printf("{\"requests\":%zu,\"failures\":%zu,\"per_second\":%.0f,\"p50_us\":%u,\"p99_us\":%u}\n", samples, failures,
           (double)samples / elapsed_s, samples ? samples_us[samples / 2] : 0,
           samples ? samples_us[samples * 99 / 100] : 0);
}

/* ---- streams ---- */

static size_t count_events(const struct connection *connection)
{
    size_t count = 0;
    for (const char *at = strstr(connection->answer, "data:"); at; at = strstr(at + 5, "data:"))
        count++;
    return count;
}

/* Until `wanted` streams have at least `events` events each. */
static void await_events(int wanted, size_t events_each)
{
    struct epoll_event events[1024];
    uint64_t end_ns = now_ns() + (uint64_t)MAX_SECONDS * 1000000000;
    for (int done = 0; done < wanted;) {
        int ready = epoll_wait(epoll_fd, events, 1024, 1000);
        if (now_ns() > end_ns) {
            errno = ETIMEDOUT;
            fail("events");
        }
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            bool had = count_events(connection) >= events_each;
            if (receive(connection) > 0 && !had && count_events(connection) >= events_each)
                done++;
        }
    }
}

static void run_streams(int port, int count, const char *trigger_path)
{
    char line[16];
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i], port);
        send_request(&connections[i]);
    }
    await_events(count, 1); /* the acknowledgement */
    printf("open\n");
    (void)fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        fail("standard input");
    request_size = read_file(trigger_path, request);
    struct connection *caller = &connections[count];
    open_connection(caller, port);
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, caller->fd, NULL);
    send_request(caller);
    await_events(count, 2);
    printf("{\"streams\":%d,\"all_ms\":%.1f}\n", count, (double)(now_ns() - caller->sent_ns) / 1e6);
}

int main(int argc, char **argv)
{
    bool rate = argc == 6 && strcmp(argv[1], "rate") == 0;
    if (!rate && !(argc == 6 && strcmp(argv[1], "streams") == 0)) {
        (void)fprintf(stderr,
                      "usage: load rate PORT CONNECTIONS SECONDS REQUEST | load streams PORT COUNT REQUEST TRIGGER\n");
        return 2;
    }
    int port = (int)strtol(argv[2], NULL, 10), count = (int)strtol(argv[3], NULL, 10);
    int seconds = rate ? (int)strtol(argv[4], NULL, 10) : 1;
    if (port < 1 || port > 65535 || count < 1 || count >= MAX_CONNECTIONS || seconds < 1 || seconds > MAX_SECONDS)
        return 2;
    connections = calloc((size_t)count + 1, sizeof(*connections));
    samples_us = calloc(MAX_SAMPLES, sizeof(*samples_us));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || !samples_us || epoll_fd < 0)
        fail("set-up");
    request_size = read_file(argv[rate ? 5 : 4], request);
    if (rate) {
        for (int i = 0; i < count; i++)
            open_connection(&connections[i], port);
        run_rate(count, seconds);
    } else {
        run_streams(port, count, argv[5]);
    }
    return 0;
}

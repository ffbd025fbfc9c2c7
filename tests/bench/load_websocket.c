/* Load over WebSocket: one thread, one epoll, bounded in time and count, to loopback only.

     load_websocket rate PORT CONNECTIONS SECONDS MESSAGE   sends the message of the file MESSAGE over and over, one at
   a time on each connection; prints requests, failures (answers that hold an error) and latencies in microseconds
     load_websocket idle PORT COUNT                         opens COUNT connections, says so, and keeps them until there
   is a line on standard input; pings are answered
*/
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "gateway/base/span.h"
#include "tests/bench/generator.h"

enum { MAX_CONNECTIONS = 16000, MAX_MESSAGE = 65536, MAX_ANSWER = 8192, MAX_SAMPLES = 4000000 };

struct connection {
    int fd;
    uint64_t sent_ns;
    size_t have;
    char answer[MAX_ANSWER];
};

static const char upgrade[] =
    "GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n";
static const char mask[4] = {0x12, 0x34, 0x56, 0x78};

static struct connection *connections;
static char frame[MAX_MESSAGE + 8];
static size_t frame_size;
static struct samples samples;
static size_t failures;
static int epoll_fd;

/* A masked frame of the file's bytes. */
static void make_frame(const char *path)
{
    static char message[MAX_MESSAGE];
    size_t size = generator_read_file(path, message, sizeof(message) - 1);
    size_t head = size < 126 ? 2 : 4;
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | (head == 2 ? size : 126));
    frame[2] = (char)(size >> 8);
    frame[3] = (char)(size & 0xff);
    memcpy(frame + head, mask, sizeof(mask));
    for (size_t i = 0; i < size; i++)
        frame[head + sizeof(mask) + i] = (char)(message[i] ^ mask[i % sizeof(mask)]);
    frame_size = head + sizeof(mask) + size;
}

static void write_all(const struct connection *connection, const char *bytes, size_t size)
{
    if (write(connection->fd, bytes, size) != (ssize_t)size)
        generator_fail("write");
}

static void open_connection(struct connection *connection, int port)
{
    connection->fd = generator_connect(port);
    write_all(connection, upgrade, sizeof(upgrade) - 1);
    ssize_t got = read(connection->fd, connection->answer, MAX_ANSWER);
    if (got < 16 || memcmp(connection->answer, "HTTP/1.1 101", 12) != 0 ||
        memcmp(connection->answer + got - 4, "\r\n\r\n", 4) != 0)
        generator_fail("the upgrade");
    generator_watch(epoll_fd, connection->fd, connection);
}

static void open_all(size_t count, int port)
{
    for (size_t i = 0; i < count; i++)
        open_connection(&connections[i], port);
}

/* The size of the first frame, or 0: it is not complete. */
static size_t whole_frame(const struct connection *connection)
{
    const unsigned char *at = (const unsigned char *)connection->answer;
    if (connection->have < 4)
        return connection->have >= 2 && (at[1] & 0x7f) == 0 ? 2 : 0;
    size_t length = at[1] & 0x7f;
    size_t size = length == 126 ? 4 + ((size_t)at[2] << 8 | at[3]) : 2 + length;
    if (length == 127 || size > MAX_ANSWER)
        generator_fail("an answer is too large");
    return connection->have >= size ? size : 0;
}

static void send_message(struct connection *connection)
{
    connection->sent_ns = generator_now_ns();
    write_all(connection, frame, frame_size);
}

static void take_answer(struct connection *connection, size_t size)
{
    static const char pong[] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};
    if ((connection->answer[0] & 0x0f) == 9) {
        write_all(connection, pong, sizeof(pong));
        return;
    }
    samples_add(&samples, connection->sent_ns);
    if (connection->answer[0] != (char)0x81 || memmem(connection->answer, size, "\"error\"", 7))
        failures++;
}

/* Whether a message was answered. */
static bool receive(struct connection *connection)
{
    bool answered = false;
    ssize_t got = read(connection->fd, connection->answer + connection->have, MAX_ANSWER - connection->have);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        generator_fail("the server closed a connection");
    connection->have += got > 0 ? (size_t)got : 0;
    for (size_t size = whole_frame(connection); size > 0; size = whole_frame(connection)) {
        answered = answered || (connection->answer[0] & 0x0f) == 1;
        take_answer(connection, size);
        connection->have -= size;
        memmove(connection->answer, connection->answer + size, connection->have);
    }
    return answered;
}

/* The wait never sleeps: waking the generator would be charged to the server. */
static int rate(int port, size_t count, uint64_t span_ns)
{
    struct epoll_event events[256];
    open_all(count, port);
    generator_pause("open\n");
    uint64_t began = generator_now_ns(), end = began + span_ns;
    for (size_t i = 0; i < count; i++)
        send_message(&connections[i]);
    while (generator_now_ns() < end) {
        int ready = epoll_wait(epoll_fd, events, 256, 0);
        for (int i = 0; i < ready; i++)
            if (receive(events[i].data.ptr))
                send_message(events[i].data.ptr);
    }
    double spent = (double)(generator_now_ns() - began) / 1e9;
    samples_sort(&samples);
    (void)printf("{\"requests\": %zu, \"failures\": %zu, \"per_second\": %.0f, \"p50_us\": %u, \"p99_us\": %u}\n",
                 samples.count, failures, (double)samples.count / spent, samples_at(&samples, 0.5),
                 samples_at(&samples, 0.99));
    generator_pause("");
    return 0;
}

static int idle(int port, size_t count)
{
    struct epoll_event events[256];
    open_all(count, port);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        generator_fail("epoll_ctl");
    (void)printf("open\n");
    (void)fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (!events[i].data.ptr)
                return 0;
            (void)receive(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    size_t count = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    int port = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(MAX_CONNECTIONS, sizeof(*connections));
    samples_init(&samples, MAX_SAMPLES);
    if (!connections || epoll_fd < 0)
        generator_fail("start");
    if (argc == 6 && strcmp(argv[1], "rate") == 0 && count >= 1 && count <= MAX_CONNECTIONS) {
        make_frame(argv[5]);
        return rate(port, count, generator_span_ns(argv[4]));
    }
    if (argc == 4 && strcmp(argv[1], "idle") == 0 && count >= 1 && count <= MAX_CONNECTIONS)
        return idle(port, count);
    (void)fprintf(stderr, "usage: see the head of tests/bench/load_websocket.c\n");
    return 2;
}

/* Pipelined messages over TCP, one a line: one thread, one epoll, bounded in time, to loopback only.

     load_lines PORT CONNECTIONS SECONDS MESSAGE   keeps DEPTH messages of the file MESSAGE under way on each
   connection; prints how many were answered, failures (an answer with an error), and the rate
*/
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/generator.h"

enum { MAX_CONNECTIONS = 1000, MAX_MESSAGE = 4096, MAX_SECONDS = 120, DEPTH = 32, ANSWER_BYTES = 65536 };

struct connection {
    int fd;
    size_t owed; /* answers */
};

static struct connection connections[MAX_CONNECTIONS];
static char batch[MAX_MESSAGE * DEPTH];
static size_t batch_size, answers, failures;

static void make_batch(const char *path)
{
    char message[MAX_MESSAGE];
    size_t size = generator_read_file(path, message, sizeof(message) - 1);
    message[size++] = '\n';
    for (unsigned i = 0; i < DEPTH; i++, batch_size += size)
        memcpy(batch + batch_size, message, size);
}

/* A batch is small enough for the socket that has just been read empty. */
static void send_batch(struct connection *connection)
{
    if (write(connection->fd, batch, batch_size) != (ssize_t)batch_size)
        generator_fail("write");
    connection->owed = DEPTH;
}

static void receive(struct connection *connection)
{
    static char bytes[ANSWER_BYTES];
    ssize_t got = read(connection->fd, bytes, sizeof(bytes));
    if (got == 0 || (got < 0 && errno != EAGAIN))
        generator_fail("the server closed a connection");
    for (char *at = bytes, *end; got > 0 && (end = memchr(at, '\n', (size_t)(bytes + got - at))); at = end + 1) {
        answers++;
        connection->owed--;
        failures += memmem(at, (size_t)(end - at), "\"error\"", 7) != NULL;
    }
    if (connection->owed == 0)
        send_batch(connection);
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];
    size_t count = argc == 5 ? strtoul(argv[2], NULL, 10) : 0, seconds = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (count < 1 || count > MAX_CONNECTIONS || seconds < 1 || seconds > MAX_SECONDS || epoll_fd < 0) {
        (void)fprintf(stderr, "usage: load_lines PORT CONNECTIONS SECONDS MESSAGE\n");
        return 2;
    }
    make_batch(argv[4]);
    for (size_t i = 0; i < count; i++) {
        connections[i].fd = generator_connect((int)strtol(argv[1], NULL, 10));
        generator_watch(epoll_fd, connections[i].fd, &connections[i]);
        send_batch(&connections[i]);
    }
    uint64_t start_ns = generator_now_ns(), end_ns = start_ns + seconds * UINT64_C(1000000000);
    while (generator_now_ns() < end_ns) {
        int ready = epoll_wait(epoll_fd, events, 64, 100);
        for (int i = 0; i < ready; i++)
            receive(events[i].data.ptr);
    }
    printf("{\"messages\":%zu,\"failures\":%zu,\"per_second\":%.0f}\n", answers, failures,
           (double)answers * 1e9 / (double)(generator_now_ns() - start_ns));
    return 0;
}

/* Load from outside: one thread, one epoll, bounded in time and count, to loopback only.

     load rate PORT CONNECTIONS SECONDS REQUEST        sends the bytes of the file REQUEST over and over on kept-alive
                                                       connections; prints requests, failures (status other than 200)
                                                       and latencies in microseconds
     load tls-rate PORT CONNECTIONS SECONDS REQUEST    the same over TLS
     load handshakes PORT CONNECTIONS SECONDS REQUEST  over TLS, too, each request on a connection of its own with a
   full handshake load streams PORT COUNT REQUEST TRIGGER           opens COUNT streams with REQUEST, says so, waits for
   a line on standard input, sends TRIGGER once and prints how long it took until every stream had an event load
   tls-idle PORT COUNT REQUEST TRIGGER          opens COUNT connections over TLS, makes one request on each, says so and
   keeps them until there is a line on standard input

   Answers are read by their Content-Length; what a stream sends is counted by its event terminators. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/span.h"

enum { MAX_CONNECTIONS = 16000, MAX_REQUEST = 65536, MAX_ANSWER = 16384, MAX_SECONDS = 120, MAX_SAMPLES = 8000000 };

struct connection {
    int fd;
    SSL *ssl; /* NULL: plain */
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
static SSL_CTX *tls; /* NULL: plain */

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
    if (tls) {
        connection->ssl = SSL_new(tls);
        if (!connection->ssl || SSL_set_fd(connection->ssl, connection->fd) != 1)
            fail("SSL_new");
        SSL_set_connect_state(connection->ssl);
    }
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        fail("epoll_ctl");
}

static void close_connection(struct connection *connection)
{
    if (connection->ssl) {
        SSL_shutdown(connection->ssl);
        SSL_free(connection->ssl);
    }
    close(connection->fd);
}

/* Whether the handshake is done. The server speaks last, so that we have to wait for it only once. */
static bool shake_hands(struct connection *connection)
{
    int result = SSL_do_handshake(connection->ssl);
    if (result == 1)
        return true;
    if (SSL_get_error(connection->ssl, result) != SSL_ERROR_WANT_READ)
        fail("handshake");
    return false;
}

static void send_request(struct connection *connection)
{
    connection->sent_ns = now_ns();
    connection->have = 0;
    if (connection->ssl) {
        if (SSL_write(connection->ssl, request, (int)request_size) != (int)request_size)
            fail("SSL_write");
        return;
    }
    if (write(connection->fd, request, request_size) != (ssize_t)request_size)
        fail("write");
}

static ssize_t read_tls(struct connection *connection, char *bytes, size_t room)
{
    int got = SSL_read(connection->ssl, bytes, (int)room);
    if (got > 0)
        return got;
    errno = EAGAIN;
    return SSL_get_error(connection->ssl, got) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static ssize_t receive(struct connection *connection)
{
    char *to = connection->answer + connection->have;
    size_t room = MAX_ANSWER - 1 - connection->have;
    ssize_t got = connection->ssl ? read_tls(connection, to, room) : read(connection->fd, to, room);
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

static void print_rate(uint64_t start_ns)
{
    double elapsed_s = (double)(now_ns() - start_ns) / 1e9;
    qsort(samples_us, samples, sizeof(*samples_us), by_value);
    printf("{\"requests\":%zu,\"failures\":%zu,\"per_second\":%.0f,\"p50_us\":%u,\"p99_us\":%u}\n", samples, failures,
           (double)samples / elapsed_s, samples ? samples_us[samples / 2] : 0,
           samples ? samples_us[samples * 99 / 100] : 0);
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
    print_rate(start_ns);
}

/* ---- TLS ---- */

static void start_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls)
        fail("SSL_CTX_new");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
}

/* One after the other: a server bounds how many it shakes hands with at once. */
static void open_tls(int port, int count)
{
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i], port);
        while (!shake_hands(&connections[i]))
            ;
    }
}

/* Connects, agrees, asks, and when the answer has come begins anew. */
static void step_handshake(struct connection *connection, int port)
{
    if (!SSL_is_init_finished(connection->ssl)) {
        uint64_t begun_ns = connection->sent_ns;
        if (!shake_hands(connection))
            return;
        send_request(connection);
        connection->sent_ns = begun_ns;
    }
    if (receive(connection) <= 0 || !answered(connection))
        return;
    note(connection);
    close_connection(connection);
    open_connection(connection, port);
    connection->sent_ns = now_ns();
    (void)shake_hands(connection);
}

static void run_handshakes(int port, int count, int seconds)
{
    struct epoll_event events[256];
    uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t)seconds * 1000000000;
    for (int i = 0; i < count; i++) {
        connections[i].sent_ns = start_ns;
        (void)shake_hands(&connections[i]);
    }
    while (now_ns() < end_ns) {
        int ready = epoll_wait(epoll_fd, events, 256, 0);
        for (int i = 0; i < ready; i++)
            step_handshake(events[i].data.ptr, port);
    }
    print_rate(start_ns);
}

static void run_idle(int count)
{
    char line[16];
    for (int i = 0; i < count; i++) {
        send_request(&connections[i]);
        while (receive(&connections[i]) <= 0 || !answered(&connections[i]))
            ;
    }
    printf("open\n");
    (void)fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        fail("standard input");
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

static int usage(void)
{
    (void)fprintf(stderr, "usage: load rate|tls-rate|handshakes PORT CONNECTIONS SECONDS REQUEST | "
                          "load streams|tls-idle PORT COUNT REQUEST TRIGGER\n");
    return 2;
}

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
    const char *mode = argc == 6 ? argv[1] : "";
    bool streams = strcmp(mode, "streams") == 0, idle = strcmp(mode, "tls-idle") == 0;
    bool handshakes = strcmp(mode, "handshakes") == 0, tls_rate = strcmp(mode, "tls-rate") == 0;
    if (!streams && !idle && !handshakes && !tls_rate && strcmp(mode, "rate") != 0)
        return usage();
    int port = number(argv[2]), count = number(argv[3]), seconds = streams || idle ? 1 : number(argv[4]);
    if (port < 1 || port > 65535 || count < 1 || count >= MAX_CONNECTIONS || seconds < 1 || seconds > MAX_SECONDS)
        return usage();
    connections = calloc((size_t)count + 1, sizeof(*connections));
    samples_us = calloc(MAX_SAMPLES, sizeof(*samples_us));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || !samples_us || epoll_fd < 0)
        fail("set-up");
    request_size = read_file(argv[streams || idle ? 4 : 5], request);
    if (handshakes || tls_rate || idle)
        start_tls();
    if (streams) {
        run_streams(port, count, argv[5]);
        return 0;
    }
    if (tls_rate || idle)
        open_tls(port, count);
    for (int i = 0; i < count && !tls_rate && !idle; i++)
        open_connection(&connections[i], port);
    if (idle)
        run_idle(count);
    else if (handshakes)
        run_handshakes(port, count, seconds);
    else
        run_rate(count, seconds);
    return 0;
}

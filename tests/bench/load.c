/* Load from outside: one thread, one epoll, bounded in time and count, to loopback only.

     load rate PORT CONNECTIONS SECONDS REQUEST        sends the bytes of the file REQUEST over and over on kept-alive
                                                       connections; prints requests, failures (status other than 200)
                                                       and latencies in microseconds
     load fresh PORT CONNECTIONS SECONDS REQUEST       the same, each on a connection of its own, which the server ends
     load fresh-429 PORT CONNECTIONS SECONDS REQUEST   the same, where all are to be answered with 429
     load beside PORT CONNECTIONS SECONDS REQUEST      as rate, and beside it the file REQUEST-guess a thousand times a
                                                       second from 127.0.0.2, on connections of their own

     load tls-rate PORT CONNECTIONS SECONDS REQUEST    the same over TLS 1.3

     load handshakes PORT CONNECTIONS SECONDS REQUEST  over TLS 1.3, too, each request on a connection of its own with a
                                                       full handshake

     load streams PORT COUNT REQUEST TRIGGER           opens COUNT streams with REQUEST, says so, waits for a line on
                                                       standard input, sends TRIGGER once and prints how long it took
                                                       until every stream had an event

     load tls-idle PORT COUNT REQUEST TRIGGER          opens COUNT connections over TLS 1.3, makes one request on each,
                                                       says so and keeps them until there is a line on standard input

   Where there is a time, the connections are opened first; then it says so and begins when there is a line on standard
   input, and it ends when there is another one after its figures.

   Answers are read by their Content-Length; what a stream sends is counted by its event terminators. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "gateway/base/span.h"
#include "tests/bench/generator.h"

enum { MAX_LOOKED_AT = 3, GUESSERS = 64, GUESS_EVERY_NS = 1000000, GUESSER = 2 /* 127.0.0.2 */ };
enum { MAX_CONNECTIONS = 16000, MAX_REQUEST = 65536, MAX_ANSWER = 16384, MAX_SAMPLES = 8000000 };

struct connection {
    int fd;
    SSL *ssl; /* NULL: plain */
    uint64_t sent_ns;
    size_t have;
    bool listening; /* a stream that has its first event */
    bool guesses;
    char answer[MAX_ANSWER];
};

static struct connection *connections;
static char request[MAX_REQUEST];
static size_t request_size;
static struct samples samples;
static size_t failures, guesses;
static unsigned looked_at;
static const char served[] = "HTTP/1.1 200";
static const char *expected = served;
static int epoll_fd;
static SSL_CTX *tls; /* NULL: plain */

static void open_from(struct connection *connection, int port, unsigned source)
{
    connection->fd = generator_try_connect(port, source);
    if (connection->fd < 0)
        generator_fail("connect");
    if (tls) {
        connection->ssl = SSL_new(tls);
        if (!connection->ssl || SSL_set_fd(connection->ssl, connection->fd) != 1)
            generator_fail("SSL_new");
        SSL_set_connect_state(connection->ssl);
    }
    generator_watch(epoll_fd, connection->fd, connection);
}

static void open_connection(struct connection *connection, int port)
{
    open_from(connection, port, 0);
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
        generator_fail("handshake");
    return false;
}

static void send_request(struct connection *connection)
{
    connection->sent_ns = generator_now_ns();
    connection->have = 0;
    if (connection->ssl) {
        if (SSL_write(connection->ssl, request, (int)request_size) != (int)request_size)
            generator_fail("SSL_write");
        return;
    }
    if (write(connection->fd, request, request_size) != (ssize_t)request_size)
        generator_fail("write");
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
        generator_fail("the server closed a connection");
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
    bool right = strncmp(connection->answer, expected, strlen(expected)) == 0;
    if (!right && expected != served && strncmp(connection->answer, "HTTP/1.1 401", 12) == 0)
        right = ++looked_at <= MAX_LOOKED_AT; /* a minute's attempts come back one by one */
    failures += !right;
    samples_add(&samples, connection->sent_ns);
}

static void print_rate(uint64_t start_ns)
{
    double elapsed_s = (double)(generator_now_ns() - start_ns) / 1e9;
    samples_sort(&samples);
    printf("{\"requests\":%zu,\"failures\":%zu,\"per_second\":%.0f,\"p50_us\":%u,\"p99_us\":%u,"
           "\"guesses\":%zu}\n",
           samples.count, failures, (double)samples.count / elapsed_s, samples_at(&samples, 0.5),
           samples_at(&samples, 0.99), guesses);
    generator_pause("");
}

/* On a connection that stays. */
static void ask_again(struct connection *connection, int port UNUSED)
{
    send_request(connection);
}

/* The answer is there, and the server has closed: the next one has a connection of its own. */
static void begin_anew(struct connection *connection, int port)
{
    close_connection(connection);
    open_connection(connection, port);
    send_request(connection);
}

static void run_rate(int port, int count, uint64_t span_ns, void (*next)(struct connection *connection, int port))
{
    struct epoll_event events[256];
    generator_pause("open\n");
    uint64_t start_ns = generator_now_ns(), end_ns = start_ns + span_ns;
    for (int i = 0; i < count; i++)
        send_request(&connections[i]);
    while (generator_now_ns() < end_ns) {
        /* Never asleep: waking the client would be charged to the server, and the more so the slower it is. */
        int ready = epoll_wait(epoll_fd, events, 256, 0);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (receive(connection) > 0 && answered(connection)) {
                note(connection);
                next(connection, port);
            }
        }
    }
    print_rate(start_ns);
}

/* ---- guesses beside calls ---- */

static char guess[MAX_REQUEST];
static size_t guess_size;

static void step_guess(struct connection *connection)
{
    if (receive(connection) <= 0 || !answered(connection))
        return;
    /* The first ones are looked at. */
    bool refused = strncmp(connection->answer, "HTTP/1.1 429", 12) == 0;
    failures += !refused && strncmp(connection->answer, "HTTP/1.1 401", 12) != 0;
    guesses += refused;
    close(connection->fd);
    connection->guesses = false;
}

/* Nothing if all guessers wait: then they are not answered as fast as they come, and the figures say so. */
static void begin_guess(struct connection *guessers, int port)
{
    struct connection *free_one = guessers;
    while (free_one < guessers + GUESSERS && free_one->guesses)
        free_one++;
    if (free_one == guessers + GUESSERS)
        return;
    open_from(free_one, port, GUESSER);
    free_one->guesses = true;
    free_one->have = 0;
    if (write(free_one->fd, guess, guess_size) != (ssize_t)guess_size)
        generator_fail("write");
}

static void run_beside(int port, int count, uint64_t span_ns)
{
    struct epoll_event events[256];
    struct connection *guessers = connections + count + 1;
    generator_pause("open\n");
    uint64_t start_ns = generator_now_ns(), end_ns = start_ns + span_ns, next_ns = start_ns, now_ns;
    for (int i = 0; i < count; i++)
        send_request(&connections[i]);
    while ((now_ns = generator_now_ns()) < end_ns) {
        int ready = epoll_wait(epoll_fd, events, 256, 0);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->guesses) {
                step_guess(connection);
            } else if (receive(connection) > 0 && answered(connection)) {
                note(connection);
                send_request(connection);
            }
        }
        if (now_ns >= next_ns) {
            begin_guess(guessers, port);
            next_ns += GUESS_EVERY_NS;
        }
    }
    print_rate(start_ns);
}

static void load_guess(const char *request_path)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s-guess", request_path);
    guess_size = generator_read_file(path, guess, MAX_REQUEST);
}

/* ---- TLS ---- */

static void start_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1)
        generator_fail("SSL_CTX_new");
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
    connection->sent_ns = generator_now_ns();
    (void)shake_hands(connection);
}

static void run_handshakes(int port, int count, uint64_t span_ns)
{
    struct epoll_event events[256];
    generator_pause("open\n");
    uint64_t start_ns = generator_now_ns(), end_ns = start_ns + span_ns;
    for (int i = 0; i < count; i++) {
        connections[i].sent_ns = start_ns;
        (void)shake_hands(&connections[i]);
    }
    while (generator_now_ns() < end_ns) {
        int ready = epoll_wait(epoll_fd, events, 256, 0);
        for (int i = 0; i < ready; i++)
            step_handshake(events[i].data.ptr, port);
    }
    print_rate(start_ns);
}

static void run_idle(int count)
{
    for (int i = 0; i < count; i++) {
        send_request(&connections[i]);
        while (receive(&connections[i]) <= 0 || !answered(&connections[i]))
            ;
    }
    generator_pause("open\n");
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
    uint64_t end_ns = generator_now_ns() + (uint64_t)GENERATOR_MAX_SECONDS * 1000000000;
    for (int done = 0; done < wanted;) {
        int ready = epoll_wait(epoll_fd, events, 1024, 1000);
        if (generator_now_ns() > end_ns) {
            errno = ETIMEDOUT;
            generator_fail("events");
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
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i], port);
        send_request(&connections[i]);
    }
    await_events(count, 1); /* the acknowledgement */
    generator_pause("open\n");
    request_size = generator_read_file(trigger_path, request, MAX_REQUEST);
    struct connection *caller = &connections[count];
    open_connection(caller, port);
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, caller->fd, NULL);
    send_request(caller);
    await_events(count, 2);
    printf("{\"streams\":%d,\"all_ms\":%.1f}\n", count, (double)(generator_now_ns() - caller->sent_ns) / 1e6);
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: load rate|fresh|fresh-429|beside|tls-rate|handshakes PORT CONNECTIONS SECONDS "
                          "REQUEST | "
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
    bool refused = strcmp(mode, "fresh-429") == 0, fresh = refused || strcmp(mode, "fresh") == 0;
    bool beside = strcmp(mode, "beside") == 0;
    if (!streams && !idle && !handshakes && !tls_rate && !fresh && !beside && strcmp(mode, "rate") != 0)
        return usage();
    int port = number(argv[2]), count = number(argv[3]);
    uint64_t span_ns = streams || idle ? 1 : generator_span_ns(argv[4]);
    if (port < 1 || port > 65535 || count < 1 || count >= MAX_CONNECTIONS || span_ns == 0)
        return usage();
    connections = calloc((size_t)count + 1 + GUESSERS, sizeof(*connections));
    samples_init(&samples, MAX_SAMPLES);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll_fd < 0)
        generator_fail("set-up");
    request_size = generator_read_file(argv[streams || idle ? 4 : 5], request, MAX_REQUEST);
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
    if (refused)
        expected = "HTTP/1.1 429";
    if (beside)
        load_guess(argv[5]);
    if (idle)
        run_idle(count);
    else if (fresh)
        run_rate(port, count, span_ns, begin_anew);
    else if (beside)
        run_beside(port, count, span_ns);
    else if (handshakes)
        run_handshakes(port, count, span_ns);
    else
        run_rate(port, count, span_ns, ask_again);
    return 0;
}

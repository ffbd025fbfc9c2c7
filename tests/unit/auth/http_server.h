/* An HTTP server for tests: a thread on a free port of loopback, one request per connection. What it answers can be
   changed at any time, and answers can be held back. And a waiter that a test can wait for. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "auth/authenticator.h"
#include "gateway/base/text.h"

enum { HTTP_SERVER_MAX_BYTES = 1024 * 1024, HTTP_SERVER_PATIENCE_S = 60 };

struct http_server {
    pthread_t thread;
    int listener;
    char url[64];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held, stopping;
    unsigned requests;   /* that were read whole */
    struct text answer;  /* bytes as they are sent */
    struct text request; /* the last one */
};

static inline void http_server_read(struct http_server *server, int connection)
{
    for (size_t wanted = SIZE_MAX; server->request.size < wanted;) {
        char *to = text_reserve(&server->request, 4096);
        ssize_t got = to ? read(connection, to, 4096) : -1;
        if (got <= 0)
            return;
        server->request.size += (size_t)got;
        text_terminate(&server->request);
        const char *end = strstr(server->request.at, "\r\n\r\n"),
                   *length = strstr(server->request.at, "Content-Length: ");
        if (end)
            wanted =
                (size_t)(end - server->request.at) + 4 + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
    }
}

static inline void http_server_serve(struct http_server *server, int connection)
{
    pthread_mutex_lock(&server->lock);
    text_clear(&server->request);
    http_server_read(server, connection);
    server->requests++;
    pthread_cond_broadcast(&server->changed);
    while (server->held && !server->stopping)
        pthread_cond_wait(&server->changed, &server->lock);
    struct span rest = server->stopping ? (struct span){NULL, 0} : text_span(&server->answer);
    while (rest.size > 0) {
        ssize_t sent = send(connection, rest.at, rest.size, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        rest = (struct span){rest.at + sent, rest.size - (size_t)sent};
    }
    pthread_mutex_unlock(&server->lock);
}

static inline void *http_server_run(void *data)
{
    struct http_server *server = data;
    for (;;) {
        int connection = accept(server->listener, NULL, NULL);
        if (connection < 0)
            return NULL; /* it was shut down */
        http_server_serve(server, connection);
        close(connection);
    }
}

static inline void http_server_start(struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    *server = (struct http_server){.answer = TEXT(HTTP_SERVER_MAX_BYTES), .request = TEXT(HTTP_SERVER_MAX_BYTES)};
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u/x", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, http_server_run, server), 0);
}

static inline void http_server_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    text_done(&server->answer);
    text_done(&server->request);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
}

/* "http://127.0.0.1:PORT/x", as long as the server is there. */
static inline const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

static inline void http_server_answer_raw(struct http_server *server, struct span bytes)
{
    pthread_mutex_lock(&server->lock);
    text_clear(&server->answer);
    text_add(&server->answer, bytes);
    pthread_mutex_unlock(&server->lock);
}

/* "200 OK" and a body of JSON. */
static inline void http_server_answer(struct http_server *server, const char *status, struct span body)
{
    CLEANUP(text_done) struct text bytes = TEXT(HTTP_SERVER_MAX_BYTES);
    text_addf(&bytes,
              "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
              status, body.size);
    text_add(&bytes, body);
    http_server_answer_raw(server, text_span(&bytes));
}

static inline void http_server_hold(struct http_server *server, bool held)
{
    pthread_mutex_lock(&server->lock);
    server->held = held;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static inline struct timespec http_server_deadline(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += HTTP_SERVER_PATIENCE_S;
    return time;
}

static inline unsigned http_server_requests(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned requests = server->requests;
    pthread_mutex_unlock(&server->lock);
    return requests;
}

static inline void http_server_await(struct http_server *server, unsigned requests)
{
    struct timespec deadline = http_server_deadline();
    pthread_mutex_lock(&server->lock);
    while (server->requests < requests)
        assert_int_equal(pthread_cond_timedwait(&server->changed, &server->lock, &deadline), 0);
    pthread_mutex_unlock(&server->lock);
}

/* ---- waiters ---- */

struct told {
    struct authenticator_waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned times;
};

static inline void told_done(struct authenticator_waiter *waiter)
{
    struct told *told = CONTAINER_OF(waiter, struct told, waiter);
    pthread_mutex_lock(&told->lock);
    told->times++;
    pthread_cond_broadcast(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

#define TOLD                                                                                                           \
    {                                                                                                                  \
        .waiter = {.done = told_done}, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER          \
    }

/* Waits until it was told once more, and forgets that. */
static inline void told_await(struct told *told)
{
    struct timespec deadline = http_server_deadline();
    pthread_mutex_lock(&told->lock);
    while (told->times == 0)
        assert_int_equal(pthread_cond_timedwait(&told->changed, &told->lock, &deadline), 0);
    told->times--;
    pthread_mutex_unlock(&told->lock);
}

static inline unsigned told_times(struct told *told)
{
    pthread_mutex_lock(&told->lock);
    unsigned times = told->times;
    pthread_mutex_unlock(&told->lock);
    return times;
}

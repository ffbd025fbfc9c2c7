/* What lines.c (connections) and lines_message.c (messages and answers) share. One reactor's thread. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/front.h"
#include "gateway/core/gateway.h"
#include "transports/serve/acceptor.h"
#include "transports/serve/lines.h"

struct lines_endpoint {
    struct lines_front *front;
    struct acceptor *acceptor;
    unsigned index;
};

struct lines_front {
    struct reactor *reactor;
    struct lines_endpoint endpoint[LINES_MAX_LISTENERS];
    size_t endpoints;
    struct link connections;
    unsigned references; /* itself, its connections, acceptors that are not closed */
    bool draining;
};

/* Two ends of one client; for a socket both are the same stream. */
struct lines_connection {
    struct link link; /* front->connections */
    struct lines_front *front;
    unsigned listener; /* index in the settings; SETTINGS_MAX_LISTENERS: standard input and output */
    struct address client;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_tty_t tty;
    } in, out;
    bool same; /* `in` is `out` */
    bool in_open, out_open;
    int file_in; /* a regular file cannot be polled: read by the worker pool; -1: none */
    int file_out;
    uv_fs_t reading;
    char *read_buffer;
    struct text line; /* the beginning of a message */
    bool skipping;    /* the rest of a line that is too long */
    bool paused;
    bool input_ended;
    bool closing;
    unsigned outstanding;            /* exchanges that owe an answer */
    unsigned holds;                  /* itself, open handles, requests under way, functions on the stack */
    struct link exchanges;           /* struct lines_exchange */
    struct session *session;         /* counted; legacy */
    struct lines_exchange *standing; /* what the session sends outside of any request */
    bool charged;                    /* holds one of QUOTA_CONNECTIONS */
    void (*ended)(void *context);
    void *context;
};

struct lines_exchange {
    struct exchange exchange;
    struct lines_connection *connection; /* NULL once it is gone */
    struct link link;
    bool owes;
    char message[];
};

/* lines.c */
/* Writes one line; takes nothing. 0, FRONT_GONE or -ENOMEM: the connection is being closed then. */
MUST_USE int lines_write(struct lines_connection *connection, struct span message);
void lines_ref(struct lines_connection *connection);
void lines_unref(struct lines_connection *connection);
void lines_close(struct lines_connection *connection);
/* Something was answered: reading may go on, or the end has come. */
void lines_settle(struct lines_connection *connection);

/* lines_message.c */
/* One whole message, without its newline. */
void lines_message(struct lines_connection *connection, struct span message);
/* A line that was longer than limits.max_payload. */
void lines_refuse_long(struct lines_connection *connection);
/* The client is gone: every exchange is told. */
void lines_abandon(struct lines_connection *connection);

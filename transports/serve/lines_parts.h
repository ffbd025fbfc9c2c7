/* What the files of the line front share: lines.c (life, reading, time), lines_write.c (what goes out). All on the
   front's reactor. */
#pragma once
#include "gateway/base/text.h"
#include "transports/serve/duplex.h"
#include "transports/serve/line_clock.h"
#include "transports/serve/lines.h"

struct lines_front {
    struct reactor *reactor;
    struct link connections;
    unsigned references; /* itself, its connections, its timer */
    uv_timer_t clock;    /* runs while there are connections */
    /* Answers to what one read of `corking` brought: written together, as a system call each costs more than they do.
     */
    struct lines_connection *corking;
    struct text corked;
    bool draining;
};

/* Two ends of one client; for a socket both are the same stream. */
struct lines_connection {
    struct link link; /* front->connections */
    struct lines_front *front;
    struct duplex duplex; /* its listener is SETTINGS_MAX_LISTENERS for standard input and output */
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
    struct text line;    /* the beginning of a message */
    size_t line_charged; /* to limits.memory, for the beginning */
    bool skipping;       /* the rest of a line that is not kept */
    enum error_name why_skipped;
    uint64_t lines;  /* that were read to their end */
    uint64_t writes; /* that were done */
    struct line_clock clock;
    bool paused;
    bool input_ended;
    bool closing;
    unsigned holds; /* itself, open handles, requests under way, functions on the stack */
    bool charged;   /* it came by a listener: what it was charged with is given back */
    struct counted *network;
    void (*ended)(void *context);
    void *context;
};

static inline const struct settings *lines_settings(const struct lines_connection *connection)
{
    return duplex_settings(&connection->duplex);
}

static inline void lines_hold(struct lines_connection *connection)
{
    connection->holds++;
}

/* lines.c. The last hold frees. */
void lines_unhold(struct lines_connection *connection);
/* What is under way is abandoned, and the handles are closed. Harmless when it was done. */
void lines_close(struct lines_connection *connection);
/* The same for a client that does not read: what it has not taken is forgotten. */
void lines_cut_off(struct lines_connection *connection);
/* Goes on or pauses, or ends when all has been answered: after anything that may have changed that. */
void lines_settle(struct lines_connection *connection);

/* lines_write.c: a message and its newline. 0, FRONT_GONE or -ENOMEM; then the connection is closing. */
MUST_USE int lines_write(struct lines_connection *connection, struct span message);
/* Between the two, what is written to the connection is kept, and goes out together. As lines_write(). */
void lines_cork(struct lines_connection *connection);
MUST_USE int lines_uncork(struct lines_connection *connection);
/* Bytes that the client has not taken; of a file none. */
size_t lines_unsent(struct lines_connection *connection);

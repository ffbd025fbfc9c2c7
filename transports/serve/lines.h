/* The front of newline-delimited messages: standard input and output (2026-07-28, basic/transports/stdio), and TCP or
   Unix sockets in the same framing. One message per line, UTF-8, no newline inside; both eras: a client that sends
   `initialize` has a session that lives with the connection, one that sends _meta is served request by request. One
   front per reactor; all functions run on its thread. */
#pragma once
#include "gateway/core/reactor.h"
#include "transports/serve/arrival.h"

struct lines_front;

/* 0 or -errno. */
MUST_USE int lines_front_new(struct reactor *reactor, struct lines_front **ret_front);
/* Serves a connection. */
void lines_front_adopt(struct lines_front *front, const struct arrival *arrival);

/* Serves one client on two descriptors of this process, which stay open: pipes, sockets, a terminal, or files. `ended`
   is told once, when the client has closed its side and everything has been answered, or cannot be reached any more. 0
   or -errno. */
MUST_USE int lines_front_stdio(struct lines_front *front, int in_fd, int out_fd, void (*ended)(void *context),
                               void *context);

/* Connections with nothing under way are closed, the others when they have their answers. */
void lines_front_drain(struct lines_front *front);
bool lines_front_idle(const struct lines_front *front);
/* Cuts off what is left. The memory goes when the loop has turned to close the handles. Takes NULL. */
void lines_front_free(struct lines_front *front);

/* Sockets that have been told their last word. Closed at once they would reset the connection under a client that is
   still writing, which then throws away what it was told (RFC 9112, 9.6). So they stay for LINGER_MS, half closed, or
   until the client closes; what still comes is thrown away. A ring: when it is full the oldest gives way. One reactor's
   thread. */
#pragma once
#include <uv.h>

#include "gateway/core/gateway.h"

enum { LINGER_SOCKETS = DESCRIPTORS_MOST_LINGERING, LINGER_MS = 2000 };

struct linger_socket {
    int fd;
    uint64_t since_ms;
};

/* Embedded in its owner. */
struct linger_ring {
    uv_timer_t timer;
    const struct gateway *gateway; /* its descriptors may allow fewer */
    struct linger_socket socket[LINGER_SOCKETS];
    unsigned first, count;
};

void linger_init(struct linger_ring *ring, struct reactor *reactor);
/* Takes the descriptor, and says that nothing more will be sent. */
void linger_add(struct linger_ring *ring, int fd);
/* Closes all: their descriptors are of more use elsewhere. */
void linger_clear(struct linger_ring *ring);
/* The same, and closes the timer: `closed` is told of that, with `data` in the handle. */
void linger_close(struct linger_ring *ring, uv_close_cb closed, void *data);

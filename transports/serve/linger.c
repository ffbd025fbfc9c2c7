/* A ring in the order in which they came, under one timer that runs while there are any. Owns the descriptors. */
#include "transports/serve/linger.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TICK_MS = 50,
    DISCARD_BYTES = 64 * 1024, /* with one call; of TCP the kernel copies none of it */
    DISCARDS = 16,             /* per socket and tick: who sends faster waits */
    CLOSED = -1,
};

static void drop(struct linger_socket *socket)
{
    if (socket->fd != CLOSED)
        close(socket->fd);
    socket->fd = CLOSED;
}

static void drop_oldest(struct linger_ring *ring)
{
    drop(&ring->socket[ring->first]);
    ring->first = (ring->first + 1) % LINGER_SOCKETS;
    ring->count--;
}

static void discard(struct linger_socket *socket)
{
    char room[DISCARD_BYTES];
    ssize_t size = 1;
    if (socket->fd == CLOSED)
        return;
    for (unsigned i = 0; i < DISCARDS && size > 0; i++)
        size = recv(socket->fd, room, sizeof(room), MSG_DONTWAIT | MSG_TRUNC);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        drop(socket);
}

static void on_tick(uv_timer_t *timer)
{
    struct linger_ring *ring = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    for (unsigned i = 0; i < ring->count; i++)
        discard(&ring->socket[(ring->first + i) % LINGER_SOCKETS]);
    while (ring->count > 0) {
        const struct linger_socket *oldest = &ring->socket[ring->first];
        if (oldest->fd != CLOSED && now_ms - oldest->since_ms < LINGER_MS)
            return;
        drop_oldest(ring);
    }
    uv_timer_stop(timer);
}

void linger_init(struct linger_ring *ring, struct reactor *reactor)
{
    ring->gateway = reactor_gateway(reactor);
    ring->first = ring->count = 0;
    uv_timer_init(reactor_loop(reactor), &ring->timer);
    ring->timer.data = ring;
}

static unsigned most(const struct linger_ring *ring)
{
    unsigned allowed = atomic_load_explicit(&ring->gateway->lingering_refused, memory_order_relaxed);
    return allowed == 0 ? LINGER_SOCKETS : MIN(allowed, (unsigned)LINGER_SOCKETS);
}

void linger_add(struct linger_ring *ring, int fd)
{
    shutdown(fd, SHUT_WR);
    while (ring->count >= most(ring))
        drop_oldest(ring);
    ring->socket[(ring->first + ring->count) % LINGER_SOCKETS] = (struct linger_socket){fd, uv_now(ring->timer.loop)};
    ring->count++;
    if (!uv_is_active((uv_handle_t *)&ring->timer))
        uv_timer_start(&ring->timer, on_tick, TICK_MS, TICK_MS);
}

void linger_clear(struct linger_ring *ring)
{
    while (ring->count > 0)
        drop_oldest(ring);
    uv_timer_stop(&ring->timer);
}

void linger_close(struct linger_ring *ring, uv_close_cb closed, void *data)
{
    linger_clear(ring);
    ring->timer.data = data;
    uv_close((uv_handle_t *)&ring->timer, closed);
}

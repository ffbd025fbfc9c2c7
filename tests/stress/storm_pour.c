/* Connections that write and never read: how much the other side takes, and when it cuts them off. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/stress/storm.h"

enum { EVENTS = 256, TICK_MS = 20 };

struct pourer {
    int fd; /* -1: cut off, or through */
    size_t sent, messages;
};

static const struct plan *plan;
static struct pourer *pourers;
static size_t open_now, cut, through, messages, bytes, unconnected;
static int epoll_fd;

static void end_pourer(struct pourer *pourer)
{
    close(pourer->fd);
    pourer->fd = -1;
    open_now--;
}

static void pour(struct pourer *pourer)
{
    const struct template *template = &plan->template[0];
    while (pourer->messages < plan->count) {
        ssize_t put = send(pourer->fd, template->bytes + pourer->sent, template->size - pourer->sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) {
            cut++;
            end_pourer(pourer);
            return;
        }
        bytes += (size_t)put;
        pourer->sent += (size_t)put;
        if (pourer->sent == template->size) {
            pourer->sent = 0;
            pourer->messages++;
            messages++;
        }
    }
}

static void on_event(struct pourer *pourer, uint32_t events)
{
    if (pourer->fd < 0)
        return;
    if (events & (EPOLLERR | EPOLLHUP)) {
        cut++;
        end_pourer(pourer);
        return;
    }
    bool was_done = pourer->messages >= plan->count;
    pour(pourer);
    if (pourer->fd >= 0 && !was_done && pourer->messages >= plan->count) {
        struct epoll_event event = {.events = 0, .data.ptr = pourer}; /* stays open, and reads nothing */
        through++;
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, pourer->fd, &event);
    }
}

static void open_pourer(struct pourer *pourer, size_t n)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = pourer};
    pourer->fd = generator_try_connect((int)plan->port, plan_source(plan, n));
    if (pourer->fd < 0) {
        unconnected++;
        return;
    }
    int size = (int)plan->receive_buffer;
    if (size > 0)
        setsockopt(pourer->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (plan->prelude && write(pourer->fd, plan->prelude->bytes, plan->prelude->size) < 0)
        generator_fail("prelude");
    generator_watch(epoll_fd, pourer->fd, pourer);
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, pourer->fd, &event);
    open_now++;
}

/* Those that are through wait, still deaf, until the time is over or the other side cuts them off. */
void storm_pour(const struct plan *chosen)
{
    struct epoll_event events[EVENTS];
    plan = chosen;
    pourers = calloc(plan->connections, sizeof(*pourers));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!pourers || epoll_fd < 0)
        generator_fail("set-up");
    for (size_t i = 0; i < plan->connections; i++)
        open_pourer(&pourers[i], i);
    uint64_t start_ns = generator_now_ns(), end_ns = start_ns + plan->seconds * UINT64_C(1000000000);
    while (open_now > 0 && generator_now_ns() < end_ns) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, TICK_MS);
        for (int i = 0; i < ready; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    printf("{\"messages\":%zu,\"bytes\":%zu,\"cut\":%zu,\"through\":%zu,\"left_open\":%zu,\"unconnected\":%zu,"
           "\"seconds\":%.3f}\n",
           messages, bytes, cut, through, open_now, unconnected, (double)(generator_now_ns() - start_ns) / 1e9);
}

/* The accept loop: a bounded batch per wake-up, so that a flood of connections cannot starve the connections that are
   served. When descriptors or memory run out, accepting pauses (the backlog waits in the kernel) and a timer tries
   again: no spinning on a readable socket that cannot be read. Refused connections linger for a moment with their
   answer sent. On one reactor; owns the listening socket and the lingering ones. */
#include "transports/serve/acceptor.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "transports/serve/linger.h"
#include "transports/serve/refusal.h"

enum {
    ACCEPT_BATCH = 64,     /* connections per wake-up */
    ACCEPT_BACKLOG = 4096, /* connections taken out of the backlog when accepting stops */
    ACCEPT_PAUSE_MS = 100, /* after EMFILE and its like */
    RETRY_AFTER_S = 1,
};

struct acceptor {
    struct reactor *reactor;
    struct gateway *gateway;
    acceptor_callback accepted;
    void *context;
    enum acceptor_refusal refusal;
    int fd; /* -1: stopped */
    bool tcp;
    bool paused;
    uv_poll_t poll;
    uv_timer_t pause;
    struct linger_ring refused;
    unsigned handles; /* not closed yet */
    void (*freed)(void *context);
    void *freed_context;
};

void acceptor_refuse(struct acceptor *acceptor, int fd)
{
    if (acceptor->refusal == ACCEPTOR_REFUSE_SILENTLY) {
        close(fd);
        return;
    }
    if (acceptor->refusal == ACCEPTOR_REFUSE_HTTP)
        refusal_send(fd, ERROR_OVER_CAPACITY, RETRY_AFTER_S);
    else
        refusal_send_line(fd, ERROR_OVER_CAPACITY);
    linger_add(&acceptor->refused, fd);
}

/* The kernel gives the lowest number that is free: all below this one are in use. */
static bool is_beyond(const struct acceptor *acceptor, int fd)
{
    int first = atomic_load_explicit(&acceptor->gateway->client_descriptors, memory_order_relaxed);
    return first > 0 && fd >= first;
}

static bool take_place(struct acceptor *acceptor, int fd)
{
    struct quotas *quotas = &acceptor->gateway->quotas;
    if (!is_beyond(acceptor, fd))
        return quota_take(quotas, QUOTA_CONNECTIONS, 1) == 0;
    quota_note_refused(quotas, QUOTA_CONNECTIONS);
    return false;
}

static void admit(struct acceptor *acceptor, int fd, const struct address *client)
{
    int on = 1;
    counter_add(reactor_counters(acceptor->reactor), COUNTER_CONNECTIONS, 1);
    if (!take_place(acceptor, fd)) {
        counter_add(reactor_counters(acceptor->reactor), COUNTER_REFUSED_CONNECTION, 1);
        acceptor_refuse(acceptor, fd);
        return;
    }
    if (!address_is_local(client))
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    acceptor->accepted(acceptor->context, fd, client);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct acceptor *acceptor = timer->data;
    acceptor->paused = false;
    if (acceptor->fd >= 0)
        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void pause_accepting(struct acceptor *acceptor)
{
    counter_add(reactor_counters(acceptor->reactor), COUNTER_ACCEPT_PAUSES, 1);
    acceptor->paused = true;
    linger_clear(&acceptor->refused);
    uv_poll_stop(&acceptor->poll);
    uv_timer_start(&acceptor->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
}

/* Whether another connection may be waiting. */
static bool accept_one(struct acceptor *acceptor)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    int fd = accept4(acceptor->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        struct address client = {.size = MIN(size, (socklen_t)sizeof(client.local))};
        memcpy(&client.any, &peer, client.size);
        admit(acceptor, fd, &client);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        pause_accepting(acceptor);
        return false;
    default: /* the client's trouble (ECONNABORTED, EPROTO, ...): accept(2) says to go on */
        return true;
    }
}

static void on_readable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct acceptor *acceptor = poll->data;
    for (unsigned i = 0; i < ACCEPT_BATCH && accept_one(acceptor); i++)
        ;
}

static void on_closed(uv_handle_t *handle)
{
    struct acceptor *acceptor = handle->data;
    if (--acceptor->handles > 0)
        return;
    void (*freed)(void *context) = acceptor->freed;
    void *context = acceptor->freed_context;
    free(acceptor);
    if (freed)
        freed(context);
}

static bool is_tcp(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

int acceptor_new(struct reactor *reactor, int fd, acceptor_callback accepted, void *context,
                 struct acceptor **ret_acceptor)
{
    uv_loop_t *loop = reactor_loop(reactor);
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (!acceptor) {
        close(fd);
        return -ENOMEM;
    }
    *acceptor = (struct acceptor){.reactor = reactor,
                                  .gateway = reactor_gateway(reactor),
                                  .accepted = accepted,
                                  .context = context,
                                  .fd = fd,
                                  .tcp = is_tcp(fd)};
    int result = uv_poll_init(loop, &acceptor->poll, fd);
    if (result != 0) {
        close(fd);
        free(acceptor);
        return result;
    }
    uv_timer_init(loop, &acceptor->pause);
    linger_init(&acceptor->refused, reactor);
    acceptor->poll.data = acceptor->pause.data = acceptor;
    acceptor->handles = 3;
    result = uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
    if (result != 0) {
        acceptor_free(acceptor, NULL, NULL);
        return result;
    }
    *ret_acceptor = acceptor;
    return 0;
}

void acceptor_refuse_with(struct acceptor *acceptor, enum acceptor_refusal refusal)
{
    acceptor->refusal = refusal;
}

void acceptor_shut(struct acceptor *acceptor)
{
    enum { FLAGS_OFFSET = 13, SYN_OR_ACK = 0x12, SYN = 0x02 }; /* of a TCP header */
    static struct sock_filter beginners[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_OFFSET),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN_OR_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {ARRAY_SIZE(beginners), beginners};
    if (acceptor->fd >= 0 && acceptor->tcp)
        (void)setsockopt(acceptor->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (acceptor->fd < 0)
        return;
    for (unsigned i = 0; i < ACCEPT_BACKLOG && !acceptor->paused && accept_one(acceptor); i++)
        ;
    uv_timer_stop(&acceptor->pause);
    uv_poll_stop(&acceptor->poll);
    close(acceptor->fd);
    acceptor->fd = -1;
}

void acceptor_free(struct acceptor *acceptor, void (*freed)(void *context), void *context)
{
    if (!acceptor)
        return;
    acceptor_stop(acceptor);
    acceptor->freed = freed;
    acceptor->freed_context = context;
    uv_close((uv_handle_t *)&acceptor->poll, on_closed);
    uv_close((uv_handle_t *)&acceptor->pause, on_closed);
    linger_close(&acceptor->refused, on_closed, acceptor);
}

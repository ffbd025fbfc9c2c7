/* The way of a connection from its accept to its front. Most take it in one step. A connection on a listener with
   `proxy_protocol` waits here until its header is whole: it is peeked at, and read only when its length is known, so
   that nothing of what follows is taken from the front. On one reactor; owns the acceptors, the TLS edges and the
   connections that wait for their headers. */
#include "transports/serve/edge.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "transports/serve/acceptor.h"
#include "transports/serve/tls.h"
#include "transports/wire/proxy_protocol.h"

enum {
    WATCH_BATCH = 64,
    SWEEP_MS = 100,
    DRAIN_HEADER_MS = 1000, /* in a drain: a fresh connection that sends nothing */
};

struct edge_endpoint {
    struct edge *edge;
    struct acceptor *acceptor;
    struct tls_edge *tls; /* NULL: plain */
    unsigned listener;
    bool proxy_protocol;
    bool lines;
};

struct edge {
    struct reactor *reactor;
    struct edge_fronts fronts;
    struct edge_endpoint endpoint[EDGE_MAX_LISTENERS];
    size_t endpoints;
    struct link waiting; /* struct waiting, by the time of the accept */
    int watch_fd;        /* epoll of those; -1: no listener has PROXY headers */
    uv_poll_t watch;
    uv_timer_t sweep;
    unsigned references; /* itself, its handles, its acceptors */
    bool draining;
};

/* A connection whose header has not come. */
struct waiting {
    struct link link;
    struct edge_endpoint *endpoint;
    struct address client;
    uint64_t since_ms;
    int fd;
};

static const struct settings *settings_of(const struct edge *edge)
{
    return reactor_snapshot(edge->reactor)->settings;
}

static void count(struct edge *edge, enum counter counter)
{
    counter_add(reactor_counters(edge->reactor), counter, 1);
}

/* ---- life ---- */

static void edge_unref(struct edge *edge)
{
    if (--edge->references > 0)
        return;
    if (edge->watch_fd >= 0)
        close(edge->watch_fd);
    free(edge);
}

static void on_handle_closed(uv_handle_t *handle)
{
    edge_unref(handle->data);
}

static void on_acceptor_freed(void *edge)
{
    edge_unref(edge);
}

/* ---- to the front ---- */

static void close_arrival(struct edge *edge, int fd, struct counted *network)
{
    arrival_give_back(edge->reactor, network);
    close(fd);
}

static void to_front(struct edge_endpoint *endpoint, const struct arrival *arrival)
{
    if (endpoint->lines)
        lines_front_adopt(endpoint->edge->fronts.lines, arrival);
    else
        http_front_adopt(endpoint->edge->fronts.http, arrival);
}

/* The record moves: the strings go along. */
static struct peer_facts *take_facts(struct tls_facts *tls)
{
    struct peer_facts *facts = peer_facts_new();
    if (facts) {
        facts->tls_version = tls->version;
        facts->tls_cipher = tls->cipher;
        facts->server_name = TAKE(tls->server_name);
        facts->subject = TAKE(tls->subject);
        facts->subject_alt = TAKE(tls->name);
        facts->subject_alts = tls->names;
        tls->names = 0;
        memcpy(facts->fingerprint, tls->fingerprint, sizeof(facts->fingerprint));
    }
    tls_facts_free(tls);
    return facts;
}

static void on_shaken(void *context, const struct tls_shaken *shaken)
{
    struct edge_endpoint *endpoint = context;
    struct arrival arrival = {.fd = shaken->fd,
                              .carrier = shaken->pump,
                              .client = shaken->client,
                              .facts = take_facts(shaken->facts),
                              .network = shaken->network,
                              .listener = endpoint->listener};
    if (arrival.facts)
        to_front(endpoint, &arrival);
    else
        close_arrival(endpoint->edge, shaken->fd, shaken->network);
}

static bool believes(const struct edge_endpoint *endpoint, const struct address *peer)
{
    const struct settings *settings = settings_of(endpoint->edge);
    return endpoint->listener < settings->listeners &&
           prefix_list_contains(&settings->listener[endpoint->listener].trusted_proxies, peer);
}

/* A proxy that speaks HTTP brings everybody's requests on connections of its own: whose they are shows in their heads.
 */
static bool is_counted(const struct edge_endpoint *endpoint, const struct address *client)
{
    return endpoint->listener != ARRIVAL_ADMIN && (endpoint->proxy_protocol || !believes(endpoint, client));
}

/* The admin listener stays open: who looks why nobody else gets in needs it. */
static bool refuse_for_memory(struct edge_endpoint *endpoint)
{
    if (endpoint->listener == ARRIVAL_ADMIN || !memory_is_over(&reactor_gateway(endpoint->edge->reactor)->memory))
        return false;
    count(endpoint->edge, COUNTER_REFUSED_MEMORY);
    return true;
}

/* The client is known: its network is charged, before TLS. */
static void after_header(struct edge_endpoint *endpoint, int fd, const struct address *client)
{
    struct edge *edge = endpoint->edge;
    struct arrival arrival = {.fd = fd, .client = *client, .listener = endpoint->listener};
    int result = is_counted(endpoint, client) ? arrival_charge_network(edge->reactor, client, &arrival.network) : 0;
    if (result != 0 || refuse_for_memory(endpoint)) {
        arrival_give_back(edge->reactor, arrival.network);
        acceptor_refuse(endpoint->acceptor, fd);
    } else if (endpoint->tls) {
        tls_edge_accepted(endpoint->tls, fd, client, arrival.network);
    } else {
        to_front(endpoint, &arrival);
    }
}

/* ---- PROXY headers ---- */

static void stop_waiting(struct waiting *waiting)
{
    epoll_ctl(waiting->endpoint->edge->watch_fd, EPOLL_CTL_DEL, waiting->fd, NULL);
    link_remove(&waiting->link);
    free(waiting);
}

static void refuse(struct waiting *waiting, enum counter counter)
{
    struct edge *edge = waiting->endpoint->edge;
    int fd = waiting->fd;
    count(edge, counter);
    stop_waiting(waiting);
    close_arrival(edge, fd, NULL);
}

static void finish(struct waiting *waiting, const struct proxy_header *header)
{
    char bytes[PROXY_PROTOCOL_MAX_BYTES];
    struct edge_endpoint *endpoint = waiting->endpoint;
    struct address client = header->source.size > 0 ? header->source : waiting->client;
    int fd = waiting->fd;
    bool taken = recv(fd, bytes, header->size, MSG_DONTWAIT) == (ssize_t)header->size;
    stop_waiting(waiting);
    if (taken)
        after_header(endpoint, fd, &client);
    else
        close_arrival(endpoint->edge, fd, NULL);
}

static void look(struct waiting *waiting)
{
    char bytes[PROXY_PROTOCOL_MAX_BYTES];
    struct proxy_header header;
    ssize_t size = recv(waiting->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        refuse(waiting, COUNTER_HANG_UPS);
        return;
    }
    switch (proxy_protocol_read((struct span){bytes, (size_t)size}, &header)) {
    case 0:
        finish(waiting, &header);
        break;
    case PROXY_PROTOCOL_MORE:
        break;
    default:
        refuse(waiting, COUNTER_REFUSED_PROXY_HEADER);
    }
}

static void on_watch(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct edge *edge = poll->data;
    struct epoll_event event[WATCH_BATCH];
    int found = epoll_wait(edge->watch_fd, event, WATCH_BATCH, 0);
    for (int i = 0; i < found; i++)
        look(event[i].data.ptr);
}

static void on_sweep(uv_timer_t *timer)
{
    struct edge *edge = timer->data;
    uint64_t now = uv_now(timer->loop), limit = settings_of(edge)->limits.head_timeout_ms;
    if (edge->draining)
        limit = MIN(limit, (uint64_t)DRAIN_HEADER_MS);
    while (!link_alone(&edge->waiting)) {
        struct waiting *oldest = CONTAINER_OF(edge->waiting.next, struct waiting, link);
        if (now - oldest->since_ms < limit)
            return;
        refuse(oldest, COUNTER_TIMEOUT_PROXY_HEADER);
    }
    uv_timer_stop(timer);
}

static struct waiting *wait_for_header(struct edge_endpoint *endpoint, int fd, const struct address *client)
{
    struct edge *edge = endpoint->edge;
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = waiting};
    if (!waiting || epoll_ctl(edge->watch_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(waiting);
        return NULL;
    }
    waiting->endpoint = endpoint;
    waiting->client = *client;
    waiting->fd = fd;
    waiting->since_ms = uv_now(reactor_loop(edge->reactor));
    link_append(&edge->waiting, &waiting->link);
    if (!uv_is_active((uv_handle_t *)&edge->sweep))
        uv_timer_start(&edge->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return waiting;
}

static void expect_header(struct edge_endpoint *endpoint, int fd, const struct address *client)
{
    struct waiting *waiting = NULL;
    if (!believes(endpoint, client))
        count(endpoint->edge, COUNTER_REFUSED_PROXY_PEER);
    else
        waiting = wait_for_header(endpoint, fd, client);
    if (!waiting)
        close_arrival(endpoint->edge, fd, NULL);
}

/* ---- accepting ---- */

static void on_accepted(void *context, int fd, const struct address *client)
{
    struct edge_endpoint *endpoint = context;
    if (endpoint->proxy_protocol)
        expect_header(endpoint, fd, client);
    else
        after_header(endpoint, fd, client);
}

static int open_watch(struct edge *edge)
{
    if (edge->watch_fd >= 0)
        return 0;
    edge->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (edge->watch_fd < 0)
        return -errno;
    int result = uv_poll_init(reactor_loop(edge->reactor), &edge->watch, edge->watch_fd);
    if (result != 0)
        return result;
    edge->watch.data = edge;
    edge->references++;
    return uv_poll_start(&edge->watch, UV_READABLE, on_watch);
}

static int open_tls(struct edge_endpoint *endpoint, struct tls_store *store)
{
    struct tls_edge_settings settings = {.reactor = endpoint->edge->reactor,
                                         .pumps = endpoint->edge->fronts.pumps,
                                         .store = store,
                                         .accepted = on_shaken,
                                         .context = endpoint};
    return tls_edge_new(&settings, &endpoint->tls);
}

static enum acceptor_refusal refusal_of(const struct edge_endpoint *endpoint)
{
    if (endpoint->tls)
        return ACCEPTOR_REFUSE_SILENTLY;
    return endpoint->lines ? ACCEPTOR_REFUSE_LINE : ACCEPTOR_REFUSE_HTTP;
}

static int open_endpoint(struct edge *edge, const struct edge_listener *listener)
{
    const struct settings *settings = settings_of(edge);
    struct edge_endpoint *endpoint = &edge->endpoint[edge->endpoints++];
    *endpoint = (struct edge_endpoint){.edge = edge, .listener = listener->listener};
    if (listener->listener < settings->listeners) {
        endpoint->proxy_protocol = settings->listener[listener->listener].proxy_protocol;
        endpoint->lines = settings->listener[listener->listener].transports & TRANSPORT_STREAM;
    }
    int result = endpoint->proxy_protocol ? open_watch(edge) : 0;
    if (result == 0 && listener->tls)
        result = open_tls(endpoint, listener->tls);
    if (result != 0)
        return result;
    int fd = listening_take(listener->listening, reactor_index(edge->reactor));
    if (fd < 0)
        return -EBADF;
    result = acceptor_new(edge->reactor, fd, on_accepted, endpoint, &endpoint->acceptor);
    if (result != 0)
        return result;
    acceptor_refuse_with(endpoint->acceptor, refusal_of(endpoint));
    edge->references++;
    return 0;
}

int edge_new(struct reactor *reactor, const struct edge_listener *listeners, size_t listeners_count,
             const struct edge_fronts *fronts, struct edge **ret_edge)
{
    struct edge *edge = listeners_count <= EDGE_MAX_LISTENERS ? calloc(1, sizeof(*edge)) : NULL;
    int result = 0;
    if (!edge)
        return listeners_count <= EDGE_MAX_LISTENERS ? -ENOMEM : -E2BIG;
    *edge = (struct edge){.reactor = reactor, .fronts = *fronts, .watch_fd = -1, .references = 2};
    link_init(&edge->waiting);
    uv_timer_init(reactor_loop(reactor), &edge->sweep);
    edge->sweep.data = edge;
    for (size_t i = 0; i < listeners_count && result == 0; i++)
        result = open_endpoint(edge, &listeners[i]);
    if (result != 0) {
        edge_free(edge);
        return result;
    }
    *ret_edge = edge;
    return 0;
}

/* ---- the end ---- */

void edge_shut(struct edge *edge)
{
    for (size_t i = 0; i < edge->endpoints; i++)
        acceptor_shut(edge->endpoint[i].acceptor);
}

void edge_drain(struct edge *edge)
{
    edge->draining = true;
    for (size_t i = 0; i < edge->endpoints; i++)
        acceptor_stop(edge->endpoint[i].acceptor);
}

bool edge_idle(const struct edge *edge)
{
    bool idle = link_alone(&edge->waiting);
    for (size_t i = 0; i < edge->endpoints; i++)
        idle = idle && (!edge->endpoint[i].tls || tls_edge_idle(edge->endpoint[i].tls));
    return idle;
}

void edge_free(struct edge *edge)
{
    if (!edge)
        return;
    for (size_t i = 0; i < edge->endpoints; i++)
        acceptor_free(edge->endpoint[i].acceptor, on_acceptor_freed, edge);
    while (!link_alone(&edge->waiting)) {
        struct waiting *waiting = CONTAINER_OF(edge->waiting.next, struct waiting, link);
        int fd = waiting->fd;
        stop_waiting(waiting);
        close_arrival(edge, fd, NULL);
    }
    for (size_t i = 0; i < edge->endpoints; i++)
        tls_edge_free(edge->endpoint[i].tls);
    if (edge->watch.data)
        uv_close((uv_handle_t *)&edge->watch, on_handle_closed);
    uv_close((uv_handle_t *)&edge->sweep, on_handle_closed);
    edge_unref(edge);
}

/* Opens and closes the fronts on their reactors' threads, from the main thread, which waits for each step. Owns the
   listening sockets, the certificates, and the fronts. */
#include "gateway/main/fronts.h"

#include <errno.h>
#include <semaphore.h>

#include "gateway/core/audit.h"
#include "transports/serve/edge.h"
#include "transports/serve/websocket.h"

/* What one reactor has. */
struct fronts_of_reactor {
    struct pumps *pumps;
    struct lines_front *lines;
    struct websocket_front *websocket;
    struct http_front *http;
    struct edge *edge;
};

struct fronts {
    struct gateway *gateway;
    struct edge_listener listener[EDGE_MAX_LISTENERS]; /* those of the settings in their order, then the admin's */
    size_t listeners;
    struct tls_tickets *tickets; /* NULL: no listener speaks TLS */
    const struct page *pages;
    size_t pages_count;
    struct fronts_of_reactor *reactor; /* one per reactor */
    struct step *step;                 /* one per reactor, so that the end needs no memory */
    struct {
        int in_fd, out_fd;
        void (*ended)(void *context);
        void *context;
    } stdio;
};

/* A step that reactors take. */
struct step {
    struct reactor_post post;
    struct fronts *fronts;
    unsigned index;
    int (*take)(struct fronts *fronts, unsigned index);
    int result;
    sem_t *taken;
};

static void take_step(struct reactor_post *post)
{
    struct step *step = CONTAINER_OF(post, struct step, post);
    step->result = step->take(step->fronts, step->index);
    sem_post(step->taken);
}

/* On the first `count` reactors at once; returns when all have taken it: 0, or the result of one that failed. */
static int on_reactors(struct fronts *fronts, unsigned count, int (*take)(struct fronts *fronts, unsigned index))
{
    sem_t taken;
    int result = 0;
    sem_init(&taken, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        fronts->step[i] = (struct step){.fronts = fronts, .index = i, .take = take, .taken = &taken};
        reactor_post(fronts->gateway->reactor[i], &fronts->step[i].post, take_step);
    }
    for (unsigned i = 0; i < count; i++)
        while (sem_wait(&taken) != 0)
            ;
    for (unsigned i = 0; i < count; i++)
        result = result == 0 ? fronts->step[i].result : result;
    sem_destroy(&taken);
    return result;
}

static int on_all_reactors(struct fronts *fronts, int (*take)(struct fronts *fronts, unsigned index))
{
    return on_reactors(fronts, fronts->gateway->reactors, take);
}

/* ---- the steps ---- */

static int open_front(struct fronts *fronts, unsigned index)
{
    struct reactor *reactor = fronts->gateway->reactor[index];
    struct fronts_of_reactor *mine = &fronts->reactor[index];
    int result = pumps_new(reactor_loop(reactor), &mine->pumps);
    if (result == 0)
        result = lines_front_new(reactor, &mine->lines);
    if (result == 0)
        result = websocket_front_new(reactor, mine->pumps, &mine->websocket);
    if (result != 0)
        return result;
    struct upgrade_front upgrades = websocket_front_upgrades(mine->websocket);
    result = http_front_new(reactor, fronts->pages, fronts->pages_count, &upgrades, &mine->http);
    if (result != 0)
        return result;
    struct edge_fronts where = {.http = mine->http, .lines = mine->lines, .pumps = mine->pumps};
    return edge_new(reactor, fronts->listener, fronts->listeners, &where, &mine->edge);
}

static int open_stdio(struct fronts *fronts, unsigned index)
{
    return lines_front_stdio(fronts->reactor[index].lines, fronts->stdio.in_fd, fronts->stdio.out_fd,
                             fronts->stdio.ended, fronts->stdio.context);
}

static int shut_front(struct fronts *fronts, unsigned index)
{
    edge_shut(fronts->reactor[index].edge);
    return 0;
}

/* The edge first: from then on nobody new comes to the others. */
static int drain_front(struct fronts *fronts, unsigned index)
{
    struct fronts_of_reactor *mine = &fronts->reactor[index];
    edge_drain(mine->edge);
    http_front_drain(mine->http);
    websocket_front_drain(mine->websocket);
    lines_front_drain(mine->lines);
    return 0;
}

enum { BUSY = 1 };

static int ask_idle(struct fronts *fronts, unsigned index)
{
    const struct fronts_of_reactor *mine = &fronts->reactor[index];
    bool idle = edge_idle(mine->edge) && http_front_idle(mine->http) && lines_front_idle(mine->lines) &&
                websocket_front_idle(mine->websocket) && pumps_count(mine->pumps) == 0;
    return idle ? 0 : BUSY;
}

static int close_front(struct fronts *fronts, unsigned index)
{
    struct fronts_of_reactor *mine = &fronts->reactor[index];
    edge_free(mine->edge);
    http_front_free(mine->http);
    websocket_front_free(mine->websocket);
    lines_front_free(mine->lines);
    pumps_free(mine->pumps);
    return 0;
}

/* ---- listening ---- */

static int open_certificates(struct fronts *fronts, const struct tls_settings *tls, struct tls_store **ret_store,
                             struct text *problem)
{
    int result = fronts->tickets ? 0 : tls_tickets_new(&fronts->tickets);
    return result == 0 ? tls_store_new(tls, fronts->tickets, problem, ret_store) : result;
}

static int open_address(struct fronts *fronts, const struct listener_settings *settings, unsigned index,
                        struct text *problem)
{
    struct edge_listener *listener = &fronts->listener[fronts->listeners];
    int result = listening_open(&settings->address, fronts->gateway->reactors, &listener->listening);
    if (result < 0) {
        text_addf(problem, "cannot listen on %s: %s", settings->address_text, strerror(-result));
        return result;
    }
    listener->listener = index;
    fronts->listeners++;
    if (!settings->tls.certificate)
        return 0;
    result = open_certificates(fronts, &settings->tls, &listener->tls, problem);
    return result > 0 ? -EINVAL : result;
}

static int open_addresses(struct fronts *fronts, const struct settings *settings, struct text *problem)
{
    int result = 0;
    for (size_t i = 0; i < settings->listeners && result == 0; i++)
        result = open_address(fronts, &settings->listener[i], (unsigned)i, problem);
    if (result == 0 && settings->admin.address_text)
        result = open_address(fronts, &settings->admin, ARRIVAL_ADMIN, problem);
    return result;
}

int fronts_open(struct gateway *gateway, const struct settings *settings, const struct page *pages, size_t pages_count,
                struct fronts **served, struct text *problem)
{
    struct fronts *fronts = *served = calloc(1, sizeof(*fronts));
    if (!fronts)
        return -ENOMEM;
    *fronts = (struct fronts){.gateway = gateway, .pages = pages, .pages_count = pages_count};
    fronts->reactor = calloc(gateway->reactors, sizeof(*fronts->reactor));
    fronts->step = calloc(gateway->reactors, sizeof(*fronts->step));
    int result = fronts->reactor && fronts->step ? open_addresses(fronts, settings, problem) : -ENOMEM;
    if (result == 0)
        result = on_all_reactors(fronts, open_front);
    if (result == -ENOTSUP)
        text_add_literal(problem, "cannot serve WebSocket: libwebsockets does not find its libuv plug-in (Debian's "
                                  "libwebsockets-evlib-uv)");
    if (result < 0)
        fronts_close(TAKE(*served));
    return result;
}

int fronts_serve_stdio(struct fronts *fronts, int in_fd, int out_fd, void (*ended)(void *context), void *context)
{
    fronts->stdio.in_fd = in_fd;
    fronts->stdio.out_fd = out_fd;
    fronts->stdio.ended = ended;
    fronts->stdio.context = context;
    return on_reactors(fronts, 1, open_stdio);
}

/* ---- certificates ---- */

static void log_certificates(const struct fronts *fronts, const struct edge_listener *listener, int result,
                             const struct text *mistake)
{
    char address[ADDRESS_BYTES];
    bool read = result == 0 || result == TLS_STORE_RELOADED;
    address_format(listening_address(listener->listening), address);
    if (read)
        log_info("certificates_read", LOG_TEXT("address", address));
    else
        log_error("certificates_kept", LOG_TEXT("address", address),
                  LOG_SPAN("why", result < 0 ? span_of(strerror(-result)) : text_span(mistake)));
    audit_administered(fronts->gateway, "audit_certificates", LOG_TEXT("outcome", read ? "read" : "kept"),
                       LOG_TEXT("address", address));
}

void fronts_reload_certificates(struct fronts *fronts, const struct settings *settings)
{
    for (size_t i = 0; i < fronts->listeners; i++) {
        CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
        struct edge_listener *listener = &fronts->listener[i];
        if (!listener->tls || listener->listener >= settings->listeners)
            continue;
        int result = tls_store_reload(listener->tls, &settings->listener[listener->listener].tls, &mistake);
        log_certificates(fronts, listener, result, &mistake);
    }
}

void fronts_watch_certificates(struct fronts *fronts)
{
    for (size_t i = 0; i < fronts->listeners; i++) {
        CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
        struct edge_listener *listener = &fronts->listener[i];
        int result = listener->tls ? tls_store_poll(listener->tls, &mistake) : 0;
        if (result != 0)
            log_certificates(fronts, listener, result, &mistake);
    }
}

bool fronts_have_certificates(const struct fronts *fronts)
{
    return fronts->tickets != NULL;
}

void fronts_each_certificate(const struct fronts *fronts,
                             void (*each)(void *out, const char *address, int64_t expires_s), void *out)
{
    for (size_t i = 0; i < fronts->listeners; i++) {
        char address[ADDRESS_BYTES];
        const struct edge_listener *listener = &fronts->listener[i];
        if (!listener->tls)
            continue;
        struct tls_context *context = tls_store_take(listener->tls);
        address_format(listening_address(listener->listening), address);
        each(out, address, tls_context_expires(context));
        tls_context_unref(context);
    }
}

/* ---- addresses ---- */

/* "https://127.0.0.1:8443", "http://unix:/run/weir.sock:" with a path to follow. */
static void add_base(const struct edge_listener *listener, const char *scheme, struct text *out)
{
    char address[ADDRESS_BYTES];
    address_format(listening_address(listener->listening), address);
    text_addf(out, "%s://%s%s", scheme, address, address_is_local(listening_address(listener->listening)) ? ":" : "");
}

/* "tcp://127.0.0.1:8080", "tls://127.0.0.1:8443", "unix:/run/weir.sock". */
static void add_lines_url(const struct edge_listener *listener, struct text *out)
{
    char address[ADDRESS_BYTES];
    bool local = address_is_local(listening_address(listener->listening));
    address_format(listening_address(listener->listening), address);
    text_addf(out, "%s%s", listener->tls ? "tls://" : local ? "" : "tcp://", address);
}

void fronts_add_url(const struct fronts *fronts, const struct settings *settings, size_t index, struct text *out)
{
    const struct edge_listener *listener = &fronts->listener[index];
    if (settings->listener[index].transports & TRANSPORT_STREAM) {
        add_lines_url(listener, out);
        return;
    }
    add_base(listener, listener->tls ? "https" : "http", out);
    text_add(out, span_of(settings->listener[index].path));
}

void fronts_add_websocket_url(const struct fronts *fronts, const struct settings *settings, size_t index,
                              struct text *out)
{
    const struct edge_listener *listener = &fronts->listener[index];
    if (!(settings->listener[index].transports & TRANSPORT_WEBSOCKET))
        return;
    add_base(listener, listener->tls ? "wss" : "ws", out);
    text_add(out, span_of(settings->listener[index].path));
}

void fronts_add_admin_url(const struct fronts *fronts, struct text *out)
{
    for (size_t i = 0; i < fronts->listeners; i++)
        if (fronts->listener[i].listener == ARRIVAL_ADMIN)
            add_base(&fronts->listener[i], "http", out);
}

/* ---- the end ---- */

void fronts_shut(struct fronts *fronts)
{
    (void)on_all_reactors(fronts, shut_front);
}

void fronts_drain(struct fronts *fronts)
{
    (void)on_all_reactors(fronts, drain_front);
}

bool fronts_idle(struct fronts *fronts)
{
    return on_all_reactors(fronts, ask_idle) == 0;
}

void fronts_close(struct fronts *fronts)
{
    if (!fronts)
        return;
    if (fronts->reactor && fronts->step)
        (void)on_all_reactors(fronts, close_front);
    for (size_t i = 0; i < fronts->listeners; i++) {
        listening_close(fronts->listener[i].listening);
        tls_store_free(fronts->listener[i].tls);
    }
    tls_tickets_unref(fronts->tickets);
    free(fronts->reactor);
    free(fronts->step);
    free(fronts);
}

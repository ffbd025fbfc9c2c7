/* The WebSocket front as a whole, on one reactor: its libwebsockets context on the reactor's libuv loop, what is to be
   done at the end of each turn, the clock of silent connections, its start and its end. libwebsockets closes its
   handles in turns of the loop and does not say when the last one is closed; the loop's own list does. Owns the
   context, the handles and, through them, the connections. */
#include <errno.h>
#include <pthread.h>

#include "gateway/base/log.h"
#include "transports/serve/websocket_parts.h"

enum { HEADER_DATA_BYTES = 1024, SERVICE_BYTES = WEBSOCKET_READ_BYTES };

const struct lws_protocols websocket_protocols[] = {
    {
        .name = "mcp",
        .callback = websocket_connection_event,
        .per_session_data_size = sizeof(struct websocket_connection *),
        .rx_buffer_size = WEBSOCKET_RX_BYTES,
        .tx_packet_size = WEBSOCKET_READ_BYTES,
    },
    {.name = NULL},
};

/* ---- the end of a turn ---- */

void websocket_front_touch(struct websocket_connection *connection)
{
    if (link_alone(&connection->touched))
        link_append(&connection->front->touched, &connection->touched);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct websocket_front *front = prepare->data;
    while (!link_alone(&front->touched)) {
        struct link *link = front->touched.next;
        link_remove(link);
        websocket_connection_turn(CONTAINER_OF(link, struct websocket_connection, touched));
    }
    front->straight = 0;
}

/* ---- silence ---- */

/* Each list is in the order of place_ms, so it is enough to look at those at its head that have something due; one that
   is looked at either moves or is the first that does not. */
static void sweep_list(struct link *list, uint64_t now_ms)
{
    struct link *first = NULL;
    while (!link_alone(list) && list->next != first) {
        first = list->next;
        websocket_connection_sweep(CONTAINER_OF(first, struct websocket_connection, place), now_ms);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct websocket_front *front = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    sweep_list(&front->quiet, now_ms);
    sweep_list(&front->pinged, now_ms);
    sweep_list(&front->closing, now_ms);
    if (front->connections == 0)
        uv_timer_stop(timer);
}

/* ---- life ---- */

static void release(struct websocket_front *front)
{
    if (!front->freed || front->connections > 0 || front->handles > 0)
        return;
    duplex_spares_done(&front->spares);
    free(front);
}

void websocket_front_gone(struct websocket_front *front)
{
    front->connections--;
    release(front);
}

static void on_closed(uv_handle_t *handle)
{
    struct websocket_front *front = handle->data;
    front->handles--;
    release(front);
}

static void close_handle(uv_handle_t *handle)
{
    uv_close(handle, on_closed);
}

/* ---- libwebsockets ---- */

static void on_log(int level UNUSED, const char *line)
{
    struct span rest = span_of(line);
    log_debug("libwebsockets", LOG_SPAN("message", span_trim(span_cut(&rest, '\n'))));
}

/* ---- its handles ---- */

struct search {
    struct websocket_front *front;
    unsigned count, before;
};

static void count_handle(uv_handle_t *handle UNUSED, void *context)
{
    struct search *search = context;
    search->count++;
}

static unsigned count_handles(struct websocket_front *front)
{
    struct search search = {.front = front};
    uv_walk(reactor_loop(front->reactor), count_handle, &search);
    return search.count;
}

/* The loop's list is in the order in which they were made. Its polls come and go; these stay until the end. */
static void remember_handle(uv_handle_t *handle, void *context)
{
    struct search *search = context;
    struct websocket_front *front = search->front;
    bool stays = handle->type == UV_TIMER || handle->type == UV_IDLE;
    if (search->count++ >= search->before && stays && front->library_handles < WEBSOCKET_LIBRARY_HANDLES)
        front->library[front->library_handles++] = handle;
}

static void remember_handles(struct websocket_front *front, unsigned before)
{
    struct search search = {.front = front, .before = before};
    uv_walk(reactor_loop(front->reactor), remember_handle, &search);
}

/* Process-wide, whatever else it does to the process when a context is made: one at a time. */
static struct lws_context *make_context(struct websocket_front *front)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const lws_retry_bo_t no_pings_of_its_own = {.conceal_count = 0};
    unsigned before = count_handles(front);
    void *loops[] = {reactor_loop(front->reactor)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = websocket_protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN |
                   LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .max_http_header_data = HEADER_DATA_BYTES,
        .pt_serv_buf_size = SERVICE_BYTES,
        .retry_and_idle_policy = &no_pings_of_its_own,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .count_threads = 1,
        .user = front,
        .pcontext = &front->lws,
    };
    pthread_mutex_lock(&lock);
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    struct lws_context *context = lws_create_context(&info);
    if (context)
        front->vhost = lws_create_vhost(context, &info);
    lws_set_log_level(0, on_log); /* from here on it is used by several threads, and it has one line buffer for all */
    pthread_mutex_unlock(&lock);
    remember_handles(front, before);
    return context;
}

static void look_at_handle(uv_handle_t *handle, void *context)
{
    struct search *search = context;
    for (unsigned i = 0; i < search->front->library_handles; i++)
        search->count += handle == search->front->library[i];
}

/* Version 4.1 has to be asked a second time when its handles are closed; 4.3 is gone by then. */
static void on_ending(uv_idle_t *idle)
{
    struct websocket_front *front = idle->data;
    struct search search = {.front = front};
    uv_walk(idle->loop, look_at_handle, &search);
    if (search.count > 0)
        return;
    if (front->lws)
        lws_context_destroy(front->lws);
    front->lws = NULL;
    uv_idle_stop(idle);
    close_handle((uv_handle_t *)idle);
}

static void end_context(struct websocket_front *front)
{
    lws_context_destroy(front->lws);
    uv_idle_start(&front->ending, on_ending);
}

/* ---- upgrades ---- */

static int on_judge(void *context, const struct upgrade *upgrade, struct text *answer, struct identity **ret_identity)
{
    struct websocket_head head;
    return websocket_answer(context, upgrade, &head, answer, ret_identity);
}

static void on_adopt(void *context, const struct upgrade *upgrade)
{
    struct websocket_front *front = context;
    websocket_park(front, upgrade);
    if (!uv_is_active((uv_handle_t *)&front->sweep))
        uv_timer_start(&front->sweep, on_sweep, WEBSOCKET_SWEEP_MS, WEBSOCKET_SWEEP_MS);
}

struct upgrade_front websocket_front_upgrades(struct websocket_front *front)
{
    return (struct upgrade_front){.adopt = on_adopt, .judge = on_judge, .context = front};
}

/* ---- start and end ---- */

static void open_handles(struct websocket_front *front)
{
    uv_loop_t *loop = reactor_loop(front->reactor);
    uv_prepare_init(loop, &front->prepare);
    uv_timer_init(loop, &front->sweep);
    uv_idle_init(loop, &front->ending);
    front->prepare.data = front->sweep.data = front->ending.data = front;
    front->handles = 3;
    uv_prepare_start(&front->prepare, on_prepare);
}

int websocket_front_new(struct reactor *reactor, struct pumps *pumps, struct websocket_front **ret_front)
{
    struct websocket_front *front = calloc(1, sizeof(*front));
    if (!front)
        return -ENOMEM;
    front->reactor = reactor;
    front->counters = reactor_counters(reactor);
    front->pumps = pumps;
    link_init(&front->quiet);
    link_init(&front->pinged);
    link_init(&front->closing);
    link_init(&front->touched);
    link_init(&front->refusals);
    link_init(&front->parked);
    open_handles(front);
    front->lws = make_context(front);
    if (!front->vhost) {
        websocket_front_free(front);
        return -ENOTSUP;
    }
    *ret_front = front;
    return 0;
}

static void for_each(struct link *list, void (*act)(struct websocket_connection *connection))
{
    for (struct link *link = list->next, *next; link != list; link = next) {
        next = link->next;
        act(CONTAINER_OF(link, struct websocket_connection, place));
    }
}

void websocket_front_drain(struct websocket_front *front)
{
    front->draining = true;
    for_each(&front->quiet, websocket_connection_settle);
    for_each(&front->pinged, websocket_connection_settle);
}

bool websocket_front_idle(const struct websocket_front *front)
{
    return front->connections == 0;
}

void websocket_front_free(struct websocket_front *front)
{
    if (!front)
        return;
    front->draining = front->freed = true;
    for_each(&front->quiet, websocket_connection_cut);
    for_each(&front->pinged, websocket_connection_cut);
    for_each(&front->closing, websocket_connection_cut);
    websocket_park_cut(front);
    close_handle((uv_handle_t *)&front->prepare);
    close_handle((uv_handle_t *)&front->sweep);
    if (front->lws)
        end_context(front);
    else
        close_handle((uv_handle_t *)&front->ending);
}

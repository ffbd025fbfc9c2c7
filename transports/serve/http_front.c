/* The front as a whole, on one reactor: its libmicrohttpd daemons inside the reactor's loop, its start and its end. The
   daemons are in external epoll mode: the loop watches their epoll descriptors, and a daemon runs at the end of a turn
   of the loop in which its descriptor was readable, it had more to do, or we changed something (a connection added,
   connections resumed, bytes carried to one), so that many changes cost one run. Long-lived streams have a daemon of
   their own because a resume costs time in proportion to the daemon's suspended connections; connections with large
   heads have one because the memory for heads is a setting of the daemon. Owns the handles, the connections and,
   through them, all requests.
 */
#include "transports/serve/http_parts.h"
#include "transports/serve/sse_legacy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LOG_MESSAGE_BYTES = 256, END_TURNS = 1000 };

/* ---- life ---- */

void http_front_ref(struct http_front *front)
{
    front->references++;
}

void http_front_unref(struct http_front *front)
{
    if (--front->references > 0)
        return;
    while (front->spare) {
        struct http_request *request = front->spare;
        front->spare = request->next_spare;
        free(request->body);
        free(request);
    }
    close(front->watch_fd);
    free(front->peek_room);
    text_done(&front->straight);
    free(front);
}

static void on_handle_closed(uv_handle_t *handle)
{
    http_front_unref(handle->data);
}

static void close_handle(uv_handle_t *handle)
{
    uv_close(handle, on_handle_closed);
}

/* ---- the daemons in the loop ---- */

static void on_idle(uv_idle_t *idle)
{
    http_front_turn(idle->data);
}

static void run_daemon(struct http_daemon *daemon)
{
    uint64_t timeout_ms;
    daemon->wanted = false;
    daemon->pending = false;
    for (unsigned i = 0; i < HTTP_MAX_TURNS; i++) {
        MHD_run(daemon->mhd);
        if (MHD_get_timeout64(daemon->mhd, &timeout_ms) != MHD_YES || timeout_ms > 0)
            return;
    }
    daemon->pending = true;
}

static bool anything_wanted(const struct http_front *front)
{
    bool wanted = !link_alone(&front->resuming) || !link_alone(&front->touched) || !link_alone(&front->held);
    for (unsigned kind = 0; kind < HTTP_DAEMONS; kind++)
        wanted = wanted || front->daemon[kind].wanted;
    return wanted;
}

static void settle_idle(struct http_front *front)
{
    bool pending = anything_wanted(front);
    for (unsigned kind = 0; kind < HTTP_DAEMONS; kind++)
        pending = pending || front->daemon[kind].pending;
    if (pending && !front->ended)
        uv_idle_start(&front->idle, on_idle);
    else
        uv_idle_stop(&front->idle);
}

void http_front_want(struct http_connection *connection)
{
    connection->daemon->wanted = true;
}

void http_front_want_all(struct http_front *front)
{
    for (unsigned kind = 0; kind < HTTP_DAEMONS; kind++)
        front->daemon[kind].wanted = true;
}

void http_front_turn(struct http_front *front)
{
    for (unsigned i = 0; i < HTTP_MAX_TURNS && (i == 0 || anything_wanted(front)); i++) {
        http_carried_peek(front);
        http_straight_serve(front);
        http_request_resume_all(front);
        for (unsigned kind = 0; kind < HTTP_DAEMONS; kind++) {
            struct http_daemon *daemon = &front->daemon[kind];
            if (daemon->wanted || daemon->pending)
                run_daemon(daemon);
        }
        http_carried_flush(front);
    }
    settle_idle(front);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct http_front *front = prepare->data;
    if (anything_wanted(front))
        http_front_turn(front);
    if (link_alone(&front->hung_up))
        return;
    http_connection_settle_hang_ups(front);
    if (anything_wanted(front)) /* nothing wakes the loop for connections that are carried */
        http_front_turn(front);
}

/* Not run at once: the watch has to see a connection's first byte before the daemon reads it. */
static void on_daemon_readable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct http_daemon *daemon = poll->data;
    daemon->wanted = true;
}

/* What the library refuses by itself it only says in its log. */
static const char REFUSAL_FORMAT[] = "HTTP response code is %u";

static void count_refusal(struct http_front *front, unsigned status)
{
    bool head = status == 413 || status == 414 || status == 431; /* all of them: the memory for heads is used up */
    if (status != 500)
        counter_add(front->counters, head ? COUNTER_REFUSED_HEAD : COUNTER_REFUSED_HTTP, 1);
}

PRINTF(2, 0) static void on_log(void *front, const char *format, va_list arguments)
{
    char message[LOG_MESSAGE_BYTES];
    if (strstr(format, REFUSAL_FORMAT)) {
        va_list first;
        va_copy(first, arguments);
        count_refusal(front, va_arg(first, unsigned));
        va_end(first);
    }
    if (!log_enabled(LOG_DEBUG))
        return;
    int size = vsnprintf(message, sizeof(message), format, arguments);
    size = MIN(size, (int)sizeof(message) - 1);
    while (size > 0 && message[size - 1] == '\n')
        size--;
    if (size > 0)
        log_debug("libmicrohttpd", LOG_SPAN("message", ((struct span){message, (size_t)size})));
}

static struct MHD_Daemon *start_daemon(struct http_front *front, size_t memory)
{
    /* Without the inter-thread channel that suspending asks for by default: everything is on this thread. */
    const unsigned flags =
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_NO_THREAD_SAFETY | MHD_USE_ERROR_LOG |
        (((unsigned)MHD_ALLOW_SUSPEND_RESUME | (unsigned)MHD_ALLOW_UPGRADE) & ~(unsigned)MHD_USE_ITC);
    return MHD_start_daemon(flags, 0, NULL, NULL, http_request_on_call, front,             /* */
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, front,                     /* */
                            MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,                           /* */
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,                    /* */
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT32_MAX,              /* */
                            MHD_OPTION_CONNECTION_TIMEOUT, 0U,                             /* */
                            MHD_OPTION_URI_LOG_CALLBACK, http_request_on_target, front,    /* */
                            MHD_OPTION_NOTIFY_COMPLETED, http_request_on_completed, front, /* */
                            MHD_OPTION_NOTIFY_CONNECTION, http_connection_notify, front, MHD_OPTION_END);
}

static int open_daemon(struct http_daemon *daemon, struct http_front *front, enum http_kind kind, size_t memory)
{
    daemon->front = front;
    daemon->kind = kind;
    daemon->mhd = start_daemon(front, memory);
    return daemon->mhd ? 0 : -ENOMEM;
}

static int watch_daemon(struct http_daemon *daemon)
{
    struct http_front *front = daemon->front;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return -ENOTSUP;
    int result = uv_poll_init(front->loop, &daemon->poll, info->epoll_fd);
    if (result != 0)
        return result;
    daemon->poll.data = daemon;
    return uv_poll_start(&daemon->poll, UV_READABLE, on_daemon_readable);
}

/* ---- start ---- */

static void init_lists(struct http_front *front)
{
    for (unsigned i = 0; i < HTTP_STAGES; i++)
        link_init(&front->deadline[i]);
    link_init(&front->streams);
    link_init(&front->live);
    link_init(&front->sse);
    link_init(&front->sse_silent);
    link_init(&front->resuming);
    link_init(&front->hung_up);
    link_init(&front->touched);
    link_init(&front->held);
    link_init(&front->connections);
}

static int open_watch(struct http_front *front)
{
    int result = uv_poll_init(front->loop, &front->watch, front->watch_fd);
    if (result != 0)
        return result;
    front->watch.data = front;
    http_front_ref(front);
    uv_prepare_init(front->loop, &front->prepare);
    uv_idle_init(front->loop, &front->idle);
    uv_timer_init(front->loop, &front->sweep);
    uv_timer_init(front->loop, &front->live_timer);
    linger_init(&front->refused, front->reactor);
    front->prepare.data = front->idle.data = front->sweep.data = front->live_timer.data = front;
    front->references += 5;
    uv_prepare_start(&front->prepare, on_prepare);
    return uv_poll_start(&front->watch, UV_READABLE, http_connection_on_watch);
}

static int open_parts(struct http_front *front)
{
    static const size_t memory[HTTP_KINDS] = {
        [HTTP_REQUESTS] = HTTP_REQUEST_MEMORY, [HTTP_LARGE] = HTTP_LARGE_MEMORY, [HTTP_STREAMS] = HTTP_STREAM_MEMORY};
    int result = open_watch(front);
    for (unsigned kind = 0; kind < HTTP_KINDS && result == 0; kind++) {
        struct http_daemon *own = &front->daemon[kind], *carried = &front->daemon[HTTP_KINDS + kind];
        result = open_daemon(own, front, (enum http_kind)kind, memory[kind]);
        if (result == 0)
            result = watch_daemon(own);
        if (result == 0)
            result = open_daemon(carried, front, (enum http_kind)kind, memory[kind]);
    }
    return result;
}

int http_front_new(struct reactor *reactor, const struct page *pages, size_t pages_count,
                   const struct upgrade_front *upgrade, struct http_front **ret_front)
{
    struct http_front *front = calloc(1, sizeof(*front));
    if (!front)
        return -ENOMEM;
    *front = (struct http_front){.reactor = reactor,
                                 .counters = reactor_counters(reactor),
                                 .loop = reactor_loop(reactor),
                                 .pages = pages,
                                 .pages_count = pages_count,
                                 .straight = TEXT(SIZE_MAX),
                                 .references = 1};
    if (upgrade)
        front->upgrade = *upgrade;
    init_lists(front);
    front->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    int result = front->watch_fd < 0 ? -errno : open_parts(front);
    if (result != 0) {
        http_front_free(front);
        return result;
    }
    *ret_front = front;
    return 0;
}

/* ---- the end ---- */

void http_front_drain(struct http_front *front)
{
    struct link *next;
    front->draining = true;
    http_front_want_all(front); /* what has arrived is no idle connection */
    http_front_turn(front);
    for (struct link *link = front->connections.next; link != &front->connections; link = next) {
        struct http_connection *connection = CONTAINER_OF(link, struct http_connection, all);
        next = link->next;
        if (http_connection_between_requests(connection))
            http_connection_cut(connection);
    }
    sse_legacy_drain(front);
    http_page_drain(front);
}

bool http_front_idle(const struct http_front *front)
{
    return link_alone(&front->connections);
}

/* Nothing may be suspended when a daemon stops. */
static void end_connections(struct http_front *front)
{
    struct link *next;
    for (struct link *link = front->connections.next; link != &front->connections; link = next) {
        struct http_connection *connection = CONTAINER_OF(link, struct http_connection, all);
        next = link->next;
        if (connection->request)
            http_request_gone(connection->request);
        if (connection->mhd)
            http_connection_cut(connection);
        else
            http_connection_drop(connection);
    }
    for (unsigned i = 0; i < END_TURNS && !link_alone(&front->connections); i++) {
        http_front_want_all(front);
        http_front_turn(front);
    }
}

static void close_daemon(struct http_daemon *daemon)
{
    if (daemon->poll.data) {
        uv_poll_stop(&daemon->poll);
        daemon->poll.data = daemon->front;
        http_front_ref(daemon->front);
        close_handle((uv_handle_t *)&daemon->poll);
    }
    if (daemon->mhd)
        MHD_stop_daemon(daemon->mhd);
    daemon->mhd = NULL;
}

void http_front_free(struct http_front *front)
{
    if (!front)
        return;
    front->draining = front->ended = true;
    end_connections(front);
    for (unsigned kind = 0; kind < HTTP_DAEMONS; kind++)
        close_daemon(&front->daemon[kind]);
    if (front->watch.data) {
        close_handle((uv_handle_t *)&front->watch);
        close_handle((uv_handle_t *)&front->prepare);
        close_handle((uv_handle_t *)&front->idle);
        close_handle((uv_handle_t *)&front->sweep);
        close_handle((uv_handle_t *)&front->live_timer);
        linger_close(&front->refused, on_handle_closed, front);
    }
    http_front_unref(front);
}

/* Line connections on one reactor's loop: reading, cutting into lines, and the end; what the messages mean is
   duplex.c's, writing lines_write.c's. Reading pauses while too many requests are under way or the client does not read
   its answers, so a client is slowed by its own pace; one that takes nothing at all until limits.max_send_queue is full
   is cut off, and so is one that takes too long (line_clock.h). Owns the handles; a connection is freed when its last
   handle is closed. */
#include "transports/serve/lines.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/core/memory_guard.h"
#include "transports/serve/lines_parts.h"
#include "transports/serve/socket_state.h"

enum { READ_BYTES = 64 * 1024, TICK_MS = 250 };

static struct lines_connection *of(struct duplex *duplex)
{
    return CONTAINER_OF(duplex, struct lines_connection, duplex);
}

/* ---- life ---- */

static struct memory *memory_of(const struct lines_connection *connection)
{
    return &reactor_gateway(connection->front->reactor)->memory;
}

/* Nothing is kept of the line any more, nor what a long one has taken: the connection may stay for days. */
static void forget_line(struct lines_connection *connection)
{
    text_clear_to(&connection->line, READ_BYTES);
    memory_give(memory_of(connection), connection->line_charged);
    connection->line_charged = 0;
}

static void front_unref(struct lines_front *front)
{
    if (--front->references > 0)
        return;
    text_done(&front->corked);
    free(front);
}

void lines_unhold(struct lines_connection *connection)
{
    struct lines_front *front = connection->front;
    if (--connection->holds > 0)
        return;
    forget_line(connection);
    if (connection->charged)
        arrival_give_back(front->reactor, connection->network);
    link_remove(&connection->link);
    if (connection->ended)
        connection->ended(connection->context);
    duplex_done(&connection->duplex);
    text_done(&connection->line);
    free(connection->read_buffer);
    free(connection);
    front_unref(front);
}

static void handle_closed(uv_handle_t *handle)
{
    lines_unhold(handle->data);
}

void lines_close(struct lines_connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    duplex_abandon(&connection->duplex);
    if (connection->in_open)
        uv_close(&connection->in.handle, handle_closed);
    if (connection->out_open)
        uv_close(&connection->out.handle, handle_closed);
    lines_unhold(connection); /* its own */
}

void lines_cut_off(struct lines_connection *connection)
{
    uv_os_fd_t fd;
    counter_add(reactor_counters(connection->front->reactor), COUNTER_SLOW_READERS, 1);
    if (uv_fileno(connection->same ? &connection->in.handle : &connection->out.handle, &fd) == 0)
        socket_state_forget(fd);
    lines_close(connection);
}

/* ---- reading ---- */

static void end_of_line(struct lines_connection *connection)
{
    struct span line = text_span(&connection->line);
    connection->lines++;
    if (line.size && line.at[line.size - 1] == '\r')
        line.size--;
    if (connection->skipping)
        duplex_refuse_unread(&connection->duplex, connection->why_skipped);
    else if (span_trim(line).size)
        duplex_message(&connection->duplex, line);
    connection->skipping = false;
    forget_line(connection);
}

static void skip(struct lines_connection *connection, enum error_name why, enum counter counter)
{
    counter_add(reactor_counters(connection->front->reactor), counter, 1);
    connection->skipping = true;
    connection->why_skipped = why;
    forget_line(connection);
}

/* What waits for its end is charged: the message as a whole is, when it is worked on. */
static void keep(struct lines_connection *connection, struct span part, bool ended)
{
    size_t charge = ended ? 0 : part.size;
    int result = charge ? memory_charge(memory_of(connection), charge) : 0;
    if (result == 0) {
        connection->line_charged += charge;
        text_add(&connection->line, part);
    } else {
        skip(connection, memory_guard_error(result), COUNTER_REFUSED_MEMORY);
    }
}

static void take_bytes(struct lines_connection *connection, struct span bytes)
{
    size_t most = lines_settings(connection)->limits.max_payload;
    while (bytes.size && !connection->closing) {
        const char *newline = memchr(bytes.at, '\n', bytes.size);
        size_t part = newline ? (size_t)(newline - bytes.at) : bytes.size;
        if (!connection->skipping && connection->line.size + part > most)
            skip(connection, ERROR_PAYLOAD_TOO_LARGE, COUNTER_REFUSED_PAYLOAD);
        else if (!connection->skipping)
            keep(connection, (struct span){bytes.at, part}, newline != NULL);
        if (connection->line.error) {
            lines_close(connection);
            return;
        }
        part += newline ? 1 : 0;
        bytes = (struct span){bytes.at + part, bytes.size - part};
        if (newline)
            end_of_line(connection);
    }
}

static void input_ended(struct lines_connection *connection)
{
    connection->input_ended = true;
    if (connection->line.size && !connection->closing)
        end_of_line(connection); /* a last line without its newline is a message, too */
    lines_settle(connection);
}

static void give_buffer(uv_handle_t *handle, size_t suggested UNUSED, uv_buf_t *buffer)
{
    struct lines_connection *connection = handle->data;
    *buffer = uv_buf_init(connection->read_buffer, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct lines_connection *connection = stream->data;
    lines_hold(connection);
    if (size > 0) {
        lines_cork(connection);
        take_bytes(connection, (struct span){buffer->base, (size_t)size});
        if (lines_uncork(connection) == 0)
            lines_settle(connection);
    } else if (size == UV_EOF) {
        uv_read_stop(stream);
        input_ended(connection);
    } else if (size < 0) {
        lines_close(connection);
    }
    lines_unhold(connection);
}

static void read_file(struct lines_connection *connection);

static void file_read(uv_fs_t *request)
{
    struct lines_connection *connection = request->data;
    ssize_t size = request->result;
    uv_fs_req_cleanup(request);
    if (!connection->closing && size > 0) {
        take_bytes(connection, (struct span){connection->read_buffer, (size_t)size});
        if (!connection->closing && !connection->paused)
            read_file(connection);
    } else if (!connection->closing) {
        input_ended(connection);
    }
    lines_unhold(connection);
}

static void read_file(struct lines_connection *connection)
{
    uv_buf_t buffer = uv_buf_init(connection->read_buffer, READ_BYTES);
    uv_loop_t *loop = reactor_loop(connection->front->reactor);
    connection->reading.data = connection;
    lines_hold(connection);
    if (uv_fs_read(loop, &connection->reading, connection->file_in, &buffer, 1, -1, file_read) == 0)
        return;
    lines_close(connection);
    lines_unhold(connection);
}

static void resume(struct lines_connection *connection)
{
    connection->paused = false;
    if (connection->file_in >= 0)
        read_file(connection);
    else if (uv_read_start(&connection->in.stream, give_buffer, on_read) < 0)
        lines_close(connection);
}

static void pause_reading(struct lines_connection *connection)
{
    connection->paused = true;
    if (connection->file_in < 0)
        uv_read_stop(&connection->in.stream);
}

void lines_settle(struct lines_connection *connection)
{
    if (connection->closing)
        return;
    size_t waiting = lines_unsent(connection);
    bool over = connection->input_ended || connection->front->draining;
    bool full = duplex_full(&connection->duplex) || waiting > lines_settings(connection)->limits.max_send_queue / 2;
    if (over && waiting == 0 && !duplex_busy(&connection->duplex))
        lines_close(connection);
    else if (full && !connection->paused && !connection->input_ended)
        pause_reading(connection);
    else if (!full && connection->paused && !connection->input_ended)
        resume(connection);
}

/* ---- time ---- */

/* Nothing more is read; the connection ends when what was read has been answered. */
static void end_input(struct lines_connection *connection)
{
    uv_read_stop(&connection->in.stream);
    connection->skipping = false;
    forget_line(connection);
    input_ended(connection);
}

static void refuse_late(struct lines_connection *connection)
{
    counter_add(reactor_counters(connection->front->reactor), COUNTER_TIMEOUT_BODY, 1);
    lines_hold(connection);
    duplex_refuse_unread(&connection->duplex, ERROR_REQUEST_TIMEOUT);
    if (!connection->closing)
        end_input(connection);
    lines_unhold(connection);
}

static void end_idle(struct lines_connection *connection)
{
    counter_add(reactor_counters(connection->front->reactor), COUNTER_TIMEOUT_IDLE, 1);
    lines_close(connection);
}

static void check_time(struct lines_connection *connection, uint64_t now_ms)
{
    const struct line_activity activity = {
        .lines = connection->lines,
        .writes = connection->writes,
        .unsent = lines_unsent(connection),
        .part = (connection->line.size > 0 || connection->skipping) && !connection->paused && !connection->input_ended,
        .kept = connection->duplex.session || !link_alone(&connection->duplex.exchanges),
    };
    static void (*const acts[])(struct lines_connection * connection) = {
        [LINE_UNFINISHED] = refuse_late, [LINE_UNREAD] = lines_cut_off, [LINE_IDLE] = end_idle};
    enum line_late late = line_clock_judge(&connection->clock, &activity, lines_settings(connection), now_ms);
    if (late != LINE_IN_TIME)
        acts[late](connection);
}

/* Standard input and output are one client's own: it may take its time. */
static void on_clock(uv_timer_t *timer)
{
    struct lines_front *front = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    if (link_alone(&front->connections))
        uv_timer_stop(timer);
    for (struct link *link = front->connections.next, *next; link != &front->connections; link = next) {
        struct lines_connection *connection = CONTAINER_OF(link, struct lines_connection, link);
        next = link->next;
        if (connection->charged && !connection->closing)
            check_time(connection, now_ms);
    }
}

static void clock_closed(uv_handle_t *handle)
{
    front_unref(handle->data);
}

/* ---- connections ---- */

static int op_write(struct duplex *duplex, struct span message)
{
    return lines_write(of(duplex), message);
}

static void op_settle(struct duplex *duplex)
{
    lines_settle(of(duplex));
}

static void op_overtaxed(struct duplex *duplex)
{
    lines_close(of(duplex));
}

static void op_shut_out(struct duplex *duplex, const char *why UNUSED)
{
    lines_close(of(duplex));
}

static void op_hold(struct duplex *duplex)
{
    lines_hold(of(duplex));
}

static void op_unhold(struct duplex *duplex)
{
    lines_unhold(of(duplex));
}

static const struct duplex_ops ops = {
    .front = DUPLEX_FRONT_OPS("lines"),
    .write = op_write,
    .settle = op_settle,
    .overtaxed = op_overtaxed,
    .shut_out = op_shut_out,
    .hold = op_hold,
    .unhold = op_unhold,
};

static struct lines_connection *make(struct lines_front *front, unsigned listener, const struct address *client,
                                     struct peer_facts *facts)
{
    struct lines_connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    connection->read_buffer = malloc(READ_BYTES);
    if (!connection->read_buffer) {
        free(connection);
        return NULL;
    }
    connection->front = front;
    duplex_init(&connection->duplex, &ops, front->reactor, listener, client, facts);
    connection->file_in = connection->file_out = -1;
    connection->line = TEXT(SIZE_MAX);
    connection->holds = 1; /* its own, until it is closed */
    link_append(&front->connections, &connection->link);
    front->references++;
    return connection;
}

static int open_socket(struct lines_connection *connection, int fd)
{
    uv_loop_t *loop = reactor_loop(connection->front->reactor);
    bool local = uv_guess_handle(fd) == UV_NAMED_PIPE; /* a Unix socket, or one end of a pump */
    int r = local ? uv_pipe_init(loop, &connection->in.pipe, 0) : uv_tcp_init(loop, &connection->in.tcp);
    if (r < 0)
        return r;
    connection->in_open = connection->same = true;
    lines_hold(connection);
    connection->in.handle.data = connection;
    return local ? uv_pipe_open(&connection->in.pipe, fd) : uv_tcp_open(&connection->in.tcp, fd);
}

/* The certificate or nothing: there is no other place for a credential, and a configuration that asks for more is
   refused. */
static int admit(struct lines_connection *connection)
{
    struct duplex *duplex = &connection->duplex;
    struct credentials credentials = {.address = &duplex->client};
    struct guard_visit visit = {.front = duplex->ops->front.name};
    struct guard_refusal refusal;
    struct identity *identity = NULL;
    guard_show_certificate(duplex->facts, &credentials);
    int r = guard_authenticate(duplex->reactor, &credentials, &visit, &identity, &refusal);
    return r == 0 ? duplex_admit(duplex, &credentials, identity) : r;
}

void lines_front_adopt(struct lines_front *front, const struct arrival *arrival)
{
    struct lines_connection *connection = make(front, arrival->listener, &arrival->client, arrival->facts);
    if (!connection) {
        arrival_give_back(front->reactor, arrival->network);
        peer_facts_unref(arrival->facts);
        close(arrival->fd);
        return;
    }
    connection->charged = true;
    connection->network = arrival->network;
    if (admit(connection) != 0 || open_socket(connection, arrival->fd) < 0) {
        close(arrival->fd);
        lines_close(connection);
        return;
    }
    line_clock_init(&connection->clock, uv_now(reactor_loop(front->reactor)));
    if (!uv_is_active((uv_handle_t *)&front->clock))
        uv_timer_start(&front->clock, on_clock, TICK_MS, TICK_MS);
    resume(connection);
}

/* ---- standard input and output ---- */

static int open_end(struct lines_connection *connection, int fd, bool input)
{
    uv_loop_t *loop = reactor_loop(connection->front->reactor);
    uv_handle_t *handle = input ? &connection->in.handle : &connection->out.handle;
    bool *open = input ? &connection->in_open : &connection->out_open;
    uv_handle_type type = uv_guess_handle(fd);
    int r = -ENOTSUP;
    if (type == UV_FILE) {
        *(input ? &connection->file_in : &connection->file_out) = fd;
        return 0;
    }
    if (type == UV_TTY)
        r = uv_tty_init(loop, (uv_tty_t *)handle, fd, 0);
    else if (type == UV_NAMED_PIPE)
        r = uv_pipe_init(loop, (uv_pipe_t *)handle, 0);
    else if (type == UV_TCP)
        r = uv_tcp_init(loop, (uv_tcp_t *)handle);
    if (r < 0)
        return r;
    *open = true;
    lines_hold(connection);
    handle->data = connection;
    if (type == UV_NAMED_PIPE)
        return uv_pipe_open((uv_pipe_t *)handle, fd);
    return type == UV_TCP ? uv_tcp_open((uv_tcp_t *)handle, fd) : 0;
}

int lines_front_stdio(struct lines_front *front, int in_fd, int out_fd, void (*ended)(void *context), void *context)
{
    struct lines_connection *connection = make(front, SETTINGS_MAX_LISTENERS, &(struct address){.size = 0}, NULL);
    if (!connection)
        return -ENOMEM;
    int r = identity_new(&(struct identity_facts){.proof = IDENTITY_LOCAL, .subject = SPAN("")},
                         &connection->duplex.identity);
    if (r == 0)
        r = open_end(connection, in_fd, true);
    if (r == 0)
        r = open_end(connection, out_fd, false);
    if (r < 0) {
        lines_close(connection);
        return r;
    }
    connection->ended = ended;
    connection->context = context;
    resume(connection);
    return 0;
}

/* ---- the front ---- */

int lines_front_new(struct reactor *reactor, struct lines_front **ret_front)
{
    struct lines_front *front = calloc(1, sizeof(*front));
    if (!front)
        return -ENOMEM;
    front->reactor = reactor;
    front->references = 2;
    front->corked = TEXT(SIZE_MAX);
    link_init(&front->connections);
    uv_timer_init(reactor_loop(reactor), &front->clock);
    front->clock.data = front;
    *ret_front = front;
    return 0;
}

void lines_front_drain(struct lines_front *front)
{
    front->draining = true;
    for (struct link *link = front->connections.next, *next; link != &front->connections; link = next) {
        next = link->next;
        lines_settle(CONTAINER_OF(link, struct lines_connection, link));
    }
}

bool lines_front_idle(const struct lines_front *front)
{
    return link_alone(&front->connections);
}

void lines_front_free(struct lines_front *front)
{
    if (!front)
        return;
    front->draining = true;
    for (struct link *link = front->connections.next, *next; link != &front->connections; link = next) {
        next = link->next;
        lines_close(CONTAINER_OF(link, struct lines_connection, link));
    }
    uv_close((uv_handle_t *)&front->clock, clock_closed);
    front_unref(front);
}

/* Line connections on one reactor's loop: reading, cutting into lines, writing, and the end; what the messages mean is
   duplex.c's. Reading pauses while too
   many requests are under way or the client does not read its answers, so a client is slowed by its own pace; one that
   takes nothing at all until limits.max_send_queue is full is cut off, and so is one that takes too long
   (line_clock.h). Owns the handles; a connection is freed when its last handle is closed. */
#include "transports/serve/lines.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "transports/serve/duplex.h"
#include "transports/serve/line_clock.h"
#include "transports/serve/socket_state.h"

enum { READ_BYTES = 64 * 1024, CORK_BYTES = 64 * 1024, TICK_MS = 250 };

struct lines_front {
    struct reactor *reactor;
    struct link connections;
    unsigned references; /* itself, its connections, its timer */
    uv_timer_t clock;    /* runs while there are connections */
    /* Answers to what one read of `corking` brought: written together, as a system call each costs more than they do.
     */
    struct lines_connection *corking;
    struct text corked;
    bool draining;
};

/* Two ends of one client; for a socket both are the same stream. */
struct lines_connection {
    struct link link; /* front->connections */
    struct lines_front *front;
    struct duplex duplex; /* its listener is SETTINGS_MAX_LISTENERS for standard input and output */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_tty_t tty;
    } in, out;
    bool same; /* `in` is `out` */
    bool in_open, out_open;
    int file_in; /* a regular file cannot be polled: read by the worker pool; -1: none */
    int file_out;
    uv_fs_t reading;
    char *read_buffer;
    struct text line; /* the beginning of a message */
    struct text
        corked; /* answers to what one read brought: written together, a system call each costs more than they do */
    bool corking;
    bool skipping;   /* the rest of a line that is too long */
    uint64_t lines;  /* that were read to their end */
    uint64_t writes; /* that were done */
    struct line_clock clock;
    bool paused;
    bool input_ended;
    bool closing;
    unsigned holds; /* itself, open handles, requests under way, functions on the stack */
    bool charged;   /* it came by a listener: what it was charged with is given back */
    struct counted *network;
    void (*ended)(void *context);
    void *context;
};

static struct lines_connection *of(struct duplex *duplex)
{
    return CONTAINER_OF(duplex, struct lines_connection, duplex);
}

static const struct settings *settings_of(const struct lines_connection *connection)
{
    return duplex_settings(&connection->duplex);
}

/* ---- life ---- */

static void front_unref(struct lines_front *front)
{
    if (--front->references > 0)
        return;
    text_done(&front->corked);
    free(front);
}

static void hold(struct lines_connection *connection)
{
    connection->holds++;
}

static void unhold(struct lines_connection *connection)
{
    struct lines_front *front = connection->front;
    if (--connection->holds > 0)
        return;
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
    unhold(handle->data);
}

static void close_connection(struct lines_connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    duplex_abandon(&connection->duplex);
    if (connection->in_open)
        uv_close(&connection->in.handle, handle_closed);
    if (connection->out_open)
        uv_close(&connection->out.handle, handle_closed);
    unhold(connection); /* its own */
}

static void cut_off(struct lines_connection *connection)
{
    uv_os_fd_t fd;
    counter_add(reactor_counters(connection->front->reactor), COUNTER_SLOW_READERS, 1);
    if (uv_fileno(connection->same ? &connection->in.handle : &connection->out.handle, &fd) == 0)
        socket_state_forget(fd);
    close_connection(connection);
}

/* ---- writing ---- */

static void settle(struct lines_connection *connection);

struct write {
    uv_write_t request;
    struct lines_connection *connection;
    size_t size;
    char bytes[];
};

static uv_stream_t *out_stream(struct lines_connection *connection)
{
    return connection->same ? &connection->in.stream : &connection->out.stream;
}

static void written(uv_write_t *request, int status)
{
    struct write *write = CONTAINER_OF(request, struct write, request);
    struct lines_connection *connection = write->connection;
    free(write);
    connection->writes++;
    if (status < 0)
        close_connection(connection);
    else
        settle(connection);
    unhold(connection);
}

static int write_file(struct lines_connection *connection, struct span message)
{
    uv_buf_t parts[] = {uv_buf_init((char *)(uintptr_t)message.at, (unsigned)message.size),
                        uv_buf_init((char[]){'\n'}, 1)};
    uv_fs_t request;
    int r = uv_fs_write(NULL, &request, connection->file_out, parts, ARRAY_SIZE(parts), -1, NULL);
    uv_fs_req_cleanup(&request);
    if (r >= 0)
        return 0;
    close_connection(connection);
    return FRONT_GONE;
}

/* `end` is what stands behind the bytes. */
static int write_stream(struct lines_connection *connection, struct span message, struct span end)
{
    if (uv_stream_get_write_queue_size(out_stream(connection)) > settings_of(connection)->limits.max_send_queue) {
        cut_off(connection);
        return FRONT_GONE;
    }
    struct write *write = malloc(sizeof(*write) + message.size + end.size);
    if (!write) {
        close_connection(connection);
        return -ENOMEM;
    }
    write->connection = connection;
    memcpy(write->bytes, message.at, message.size);
    memcpy(write->bytes + message.size, end.at, end.size);
    uv_buf_t buffer = uv_buf_init(write->bytes, (unsigned)(message.size + end.size));
    int r = uv_write(&write->request, out_stream(connection), &buffer, 1, written);
    if (r == 0) {
        hold(connection);
        return 0;
    }
    free(write);
    close_connection(connection);
    return FRONT_GONE;
}

static void cork(struct lines_connection *connection)
{
    connection->front->corking = connection;
}

static int write_corked(struct lines_connection *connection)
{
    struct text *corked = &connection->front->corked;
    int r = corked->size == 0 ? 0 : write_stream(connection, text_span(corked), SPAN(""));
    text_clear(corked);
    return r;
}

static int uncork(struct lines_connection *connection)
{
    connection->front->corking = NULL;
    if (!connection->closing)
        return write_corked(connection);
    text_clear(&connection->front->corked);
    return FRONT_GONE;
}

static int cork_line(struct lines_connection *connection, struct span message)
{
    struct text *corked = &connection->front->corked;
    text_add(corked, message);
    text_add_char(corked, '\n');
    if (corked->error == 0)
        return corked->size < CORK_BYTES ? 0 : write_corked(connection);
    close_connection(connection);
    return -ENOMEM;
}

static int write_line(struct lines_connection *connection, struct span message)
{
    if (connection->closing)
        return FRONT_GONE;
    if (connection->file_out >= 0)
        return write_file(connection, message);
    if (connection->front->corking != connection)
        return write_stream(connection, message, SPAN("\n"));
    if (message.size < CORK_BYTES)
        return cork_line(connection, message);
    int r = write_corked(connection);
    return r == 0 ? write_stream(connection, message, SPAN("\n")) : r;
}

/* ---- reading ---- */

static void end_of_line(struct lines_connection *connection)
{
    struct span line = text_span(&connection->line);
    connection->lines++;
    if (line.size && line.at[line.size - 1] == '\r')
        line.size--;
    if (connection->skipping)
        duplex_refuse_long(&connection->duplex);
    else if (span_trim(line).size)
        duplex_message(&connection->duplex, line);
    connection->skipping = false;
    text_clear(&connection->line);
}

static void take_bytes(struct lines_connection *connection, struct span bytes)
{
    size_t most = settings_of(connection)->limits.max_payload;
    while (bytes.size && !connection->closing) {
        const char *newline = memchr(bytes.at, '\n', bytes.size);
        size_t part = newline ? (size_t)(newline - bytes.at) : bytes.size;
        if (connection->line.size + part > most)
            connection->skipping = true;
        if (connection->skipping)
            text_clear(&connection->line);
        else
            text_add(&connection->line, (struct span){bytes.at, part});
        if (connection->line.error) {
            close_connection(connection);
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
    settle(connection);
}

static void give_buffer(uv_handle_t *handle, size_t suggested UNUSED, uv_buf_t *buffer)
{
    struct lines_connection *connection = handle->data;
    *buffer = uv_buf_init(connection->read_buffer, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct lines_connection *connection = stream->data;
    hold(connection);
    if (size > 0) {
        cork(connection);
        take_bytes(connection, (struct span){buffer->base, (size_t)size});
        if (uncork(connection) == 0)
            settle(connection);
    } else if (size == UV_EOF) {
        uv_read_stop(stream);
        input_ended(connection);
    } else if (size < 0) {
        close_connection(connection);
    }
    unhold(connection);
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
    unhold(connection);
}

static void read_file(struct lines_connection *connection)
{
    uv_buf_t buffer = uv_buf_init(connection->read_buffer, READ_BYTES);
    uv_loop_t *loop = reactor_loop(connection->front->reactor);
    connection->reading.data = connection;
    hold(connection);
    if (uv_fs_read(loop, &connection->reading, connection->file_in, &buffer, 1, -1, file_read) == 0)
        return;
    close_connection(connection);
    unhold(connection);
}

static void resume(struct lines_connection *connection)
{
    connection->paused = false;
    if (connection->file_in >= 0)
        read_file(connection);
    else if (uv_read_start(&connection->in.stream, give_buffer, on_read) < 0)
        close_connection(connection);
}

static void pause_reading(struct lines_connection *connection)
{
    connection->paused = true;
    if (connection->file_in < 0)
        uv_read_stop(&connection->in.stream);
}

static size_t unsent(struct lines_connection *connection)
{
    size_t corked = connection->front->corking == connection ? connection->front->corked.size : 0;
    return connection->file_out >= 0 ? 0 : uv_stream_get_write_queue_size(out_stream(connection)) + corked;
}

static void settle(struct lines_connection *connection)
{
    if (connection->closing)
        return;
    size_t waiting = unsent(connection);
    bool over = connection->input_ended || connection->front->draining;
    bool full = duplex_full(&connection->duplex) || waiting > settings_of(connection)->limits.max_send_queue / 2;
    if (over && waiting == 0 && !duplex_busy(&connection->duplex))
        close_connection(connection);
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
    text_clear(&connection->line);
    input_ended(connection);
}

static void refuse_late(struct lines_connection *connection)
{
    counter_add(reactor_counters(connection->front->reactor), COUNTER_TIMEOUT_BODY, 1);
    hold(connection);
    duplex_refuse_late(&connection->duplex);
    if (!connection->closing)
        end_input(connection);
    unhold(connection);
}

static void end_idle(struct lines_connection *connection)
{
    counter_add(reactor_counters(connection->front->reactor), COUNTER_TIMEOUT_IDLE, 1);
    close_connection(connection);
}

static void check_time(struct lines_connection *connection, uint64_t now_ms)
{
    const struct line_activity activity = {
        .lines = connection->lines,
        .writes = connection->writes,
        .unsent = unsent(connection),
        .part = (connection->line.size > 0 || connection->skipping) && !connection->paused && !connection->input_ended,
        .kept = connection->duplex.session || !link_alone(&connection->duplex.exchanges),
    };
    static void (*const acts[])(struct lines_connection * connection) = {
        [LINE_UNFINISHED] = refuse_late, [LINE_UNREAD] = cut_off, [LINE_IDLE] = end_idle};
    enum line_late late = line_clock_judge(&connection->clock, &activity, settings_of(connection), now_ms);
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
    return write_line(of(duplex), message);
}

static void op_settle(struct duplex *duplex)
{
    settle(of(duplex));
}

static void op_overtaxed(struct duplex *duplex)
{
    close_connection(of(duplex));
}

static void op_shut_out(struct duplex *duplex, const char *why UNUSED)
{
    close_connection(of(duplex));
}

static void op_hold(struct duplex *duplex)
{
    hold(of(duplex));
}

static void op_unhold(struct duplex *duplex)
{
    unhold(of(duplex));
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
    hold(connection);
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
        close_connection(connection);
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
    hold(connection);
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
        close_connection(connection);
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
        settle(CONTAINER_OF(link, struct lines_connection, link));
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
        close_connection(CONTAINER_OF(link, struct lines_connection, link));
    }
    uv_close((uv_handle_t *)&front->clock, clock_closed);
    front_unref(front);
}

/* What goes out to a line connection: each message by itself, or the answers to what one read brought together, as a
   system call each costs more than they do. On the front's reactor; a write owns its bytes until it is done. */
#include <errno.h>

#include "transports/serve/lines_parts.h"

enum { CORK_BYTES = 64 * 1024 };

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
        lines_close(connection);
    else
        lines_settle(connection);
    lines_unhold(connection);
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
    lines_close(connection);
    return FRONT_GONE;
}

/* `end` is what stands behind the bytes. */
static int write_stream(struct lines_connection *connection, struct span message, struct span end)
{
    if (uv_stream_get_write_queue_size(out_stream(connection)) > lines_settings(connection)->limits.max_send_queue) {
        lines_cut_off(connection);
        return FRONT_GONE;
    }
    struct write *write = malloc(sizeof(*write) + message.size + end.size);
    if (!write) {
        lines_close(connection);
        return -ENOMEM;
    }
    write->connection = connection;
    memcpy(write->bytes, message.at, message.size);
    memcpy(write->bytes + message.size, end.at, end.size);
    uv_buf_t buffer = uv_buf_init(write->bytes, (unsigned)(message.size + end.size));
    int r = uv_write(&write->request, out_stream(connection), &buffer, 1, written);
    if (r == 0) {
        lines_hold(connection);
        return 0;
    }
    free(write);
    lines_close(connection);
    return FRONT_GONE;
}

void lines_cork(struct lines_connection *connection)
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

int lines_uncork(struct lines_connection *connection)
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
    lines_close(connection);
    return -ENOMEM;
}

int lines_write(struct lines_connection *connection, struct span message)
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

size_t lines_unsent(struct lines_connection *connection)
{
    size_t corked = connection->front->corking == connection ? connection->front->corked.size : 0;
    return connection->file_out >= 0 ? 0 : uv_stream_get_write_queue_size(out_stream(connection)) + corked;
}

/* A buffer that is emptied before its loop waits again. Each write is of whole lines and at most PIPE_BUF bytes: so
   lines of several threads do not mix in a pipe, and one that has room takes it without waiting. Owned by its reactor.
 */
#include "gateway/core/log_buffer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "gateway/core/counters.h"

enum { BUFFER_BYTES = 64 * 1024 };
_Static_assert(LOG_LINE_BYTES <= PIPE_BUF, "a line is written whole");

struct log_buffer {
    uv_prepare_t before_wait;
    struct counters *counters;
    size_t size;
    char at[BUFFER_BYTES];
};

/* As many whole lines as one write takes. */
static size_t chunk_size(const char *from, size_t size)
{
    if (size <= PIPE_BUF)
        return size;
    const char *last = memrchr(from, '\n', PIPE_BUF);
    return (size_t)(last - from) + 1;
}

static bool has_room(int descriptor)
{
    struct pollfd asked = {.fd = descriptor, .events = POLLOUT};
    return poll(&asked, 1, 0) == 1 && asked.revents & POLLOUT;
}

/* 0, -EAGAIN: there is no room now; or another -errno: the lines are lost. */
static int write_chunk(int descriptor, const char *from, size_t size)
{
    ssize_t written;
    if (!has_room(descriptor))
        return -EAGAIN;
    do
        written = write(descriptor, from, size);
    while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : 0;
}

static void drop_lines(struct log_buffer *buffer, const char *from, size_t size)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += from[i] == '\n';
    counter_add(buffer->counters, COUNTER_LOG_LINES_DROPPED, lines);
}

static void keep_rest(struct log_buffer *buffer, size_t done)
{
    buffer->size -= done;
    if (buffer->size > 0)
        memmove(buffer->at, buffer->at + done, buffer->size);
    else
        uv_prepare_stop(&buffer->before_wait);
}

void log_buffer_flush(struct log_buffer *buffer)
{
    int saved = errno, descriptor = log_descriptor();
    size_t done = 0;
    while (done < buffer->size) {
        const char *from = buffer->at + done;
        size_t size = chunk_size(from, buffer->size - done);
        int result = descriptor < 0 ? -EBADF : write_chunk(descriptor, from, size);
        if (result == -EAGAIN)
            break;
        if (result < 0)
            drop_lines(buffer, from, size);
        done += size;
    }
    if (done > 0)
        keep_rest(buffer, done);
    errno = saved;
}

static void flush_before_wait(uv_prepare_t *handle)
{
    log_buffer_flush(CONTAINER_OF(handle, struct log_buffer, before_wait));
}

int log_buffer_new(uv_loop_t *loop, struct counters *counters, struct log_buffer **ret_buffer)
{
    struct log_buffer *buffer = malloc(sizeof(*buffer));
    if (!buffer)
        return -ENOMEM;
    buffer->counters = counters;
    buffer->size = 0;
    int result = uv_prepare_init(loop, &buffer->before_wait);
    if (result < 0) {
        free(buffer);
        return result;
    }
    uv_unref((uv_handle_t *)&buffer->before_wait);
    *ret_buffer = buffer;
    return 0;
}

static void free_buffer(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct log_buffer, before_wait));
}

void log_buffer_close(struct log_buffer *buffer)
{
    if (!buffer)
        return;
    log_buffer_flush(buffer);
    drop_lines(buffer, buffer->at, buffer->size);
    uv_close((uv_handle_t *)&buffer->before_wait, free_buffer);
}

void log_buffer_add(struct log_buffer *buffer, enum log_level level, const char *event, const struct log_field *fields,
                    size_t count)
{
    if (!log_enabled(level))
        return;
    if (BUFFER_BYTES - buffer->size < LOG_LINE_BYTES)
        log_buffer_flush(buffer);
    if (BUFFER_BYTES - buffer->size < LOG_LINE_BYTES) {
        counter_add(buffer->counters, COUNTER_LOG_LINES_DROPPED, 1);
        return;
    }
    if (buffer->size == 0)
        uv_prepare_start(&buffer->before_wait, flush_before_wait);
    buffer->size += log_line(log_format(), level, event, fields, count, buffer->at + buffer->size);
}

/* Files of the configuration. Blocking; owns nothing beyond a call. */
#include "gateway/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { BLOCK_BYTES = 16 * 1024 };

/* One read(2) into the text. How many bytes came, or -errno. */
static ssize_t read_block(int descriptor, struct text *out)
{
    size_t room = MIN((size_t)BLOCK_BYTES, out->max_bytes - out->size);
    char probe;
    if (room == 0) { /* full: only the end of the file may follow */
        ssize_t more = read(descriptor, &probe, 1);
        return more > 0 ? -EMSGSIZE : more < 0 ? -errno : 0;
    }
    char *to = text_reserve(out, room);
    if (!to)
        return out->error;
    ssize_t got = read(descriptor, to, room);
    if (got < 0)
        return -errno;
    out->size += (size_t)got;
    return got;
}

int file_read(const char *path, struct text *out)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    ssize_t got;
    do
        got = read_block(descriptor, out);
    while (got > 0 || got == -EINTR);
    (void)close(descriptor);
    return (int)got;
}

char *file_path(const char *directory, struct span path)
{
    char *joined;
    if (!directory || (path.size > 0 && path.at[0] == '/'))
        return span_copy(path);
    return asprintf(&joined, "%s/%.*s", directory, SPAN_PRINT(path)) < 0 ? NULL : joined;
}

char *file_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return span_copy(SPAN("."));
    return span_copy((struct span){path, slash == path ? 1 : (size_t)(slash - path)});
}

/* Opens, reads once, closes. Owns nothing. */
#include "gateway/base/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct span kernel_file_read(const char *path, char *room, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return (struct span){room, 0};
    ssize_t got;
    do
        got = read(fd, room, size);
    while (got < 0 && errno == EINTR);
    close(fd);
    return (struct span){room, got > 0 ? (size_t)got : 0};
}

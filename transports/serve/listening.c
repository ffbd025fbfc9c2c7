/* Opens listening sockets. Runs in main, before the reactors' threads; owns the descriptors until they are taken. */
#include "transports/serve/listening.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct listening {
    struct address address;
    unsigned sockets;
    int fd[LISTENING_MAX_SOCKETS];
};

/* Whether the path is a socket that nobody listens on. A connection to a file that is no socket is refused just so. */
static bool left_over(const struct address *address)
{
    struct stat status;
    if (lstat(address->local.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, &address->any, address->size) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static bool has_path(const struct address *address)
{
    return address_is_local(address) && address->local.sun_path[0] != '\0';
}

static int set_options(int fd, const struct address *address)
{
    int on = 1;
    if (address_is_local(address))
        return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        return -errno;
    return 0;
}

static int bind_socket(int fd, const struct address *address)
{
    if (bind(fd, &address->any, address->size) == 0)
        return 0;
    if (errno != EADDRINUSE || !has_path(address) || !left_over(address))
        return -errno;
    if (unlink(address->local.sun_path) != 0 || bind(fd, &address->any, address->size) != 0)
        return -errno;
    return 0;
}

static int open_socket(const struct address *address, int *ret_fd)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int result = set_options(fd, address);
    if (result == 0)
        result = bind_socket(fd, address);
    if (result == 0 && listen(fd, LISTENING_BACKLOG) != 0)
        result = -errno;
    if (result != 0) {
        close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

/* The first socket settles the port, the others follow it. */
static int open_next(struct listening *listening)
{
    int *fd = &listening->fd[listening->sockets];
    int result = 0;
    if (listening->sockets > 0 && address_is_local(&listening->address)) {
        *fd = fcntl(listening->fd[0], F_DUPFD_CLOEXEC, 0);
        result = *fd < 0 ? -errno : 0;
    } else
        result = open_socket(&listening->address, fd);
    if (result != 0)
        return result;
    listening->sockets++;
    if (listening->sockets == 1 && !address_is_local(&listening->address)) {
        socklen_t size = sizeof(listening->address) - offsetof(struct address, any);
        size = MIN(size, (socklen_t)sizeof(struct sockaddr_un));
        if (getsockname(*fd, &listening->address.any, &size) != 0)
            return -errno;
        listening->address.size = size;
    }
    return 0;
}

int listening_open(const struct address *address, unsigned sockets, struct listening **ret_listening)
{
    if (sockets == 0 || sockets > LISTENING_MAX_SOCKETS)
        return -EINVAL;
    struct listening *listening = calloc(1, sizeof(*listening));
    if (!listening)
        return -ENOMEM;
    listening->address = *address;
    while (listening->sockets < sockets) {
        int result = open_next(listening);
        if (result != 0) {
            bool bound = listening->sockets > 0;
            if (!bound)
                listening->address.size = 0;
            listening_close(listening);
            return result;
        }
    }
    *ret_listening = listening;
    return 0;
}

const struct address *listening_address(const struct listening *listening)
{
    return &listening->address;
}

int listening_take(struct listening *listening, unsigned index)
{
    if (index >= listening->sockets)
        return -1;
    int fd = listening->fd[index];
    listening->fd[index] = -1;
    return fd;
}

void listening_close(struct listening *listening)
{
    if (!listening)
        return;
    for (unsigned i = 0; i < listening->sockets; i++) {
        if (listening->fd[i] >= 0)
            close(listening->fd[i]);
    }
    if (listening->address.size > 0 && has_path(&listening->address))
        unlink(listening->address.local.sun_path);
    free(listening);
}

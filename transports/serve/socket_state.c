/* Asks the kernel, and tells it one thing. Apart from its callers because the kernel's tcp_info and the C library's
   cannot be seen in one file, and only the kernel's counts bytes. Owns nothing. */
#include "transports/serve/socket_state.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static bool tcp_information(int fd, struct tcp_info *information)
{
    socklen_t size = sizeof(*information);
    memset(information, 0, sizeof(*information));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, information, &size) == 0;
}

uint64_t socket_state_received(int fd)
{
    struct tcp_info information;
    return tcp_information(fd, &information) ? information.tcpi_bytes_received : 0;
}

uint64_t socket_state_progress(int fd)
{
    struct tcp_info information;
    int unsent = 0;
    if (tcp_information(fd, &information))
        return information.tcpi_bytes_acked;
    if (ioctl(fd, SIOCOUTQ, &unsent) != 0)
        return 0;
    return UINT64_MAX - (uint64_t)unsent;
}

bool socket_state_at_end(int fd)
{
    char byte;
    ssize_t size = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

bool socket_state_has_input(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void socket_state_forget(int fd)
{
    struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)); /* Unix sockets forget anyway */
}

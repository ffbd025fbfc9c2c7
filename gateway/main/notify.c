/* One datagram per word; what cannot be sent is nobody's loss but the manager's, which has limits of its own. Owns
   nothing: the socket lives for one datagram. */
#include "gateway/main/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/span.h"

enum { MESSAGE_BYTES = 128 };

/* A path, or '@' and a name in the abstract space. The size of the address; 0: it is none. */
static socklen_t find_manager(struct sockaddr_un *manager)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t size = name ? strlen(name) : 0;
    if (size < 2 || size >= sizeof(manager->sun_path) || (*name != '/' && *name != '@'))
        return 0;
    *manager = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(manager->sun_path, name, size);
    if (*name == '@')
        manager->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static void send_message(const char *message)
{
    struct sockaddr_un manager;
    socklen_t size = find_manager(&manager);
    int fd = size > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    (void)!sendto(fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)&manager, size);
    close(fd);
}

void notify_ready(void)
{
    send_message("READY=1");
}

/* The time tells the manager which reload a READY=1 belongs to. */
void notify_reloading(void)
{
    char message[MESSAGE_BYTES];
    (void)snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_ns() / 1000);
    send_message(message);
}

void notify_stopping(void)
{
    send_message("STOPPING=1");
}

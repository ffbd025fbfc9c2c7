/* Connections: from their arrival to the close. The first head is peeked at until it shows which daemon the connection
   belongs to. From then on libmicrohttpd owns the descriptor, and one epoll set of our own watches all that are not
   carried for hang-ups: a suspended connection is in no epoll set of its daemon, so nobody else would notice. A client
   that closes its sending side counts as gone as soon as what it sent has been read: there is no other sign that a peer
   is no longer there. On one reactor; owns the connections. */
#include "transports/serve/http_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "transports/serve/socket_state.h"

enum { WATCH_BATCH = 256 };

const struct settings *http_connection_settings(const struct http_connection *connection)
{
    return reactor_snapshot(connection->front->reactor)->settings;
}

/* ---- the end ---- */

static void unwatch(struct http_connection *connection)
{
    if (!connection->carried)
        epoll_ctl(connection->front->watch_fd, EPOLL_CTL_DEL, connection->fd, NULL);
}

static void forget(struct http_connection *connection)
{
    struct http_front *front = connection->front;
    http_deadline_stop(connection);
    http_straight_drop(connection);
    http_carried_close(connection);
    link_remove(&connection->hang_up);
    link_remove(&connection->all);
    if (!connection->upgraded)
        arrival_give_back(front->reactor, connection->network);
    peer_facts_unref(connection->facts);
    free(connection);
}

struct arrival http_connection_leave(struct http_connection *connection, int fd)
{
    unwatch(connection);
    http_carried_close(connection);
    connection->upgraded = true;
    return (struct arrival){.fd = fd,
                            .client = connection->client,
                            .facts = TAKE(connection->facts),
                            .network = TAKE(connection->network),
                            .listener = connection->listener};
}

void http_connection_drop(struct http_connection *connection)
{
    int fd = connection->fd;
    bool ours = !connection->upgraded;
    bool lingers = connection->refused_end > 0;
    struct http_front *front = connection->front;
    unwatch(connection);
    forget(connection);
    if (ours && lingers)
        linger_add(&front->refused, fd);
    else if (ours)
        close(fd);
}

void http_connection_cut(struct http_connection *connection)
{
    if (!connection->mhd) {
        http_connection_drop(connection);
        return;
    }
    if (!connection->upgraded)
        shutdown(connection->fd, SHUT_RDWR);
    http_front_want(connection);
    http_carried_touch(connection);
}

/* Whether its client may still be sending, and would not read why it was refused. */
static bool is_sending(const struct http_connection *connection)
{
    uint64_t end = connection->refused_end;
    return (end > 0 && socket_state_received(connection->fd) < end) || socket_state_has_input(connection->fd);
}

/* What libmicrohttpd is about to close; a pump lingers by itself. */
static void linger(const struct http_connection *connection)
{
    struct http_front *front = connection->front;
    bool ours = !connection->carried && !connection->upgraded && connection->stage != HTTP_LATE && !front->ended;
    if (!ours || connection->hung_up || !is_sending(connection))
        return;
    int copy = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0)
        linger_add(&front->refused, copy);
}

void http_connection_notify(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode code)
{
    struct http_front *front = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        front->adding->mhd = mhd;
        *context = front->adding;
        return;
    }
    struct http_connection *connection = *context;
    void *ended = connection;
    *context = NULL;
    if (connection->request) /* the library closes some connections in the middle of a body without a word about the
                                request */
        http_request_on_completed(front, mhd, &ended, MHD_REQUEST_TERMINATED_WITH_ERROR);
    if (front->adding == connection)
        front->adding = NULL;
    linger(connection);
    unwatch(connection);
    forget(connection);
}

/* ---- the watch ---- */

static int watch(struct http_connection *connection, int operation, uint32_t events)
{
    if (connection->carried)
        return 0;
    struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    return epoll_ctl(connection->front->watch_fd, operation, connection->fd, &event) == 0 ? 0 : -errno;
}

void http_connection_watch_input(struct http_connection *connection, bool input)
{
    if (watch(connection, EPOLL_CTL_MOD, input ? (uint32_t)EPOLLIN : 0) == 0)
        connection->watching_input = input;
}

/* ---- the choice of a daemon ---- */

static void hand_over(struct http_connection *connection, enum http_kind kind)
{
    struct http_front *front = connection->front;
    struct http_daemon *daemon = &front->daemon[connection->carried ? HTTP_KINDS + kind : kind];
    connection->daemon = daemon;
    http_connection_watch_input(connection, false);
    http_deadline_set(connection, HTTP_HEAD);
    http_carried_touch(connection);
    front->adding = connection;
    enum MHD_Result added =
        MHD_add_connection(daemon->mhd, connection->fd, &connection->client.any, connection->client.size);
    bool forgotten = front->adding == NULL;
    front->adding = NULL;
    if (added == MHD_YES)
        daemon->wanted = true;
    else if (!forgotten)
        forget(connection); /* the library has closed the descriptor */
}

/* Heads are not judged here: what is wrong or incomplete for ever, the daemon refuses. */
static void choose(struct http_connection *connection, enum http_peek found, char *bytes, size_t size,
                   enum http_kind kind)
{
    if (found == HTTP_PEEK_UPGRADE && http_upgrade_served(connection))
        http_upgrade_first(connection, bytes, size);
    else
        hand_over(connection, found == HTTP_PEEK_STREAM && kind == HTTP_REQUESTS ? HTTP_STREAMS : kind);
}

/* The beginning of a large head. It is looked at whole, because the field that asks for an upgrade may be its last. */
static void peek_large(struct http_connection *connection, char first)
{
    struct http_front *front = connection->front;
    bool matters = first == 'G' && http_upgrade_served(connection);
    if (matters && !front->peek_room)
        front->peek_room = malloc(UPGRADE_MAX_HEAD);
    if (!matters || !front->peek_room) {
        hand_over(connection, HTTP_LARGE);
        return;
    }
    ssize_t size = recv(connection->fd, front->peek_room, UPGRADE_MAX_HEAD, MSG_PEEK | MSG_DONTWAIT);
    enum http_peek found = http_head_peek((struct span){front->peek_room, (size_t)MAX(size, 0)});
    if (found != HTTP_PEEK_MORE || size == UPGRADE_MAX_HEAD || connection->hung_up)
        choose(connection, found, front->peek_room, (size_t)size, HTTP_LARGE);
}

void http_connection_peek(struct http_connection *connection)
{
    char room[HTTP_PEEK_BYTES];
    ssize_t size = recv(connection->fd, room, sizeof(room), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR) && !connection->hung_up)
        return;
    if (size <= 0) {
        http_connection_drop(connection);
        return;
    }
    enum http_peek found = http_head_peek((struct span){room, (size_t)size});
    if (found == HTTP_PEEK_MORE && size == sizeof(room))
        peek_large(connection, room[0]);
    else if (found != HTTP_PEEK_MORE || connection->hung_up)
        choose(connection, found, room, (size_t)size, HTTP_REQUESTS);
}

/* ---- the beginning ---- */

void http_front_adopt(struct http_front *front, const struct arrival *arrival)
{
    struct http_connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        arrival_give_back(front->reactor, arrival->network);
        peer_facts_unref(arrival->facts);
        close(arrival->fd);
        return;
    }
    connection->front = front;
    connection->listener = arrival->listener;
    connection->client = arrival->client;
    connection->facts = arrival->facts;
    connection->network = arrival->network;
    connection->fd = arrival->fd;
    link_init(&connection->deadline);
    link_init(&connection->hang_up);
    link_init(&connection->touched);
    link_init(&connection->held);
    link_append(&front->connections, &connection->all);
    http_deadline_set(connection, HTTP_PEEK);
    http_deadline_arm(front);
    if (arrival->carrier && http_carried_open(connection, arrival->carrier))
        return;
    if (watch(connection, EPOLL_CTL_ADD, EPOLLIN) != 0)
        http_connection_drop(connection);
}

/* ---- events ---- */

/* What came before the hang-up has been given to the daemon by now. Whether the connection is done with. */
static bool settle_hang_up(struct http_connection *connection)
{
    struct http_request *request = connection->request;
    if (connection->stage == HTTP_SENDING)
        return true; /* the answer is on its way: it may still be read */
    if (request && (request->dispatched || request->asking)) {
        http_request_gone(request);
        return true;
    }
    if (!socket_state_at_end(connection->fd))
        return false;
    http_connection_cut(connection);
    return true;
}

void http_connection_settle_hang_ups(struct http_front *front)
{
    struct link *next;
    for (struct link *link = front->hung_up.next; link != &front->hung_up; link = next) {
        next = link->next;
        if (settle_hang_up(CONTAINER_OF(link, struct http_connection, hang_up)))
            link_remove(link);
    }
}

void http_connection_hung_up(struct http_connection *connection)
{
    connection->hung_up = true;
    if (connection->stage != HTTP_PEEK && link_alone(&connection->hang_up))
        link_append(&connection->front->hung_up, &connection->hang_up);
}

static void first_byte(struct http_connection *connection)
{
    http_connection_watch_input(connection, false);
    if (connection->stage == HTTP_IDLE)
        http_deadline_set(connection, HTTP_HEAD);
}

static void on_event(struct http_connection *connection, uint32_t events)
{
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        http_connection_hung_up(connection);
    if (connection->stage == HTTP_PEEK)
        http_connection_peek(connection);
    else if ((events & EPOLLIN) && connection->watching_input)
        first_byte(connection);
}

/* Before the daemons run: they would read the bytes, and then there would be no event any more. Hang-ups are only
   noted: the daemons, which run at the end of the turn, come first. No connection but an event's own goes away here, so
   every pointer in the batch is good. */
void http_connection_on_watch(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct http_front *front = poll->data;
    struct epoll_event event[WATCH_BATCH];
    int count = epoll_wait(front->watch_fd, event, WATCH_BATCH, 0);
    for (int i = 0; i < count; i++)
        on_event(event[i].data.ptr, event[i].events);
    if (!link_alone(&front->hung_up))
        http_front_want_all(front);
}

/* Sends, and keeps what could not be sent. Owns the kept bytes; the descriptor is the caller's. */
#include "transports/serve/send_queue.h"

#include <errno.h>
#include <sys/socket.h>

/* As much as the socket takes; *bytes is what it did not. */
static int send_some(int fd, struct span *bytes)
{
    while (bytes->size > 0) {
        ssize_t sent = send(fd, bytes->at, bytes->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : -errno;
        bytes->at += sent;
        bytes->size -= (size_t)sent;
    }
    return 0;
}

void send_queue_done(struct send_queue *queue)
{
    text_done(&queue->bytes);
    queue->sent = 0;
}

int send_queue_flush(struct send_queue *queue, int fd)
{
    struct span left = {queue->bytes.at + queue->sent, send_queue_size(queue)};
    if (left.size == 0)
        return 0;
    int result = send_some(fd, &left);
    queue->sent = queue->bytes.size - left.size;
    if (left.size == 0)
        send_queue_done(queue);
    return result;
}

/* The sent part makes room before the queue grows. */
static void compact(struct send_queue *queue)
{
    memmove(queue->bytes.at, queue->bytes.at + queue->sent, send_queue_size(queue));
    queue->bytes.size -= queue->sent;
    queue->sent = 0;
}

int send_queue_add(struct send_queue *queue, int fd, struct span bytes)
{
    if (send_queue_size(queue) == 0) {
        int result = send_some(fd, &bytes);
        if (result != 0 || bytes.size == 0)
            return result;
    }
    if (queue->sent > 0)
        compact(queue);
    text_add(&queue->bytes, bytes);
    return queue->bytes.error;
}

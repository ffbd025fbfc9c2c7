/* Bytes for a non-blocking socket: sent at once, and what the socket does not take waits here, in memory that exists
   only for so long. The owner's thread only. */
#pragma once
#include "gateway/base/text.h"

struct send_queue {
    struct text bytes;
    size_t sent; /* of bytes */
};

#define SEND_QUEUE(maximum) ((struct send_queue){.bytes = TEXT(maximum)})

static inline size_t send_queue_size(const struct send_queue *queue)
{
    return queue->bytes.size - queue->sent;
}
/* Sends or keeps all of `bytes`, behind what waits already. 0; -errno of the socket; -ENOMEM; -EMSGSIZE: the maximum.
 */
MUST_USE int send_queue_add(struct send_queue *queue, int fd, struct span bytes);
/* Sends what the socket takes. 0 or -errno of the socket. */
MUST_USE int send_queue_flush(struct send_queue *queue, int fd);
/* Forgets what waits. */
void send_queue_done(struct send_queue *queue);

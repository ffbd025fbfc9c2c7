/* Inboxes: where messages arrive for a client that listens on one connection and speaks on others, which may be on
   other reactors (2024-11-05, basic/transports "HTTP with SSE"). An inbox belongs to one reactor and is found by an id
   that cannot be guessed; what is put in is taken out on that reactor, in the order of putting. */
#pragma once
#include "gateway/base/random.h"
#include "gateway/core/owner.h"
#include "gateway/core/reactor.h"

struct inbox;
struct inbox_table;

/* Embedded in what is put: putting needs no memory. */
struct inbox_message {
    struct reactor_post post;
    struct inbox *inbox; /* counted, from inbox_put() to inbox_done() */
    size_t size;         /* bytes that it is charged with; set before it is put */
};

/* On the inbox's reactor. With a context of NULL the inbox has been closed since: the message is only to be freed. In
   either case inbox_done() says when it has been dealt with. */
typedef void (*inbox_taker)(void *context, struct inbox_message *message);

MUST_USE int inbox_table_new(struct inbox_table **ret_table);
/* Every inbox is closed and every message done. Takes NULL. */
void inbox_table_free(struct inbox_table *table);

/* An empty one on `reactor`, found from now on by its owner. 0 or -errno. */
MUST_USE int inbox_open(struct reactor *reactor, const struct owner *owner, inbox_taker take, void *context,
                        struct inbox **ret_inbox);
const char *inbox_id(const struct inbox *inbox); /* RANDOM_ID_BYTES, with its NUL */
/* Nobody finds it any more. On its reactor. Takes NULL. */
void inbox_close(struct inbox *inbox);

/* How much may be under way, from put to done. A message into an empty inbox always fits. */
struct inbox_bounds {
    size_t messages;
    size_t bytes;
};
enum { INBOX_UNKNOWN = 1, INBOX_FULL };
/* Any thread. 0: the message is the taker's; INBOX_UNKNOWN: no inbox of this owner has this id; INBOX_FULL. */
MUST_USE int inbox_put(struct gateway *gateway, struct span id, const struct owner *owner,
                       const struct inbox_bounds *bounds, struct inbox_message *message);
/* Gives its room back. Any thread. */
void inbox_done(struct inbox_message *message);

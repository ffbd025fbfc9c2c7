/* What the fronts have in common that carry messages both ways on one connection (lines, WebSocket): each message that
   comes becomes an exchange of its own, and they are answered in any order. The session of a legacy client belongs to
   the connection, and so does the exchange on which the session says what belongs to no request. The front embeds a
   struct duplex in its connection. One reactor's thread. */
#pragma once
#include "gateway/core/front.h"
#include "gateway/core/gateway.h"
#include "gateway/core/guard.h"
#include "gateway/core/peer_facts.h"

enum { DUPLEX_MAX_OUTSTANDING = 256 /* requests of one connection under way: beyond, nothing more is read of it */ };

enum { DUPLEX_SPARES = 64, DUPLEX_SPARE_BYTES = 1024 /* of a message that fits into a spare */ };

struct duplex;

/* Exchanges that have ended, for reuse by the connections of one front: they are large for an allocator that has to
   look for their place. Start with zeros. */
struct duplex_spares {
    struct duplex_exchange *first;
    unsigned count;
};
/* After the last connection. */
void duplex_spares_done(struct duplex_spares *spares);

struct duplex_ops {
    struct front_ops front; /* DUPLEX_FRONT_OPS("name") */
    /* Writes one message; takes nothing. 0, FRONT_GONE or -ENOMEM: the connection is being closed then. */
    int (*write)(struct duplex *duplex, struct span message);
    /* Something was answered: reading may go on, or the end has come. */
    void (*settle)(struct duplex *duplex);
    /* No memory for a message that came: the connection cannot go on. */
    void (*overtaxed)(struct duplex *duplex);
    /* Optional: an answer is about to be written. */
    void (*replying)(struct duplex *duplex, const struct exchange *exchange, const struct reply *reply);
    /* The guard does not let it in any more: `why` is a static sentence. The connection has to end. */
    void (*shut_out)(struct duplex *duplex, const char *why);
    /* Between these the connection stays, whatever happens to it. */
    void (*hold)(struct duplex *duplex);
    void (*unhold)(struct duplex *duplex);
};

struct duplex {
    const struct duplex_ops *ops;
    struct reactor *reactor;
    struct duplex_spares *spares; /* borrowed; NULL: none */
    struct peer_facts *facts;     /* counted; NULL: nothing is known */
    struct guard_pass *pass;      /* who it is, looked at again while it is open; NULL: */
    struct identity *identity;    /* counted; NULL: somebody who showed nothing */
    unsigned listener;            /* index in the settings; SETTINGS_MAX_LISTENERS: none */
    unsigned outstanding;         /* exchanges that owe an answer */
    struct address client;
    struct link exchanges;            /* struct duplex_exchange */
    struct session *session;          /* counted; legacy */
    struct duplex_exchange *standing; /* what the session sends outside of any request */
    bool over;                        /* duplex_abandon() was called */
};

struct duplex_exchange {
    struct exchange exchange;
    struct duplex *duplex; /* NULL once the connection is gone */
    struct link link;
    struct peer_facts *facts; /* counted */
    struct duplex_exchange *next_spare;
    size_t room; /* for the message */
    bool owes;
    char message[];
};

/* For ops->front. */
struct span duplex_header(struct exchange *exchange, const char *name); /* always absent */
int duplex_send(struct exchange *exchange, const struct event *event);
void duplex_reply(struct exchange *exchange, struct reply *reply);
void duplex_release(struct exchange *exchange);
#define DUPLEX_FRONT_OPS(front_name)                                                                                   \
    {                                                                                                                  \
        .name = (front_name), .connection_session = true, .header = duplex_header, .send = duplex_send,                \
        .reply = duplex_reply, .release = duplex_release                                                               \
    }

/* `facts` is taken (NULL is fine). */
void duplex_init(struct duplex *duplex, const struct duplex_ops *ops, struct reactor *reactor, unsigned listener,
                 const struct address *client, struct peer_facts *facts);
/* Who it is: `identity` (taken, NULL is fine) came of these credentials, which are kept. 0 or -ENOMEM. */
MUST_USE int duplex_admit(struct duplex *duplex, const struct credentials *credentials, struct identity *identity);
/* After duplex_abandon(). */
void duplex_done(struct duplex *duplex);

/* One whole message; copied. It may be answered before this returns. */
void duplex_message(struct duplex *duplex, struct span message);
/* A message that was not kept: larger than limits.max_payload, more than there is memory for, or not ended within
   limits.body_timeout. Its id is not known. */
void duplex_refuse_unread(struct duplex *duplex, enum error_name name);
/* The client is gone: every exchange is told, the session ends. Later calls do nothing. */
void duplex_abandon(struct duplex *duplex);

/* Requests that will be answered by themselves; a subscription is not. */
bool duplex_busy(const struct duplex *duplex);
/* So many are under way that no more should be read. */
static inline bool duplex_full(const struct duplex *duplex)
{
    return duplex->outstanding >= DUPLEX_MAX_OUTSTANDING;
}
static inline const struct settings *duplex_settings(const struct duplex *duplex)
{
    return reactor_snapshot(duplex->reactor)->settings;
}

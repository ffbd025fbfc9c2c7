/* The interface between the fronts (HTTP, WebSocket, stdio) and the core: one *exchange* per message that came in,
   whatever carried it. A front makes the exchange, fills in what it knows, hands it to the dispatcher, and from then on
   is told what to send. Everything here happens on the exchange's reactor.

       front                              core
       exchange_init(), fields set   →
       dispatch_message()            →    reads, checks, finds the handler
                                     ←    ops->send()   any number: notifications, requests, stream events
                                     ←    ops->reply()  exactly once, unless the client went away first
       exchange_gone() if it did     →
       exchange_unref()              →
                                     ←    ops->release()  when nobody refers to it any more
*/
#pragma once
#include "auth/identity.h"
#include "gateway/core/peer_facts.h"
#include "gateway/core/reactor.h"
#include "gateway/core/snapshot.h"
#include "gateway/mcp/envelope.h"
#include "gateway/mcp/errors.h"

struct exchange;
struct call;
struct session;
struct stream;
struct trace;

/* What ends an exchange. */
struct reply {
    int status; /* HTTP; other fronts look at the body only */
    char *body; /* malloc'd, taken by the front; NULL: none (202, or a stream that just ends) */
    size_t size;
    struct span event_id;     /* on a stream: the SSE id of this last event; absent: none */
    const char *session_id;   /* a session was made: Mcp-Session-Id; borrowed for the call */
    unsigned retry_after_s;   /* 0: no Retry-After */
    const char *allow;        /* Allow, with 405; NULL: none */
    const char *authenticate; /* WWW-Authenticate, with 401 and 403; borrowed for the call; NULL: none */
};

/* An event of a stream before its end. */
struct event {
    struct span message; /* one JSON-RPC message, borrowed; empty: none (a priming event) */
    struct span id;      /* SSE id; absent: none */
    unsigned retry_ms;   /* SSE retry; 0: none */
};

enum { FRONT_GONE = 1, /* the client went away, or reads too slowly and was cut off; nothing was sent */ };

struct front_ops {
    const char *name;        /* "http" */
    bool has_headers;        /* the modern era's Mcp-* headers exist and are checked */
    bool has_event_ids;      /* streams carry event ids: legacy streams can be resumed */
    bool connection_session; /* a legacy session belongs to the connection and not to a header, and requests are
                                cancelled by notifications/cancelled in either era: the front sets `connection` */
    bool legacy_only;        /* elements of a batch: the modern era has none */
    /* The first header field of that name (any case), trimmed; absent if there is none. Borrowed from the exchange. */
    struct span (*header)(struct exchange *exchange, const char *name);
    /* Sends an event now. The first one turns the answer into a stream. 0, FRONT_GONE or -ENOMEM (then the front has
     * cut the client off). */
    int (*send)(struct exchange *exchange, const struct event *event);
    /* The end. Called once, also after FRONT_GONE (the front then only frees the body). */
    void (*reply)(struct exchange *exchange, struct reply *reply);
    /* Nobody refers to the exchange any more: free what embeds it. */
    void (*release)(struct exchange *exchange);
};

enum exchange_state {
    EXCHANGE_NEW,     /* made, not dispatched */
    EXCHANGE_OPEN,    /* dispatched: an answer is owed */
    EXCHANGE_STREAM,  /* the same, and at least one event was sent; or a stream that never gets an answer */
    EXCHANGE_REPLIED, /* answered */
    EXCHANGE_GONE,    /* the client left before the answer */
};

/* One message and its answer. Embedded in the front's own struct. */
struct exchange {
    /* Set by the front between exchange_init() and dispatch. */
    const struct listener_settings *listener; /* of snapshot */
    struct address client;                    /* behind trusted proxies: whom they speak for */
    const struct peer_facts *facts;           /* of its connection; the front keeps it until release; NULL: none */
    struct identity *identity;                /* who calls (guard.h), counted; NULL: somebody who showed nothing */
    struct span message; /* what came, one JSON-RPC message or a batch; must stay as it is until release */
    struct span
        session_id; /* Mcp-Session-Id; absent: none came. With connection_session the front sets `session` instead. */
    int status; /* set by a front that refuses with another HTTP status than the error's; else 0, and the reply's in the
                   end */
    const void
        *connection; /* which connection it came by, where requests of one are told apart by their ids; else NULL */

    /* Set by exchange_init(). */
    const struct front_ops *ops;
    struct reactor *reactor;
    struct snapshot *snapshot;
    uint64_t started_ns;
    _Atomic unsigned references;
    enum exchange_state state; /* written by exchange.c alone */
    struct link link;          /* reactor_exchanges() */

    /* The core's. */
    struct envelope envelope;
    enum method method;
    enum era era;
    enum revision revision;
    unsigned capabilities;    /* of the client */
    struct session *session;  /* counted; legacy */
    struct stream *stream;    /* legacy, once the answer has become a stream: where its events are kept */
    bool outlet;              /* legacy GET: a stream of the session delivers to it */
    struct item *item;        /* of snapshot: what was asked for, once it was found */
    struct call *call;        /* counted; while a handler runs for it */
    struct listen *listen;    /* modern: it is a subscriptions/listen stream */
    struct trace *trace;      /* own; NULL: it belongs to none that anybody wants */
    bool gathers;             /* a batch: its elements are still answering */
    unsigned charged;         /* a bit (1 << quota_name) per quota it holds one of */
    size_t reserved;          /* bytes that its front has charged to limits.memory for it already */
    size_t memory;            /* bytes charged to limits.memory, until release */
    bool counted;             /* is a request: metrics when it ends */
    bool logged;              /* has had its line in the access log */
    uint64_t bytes_out;       /* of messages */
    const char *error;        /* the label of the error that it was answered with; NULL: none */
    struct reactor_post post; /* its end as an outlet, then its last unref, when they come from other threads */
};

/* Where a body without a request's id to carry it is no use: nobody answers a notification or a response
   (JSON-RPC 2.0, 4.1). HTTP has a status to answer with and asks this not. */
static inline bool exchange_answers(const struct exchange *exchange)
{
    return exchange->envelope.kind != ENVELOPE_NOTIFICATION && exchange->envelope.kind != ENVELOPE_RESPONSE;
}

/* One reference. The snapshot is the reactor's at this moment. */
void exchange_init(struct exchange *exchange, const struct front_ops *ops, struct reactor *reactor);
struct exchange *exchange_ref(struct exchange *exchange); /* any thread */
void exchange_unref(struct exchange *exchange);           /* any thread; release() runs on the reactor */

/* The client hung up, or the front cut it off: nothing can be sent any more. Modern: cancels the request. Legacy: the
   handler goes on and what it says can still be fetched by Last-Event-ID, if a stream had begun. Harmless after the
   reply. */
void exchange_gone(struct exchange *exchange);

/* POST, a text frame, a line: exchange->message holds the bytes. May reply before it returns. */
void dispatch_message(struct exchange *exchange);
/* A stream that is open before it has a session (HTTP with SSE, 2024-11-05): charged and open, or refused. True: open.
 */
MUST_USE bool dispatch_connection(struct exchange *exchange);
/* It has one now, exchange->session: what belongs to no request is sent on it from here on. */
void dispatch_session(struct exchange *exchange);
/* Whether exchange->message is one at all: for a front that hands it on to another reactor, which dispatches it. False:
   refused, as dispatch_message() would. */
MUST_USE bool dispatch_read(struct exchange *exchange);
/* GET: a legacy client opens the stream of its session, or resumes one (`last_event_id` absent: none). */
void dispatch_stream(struct exchange *exchange, struct span last_event_id);
/* DELETE: a legacy client ends its session. */
void dispatch_delete(struct exchange *exchange);

/* An error as the reply, with the exchange's id where it is known: what fronts use for refusals of their own, too,
   before or instead of dispatch. `message` NULL: the row's text. */
void exchange_reply_error(struct exchange *exchange, enum error_name error, const char *message);

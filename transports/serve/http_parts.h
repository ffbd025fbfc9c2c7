/* What the files of the HTTP front share: its structs and the functions between them. Private to
   transports/serve/http_*.c and sse_legacy*.c. One reactor's thread throughout.

   A connection, by what it may wait for (http_deadline.c watches each list; there is always at most one deadline):

       accept → PEEK ──────────────→ IDLE_NEW ⇄ HEAD → BODY → BUSY → SENDING ─┐
                 head_timeout          ↓  ↑       head_   body_   none   no     │
                                     IDLE │       timeout timeout      progress │
                                  idle_timeout                                  │
                                       ↑└──────────── answered ←────────────────┘

   PEEK, HEAD and BODY that take too long become LATE: told 408, and read on for a moment. What http_straight.c answers
   is BUSY in between. */
#pragma once
#include <microhttpd.h>

#include "gateway/base/clock.h"
#include "gateway/base/text.h"
#include "gateway/core/front.h"
#include "gateway/core/gateway.h"
#include "gateway/core/guard.h"
#include "transports/serve/http_front.h"
#include "transports/serve/linger.h"
#include "transports/serve/pump.h"
#include "transports/wire/forwarded.h"
#include "transports/wire/http_message.h"

enum {
    /* What a connection's heads, its own and its replies', have for memory. It is cleared after each request, and what
       is cleared has to be in the cache first: twice the memory costs a tenth of a request. */
    HTTP_REQUEST_MEMORY = 16 * 1024,
    HTTP_LARGE_MEMORY = 32 * 1024,   /* after a large first head (tokens): its connection's others will be large, too */
    HTTP_STREAM_MEMORY = 6 * 1024,   /* there may be thousands */
    HTTP_PEEK_BYTES = 3 * 1024,      /* a head beyond this is large */
    HTTP_SPARE_REQUESTS = 64,        /* kept for reuse, per reactor */
    HTTP_SPARE_BODY = 4 * 1024,      /* a spare keeps a body buffer up to this */
    HTTP_FIRST_BODY = 16 * 1024,     /* the most that a Content-Length alone makes us allocate */
    HTTP_STREAM_BLOCK = 128,         /* of an HTTP/1.0 stream; HTTP/1.1 uses the connection's memory */
    HTTP_KEEP_ALIVE_MS = 15000,      /* silence on a stream before a comment; less where idle_timeout is short */
    HTTP_SESSION_ID_BYTES = 64,      /* longer ones than any we make are cut, and so unknown */
    HTTP_STRAIGHT_BYTES = 16 * 1024, /* a request that may go straight; <= PUMP_FILTER_ROOM */
    HTTP_STRAIGHT_ANSWER = 64 * 1024,
    HTTP_MAX_TURNS = 8, /* runs of a daemon before the loop gets its turn again */
};

enum http_stage {
    HTTP_PEEK,     /* accepted; the first head is not complete: head_timeout from accept */
    HTTP_IDLE_NEW, /* between requests, since a moment ago */
    HTTP_IDLE,     /* between requests, for longer: its first byte will be noticed */
    HTTP_HEAD,     /* a head has begun */
    HTTP_BODY,     /* a body is coming */
    HTTP_LATE,     /* its client was told so, and may still be sending: LINGER_MS */
    HTTP_SENDING,  /* an answer is on its way out: no time limit as long as the client takes some of it */
    HTTP_BUSY,     /* a handler works, or a stream is open: the core's deadlines, not ours */
    HTTP_STAGES = HTTP_BUSY
};

/* Each kind has a daemon for sockets and one for connections that a pump carries (http_carried.c). */
enum http_kind { HTTP_REQUESTS, HTTP_LARGE, HTTP_STREAMS, HTTP_KINDS, HTTP_DAEMONS = 2 * HTTP_KINDS };

struct http_daemon {
    struct http_front *front;
    struct MHD_Daemon *mhd;
    uv_poll_t poll; /* not of one for carried connections */
    enum http_kind kind;
    bool wanted;  /* something was changed that only a run brings into effect */
    bool pending; /* the daemon has more to do at once */
};

struct http_front {
    struct reactor *reactor;
    struct counters *counters;
    uv_loop_t *loop;
    struct http_daemon daemon[HTTP_DAEMONS]; /* by kind; then those for carried connections */
    int watch_fd;                            /* epoll of all connections that are not carried: first bytes, hang-ups */
    uv_poll_t watch;
    uv_prepare_t prepare; /* the end of each turn: resumes, runs */
    uv_idle_t idle;       /* runs while a daemon is pending */
    uv_timer_t sweep;     /* deadlines and keep-alive comments */
    struct linger_ring refused;
    struct link deadline[HTTP_STAGES];
    struct link streams; /* by the time of the last bytes */
    struct link live;    /* requests for live pages */
    uv_timer_t live_timer;
    struct link sse; /* struct sse_legacy: all, and those that nobody has spoken to yet, by their age */
    struct link sse_silent;
    struct link resuming; /* requests */
    struct link hung_up;  /* connections whose client has closed, with something left to settle */
    struct link touched;  /* carried connections for which something may have been written in this turn */
    struct link held;     /* carried connections with bytes that may go straight */
    struct text straight; /* an answer, for the moment of one call */
    uint64_t date_s;      /* of: */
    char date[CLOCK_HTTP_BYTES];
    struct link connections;
    const struct page *pages;
    size_t pages_count;
    struct upgrade_front upgrade;   /* adopt NULL: none */
    char *peek_room;                /* UPGRADE_MAX_HEAD bytes, once they were needed */
    struct http_connection *adding; /* between MHD_add_connection() and its notification */
    struct http_request *spare;
    unsigned spares;
    unsigned references; /* open handles and requests that live */
    bool draining, ended;
};

/* What the request line asked for. */
enum http_route {
    HTTP_ROUTE_BAD,  /* no target that a server has */
    HTTP_ROUTE_NONE, /* nothing there */
    HTTP_ROUTE_MCP,
    HTTP_ROUTE_SSE,      /* HTTP with SSE (2024-11-05): the stream */
    HTTP_ROUTE_MESSAGES, /* and what is posted to it */
    HTTP_ROUTE_PAGE,
    HTTP_ROUTE_SETTING,  /* a page that can be changed */
    HTTP_ROUTE_METADATA, /* RFC 9728: what is protected, and who issues tokens for it */
};

struct http_connection {
    struct link all;      /* front->connections */
    struct link deadline; /* front->deadline[stage] */
    struct link hang_up;  /* front->hung_up */
    struct link touched;  /* front->touched */
    struct link held;     /* front->held */
    struct http_front *front;
    struct pump *carrier;       /* of one that is carried; NULL: it is gone */
    struct http_daemon *daemon; /* NULL while peeking */
    struct MHD_Connection *mhd; /* the same */
    struct peer_facts *facts;   /* counted */
    struct counted *network;    /* as in the arrival */
    struct http_request *request;
    struct http_request *coming; /* its bytes are held; it is no request yet */
    const struct page *page;
    uint64_t since_ms;    /* when the stage began */
    uint64_t taken_bytes; /* heads and bodies of all requests so far, to tell a head that has begun */
    uint64_t refused_end; /* the number of bytes with which what was refused is whole; 0: nothing was */
    uint64_t progress;    /* SENDING: what the peer had taken when we looked last */
    struct address client;
    int fd;
    unsigned listener; /* as in the arrival */
    uint8_t stage, route;
    bool hung_up;         /* the client has closed, at least its sending side */
    bool carried;         /* http_carried.c knows what comes, not the watch */
    bool watching_input;  /* the watch tells of bytes, too */
    bool upgraded;        /* the WebSocket front has a copy of the descriptor: this one is only to be closed */
    bool target_has_host; /* the absolute form; then: */
    bool target_host_allowed;
};

struct http_request {
    struct exchange exchange;
    struct http_front *front;
    struct http_connection *connection; /* NULL once the connection is through with it */
    struct link resuming;
    struct link stream; /* front->streams */
    struct link live;   /* front->live */
    char *body;
    size_t body_size, body_room;
    size_t body_start;             /* in `body`: of what http_straight.c has read, the head is there, too */
    struct span fields;            /* of that head; absent: libmicrohttpd has read it, and brings the body */
    const struct http_head *head;  /* what they say, while http_straight.c has it judged */
    size_t body_charged;           /* of it, to limits.memory */
    struct MHD_Response *response; /* made, not yet given to the connection */
    struct span answer;            /* its body, if that is one piece */
    unsigned status;
    struct text queue;      /* events on their way; of an upgrade: its head, re-made */
    size_t queue_sent;      /* of queue, what libmicrohttpd has taken */
    uint64_t last_bytes_ms; /* when something went into the queue last */
    struct http_request *next_spare;
    struct sse_legacy *sse;   /* it is the stream of one; until its connection is through with it */
    struct peer_facts *facts; /* counted; the exchange's */
    struct http_framing framing;
    char session_id[HTTP_SESSION_ID_BYTES];
    struct guard_visit visit;
    struct identity *identity; /* counted, until the exchange has it */
    struct guard_pass *pass;   /* of a stream that stays */
    struct address client;     /* whom the head comes from; set with: */
    bool has_client;
    char method;       /* the first letter of POST, GET, DELETE, HEAD, OPTIONS */
    bool is_exchange;  /* exchange_init() was called */
    bool from_browser; /* it has an Origin */
    bool preflight;    /* answered by us: CORS */
    bool upgrade;      /* asks for the WebSocket protocol: answered by that front */
    bool asking;       /* the head waits for the guard; the callback judges it again when it is resumed */
    bool ahead;        /* it has begun, and libmicrohttpd does not know of it yet */
    bool dispatched;
    bool dispatching; /* inside dispatch_*() */
    bool suspended;
    bool streaming; /* the answer is a stream */
    bool ended;     /* the stream's last event is in the queue */
    bool replied;
    bool gone; /* the client cannot be reached any more */
    bool told; /* exchange_gone() was called */
};

/* http_front.c */
void http_front_ref(struct http_front *front);
void http_front_unref(struct http_front *front);
/* The daemon that has the connection is run before the loop sleeps. */
void http_front_want(struct http_connection *connection);
void http_front_want_all(struct http_front *front);
/* Runs what is wanted now: resumes, then the daemons. Not from inside a daemon's callback. */
void http_front_turn(struct http_front *front);

/* http_connection.c */
void http_connection_on_watch(uv_poll_t *poll, int status, int events);
void http_connection_notify(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode code);
/* Ends it whatever it is doing: the socket is shut down, the rest follows from that. */
void http_connection_cut(struct http_connection *connection);
/* Closes one that no daemon has yet, and frees it. */
void http_connection_drop(struct http_connection *connection);
/* Does nothing for one that is carried. */
void http_connection_watch_input(struct http_connection *connection, bool input);
/* Bytes wait, or its client has closed: the first head is looked at, and its daemon chosen. */
void http_connection_peek(struct http_connection *connection);
void http_connection_hung_up(struct http_connection *connection);
/* Ends the connections whose clients have closed, once all that they sent has been read. After the daemons have run. */
void http_connection_settle_hang_ups(struct http_front *front);
const struct settings *http_connection_settings(const struct http_connection *connection);

/* The connection as the WebSocket front gets it, from now on the owner of all that it holds but the descriptor `fd`. */
struct arrival http_connection_leave(struct http_connection *connection, int fd);

static inline bool http_connection_between_requests(const struct http_connection *connection)
{
    return connection->stage == HTTP_IDLE || connection->stage == HTTP_IDLE_NEW;
}

/* http_carried.c */
/* From here to http_carried_close() the front attends to the carrier. Whether it goes on; if not, the connection is not
   carried. */
bool http_carried_open(struct http_connection *connection, struct pump *carrier);
void http_carried_close(struct http_connection *connection);
/* Something has come for the connection, or may have been written to it: it is looked at before the loop sleeps. Does
   nothing for one that is not carried. */
void http_carried_touch(struct http_connection *connection);
/* Looks at first heads that have come. Before the daemons run. */
void http_carried_peek(struct http_front *front);
/* Carries what was written to the connections that were touched. After the daemons have run. */
void http_carried_flush(struct http_front *front);

/* http_straight.c */
/* A pump_filter; `context` is the struct http_connection. */
size_t http_straight_filter(void *context, char *bytes, size_t size, struct pump_order *order);
/* Serves what is held, or gives it to the daemons. Before they run. */
void http_straight_serve(struct http_front *front);
/* Forgets what is held of the connection. */
void http_straight_drop(struct http_connection *connection);

/* http_deadline.c */
void http_deadline_set(struct http_connection *connection, enum http_stage stage);
void http_deadline_stop(struct http_connection *connection); /* before it is freed */
void http_deadline_on_sweep(uv_timer_t *timer);
/* Makes the sweep run as long as there are connections. */
void http_deadline_arm(struct http_front *front);

/* http_request.c */
void *http_request_on_target(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_request_on_call(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                     const char *version, const char *upload, size_t *upload_size, void **context);
/* One that holds nothing yet, of this connection but not yet its request; NULL without memory. */
struct http_request *http_request_new(struct http_connection *connection);
/* In bytes, to the end of its empty line. */
size_t http_request_head_size(const struct http_request *request);
/* Finds connection->route. */
void http_request_target(struct http_connection *connection, struct span raw);
/* As http_refuse_head(); of one that is refused the response is made, unless there is no memory. */
MUST_USE int http_request_judge(struct http_request *request, const char *method, const char *version);
/* The request is complete. 0, or there is no memory. */
MUST_USE int http_request_dispatch(struct http_request *request);
/* The connection is through with its request, if it has one. */
void http_request_complete(struct http_connection *connection);
void http_request_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                               enum MHD_RequestTerminationCode code);
/* For an answer that the core has to know of, though there is no message: request->exchange is set up. */
void http_request_open_exchange(struct http_request *request);
/* The client cannot be reached any more: ends its connection and tells the core, once. Not from inside the core. */
void http_request_gone(struct http_request *request);
/* The same from inside the core: it is told at the end of the turn, when the connection has ended. */
void http_request_cut(struct http_request *request);
/* The connection is resumed at the end of the turn, if it is suspended. */
void http_request_resume(struct http_request *request);
void http_request_resume_all(struct http_front *front);
/* The client of the request, with what its head says of it. */
const struct address *http_request_source(struct http_request *request);
/* Whom the request of this head comes from: the connection's client or, if that is a trusted proxy, whom it speaks for.
   `add` gives it the fields of the head. */
struct address http_request_client(const struct http_connection *connection,
                                   void (*add)(struct forwarded *forwarded, const void *head), const void *head);
/* The connection of this call is suspended; from inside libmicrohttpd. */
void http_request_suspend(struct http_request *request);
void http_request_free(struct http_request *request); /* nobody refers to it */

/* http_body.c */
/* 0: there is room for so much more; -ENOMEM, or as memory_charge(). */
MUST_USE int http_body_make_room(struct http_request *request, size_t more);
/* Inside the callback. MHD_NO: it was refused, and the connection ends. */
enum MHD_Result http_body_add(struct http_request *request, const char *bytes, size_t size);

/* http_refuse.c */
struct http_refusal {
    enum error_name error;
    enum counter counter;
    int status; /* 0: the error row's */
    const char *allow;
    const char *message;        /* NULL: the row's text */
    struct guard_refusal guard; /* with is_guard, in place of all of it */
    bool is_guard;
};
enum { HTTP_REFUSED = 1, HTTP_ASKING };
/* The checks of a whole head: 0 (*head is filled, request->identity is set), HTTP_REFUSED and why, or HTTP_ASKING: the
   guard asks who it is, and the request is resumed to be judged again. */
MUST_USE int http_refuse_head(struct http_connection *connection, const char *method, const char *version,
                              struct http_head *head, struct http_refusal *ret_refusal);

/* What the request shows of who it is. */
struct credentials http_refuse_credentials(struct http_request *request);

/* http_routes.c */
enum http_route http_route_find(struct http_connection *connection, struct span path, const struct page **ret_page);
const struct listener_settings *http_route_listener(const struct http_connection *connection,
                                                    const struct settings *settings);
/* The methods of a route, for Allow. */
const char *http_route_allow(enum http_route route);
bool http_route_has(enum http_route route, struct span method);
/* Whether MCP is spoken there: not with just any page of a browser. */
static inline bool http_route_speaks(enum http_route route)
{
    return route == HTTP_ROUTE_MCP || route == HTTP_ROUTE_SSE || route == HTTP_ROUTE_MESSAGES;
}
static inline bool http_route_is_page(enum http_route route)
{
    return route == HTTP_ROUTE_PAGE || route == HTTP_ROUTE_SETTING;
}
/* How large a body may be. */
size_t http_route_max_body(const struct http_connection *connection);
/* The answer of metadata, or of a preflight: request->response is set, or -ENOMEM. */
MUST_USE int http_route_metadata(struct http_request *request);
MUST_USE int http_route_preflight(struct http_request *request);

/* http_page.c */
/* The same of a page. */
MUST_USE int http_page_answer(struct http_request *request);
/* Ends the streams of live pages. */
void http_page_drain(struct http_front *front);

/* http_upgrade.c */
bool http_upgrade_served(const struct http_connection *connection);
/* The first head, which `bytes` begin with and which is still unread (they are read once more), asks for it: the
 * connection goes to that front. */
void http_upgrade_first(struct http_connection *connection, char *bytes, size_t size);
/* Whether this head asks for it, and may: a GET of the endpoint without a body. */
MUST_USE bool http_upgrade_asked(const struct http_connection *connection, struct span method,
                                 const struct http_head *head);
/* That front's answer: request->response is set, or -ENOMEM. With a 101 the connection is handed over when it is sent.
   Without a response it waits for the guard, and is to be asked for again. */
MUST_USE int http_upgrade_answer(struct http_request *request);

/* http_reply.c */
extern const struct front_ops http_reply_ops;
void http_reply_release(struct exchange *exchange);
/* Makes request->response; takes the body (malloc'd, NULL: none) also on failure. */
MUST_USE int http_reply_make(struct http_request *request, unsigned status, const char *content_type, char *body,
                             size_t size);
/* A field of the response; failures count as missing memory. */
MUST_USE int http_reply_field(struct MHD_Response *response, const char *name, const char *value);
/* The fields that every response may need: Connection: close, CORS. */
MUST_USE int http_reply_common(struct http_request *request);
/* Whether its answer must be the connection's last. */
bool http_reply_is_last(const struct http_request *request);
/* Gives the response to the connection. Inside its callback. */
enum MHD_Result http_reply_queue(struct http_request *request);

/* http_fields.c, of the connection's request. */
/* False: enough. The spans last as long as the request. */
typedef bool (*http_fields_visitor)(void *context, struct span name, struct span value);
void http_fields_each(const struct http_connection *connection, http_fields_visitor visitor, void *context);
/* The value of the first field of that name, in any case, trimmed; absent: none, or there is no request. */
struct span http_fields_find(const struct http_connection *connection, const char *name);

/* http_stream.c */
struct sse_event;
/* Makes the answer a stream, if it is none yet, and sends an event. 0, FRONT_GONE or -ENOMEM; after the last two the
   client is cut off. */
MUST_USE int http_stream_add(struct http_request *request, const struct sse_event *event);
int http_stream_send(struct exchange *exchange, const struct event *event);
void http_stream_end(struct http_request *request, struct reply *reply);
/* Comments on streams that have been silent. */
void http_stream_keep_alive(struct http_front *front, uint64_t idle_timeout_ms);

/* What the files of the WebSocket front share. Private to transports/serve/websocket*.c. One reactor's thread. */
#pragma once
#include <libwebsockets.h>

#include "gateway/base/text.h"
#include "transports/serve/duplex.h"
#include "transports/serve/websocket.h"
#include "transports/wire/websocket_frame.h"
#include "transports/wire/websocket_head.h"

enum {
    WEBSOCKET_RX_BYTES = 16 * 1024,   /* what libwebsockets reads at once, into a buffer of the connection: resident
                                         only where messages come in pieces */
    WEBSOCKET_READ_BYTES = 64 * 1024, /* what is written at once, and taken in a turn; one buffer each per reactor */
    WEBSOCKET_SWEEP_MS = 250,
    WEBSOCKET_LIBRARY_HANDLES = 4,
};

struct websocket_front {
    struct reactor *reactor;
    struct counters *counters;
    struct pumps *pumps;
    struct lws_context *lws;                               /* NULL again when it is gone, which it says itself */
    const uv_handle_t *library[WEBSOCKET_LIBRARY_HANDLES]; /* its handles that are closed last */
    unsigned library_handles;
    struct lws_vhost *vhost;
    uv_prepare_t prepare; /* the end of each turn */
    uv_timer_t sweep;
    uv_idle_t ending;     /* while libwebsockets closes its handles */
    unsigned handles;     /* of the three, not closed yet */
    struct link quiet;    /* by the time of the last sign of life */
    struct link pinged;   /* by the time of the ping */
    struct link closing;  /* by the time when closing began */
    struct link touched;  /* with something to do at the end of the turn */
    struct link refusals; /* answers on their way, without a connection */
    struct link parked;   /* upgrades that wait for the guard */
    struct duplex_spares spares;
    size_t connections;
    struct websocket_connection *adopting; /* while libwebsockets gets its end */
    bool draining, freed;
    size_t straight;                 /* bytes in `came` */
    char came[WEBSOCKET_READ_BYTES]; /* what goes straight to the exchanges at the end of this turn */
    char scratch[LWS_PRE + WEBSOCKET_READ_BYTES];
};

/* A message that waits for libwebsockets to have written what is before it. */
struct websocket_waiting {
    struct websocket_waiting *next;
    size_t size;
    char bytes[]; /* LWS_PRE of room, then the message */
};

struct websocket_connection {
    struct duplex duplex;
    struct websocket_front *front;
    struct counted *network; /* as in the arrival */
    struct link place;       /* front->quiet, pinged or closing */
    struct link touched;     /* front->touched */
    uint64_t place_ms;       /* when it came there */
    struct lws *wsi;         /* NULL: not there yet, or gone */
    struct pump *pump;       /* the same */
    int inner_fd;            /* libwebsockets' */
    struct websocket_gate gate;
    char *straight;       /* frames of whole messages, in front->came */
    size_t straight_left; /* bytes of them */
    uint64_t messages;    /* taken, of those that the gate has counted */
    struct text message;  /* the beginning of one that comes in parts */
    size_t charged;       /* of it, to limits.memory */
    struct websocket_waiting *first, *last;
    size_t waiting; /* bytes of them */
    size_t writing; /* of the message that libwebsockets had last */
    char *pong;     /* size, then bytes: owed; NULL: none */
    const char *close_reason;
    uint16_t close_code; /* enum websocket_close; NONE: open */
    uint16_t close_soon; /* once what is under way in this turn is written */
    uint16_t gate_close; /* a frame that has come says so: once what came before is dealt with */
    bool peer_closed;    /* that was its close frame */
    unsigned holds;      /* itself until both ends are gone, functions on the stack */
    bool library_wrote;  /* and the pump may not have carried all of it */
    bool close_counted;
    bool finishing;  /* the close frame is on its way */
    bool has_input;  /* the gate has let something through */
    bool ping_asked; /* it is in front->pinged */
    bool ping_due;
    bool paused;
};

/* websocket_front.c */
extern const struct lws_protocols websocket_protocols[];
void websocket_front_touch(struct websocket_connection *connection);
void websocket_front_gone(struct websocket_front *front); /* a connection is */

/* websocket_connection.c */
/* Takes the arrival and the identity; the head is good. */
void websocket_connection_open(struct websocket_front *front, const struct upgrade *upgrade,
                               const struct websocket_head *head, struct identity *identity);
/* What is to do at the end of a turn. */
void websocket_connection_turn(struct websocket_connection *connection);
/* Begins to close with a code; what was written before is sent first. The first code counts. */
void websocket_connection_close(struct websocket_connection *connection, enum websocket_close code, const char *reason);
/* Ends it without a word. */
void websocket_connection_cut(struct websocket_connection *connection);
/* May have to close, now that the front drains. */
void websocket_connection_settle(struct websocket_connection *connection);
/* Something came from the peer, or it has taken what it was sent. */
void websocket_connection_heard(struct websocket_connection *connection);
/* It has been silent: sees whether anybody is there. */
void websocket_connection_sweep(struct websocket_connection *connection, uint64_t now_ms);
int websocket_connection_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);

/* websocket_read.c */
/* The pump_filter of a connection. */
size_t websocket_read_filter(void *context, char *bytes, size_t size, struct pump_order *order);
/* Takes what the filter has kept of this turn. */
void websocket_read_straight(struct websocket_connection *connection);
/* Takes what libwebsockets has of a message. */
void websocket_read_part(struct websocket_connection *connection, struct span part);
void websocket_read_done(struct websocket_connection *connection);

/* websocket_write.c */
MUST_USE int websocket_write(struct duplex *duplex, struct span message);
/* Writes what waits, and a pong or a ping that is due, as far as libwebsockets takes it. 0 or FRONT_GONE. */
MUST_USE int websocket_write_more(struct websocket_connection *connection);
/* After the pump has carried what there was: frames may go straight to it again. Both ends are there. */
void websocket_write_settle(struct websocket_connection *connection);
/* Bytes that the peer has not taken, as far as they are ours. */
size_t websocket_write_unsent(const struct websocket_connection *connection);
void websocket_write_done(struct websocket_connection *connection);

/* websocket_answer.c */
/* The whole answer to an upgrade; its status, UPGRADE_PENDING or -ENOMEM. With 101 *ret_identity is counted, or NULL.
 */
MUST_USE int websocket_answer(struct websocket_front *front, const struct upgrade *upgrade,
                              struct websocket_head *ret_head, struct text *answer, struct identity **ret_identity);
/* What the head shows, and the certificate of the connection. */
struct credentials websocket_answer_credentials(const struct websocket_head *head, const struct arrival *arrival);
/* Sends a refusal and closes; takes the arrival and the TLS state. */
void websocket_answer_refuse(struct websocket_front *front, const struct upgrade *upgrade, struct span answer);

/* websocket_park.c */
/* An upgrade whose head nobody has answered: it becomes a connection or is refused, now or when the guard knows who it
   is. Takes the arrival. */
void websocket_park(struct websocket_front *front, const struct upgrade *upgrade);
/* Ends those that still wait. */
void websocket_park_cut(struct websocket_front *front);

/* A pump carries bytes between an outer end, where the peer is (a plain socket, or TLS on one), and an inner end: one
   side of a socketpair whose other side a library owns, which so sees a plain socket. It adds no delay and keeps no
   buffer: what is read is written at once from a buffer that all pumps of a reactor share; only what the other end does
   not take is queued (up to PUMP_MAX_QUEUE), and until that has gone nothing more is read from where it came from, so
   that back-pressure passes through.

       outer end  ── first_from_outer, then what the peer sends ──→ [filter] ──→ inner end (after first_to_inner)
                  ←──────────────── [swallow_head] ←──────────────────────────   inner end

   Ends. A half-close is carried over, after everything before it, in both directions (TLS: as close_notify, then FIN).
   - The outer end is broken (reset, TLS failure): both descriptors are closed at once.
   - The inner end has closed: what it wrote is still sent, as long as the peer takes some of it every PUMP_STALL_MS and
     all of it within PUMP_FLUSH_MS; then a half-close, and the peer has PUMP_LINGER_MS to close, too. What it sends
     meanwhile goes to the inner end if that has only half-closed, else it is discarded.
   - The peer has half-closed: no limit here; the owner of the inner end decides how long it goes on answering.

   One reactor's thread throughout. */
#pragma once
#include <uv.h>

#include "gateway/base/span.h"

enum {
    PUMP_READ_BYTES = 64 * 1024,   /* most that is carried at once */
    PUMP_FILTER_ROOM = 16 * 1024,  /* by so much a filter may lengthen what it is given */
    PUMP_MAX_QUEUE = 256 * 1024,   /* per direction; it exists only while the receiving end is slow */
    PUMP_MAX_FIRST = 64 * 1024,    /* of first_to_inner, and of first_from_outer */
    PUMP_MAX_SWALLOWED = 4 * 1024, /* of the swallowed head */
    PUMP_MAX_LAST = 4 * 1024,      /* last bytes of a filter or of pump_finish() */
    PUMP_STALL_MS = 5000,
    PUMP_FLUSH_MS = 60000,
    PUMP_LINGER_MS = 1000,
};

struct pumps;    /* what the pumps of one reactor share */
struct pump;     /* two descriptors and their state: well under 1 KiB while nothing is queued */
struct tls_wire; /* TLS on a socket (transports/serve/tls_wire.h) */

/* The shared buffers and one timer, on `loop`. 0 or -errno. */
MUST_USE int pumps_new(uv_loop_t *loop, struct pumps **ret_pumps);
/* Ends every pump at once (each is told, in a later turn of the loop), then closes the timer; the memory goes when the
   last pump has. The loop must run until then. Takes NULL. */
void pumps_free(struct pumps *pumps);
/* Pumps that have not been told that they ended. */
size_t pumps_count(const struct pumps *pumps);

enum pump_reason {
    PUMP_CLOSED_BY_PEER,  /* the outer end closed first, or was reset */
    PUMP_CLOSED_BY_INNER, /* the inner end closed first: the library was through with it */
    PUMP_FINISHED,        /* a filter's order or pump_finish(), and everything was sent */
    PUMP_CUT,             /* pump_cut() or pumps_free() */
    PUMP_STALLED,         /* the peer did not take the last bytes in time */
    PUMP_BROKEN,          /* TLS: the peer broke the protocol; an alert was sent where there is one */
    PUMP_REFUSED,         /* the swallowed head was no 101, or too long */
    PUMP_NO_MEMORY,
};

/* A filter's order, absent (all zero) when it is called. */
struct pump_order {
    bool finish;      /* the connection ends: nothing more is taken from the peer */
    struct span last; /* then these are the last bytes for the peer (behind what the inner end has written by now);
                         at most PUMP_MAX_LAST; copied before the filter is called again */
    bool holds;       /* what was held back may still go to the inner end: a pump_pass() follows before the loop
                         sleeps, and until then the peer's end is not carried over. Not with finish */
};

/* Sees all that comes from the outer end, in order, before the inner end does. `bytes` has room for size +
   PUMP_FILTER_ROOM; it may be rewritten in place. Returns how many bytes of it go on to the inner end, at most size +
   PUMP_FILTER_ROOM: what is to be held back the filter keeps itself. With order->finish the returned bytes still go
   to the inner end. It must not call any pump function but those that only tell. */
typedef size_t (*pump_filter)(void *context, char *bytes, size_t size, struct pump_order *order);

/* What the owner of the other side is told, if it attends to the inner end. */
enum pump_news {
    PUMP_CAME,  /* bytes of the peer have gone to the inner end */
    PUMP_ENDED, /* and nothing more will */
    PUMP_TAKEN, /* the peer has taken what had to wait for it: pump_flush() may have more to carry */
    PUMP_GONE,  /* both descriptors are closed; told last */
};
typedef void (*pump_told)(void *context, enum pump_news news);

struct pump_attendant {
    pump_told told;
    pump_filter filter; /* in place of the pump's own; NULL: that one */
    void *context;      /* of both */
};

struct pump_settings {
    int outer_fd;                 /* connected, non-blocking; taken */
    struct tls_wire *outer_tls;   /* NULL: plain. Else the handshake is done on outer_fd; taken */
    int inner_fd;                 /* non-blocking end of a socketpair; taken */
    struct span first_to_inner;   /* written to the inner end before all else, unfiltered; may be absent */
    struct span first_from_outer; /* treated as if the peer had just sent it (filtered); may be absent */
    bool swallow_head;            /* what the inner end writes first is an HTTP head that ends in a blank line: it is
                                     dropped. If its status is not 101 the pump ends (PUMP_REFUSED) */
    pump_filter filter;           /* NULL: none */
    /* Told exactly once, from the loop and never from inside a function of this header: both descriptors are closed,
       the pump is gone when this returns. May be NULL. */
    void (*ended)(void *context, enum pump_reason reason);
    void *context; /* of filter and ended; must live until `ended` */
};

/* Begins to carry. The descriptors and the TLS state are taken on success and failure alike (closed on failure, and
   `ended` is not told); the spans are borrowed for the call. 0 or -errno; -EMSGSIZE: a span beyond PUMP_MAX_FIRST. */
MUST_USE int pump_new(struct pumps *pumps, const struct pump_settings *settings, struct pump **ret_pump);
/* Ends it in order: nothing more is taken from the peer, what the inner end has written by now and then `last` (at most
   PUMP_MAX_LAST, copied) are sent, then the peer gets its half-close and a moment to answer it; the inner end is closed
   at once. Later calls do nothing. Not from inside a filter. */
void pump_finish(struct pump *pump, struct span last);
/* Ends it at once: both descriptors are closed, what was queued is lost. */
void pump_cut(struct pump *pump);
/* While it holds, nothing more is read from the peer (its hang-up is still noticed): back-pressure by what the bytes
   have caused, which a full inner end cannot tell. Not from inside a filter. */
void pump_pause(struct pump *pump, bool paused);
/* From now on the loop does not watch for what the inner end writes: the owner of its other side knows when it does,
   and promises a pump_flush() afterwards. Nor does anybody have to watch for what goes to the inner end: `told` is told
   of it, and of the pump's end, from inside functions of this header (this one, too: of what has happened before), of
   which it may call none. That spares each request two wake-ups and a turn of the loop. Whether the pump goes on; if
   not, nothing is told. */
MUST_USE bool pump_attend(struct pump *pump, const struct pump_attendant *attendant);
/* The owner does not attend to the inner end any more: the loop watches it as it did before. */
void pump_leave(struct pump *pump);
/* Carries what the inner end has written already, PUMP_READ_BYTES at most, without waiting for the loop to notice it:
   spares a turn of the loop to whoever knows. How many bytes that were. Not from inside a filter. */
size_t pump_flush(struct pump *pump);
/* Sends bytes to the peer as if the inner end had written them just now, but without the way through it: spares whoever
   knows that the inner end has written nothing that is not carried yet two system calls. Nothing once the pump ends.
   Not from inside a filter. */
void pump_write(struct pump *pump, struct span bytes);
/* Sends to the inner end what a filter has held back; may be absent: it was of use otherwise. Not from inside a filter.
 */
void pump_pass(struct pump *pump, struct span bytes);
/* Bytes for the peer that it has not taken yet, as far as the pump holds them. */
size_t pump_queued(const struct pump *pump);
/* The other way round: bytes of the peer that the inner end has not taken yet. */
size_t pump_queued_inward(const struct pump *pump);
/* How many bytes have gone, or wait to go, to the inner end since the beginning. */
uint64_t pump_passed(const struct pump *pump);

/* Both ends of a new socketpair, non-blocking and close-on-exec. 0 or -errno. */
MUST_USE int pump_socketpair(int ret_fd[2]);

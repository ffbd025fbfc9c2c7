/* What the files of the pump share. Private to transports/serve/pump*.c. One reactor's thread throughout. */
#pragma once
#include "gateway/core/reactor.h"
#include "transports/serve/pump.h"
#include "transports/serve/send_queue.h"
#include "transports/serve/tls_wire.h"

enum {
    PUMP_PLAIN_BYTES = PUMP_READ_BYTES + 20 * 1024, /* what was read, decrypted, and the record that it completes */
    PUMP_PAUSE_BYTES = PUMP_READ_BYTES + 32 * 1024, /* so many unsent answers of TLS itself, and the peer has to read */
};

struct pumps {
    uv_loop_t *loop;
    uv_timer_t sweep;
    struct link all;
    struct link ending; /* by the time when it began */
    size_t count, ending_count;
    struct text out; /* of TLS, for the moment of one call */
    bool freeing, timer_closed;
    char wire[PUMP_READ_BYTES];
    char plain[PUMP_PLAIN_BYTES + PUMP_FILTER_ROOM];
};

struct pump_end_point {
    uv_poll_t poll;
    int fd;
    int interest;        /* what is polled for */
    bool hang_up_known;  /* while it is not read from: it has hung up, at least half */
    bool ignores_errors; /* urgent data: the poll for errors alone would not sleep */
};

struct pump_flow {
    struct send_queue queue;
    bool ended;   /* nothing more comes from its source */
    bool carried; /* and its destination knows */
};

struct pump {
    struct link all, ending;
    struct pumps *pumps;
    struct tls_wire *tls;
    pump_filter filter;
    void (*ended)(void *context, enum pump_reason reason);
    void *context;
    struct pump_attendant attendant; /* told NULL: nobody attends to the inner end */
    struct pump_end_point outer, inner;
    struct pump_flow inward, outward;
    uint64_t passed;      /* to the inner end */
    uint64_t since_ms;    /* the ending began, or (outward.carried) the peer was told */
    uint64_t progress_ms; /* the peer took something last */
    uint64_t progress;
    uint16_t swallowed;
    uint8_t swallow_match; /* of blank_line */
    bool swallowing;
    bool paused;     /* by pump_pause() */
    bool holding;    /* a filter, for a moment */
    bool discarding; /* what the peer sends is of no use any more */
    bool finishing;  /* the inner end has been closed by us */
    bool is_ending, close_said, over, reason_known;
    uint8_t handles; /* not closed yet */
    enum pump_reason reason;
};

/* To whoever attends to the inner end. */
static inline void pump_tell(struct pump *pump, enum pump_news news)
{
    if (pump->attendant.told)
        pump->attendant.told(pump->attendant.context, news);
}

/* pump_end.c */
void pump_set_reason(struct pump *pump, enum pump_reason reason); /* the first one is the true one */
/* Closes both ends; it is told, and freed, when the loop has closed the handles. May be called again. */
void pump_end(struct pump *pump, enum pump_reason reason);
/* From now on the peer has to take the rest, within the limits of pump.h. */
void pump_begin_ending(struct pump *pump);
/* Frees what the pumps share once nobody needs it. */
void pump_release(struct pumps *pumps);

/* pump_carry.c */
void pump_outer_failed(struct pump *pump, int error);
/* The library has closed its end, or will read no more: what comes is dropped. What it wrote can still be read. */
void pump_inner_failed(struct pump *pump, int error);
/* How much was read; 0: there is nothing more now. */
size_t pump_read_inner(struct pump *pump);
void pump_read_outer(struct pump *pump);
/* To the peer, through TLS where there is one. */
void pump_carry_outward(struct pump *pump, struct span bytes);
/* As it is. */
void pump_send_inward(struct pump *pump, struct span bytes);
/* `bytes` lie in pumps->plain, with the filter's room behind them. */
void pump_carry_inward(struct pump *pump, char *bytes, size_t size);
void pump_decrypt(struct pump *pump, struct span input);
void pump_send_tls_output(struct pump *pump);
void pump_finish_because(struct pump *pump, struct span last, enum pump_reason reason);

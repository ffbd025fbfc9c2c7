/* Spans: what a request, and each round of its handler, leaves behind for whoever traces. The core makes the records; a
   sink (gateway/ops/traces.h) takes them. Without a sink nothing is made, and a request costs one look at a pointer.

   A request's span is a child of the context in its params._meta; the context of its HTTP request is then linked to.
   Without one in _meta the HTTP context is the parent (OpenTelemetry's conventions for MCP, "Context propagation").
   Whether a trace is recorded the parent says; one that begins here is recorded by `threshold`.

   Everything here happens on the exchange's reactor. */
#pragma once
#include <stdatomic.h>

#include "gateway/core/catalogue.h"
#include "gateway/core/front.h"
#include "gateway/mcp/trace_context.h"

enum { TRACE_TEXT_BYTES = 256, TRACE_ID_TEXT_BYTES = 72 };

enum trace_kind { TRACE_REQUEST, TRACE_HANDLER };

/* A span that has ended. On the heap; texts are cut to fit. */
struct trace_record {
    struct trace_record *next; /* the sink's */
    enum trace_kind kind;
    struct trace_context self;           /* its trace, and itself */
    uint8_t parent[TRACE_SPAN_ID_BYTES]; /* all zeros: it is the first of its trace */
    struct trace_context linked;         /* all zeros: none */
    uint64_t start_ns, end_ns;           /* since 1970 */
    enum method method;
    enum outcome outcome;
    int code; /* of a JSON-RPC error; 0: none */
    enum item_kind item_kind;
    unsigned round;       /* a handler's, from 0 */
    const char *front;    /* static: "http" */
    const char *provider; /* static: "builtin"; NULL: no handler */
    const char *revision; /* static: "2026-07-28" */
    bool has_item;
    char item[TRACE_TEXT_BYTES]; /* name or URI as it was asked for */
    char request_id[TRACE_ID_TEXT_BYTES];
    char client[ADDRESS_BYTES];
    char state[TRACE_STATE_MAX_BYTES + 1];
};

/* Who takes records: embedded in the sink's own struct. */
struct trace_sink {
    _Atomic uint64_t threshold; /* of TRACE_EVERY: how many of so many new traces are recorded */
    /* Takes the record, from any reactor; must not block. */
    void (*take)(struct trace_sink *sink, struct trace_record *record);
    /* There was no memory for one. */
    void (*lost)(struct trace_sink *sink);
};
#define TRACE_EVERY (UINT64_C(1) << 56)

/* A request has begun: exchange->trace is set if it belongs to a trace. */
void trace_begin(struct exchange *exchange);
/* It is answered with an error. */
void trace_note_error(struct exchange *exchange, int code);
/* It has its outcome: its span goes to the sink. */
void trace_end(struct exchange *exchange, enum outcome outcome);
void trace_free(struct trace *trace); /* NULL is fine */

/* The span of a round of a handler, in its call. */
struct trace_round {
    uint8_t span_id[TRACE_SPAN_ID_BYTES];
    uint64_t started_ns; /* 0: it is not recorded */
};
void trace_round_begin(struct trace_round *round, const struct exchange *exchange);
void trace_round_end(struct trace_round *round, struct exchange *exchange, const struct item *item, unsigned number,
                     enum outcome outcome, int code);
/* What a handler passes on: the traceparent whose parent its round is. False: there is none. */
MUST_USE bool trace_round_context(const struct trace_round *round, const struct exchange *exchange,
                                  struct trace_context *ret_context);
/* The tracestate that goes with it; absent: none. */
struct span trace_state(const struct exchange *exchange);

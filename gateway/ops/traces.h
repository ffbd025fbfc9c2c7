/* The exporter of traces: takes spans from the reactors, and posts them in batches to a collector (OTLP over HTTP,
   JSON) on a thread of its own. Nothing of it ever waits for a collector: what does not fit into the queue is dropped
   and counted. A collector that does not answer, or says 429, 502, 503 or 504, is asked again (OTLP specification,
   "Failures"), ever more slowly; one that refuses a batch has refused it for good. */
#pragma once
#include "gateway/core/settings.h"
#include "gateway/core/trace.h"

struct traces;

enum {
    TRACES_BATCH = 256,        /* spans of one request */
    TRACES_DELAY_MS = 1000,    /* how long a span waits for others */
    TRACES_ATTEMPTS = 8,       /* of one batch */
    TRACES_FLUSH_MS = 5000,    /* what the end waits for */
    TRACES_TIMEOUT_MS = 10000, /* of one request */
};

/* Starts the thread. The settings are copied. 0 or -errno. */
MUST_USE int traces_start(const struct trace_settings *settings, struct traces **ret_traces);
/* Posts what is queued, once and within TRACES_FLUSH_MS, and ends. The reactors have stopped. Takes NULL. */
void traces_stop(struct traces *traces);
struct trace_sink *traces_sink(struct traces *traces);
/* How many new traces are recorded: a reload's. In millionths. Any thread. */
void traces_set_sample(struct traces *traces, unsigned sample);

/* What has become of spans. */
struct traces_use {
    uint64_t queued; /* now */
    uint64_t exported;
    uint64_t dropped_queue;       /* the queue was full */
    uint64_t dropped_memory;      /* there was none */
    uint64_t dropped_refused;     /* by the collector */
    uint64_t dropped_unreachable; /* after TRACES_ATTEMPTS, or at the end */
    uint64_t failures;            /* requests that failed, whatever became of the spans */
};
void traces_read(struct traces *traces, struct traces_use *ret_use); /* any thread; NULL: all zeros */

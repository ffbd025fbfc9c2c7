/* W3C Trace Context (Level 2): traceparent and tracestate, as they come in HTTP fields and in params._meta (MCP
   2026-07-28, basic/index, "OpenTelemetry trace context"; SEP-414). Whoever sends them is a stranger: what is not
   exactly right is no context, and a new trace begins. Pure; any thread. */
#pragma once
#include "gateway/base/span.h"

enum {
    TRACE_ID_BYTES = 16,
    TRACE_SPAN_ID_BYTES = 8,
    TRACE_PARENT_SIZE = 55,      /* "00-" trace id "-" span id "-" flags */
    TRACE_STATE_MAX_BYTES = 512, /* of a whole tracestate: the least that everybody has to pass on (3.3.1.5) */
    TRACE_STATE_MAX_MEMBERS = 32,
};

struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];     /* not all zeros */
    uint8_t span_id[TRACE_SPAN_ID_BYTES]; /* of whoever asks; not all zeros */
    bool sampled;                         /* whoever asks records its part */
};

/* Outcome: no context. */
enum { TRACE_CONTEXT_BAD = 1 };

/* traceparent (3.2): version 00 is 55 characters, a later one may go on after another "-"; ff is no version; digits are
   lower case; no id is all zeros. 0 or TRACE_CONTEXT_BAD. */
MUST_USE int trace_context_parse(struct span text, struct trace_context *ret_context);
/* The traceparent of version 00 that says this, and a NUL. */
void trace_context_format(const struct trace_context *context, char out[TRACE_PARENT_SIZE + 1]);

/* Whether all of a tracestate is as 3.3.1 has it: at most 32 members key=value, no key twice, and not longer than
   TRACE_STATE_MAX_BYTES. One that is not is dropped whole; the traceparent still counts. */
bool trace_state_valid(struct span text);

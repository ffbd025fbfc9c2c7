/* The trace context of a call, for a program: TRACEPARENT and TRACESTATE in its environment, as OpenTelemetry has them
   ("Environment Variables as Context Propagation Carriers"). */
#pragma once
#include "gateway/core/provider.h"

/* Made for one start of a program; on the stack. */
struct command_trace {
    char parent[sizeof("TRACEPARENT=") + TRACE_PARENT_SIZE];
    char state[sizeof("TRACESTATE=") + TRACE_STATE_MAX_BYTES];
    char **own; /* an array of pointers, or NULL */
};

/* The environment `base` with the context of the call, or as it is where there is none, or no memory for it: a program
   that is not traced still runs. Borrows both until command_trace_done(). */
char **command_trace_environment(struct command_trace *trace, const struct call *call, char **base);
void command_trace_done(struct command_trace *trace);

/* Puts the variables before those of the row, without what the gateway itself was started with. On the call's reactor;
   owns the array. */
#include "gateway/providers/command_trace.h"

#include <stdio.h>

static bool is_ours(const char *variable)
{
    return strncmp(variable, "TRACEPARENT=", 12) == 0 || strncmp(variable, "TRACESTATE=", 11) == 0;
}

static size_t count_of(char **environment)
{
    size_t count = 0;
    while (environment[count])
        count++;
    return count;
}

char **command_trace_environment(struct command_trace *trace, const struct call *call, char **base)
{
    struct trace_context context;
    struct span state;
    size_t count = 0;
    trace->own = NULL;
    if (!call_trace(call, &context, &state))
        return base;
    trace->own = malloc((count_of(base) + 3) * sizeof(*trace->own));
    if (!trace->own)
        return base;
    memcpy(trace->parent, "TRACEPARENT=", 12);
    trace_context_format(&context, trace->parent + 12);
    trace->own[count++] = trace->parent;
    if (!span_absent(state)) {
        (void)snprintf(trace->state, sizeof(trace->state), "TRACESTATE=%.*s", SPAN_PRINT(state));
        trace->own[count++] = trace->state;
    }
    for (char **variable = base; *variable; variable++)
        if (!is_ours(*variable))
            trace->own[count++] = *variable;
    trace->own[count] = NULL;
    return trace->own;
}

void command_trace_done(struct command_trace *trace)
{
    free(trace->own);
}

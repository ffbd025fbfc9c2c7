/* Trace contexts of strangers: what is accepted is what is passed on, and no tracestate that is accepted can leave the
   field it is written to. The first line is a traceparent, the rest a tracestate. */
#include <stdlib.h>

#include "gateway/mcp/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void try_parent(struct span text)
{
    struct trace_context context, again;
    char out[TRACE_PARENT_SIZE + 1];
    if (trace_context_parse(text, &context) != 0)
        return;
    trace_context_format(&context, out);
    check(strlen(out) == TRACE_PARENT_SIZE && trace_context_parse(span_of(out), &again) == 0);
    check(memcmp(again.trace_id, context.trace_id, sizeof(again.trace_id)) == 0);
    check(memcmp(again.span_id, context.span_id, sizeof(again.span_id)) == 0 && again.sampled == context.sampled);
    check(memcmp(out + 2, text.at + 2, TRACE_PARENT_SIZE - 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span state = {(const char *)data, size};
    try_parent(span_cut(&state, '\n'));
    if (span_absent(state) || !trace_state_valid(state))
        return 0;
    check(state.size <= TRACE_STATE_MAX_BYTES);
    for (size_t i = 0; i < state.size; i++)
        check((state.at[i] >= ' ' && state.at[i] <= '~') || state.at[i] == '\t');
    return 0;
}

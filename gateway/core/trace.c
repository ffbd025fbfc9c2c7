/* Makes spans of exchanges and of their handlers' rounds. On the exchange's reactor; a trace is its exchange's, a
   record the sink's from the moment it takes it. */
#include "gateway/core/trace.h"

#include "gateway/base/clock.h"
#include "gateway/base/random.h"
#include "gateway/core/exchange.h"
#include "gateway/core/provider.h"

struct trace {
    struct trace_context self; /* not sampled: its span_id is the parent's, whom we pass on as it came */
    uint8_t parent[TRACE_SPAN_ID_BYTES];
    struct trace_context linked;
    int code;
    size_t state_size;
    char state[TRACE_STATE_MAX_BYTES];
};

/* ---- the beginning ---- */

static struct trace_sink *sink_of(const struct exchange *exchange)
{
    return exchange_gateway(exchange)->trace_sink;
}

static bool read_context(struct span parent, struct trace_context *ret_context)
{
    return !span_absent(parent) && trace_context_parse(parent, ret_context) == 0;
}

static struct span header(struct exchange *exchange, const char *name)
{
    return exchange->ops->has_headers ? exchange->ops->header(exchange, name) : (struct span){0};
}

static void keep_state(struct trace *trace, struct span state)
{
    if (state.size == 0 || !trace_state_valid(state))
        return;
    memcpy(trace->state, state.at, state.size);
    trace->state_size = state.size;
}

/* True: there is a parent, in trace->self and trace->parent. */
static bool find_parent(struct trace *trace, struct exchange *exchange)
{
    struct trace_context transport = {.sampled = false};
    bool by_header = read_context(header(exchange, "traceparent"), &transport);
    bool by_meta = read_context(exchange_text(exchange, MEMBER_META_TRACEPARENT), &trace->self);
    if (by_meta && by_header)
        trace->linked = transport;
    if (by_meta)
        keep_state(trace, exchange_text(exchange, MEMBER_META_TRACESTATE));
    else if (by_header)
        keep_state(trace, header(exchange, "tracestate"));
    if (!by_meta)
        trace->self = transport;
    memcpy(trace->parent, trace->self.span_id, sizeof(trace->parent));
    return by_meta || by_header;
}

/* The last 56 bits of a trace id are the random ones (Level 2, "Random Trace ID Flag"). */
static bool chosen(const struct trace_context *context, uint64_t threshold)
{
    uint64_t value = 0;
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++)
        value = value << 8 | context->trace_id[i];
    return value < threshold;
}

/* A trace begins here. */
static bool begin_own(struct trace *trace, uint64_t threshold)
{
    trace->self.sampled = threshold > 0 && random_bytes(trace->self.trace_id, sizeof(trace->self.trace_id)) == 0 &&
                          chosen(&trace->self, threshold);
    return trace->self.sampled;
}

static bool begin(struct trace *trace, struct exchange *exchange, uint64_t threshold)
{
    if (!find_parent(trace, exchange) && !begin_own(trace, threshold))
        return false;
    return !trace->self.sampled || random_bytes(trace->self.span_id, sizeof(trace->self.span_id)) == 0;
}

void trace_begin(struct exchange *exchange)
{
    struct trace_sink *sink = sink_of(exchange);
    if (!sink)
        return;
    struct trace trace = {.code = 0};
    if (!begin(&trace, exchange, atomic_load_explicit(&sink->threshold, memory_order_relaxed)))
        return;
    exchange->trace = malloc(sizeof(trace));
    if (exchange->trace)
        memcpy(exchange->trace, &trace, sizeof(trace));
    else
        sink->lost(sink);
}

void trace_note_error(struct exchange *exchange, int code)
{
    if (exchange->trace)
        exchange->trace->code = code;
}

void trace_free(struct trace *trace)
{
    free(trace);
}

/* ---- records ---- */

static void copy_text(char *to, size_t room, struct span from)
{
    size_t size = MIN(from.size, room - 1);
    while (size > 0 && size < from.size && ((unsigned char)from.at[size] & 0xc0) == 0x80)
        size--; /* not within a character */
    if (size > 0)
        memcpy(to, from.at, size);
    to[size] = '\0';
}

/* A string's characters, a number's digits. */
static struct span id_text(struct span id)
{
    return id.size >= 2 && id.at[0] == '"' ? (struct span){id.at + 1, id.size - 2} : id;
}

static void set_item(struct trace_record *record, const struct item *item, struct span asked)
{
    record->has_item = item != NULL;
    if (!item)
        return;
    record->item_kind = item->kind;
    copy_text(record->item, sizeof(record->item), asked.size ? asked : span_of(item->key));
}

/* The record with what all spans of an exchange share; NULL: nobody wants it. */
static struct trace_record *new_record(struct exchange *exchange, uint64_t started_ns)
{
    struct trace_sink *sink = sink_of(exchange);
    const struct trace *trace = exchange->trace;
    if (!sink || !trace || !trace->self.sampled)
        return NULL;
    struct trace_record *record = malloc(sizeof(*record));
    if (!record) {
        sink->lost(sink);
        return NULL;
    }
    uint64_t end_ns = clock_wall_ns(), duration_ns = clock_now_ns() - started_ns;
    *record = (struct trace_record){
        .self = trace->self,
        .start_ns = end_ns - MIN(duration_ns, end_ns),
        .end_ns = end_ns,
        .method = exchange->method,
        .front = exchange->ops->name,
        .revision = revision_name(exchange->revision),
    };
    copy_text(record->state, sizeof(record->state), (struct span){trace->state, trace->state_size});
    return record;
}

static struct span asked_for(const struct exchange *exchange)
{
    struct span uri = exchange_text(exchange, MEMBER_URI);
    return exchange->method == METHOD_RESOURCES_READ ? uri : (struct span){0};
}

void trace_end(struct exchange *exchange, enum outcome outcome)
{
    struct trace_record *record = new_record(exchange, exchange->started_ns);
    if (!record)
        return;
    const struct trace *trace = exchange->trace;
    record->kind = TRACE_REQUEST;
    memcpy(record->parent, trace->parent, sizeof(record->parent));
    record->linked = trace->linked;
    record->outcome = outcome;
    record->code = trace->code;
    set_item(record, exchange->item, asked_for(exchange));
    copy_text(record->request_id, sizeof(record->request_id), id_text(exchange->envelope.id));
    address_format_host(&exchange->client, record->client);
    sink_of(exchange)->take(sink_of(exchange), record);
}

/* ---- rounds ---- */

void trace_round_begin(struct trace_round *round, const struct exchange *exchange)
{
    round->started_ns = 0;
    if (exchange->trace && exchange->trace->self.sampled && random_bytes(round->span_id, sizeof(round->span_id)) == 0)
        round->started_ns = clock_now_ns();
}

void trace_round_end(struct trace_round *round, struct exchange *exchange, const struct item *item, unsigned number,
                     enum outcome outcome, int code)
{
    struct trace_record *record = round->started_ns ? new_record(exchange, round->started_ns) : NULL;
    round->started_ns = 0;
    if (!record)
        return;
    record->kind = TRACE_HANDLER;
    memcpy(record->parent, exchange->trace->self.span_id, sizeof(record->parent));
    memcpy(record->self.span_id, round->span_id, sizeof(round->span_id));
    record->outcome = outcome;
    record->code = code;
    record->round = number;
    record->provider = item->provider->ops->name;
    set_item(record, item, (struct span){0});
    sink_of(exchange)->take(sink_of(exchange), record);
}

bool trace_round_context(const struct trace_round *round, const struct exchange *exchange,
                         struct trace_context *ret_context)
{
    if (!exchange->trace)
        return false;
    *ret_context = exchange->trace->self;
    if (round->started_ns)
        memcpy(ret_context->span_id, round->span_id, sizeof(round->span_id));
    return true;
}

struct span trace_state(const struct exchange *exchange)
{
    const struct trace *trace = exchange->trace;
    return trace && trace->state_size ? (struct span){trace->state, trace->state_size} : (struct span){0};
}

/* Where every message goes through: scanned once, its era judged, admitted by the rules of that era, then handed to the
   function of its method. Runs on the exchange's reactor; owns nothing. */
#include "gateway/core/memory_guard.h"
#include "gateway/core/methods.h"
#include "gateway/core/overload.h"
#include "gateway/core/rates.h"
#include "gateway/core/session.h"
#include "gateway/core/stream.h"
#include "gateway/core/subscriptions.h"
#include "gateway/core/task.h"
#include "gateway/core/trace.h"

static void (*const methods[METHOD_COUNT])(struct exchange *exchange) = {
    [METHOD_INITIALIZE] = method_initialize,   [METHOD_PING] = method_ping,
    [METHOD_SET_LEVEL] = method_set_level,     [METHOD_SUBSCRIBE] = method_subscribe,
    [METHOD_UNSUBSCRIBE] = method_unsubscribe, [METHOD_DISCOVER] = method_discover,
    [METHOD_LISTEN] = subscriptions_listen,    [METHOD_TOOLS_LIST] = method_list,
    [METHOD_TOOLS_CALL] = method_tools_call,   [METHOD_RESOURCES_LIST] = method_list,
    [METHOD_TEMPLATES_LIST] = method_list,     [METHOD_RESOURCES_READ] = method_resources_read,
    [METHOD_PROMPTS_LIST] = method_list,       [METHOD_PROMPTS_GET] = method_prompts_get,
    [METHOD_COMPLETE] = method_complete,       [METHOD_TASKS_GET] = task_get,
    [METHOD_TASKS_UPDATE] = task_update,       [METHOD_TASKS_CANCEL] = task_cancel,
};

/* Many clients write null for "not there"; no member of ours has null as a value. */
static void forget_nulls(struct envelope *envelope)
{
    for (unsigned i = 0; i < MEMBER_COUNT; i++)
        if (envelope->member[i].wrong_type && json_kind(envelope->member[i].raw) == JSON_NULL)
            envelope->member[i] = (struct envelope_member){0};
}

/* basic/versioning: "A request carrying modern per-request _meta is served statelessly; an initialize request selects
   legacy semantics." What has neither is judged by what else it carries: a session is legacy, an MCP-Protocol-Version
   that names no legacy revision is modern, so that a client learns what is missing in the words of its own era. */
static enum era judge_era(const struct exchange *exchange)
{
    enum revision revision;
    if (exchange->ops->legacy_only)
        return ERA_LEGACY;
    if (!span_absent(exchange_member(exchange, MEMBER_META_PROTOCOL_VERSION)->raw))
        return ERA_MODERN;
    if (span_is(exchange->envelope.method, "initialize") || exchange->session || !span_absent(exchange->session_id))
        return ERA_LEGACY;
    if (exchange->ops->connection_session && exchange->envelope.kind == ENVELOPE_NOTIFICATION)
        return ERA_MODERN; /* a connection without a session: its cancellations carry no _meta */
    if (exchange->ops->has_headers) {
        struct span version = exchange->ops->header((struct exchange *)(uintptr_t)exchange, "MCP-Protocol-Version");
        if (!span_absent(version))
            return revision_find(version, &revision) == 0 ? revision_era(revision) : ERA_MODERN;
    }
    return method_find(exchange->envelope.method, ERA_LEGACY) == METHOD_UNKNOWN &&
                   method_find(exchange->envelope.method, ERA_MODERN) != METHOD_UNKNOWN
               ? ERA_MODERN
               : ERA_LEGACY;
}

/* An HTTP request that comes in a drain was on its way when the listeners closed, or its client could not know better:
   it is served as the last one of its connection. A connection that carries many, or a stream, would not end. */
static bool is_too_late(const struct exchange *exchange, enum gateway_phase phase)
{
    bool lasts = exchange->ops->connection_session || exchange->connection || exchange->method == METHOD_LISTEN;
    return phase >= GATEWAY_STOPPED || (phase == GATEWAY_DRAINING && lasts);
}

static void dispatch_request(struct exchange *exchange)
{
    struct gateway *gateway = exchange_gateway(exchange);
    exchange->counted = true;
    exchange->method = method_find(exchange->envelope.method, exchange->era);
    if (method_is_notification(exchange->method)) /* with an id it is a request, and of no method that there is */
        exchange->method = METHOD_UNKNOWN;
    trace_begin(exchange);
    if (is_too_late(exchange, gateway_phase(gateway))) {
        counter_add(exchange_counters(exchange), COUNTER_REFUSED_DRAINING, 1);
        exchange_reply_error(exchange, ERROR_DRAINING, NULL);
        return;
    }
    if (rates_refuse_request(exchange) || overload_refuse(exchange) || memory_guard_refuse(exchange))
        return;
    if (quota_take(&gateway->quotas, QUOTA_IN_FLIGHT, 1) != 0) {
        exchange_refuse(exchange, QUOTA_IN_FLIGHT, COUNTER_REFUSED_IN_FLIGHT);
        return;
    }
    exchange->charged |= 1U << QUOTA_IN_FLIGHT;
    if (!(exchange->era == ERA_MODERN ? modern_admit(exchange) : legacy_admit(exchange)))
        return;
    methods[exchange->method](exchange);
}

/* A modern client without a stream per request cancels by id (basic/patterns/cancellation, "Transport-Specific
 * Cancellation"). */
static void cancel_by_id(struct exchange *exchange, struct span id)
{
    struct link *list = reactor_exchanges(exchange->reactor);
    for (struct link *link = list->next; link != list; link = link->next) {
        struct exchange *other = CONTAINER_OF(link, struct exchange, link);
        if (other->connection != exchange->connection || other->era != ERA_MODERN ||
            other->envelope.kind != ENVELOPE_REQUEST || !envelope_id_equal(other->envelope.id, id))
            continue;
        counter_add(exchange_counters(exchange), COUNTER_CANCELLED, 1);
        exchange_reply_cancelled(other); /* takes its call, or its subscription, with it */
        return;
    }
}

/* Over HTTP a modern client sends no notifications; those that come are accepted and mean nothing
   (basic/transports/streamable-http, "Sending Messages"). */
static void dispatch_notification(struct exchange *exchange)
{
    const struct envelope_member *id = exchange_member(exchange, MEMBER_REQUEST_ID);
    exchange->method = method_find(exchange->envelope.method, exchange->era);
    if (exchange->era == ERA_LEGACY) {
        legacy_notification(exchange);
        return;
    }
    if (exchange->method == METHOD_CANCELLED && exchange->connection && !span_absent(id->raw) && !id->wrong_type)
        cancel_by_id(exchange, id->raw);
    exchange_reply_empty(exchange);
}

void dispatch_envelope(struct exchange *exchange)
{
    forget_nulls(&exchange->envelope);
    exchange->era = judge_era(exchange);
    if (exchange->envelope.kind == ENVELOPE_REQUEST)
        dispatch_request(exchange);
    else if (exchange->envelope.kind == ENVELOPE_NOTIFICATION)
        dispatch_notification(exchange);
    else
        legacy_response(exchange);
}

static void refuse_bytes(struct exchange *exchange, enum error_name error)
{
    CLEANUP(text_done) struct text message = TEXT(256);
    text_addf(&message, "%s: %s", error_row(error)->text, exchange->envelope.reason ? exchange->envelope.reason : "");
    if (error == ERROR_PARSE)
        text_addf(&message, " (at byte %zu)", exchange->envelope.stopped_at);
    exchange_reply_error_full(exchange, error, text_span(&message), (struct span){0});
}

/* 0, ENVELOPE_BATCH where that is allowed, or -1: refused. */
static int read_bytes(struct exchange *exchange, bool batch_allowed)
{
    int r = envelope_scan(exchange->message, NULL, &exchange->envelope);
    if (r == 0 || (r == ENVELOPE_BATCH && batch_allowed))
        return r;
    if (r < 0)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        refuse_bytes(exchange, r == ENVELOPE_PARSE_ERROR ? ERROR_PARSE : ERROR_INVALID_REQUEST);
    return -1;
}

void dispatch_bytes(struct exchange *exchange, bool batch_allowed)
{
    exchange->state = EXCHANGE_OPEN;
    link_append(reactor_exchanges(exchange->reactor), &exchange->link);
    int r = read_bytes(exchange, batch_allowed);
    if (r == 0)
        dispatch_envelope(exchange);
    else if (r == ENVELOPE_BATCH)
        batch_begin(exchange);
}

bool dispatch_read(struct exchange *exchange)
{
    return read_bytes(exchange, true) >= 0;
}

void dispatch_message(struct exchange *exchange)
{
    counter_add(exchange_counters(exchange), COUNTER_BYTES_IN, exchange->message.size);
    dispatch_bytes(exchange, true);
}

/* ---- what is no message ---- */

static bool open_exchange(struct exchange *exchange)
{
    exchange->state = EXCHANGE_OPEN;
    link_append(reactor_exchanges(exchange->reactor), &exchange->link);
    if (gateway_phase(exchange_gateway(exchange)) < GATEWAY_DRAINING)
        return true;
    exchange_reply_error(exchange, ERROR_DRAINING, NULL);
    return false;
}

static bool charge_stream(struct exchange *exchange)
{
    if (quota_take(&exchange_gateway(exchange)->quotas, QUOTA_STREAMS, 1) != 0) {
        exchange_refuse(exchange, QUOTA_STREAMS, COUNTER_REFUSED_STREAM);
        return false;
    }
    exchange->charged |= 1U << QUOTA_STREAMS;
    return true;
}

void dispatch_stream(struct exchange *exchange, struct span last_event_id)
{
    if (open_exchange(exchange) && legacy_session(exchange) && charge_stream(exchange))
        stream_attach(exchange, last_event_id);
}

bool dispatch_connection(struct exchange *exchange)
{
    return open_exchange(exchange) && charge_stream(exchange);
}

void dispatch_session(struct exchange *exchange)
{
    if (legacy_session(exchange))
        stream_attach(exchange, (struct span){0});
}

void dispatch_delete(struct exchange *exchange)
{
    exchange->state = EXCHANGE_OPEN;
    link_append(reactor_exchanges(exchange->reactor), &exchange->link);
    if (!legacy_session(exchange))
        return;
    session_close(exchange->session);
    exchange_reply_bytes(exchange, 204, NULL, 0, NULL);
}

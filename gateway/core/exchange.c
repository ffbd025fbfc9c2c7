/* The life of an exchange: opened by the dispatcher, answered once or abandoned by its client, released by its front.
   Runs on the exchange's reactor; only the reference count is for all threads. What an exchange was charged with is
   given back here, and here its outcome is counted, so that neither can be forgotten elsewhere.

       NEW ──dispatch──▶ OPEN ──send──▶ STREAM
                          │ reply         │ reply
                          ├──▶ REPLIED ◀──┤
                          │ gone          │ gone
                          └──▶ GONE ◀─────┘
*/
#include "gateway/core/exchange.h"

#include <errno.h>

#include "gateway/base/clock.h"
#include "gateway/core/access_log.h"
#include "gateway/core/call.h"
#include "gateway/core/result.h"
#include "gateway/core/session.h"
#include "gateway/core/stream.h"
#include "gateway/core/subscriptions.h"
#include "gateway/core/trace.h"
#include "gateway/mcp/json.h"

enum { RETRY_AFTER_S = 1, RESPONSE_OVERHEAD = 1024, ERROR_ROOM = 80 };

void exchange_init(struct exchange *exchange, const struct front_ops *ops, struct reactor *reactor)
{
    *exchange = (struct exchange){
        .ops = ops,
        .reactor = reactor,
        .snapshot = snapshot_ref(reactor_snapshot(reactor)),
        .started_ns = clock_now_ns(),
        .references = 1,
        .state = EXCHANGE_NEW,
        .method = METHOD_UNKNOWN,
    };
    link_init(&exchange->link);
}

struct exchange *exchange_ref(struct exchange *exchange)
{
    atomic_fetch_add_explicit(&exchange->references, 1, memory_order_relaxed);
    return exchange;
}

static void release(struct exchange *exchange)
{
    envelope_done(&exchange->envelope);
    trace_free(exchange->trace);
    session_unref(exchange->session);
    identity_unref(exchange->identity);
    memory_give(&exchange_gateway(exchange)->memory, exchange->memory);
    snapshot_unref(exchange->snapshot);
    exchange->ops->release(exchange);
}

static void release_posted(struct reactor_post *post)
{
    release(CONTAINER_OF(post, struct exchange, post));
}

void exchange_unref(struct exchange *exchange)
{
    if (!exchange || atomic_fetch_sub_explicit(&exchange->references, 1, memory_order_acq_rel) != 1)
        return;
    if (reactor_current() == exchange->reactor)
        release(exchange);
    else
        reactor_post(exchange->reactor, &exchange->post, release_posted);
}

/* ---- the end ---- */

static void give_back(struct exchange *exchange)
{
    for (unsigned name = 0; exchange->charged; name++) {
        if (exchange->charged & 1U << name)
            quota_give(&exchange_gateway(exchange)->quotas, (enum quota_name)name, 1);
        exchange->charged &= ~(1U << name);
    }
}

void exchange_count(struct exchange *exchange, enum outcome outcome)
{
    if (!exchange->counted)
        return;
    uint64_t duration_ns = clock_now_ns() - exchange->started_ns;
    exchange->counted = false;
    exchange->logged = true;
    counters_request(exchange_counters(exchange), exchange->method, exchange->era, outcome, duration_ns);
    if (exchange->item)
        item_count(exchange->item, outcome, duration_ns);
    if (exchange->trace)
        trace_end(exchange, outcome);
    access_log_add(exchange, outcome, duration_ns);
}

/* What never became a request has a line if it was refused. */
static void log_refusal(struct exchange *exchange, enum outcome outcome)
{
    if (!exchange->logged && exchange_settings(exchange)->log.access &&
        (outcome == OUTCOME_REFUSED || outcome == OUTCOME_ERROR))
        access_log_add(exchange, outcome, clock_now_ns() - exchange->started_ns);
}

/* The only writer of the two final states. */
static void end(struct exchange *exchange, enum exchange_state state, enum outcome outcome)
{
    exchange->state = state;
    link_remove(&exchange->link);
    give_back(exchange);
    exchange_count(exchange, outcome);
    log_refusal(exchange, outcome);
    if (exchange->listen)
        subscriptions_remove(exchange);
    if (exchange->outlet)
        stream_detach(exchange);
}

/* The call, if there is one, has nobody to answer any more. */
static void drop_call(struct exchange *exchange)
{
    struct call *call = TAKE(exchange->call);
    if (call) {
        call_abandon(call);
        call_unref(call);
    }
}

/* Nobody hears it; if a stream had begun it can still be fetched there. Harmless after the end. */
static void end_unheard(struct exchange *exchange, struct span message)
{
    char event_id[STREAM_EVENT_ID_BYTES];
    if (exchange->stream)
        (void)stream_finish(exchange, message, event_id);
    end(exchange, EXCHANGE_GONE, OUTCOME_CANCELLED);
}

/* A stream that has begun has said 200 already. */
static void keep_status(struct exchange *exchange, struct reply *reply)
{
    if (exchange->status)
        reply->status = exchange->status;
    exchange->status = exchange->state == EXCHANGE_STREAM ? 200 : reply->status;
}

static void finish(struct exchange *exchange, struct reply *reply, enum outcome outcome)
{
    if (exchange->state == EXCHANGE_GONE)
        end_unheard(exchange, (struct span){reply->body, reply->size});
    if (!exchange_open(exchange) && exchange->state != EXCHANGE_NEW) {
        free(reply->body);
        return;
    }
    char event_id[STREAM_EVENT_ID_BYTES];
    if (exchange->stream) {
        if (stream_finish(exchange, (struct span){reply->body, reply->size}, event_id)) {
            free(TAKE(reply->body)); /* a message goes out on one stream only */
            reply->size = 0;
        } else {
            reply->event_id = span_of(event_id);
        }
    }
    counter_add(exchange_counters(exchange), COUNTER_BYTES_OUT, reply->size);
    exchange->bytes_out += reply->size;
    keep_status(exchange, reply);
    end(exchange, EXCHANGE_REPLIED, outcome);
    drop_call(exchange);
    exchange->ops->reply(exchange, reply);
}

void exchange_gone(struct exchange *exchange)
{
    if (!exchange_open(exchange)) {
        if (exchange->state == EXCHANGE_NEW)
            exchange->state = EXCHANGE_GONE;
        return;
    }
    counter_add(exchange_counters(exchange), COUNTER_HANG_UPS, 1);
    bool goes_on = exchange->session && (exchange->call || exchange->gathers) && !exchange->ops->connection_session;
    exchange->state = EXCHANGE_GONE;
    link_remove(&exchange->link);
    if (goes_on)
        return; /* 2025-11-25, basic/transports: a disconnect is not a cancellation; call.c ends it */
    end_unheard(exchange, (struct span){0});
    drop_call(exchange);
}

/* ---- replies ---- */

void exchange_reply_bytes(struct exchange *exchange, int status, char *body, size_t size, const char *session_id)
{
    struct reply reply = {.status = status, .body = body, .size = size, .session_id = session_id};
    finish(exchange, &reply, OUTCOME_OK);
}

void exchange_reply_stream(struct exchange *exchange, struct reply *reply)
{
    finish(exchange, reply, OUTCOME_OK);
}

void exchange_reply_empty(struct exchange *exchange)
{
    struct reply reply = {.status = 202};
    finish(exchange, &reply, OUTCOME_OK);
}

void exchange_reply_cancelled(struct exchange *exchange)
{
    struct reply reply = {.status = 202};
    finish(exchange, &reply, OUTCOME_CANCELLED);
}

static void reply_text(struct exchange *exchange, struct reply *reply, struct text *body, enum outcome outcome)
{
    if (text_take(body, &reply->body, &reply->size) < 0) {
        reply->status = 500; /* without memory for a body the status must do */
        outcome = OUTCOME_ERROR;
    }
    finish(exchange, reply, outcome);
}

static enum outcome outcome_of(const struct exchange *exchange, struct span result)
{
    bool is_error = false;
    if (exchange->method != METHOD_TOOLS_CALL || json_to_bool(json_find(result, "isError"), &is_error) != 0)
        return OUTCOME_OK;
    return is_error ? OUTCOME_TOOL_ERROR : OUTCOME_OK;
}

void exchange_reply_result(struct exchange *exchange, const char *result_type, struct span result)
{
    struct text body = TEXT(SIZE_MAX);
    struct reply reply = {.status = 200};
    if (result.size == 0) { /* there was no memory to write it */
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
        return;
    }
    result_add_response(&body, exchange->envelope.id, exchange->era, result_type, result);
    reply_text(exchange, &reply, &body, outcome_of(exchange, result));
}

/* What is no request has no answer, so an error about it is about no request ("an error response that has no id"). */
static struct span answered_id(const struct exchange *exchange)
{
    enum envelope_kind kind = exchange->envelope.kind;
    bool answered = kind == ENVELOPE_REQUEST || kind == ENVELOPE_UNKNOWN;
    return answered ? exchange->envelope.id : (struct span){0};
}

static void reply_error(struct exchange *exchange, struct reply *reply, int code, struct span message, struct span data,
                        enum outcome outcome)
{
    struct text body = TEXT(message.size * 6 + data.size + exchange->envelope.id.size + RESPONSE_OVERHEAD);
    (void)!text_reserve(&body, message.size + data.size + exchange->envelope.id.size + ERROR_ROOM); /* one allocation */
    error_add_response(&body, answered_id(exchange), code, message, data);
    trace_note_error(exchange, code);
    reply_text(exchange, reply, &body, outcome);
}

static void reply_row(struct exchange *exchange, enum error_name error, struct span message, struct span data,
                      const struct exchange_refusal *refusal)
{
    const struct error_row *row = error_row(error);
    exchange->error = row->label;
    struct reply reply = {.status = row->status[exchange->era],
                          .retry_after_s = refusal->retry_after_s,
                          .authenticate = refusal->authenticate};
    if (reply.status == 503 && reply.retry_after_s == 0)
        reply.retry_after_s = RETRY_AFTER_S;
    enum outcome outcome = reply.status == 200 || reply.status == 504 ? OUTCOME_ERROR : OUTCOME_REFUSED;
    reply_error(exchange, &reply, row->code[exchange->era], message.size ? message : span_of(row->text), data, outcome);
}

void exchange_reply_error_full(struct exchange *exchange, enum error_name error, struct span message, struct span data)
{
    reply_row(exchange, error, message, data, &(struct exchange_refusal){0});
}

void exchange_reply_refusal(struct exchange *exchange, enum error_name error, const char *message,
                            const struct exchange_refusal *refusal)
{
    reply_row(exchange, error, span_of(message), (struct span){0}, refusal);
}

void exchange_reply_error(struct exchange *exchange, enum error_name error, const char *message)
{
    exchange_reply_error_full(exchange, error, span_of(message), (struct span){0});
}

void exchange_reply_handler_error(struct exchange *exchange, int code, struct span message, struct span data)
{
    struct reply reply = {.status = 200};
    reply_error(exchange, &reply, code, message, data, OUTCOME_ERROR);
}

void exchange_refuse(struct exchange *exchange, enum quota_name quota, enum counter counter)
{
    counter_add(exchange_counters(exchange), counter, 1);
    CLEANUP(text_done) struct text message = TEXT(256);
    text_addf(&message, "The gateway is at its limit of %s: try again later, or raise %s", quota_label(quota),
              quota_option(quota));
    exchange_reply_error_full(exchange, ERROR_OVER_CAPACITY, text_span(&message), (struct span){0});
}

bool exchange_refuse_members(struct exchange *exchange, const enum envelope_member_id *members, size_t count,
                             size_t required)
{
    enum envelope_member_id wrong = envelope_wrong_type(&exchange->envelope, members, count);
    const char *problem = "has the wrong type";
    for (size_t i = 0; i < required && wrong == MEMBER_COUNT; i++)
        if (span_absent(exchange_member(exchange, members[i])->raw)) {
            wrong = members[i];
            problem = "is required";
        }
    if (wrong == MEMBER_COUNT)
        return false;
    CLEANUP(text_done) struct text message = TEXT(256);
    text_addf(&message, "%s %s", envelope_key(wrong), problem);
    exchange_reply_error_full(exchange, ERROR_INVALID_PARAMS, text_span(&message), (struct span){0});
    return true;
}

/* ---- on the way ---- */

int exchange_send(struct exchange *exchange, struct span message)
{
    counter_add(exchange_counters(exchange), COUNTER_EVENTS, 1);
    counter_add(exchange_counters(exchange), COUNTER_BYTES_OUT, message.size);
    exchange->bytes_out += message.size;
    if (exchange->session && exchange->ops->has_event_ids)
        return stream_send(exchange, message);
    if (!exchange_open(exchange))
        return FRONT_GONE;
    exchange->state = EXCHANGE_STREAM;
    return exchange->ops->send(exchange, &(struct event){.message = message});
}

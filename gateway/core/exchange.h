/* What the core does with an exchange: answers it, sends on it, ends it. Runs on the exchange's reactor. front.h has
 * the record. */
#pragma once
#include "gateway/core/front.h"
#include "gateway/core/gateway.h"

/* The reply, from JSON: `result` is the method's result object. In the modern era resultType (`result_type`) and
   _meta's serverInfo are put in (basic/index, "ResultType" and "Per-response protocol fields"). Falls back to an
   internal error without memory; so does an empty `result`, for callers that had no memory to write it. */
void exchange_reply_result(struct exchange *exchange, const char *result_type, struct span result);
/* Any JSON-RPC error. */
void exchange_reply_error_full(struct exchange *exchange, enum error_name error, struct span message, struct span data);
/* A refusal, with what its answer says beyond the body. `message` NULL: the row's text. */
struct exchange_refusal {
    unsigned retry_after_s;   /* 0: as the status has it */
    const char *authenticate; /* WWW-Authenticate; NULL: none */
};
void exchange_reply_refusal(struct exchange *exchange, enum error_name error, const char *message,
                            const struct exchange_refusal *refusal);
/* An error of a handler: its own code, HTTP status 200, as everything has that is not the transport's. */
void exchange_reply_handler_error(struct exchange *exchange, int code, struct span message, struct span data);
/* Nothing to say: 202 for notifications and responses, the plain end of a stream. */
void exchange_reply_empty(struct exchange *exchange);
/* The client cancelled: nothing more is said ("Not send a response for the cancelled request",
 * basic/patterns/cancellation). */
void exchange_reply_cancelled(struct exchange *exchange);
/* Ready bytes (malloc'd, taken), e.g. of a batch. */
void exchange_reply_bytes(struct exchange *exchange, int status, char *body, size_t size, const char *session_id);
/* The end of a stream that others have kept the last event of (stream.c). */
void exchange_reply_stream(struct exchange *exchange, struct reply *reply);
/* The request has its outcome, in the metrics: when it ends, or earlier where its end says nothing of how long it took.
 * Once. */
void exchange_count(struct exchange *exchange, enum outcome outcome);
/* A capacity refusal: 503, Retry-After, the quota's option as remedy; counted. */
void exchange_refuse(struct exchange *exchange, enum quota_name quota, enum counter counter);
/* Sends a notification or a request on the way to the answer; keeps it for Last-Event-ID where that exists. 0,
 * FRONT_GONE or -ENOMEM. */
MUST_USE int exchange_send(struct exchange *exchange, struct span message);

static inline const struct settings *exchange_settings(const struct exchange *exchange)
{
    return exchange->snapshot->settings;
}
static inline struct gateway *exchange_gateway(const struct exchange *exchange)
{
    return reactor_gateway(exchange->reactor);
}
static inline struct counters *exchange_counters(const struct exchange *exchange)
{
    return reactor_counters(exchange->reactor);
}
/* An answer is owed and can be sent. */
static inline bool exchange_open(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_OPEN || exchange->state == EXCHANGE_STREAM;
}
static inline const struct envelope_member *exchange_member(const struct exchange *exchange,
                                                            enum envelope_member_id member)
{
    return &exchange->envelope.member[member];
}
/* The decoded text of a string member, or absent. */
static inline struct span exchange_text(const struct exchange *exchange, enum envelope_member_id member)
{
    return exchange->envelope.member[member].text;
}
/* Refuses with -32602 if one of the members has the wrong type, or a required one is missing. True: refused. */
bool exchange_refuse_members(struct exchange *exchange, const enum envelope_member_id *members, size_t count,
                             size_t required);

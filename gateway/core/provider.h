/* The interface between the dispatcher and whoever runs handlers. A provider brings items into the catalogue and
   answers calls to them in the shape of multi round-trip requests (MCP 2026-07-28, basic/patterns/mrtr): result, error,
   or need input. It knows neither era nor transport. */
#pragma once
#include "gateway/core/catalogue.h"
#include "gateway/core/reactor.h"
#include "gateway/mcp/capabilities.h"
#include "gateway/mcp/errors.h"
#include "gateway/mcp/trace_context.h"

struct call;

enum call_kind { CALL_TOOL, CALL_RESOURCE, CALL_PROMPT, CALL_COMPLETE };

struct provider_ops {
    const char *name; /* "builtin", "module", "command": for logs and metrics */
    /* Begins one round of a call, on the call's reactor; must not block. Exactly one of call_result, call_result_text,
       call_error, call_refuse, call_need_input or call_missing_capability follows, now or later, from any thread. */
    void (*start)(struct provider *provider, struct call *call);
    /* Told once per round, on the reactor, when the caller gave up or time is over (call_cancelled() is true from then
       on); the answer is still owed, and then discarded. May be NULL. */
    void (*cancel)(struct provider *provider, struct call *call);
    /* The last reference is gone: no item and no call of it is left. Any thread. */
    void (*free)(struct provider *provider);
};

/* Embedded first in each provider's own struct. */
struct provider {
    const struct provider_ops *ops;
    _Atomic unsigned references;
};
void provider_init(struct provider *provider, const struct provider_ops *ops); /* one reference */
struct provider *provider_ref(struct provider *provider);
void provider_unref(struct provider *provider);

/* What is asked. Constant during a round and readable from any thread; spans live until the round is answered. */
struct call_request {
    enum call_kind kind;
    struct item *item;
    struct span name;                   /* tool or prompt name, or the URI that was asked for */
    struct span arguments;              /* JSON object; "{}" if there was none */
    struct json_object *arguments_tree; /* tools: the same as a tree, already checked against the schema; else NULL */
    const struct uri_match *variables;  /* of a matched template; else NULL */
    struct span inputs;                 /* JSON object key → answer, of all rounds so far; "{}" */
    struct span state;                  /* what the last round left, opened and verified; may be empty */
    unsigned capabilities;              /* of the client: enum capability */
    struct span completing;             /* CALL_COMPLETE: the argument's name, its value so far, and the chosen ones */
    struct span completing_value;
    struct span context_arguments; /* JSON object */
};
const struct call_request *call_request(const struct call *call);
struct call *call_ref(struct call *call);
void call_unref(struct call *call); /* any thread */
struct reactor *call_reactor(const struct call *call);
/* One slot for the provider while a round runs. */
void call_set_provider_data(struct call *call, void *data);
void *call_provider_data(const struct call *call);
bool call_cancelled(const struct call *call);
/* A round that has waited so long is past its time limit, whether or not the reactor has found the time to say so. */
bool call_overdue(const struct call *call, uint64_t waited_ns);
/* The W3C trace context that the round belongs to, for what the handler calls: its round is the parent there. The state
   is absent if there is none. False: it belongs to no trace. While a round runs. */
MUST_USE bool call_trace(const struct call *call, struct trace_context *ret_context, struct span *ret_state);

/* Who calls, as the guard has let him in; borrowed while a round runs. */
struct caller {
    struct span proof;             /* identity_proof_name(): "anonymous", "api_key", "jwt", ... */
    struct span subject;           /* "" for somebody who has shown nothing */
    struct span issuer, client_id; /* of a token; absent: not said */
};
struct caller call_caller(const struct call *call);
bool call_caller_has_scope(const struct call *call, struct span scope);

/* Answers, from any thread; everything is copied. 0, -ENOMEM, -EINVAL (not JSON of the right type; the call has then
   failed with an internal error that says so), or -EALREADY (this round has its answer). */
MUST_USE int call_result(struct call *call, struct span json);
/* For providers whose JSON is right by construction: takes the bytes (malloc) and does not look at them. */
MUST_USE int call_result_trusted(struct call *call, char *json, size_t size);
MUST_USE int call_result_text(struct call *call, struct span text, bool is_error);
/* `data` is JSON or absent. */
MUST_USE int call_error(struct call *call, int code, struct span message, struct span data);
/* The handler is not run, or not to its end: one of our own errors, with the status that it has for any request. */
MUST_USE int call_refuse(struct call *call, enum error_name error, struct span message);
/* The client lacks what the call needs: -32021 with data.requiredCapabilities in the modern era. */
MUST_USE int call_missing_capability(struct call *call, unsigned capabilities);
/* `requests`: JSON object, key → {method, params}. */
MUST_USE int call_need_input(struct call *call, struct span requests, struct span state);

/* On the way; from any thread. 0, or -ENOMEM, or -EINVAL; what the client did not ask for is dropped silently, what
   passes the bound of notices under way is dropped and counted. */
MUST_USE int call_progress(struct call *call, double progress, double total, struct span message);
MUST_USE int call_log(struct call *call, unsigned level, struct span logger, struct span data_json);
/* From here on the call is a task. -ENOTSUP: the client did not declare the extension, or this is no tool call. 0 ms:
 * default. */
MUST_USE int call_task_start(struct call *call, uint64_t ttl_ms, uint64_t poll_ms);

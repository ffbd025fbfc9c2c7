/* Calls as the core sees them: one handler invocation, over as many rounds as it needs, for an exchange or, once it has
   become one, for a task. provider.h is what providers see of it. */
#pragma once
#include "gateway/core/exchange.h"
#include "gateway/core/provider.h"
#include "gateway/core/tool_limits.h"

struct task;

enum call_end { /* why nobody waits for the answer any more */
                CALL_CANCELLED_BY_CLIENT,
                CALL_SESSION_ENDED,
                CALL_TIMED_OUT,
                CALL_INPUT_TIMED_OUT,
                CALL_TASK_CANCELLED,
                CALL_DRAINED, /* the gateway ends */
};

enum {
    CALL_MAX_NOTICES = 256, /* notifications of one call that wait for its reactor */
    CALL_MAX_ROUNDS = 100,  /* of one handler, without the client asking anew */
};

/* What is asked, as the methods make it; spans point into the exchange's message. */
struct call_plan {
    enum call_kind kind;
    struct item *item; /* borrowed */
    struct span name;
    struct span arguments;              /* absent: "{}" */
    struct json_object *arguments_tree; /* taken, also on failure */
    const struct uri_match *match;      /* copied; NULL: none */
    struct span completing, completing_value, context_arguments;
    struct counted *place; /* taken, also on failure; NULL: none */
};

/* Begins the call of an exchange: opens its requestState, starts the first round, and from then on answers the
   exchange. Replies itself if that fails. On the reactor. */
void call_begin(struct exchange *exchange, const struct call_plan *plan);

/* The exchange does not want the answer: the handler is told to stop. On the reactor. */
void call_abandon(struct call *call);
/* The same from any thread, with the reply that `why` wants to whoever waits. */
void call_cancel(struct call *call, enum call_end why);

/* ---- for bridge.c and task.c, on the reactor ---- */
struct exchange *call_exchange(struct call *call); /* NULL once it is a task's */
struct task *call_task(struct call *call);
const struct item *call_item(const struct call *call);   /* borrowed */
struct identity *call_identity(const struct call *call); /* who asked for it, borrowed; NULL: who showed nothing */
/* The answers of a round are in: `inputs` (JSON object) and the handler's state for the next one, which begins. */
void call_next_round(struct call *call, struct span inputs, struct span state);
/* Ends the call with an error of ours. */
void call_fail(struct call *call, enum error_name error, struct span message, struct span data);
/* Ends the call with a result of that type (input_required). */
void call_end_with(struct call *call, const char *result_type, struct span result);
const struct settings *call_settings(const struct call *call);
/* A timer: the call fails with `why` unless call_stop_timer() comes first. */
void call_start_timer(struct call *call, uint64_t ms, enum call_end why);

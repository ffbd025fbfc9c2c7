/* What call.c (the life of a call) and call_answer.c (what providers say) share. */
#pragma once
#include "gateway/core/bridge.h"
#include "gateway/core/call.h"
#include "gateway/core/trace.h"

enum answer_kind { ANSWER_RESULT, ANSWER_ERROR, ANSWER_REFUSED, ANSWER_MISSING_CAPABILITY, ANSWER_NEED_INPUT };

/* How a round ended. Spans are borrowed when it is settled at once, else they point into `owned`. */
struct answer {
    enum answer_kind kind;
    struct span json;    /* result, or the requests of need_input */
    struct span message; /* error, refusal */
    struct span data;    /* error; state of need_input */
    int code;
    enum error_name error; /* refusal */
    unsigned capabilities;
    char *owned;
};

enum round { ROUND_IDLE, ROUND_RUNNING, ROUND_ANSWERED };

struct call {
    _Atomic unsigned references;
    struct link link;       /* reactor_calls() */
    struct link in_session; /* session->calls, under its lock */
    struct reactor *reactor;
    struct gateway *gateway;
    struct snapshot *snapshot;
    struct exchange *exchange; /* counted; its message is what the request's spans point into, also for a task */
    bool waited_for;           /* the exchange, or the task, still wants the answer */
    struct task *task;         /* counted; the reactor's */
    struct task *new_task;     /* made by task_start() on the handler's thread, on its way to the reactor */
    _Atomic bool is_task;
    struct call_request request;
    struct uri_match *match;
    char *inputs, *state, *completing;
    void *provider_data;
    struct bridge *bridge;
    struct counted *place; /* of its tool (tool_limits.h), until it has ended; NULL: none */

    _Atomic bool cancelled;
    _Atomic int round; /* enum round */
    unsigned rounds;
    struct trace_round traced; /* the round that is running */
    bool told_cancel;
    bool ended;
    struct answer answer;
    struct reactor_post answer_post;
    struct reactor_post cancel_post;
    _Atomic bool cancel_posted;
    enum call_end cancel_why;
    struct reactor_post task_post;

    _Atomic unsigned notices;
    double last_progress;

    uv_timer_t timer;
    bool timer_open;
    enum call_end timer_why;
};

/* Copies `from` to where *to points, which moves on; what is absent stays absent. */
static inline struct span span_move(char **to, struct span from)
{
    struct span moved = {span_absent(from) ? NULL : *to, from.size};
    if (from.size)
        memcpy(*to, from.at, from.size);
    *to += from.size;
    return moved;
}

/* On the reactor: the round has its answer. */
void call_settle(struct call *call, const struct answer *answer);
/* On the reactor: call->task is set; its client gets the task instead of a result. */
void call_become_task(struct call *call);

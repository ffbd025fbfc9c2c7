/* The life of a call, on its reactor: rounds of a handler until there is an answer, for an exchange or a task. A call
   holds a reference to itself from call_begin() until it has ended and no round is running; so a handler that answers
   late answers into a call that still exists, and is not heard.

       begin ─▶ round RUNNING ─answer─▶ result, error ─────────────▶ ended
                  ▲   │                need input ─▶ bridge ─┐
                  └───┼───────────── answers are in ◀────────┘
                      └─ cancelled, timed out: nobody waits; ended when the round's answer comes
*/
#include "gateway/core/call.h"

#include <errno.h>
#include <math.h>

#include "gateway/core/call_priv.h"
#include "gateway/core/result.h"
#include "gateway/core/seal.h"
#include "gateway/core/session.h"
#include "gateway/core/task.h"
#include "gateway/mcp/json.h"

#define NO_OBJECT SPAN("{}")

/* ---- references ---- */

struct call *call_ref(struct call *call)
{
    atomic_fetch_add_explicit(&call->references, 1, memory_order_relaxed);
    return call;
}

void call_unref(struct call *call)
{
    if (!call || atomic_fetch_sub_explicit(&call->references, 1, memory_order_acq_rel) != 1)
        return;
    if (call->request.arguments_tree)
        json_object_put(call->request.arguments_tree);
    item_unref(call->request.item);
    exchange_unref(call->exchange);
    task_unref(call->task);
    task_unref(call->new_task);
    snapshot_unref(call->snapshot);
    free(call->match);
    free(call->inputs);
    free(call->state);
    free(call->completing);
    free(call->answer.owned);
    free(call);
}

/* ---- timer ---- */

static void timer_closed(uv_handle_t *handle)
{
    call_unref(CONTAINER_OF(handle, struct call, timer));
}

static void stop_timer(struct call *call)
{
    if (call->timer_open)
        uv_timer_stop(&call->timer);
}

static void close_timer(struct call *call)
{
    if (!call->timer_open)
        return;
    call->timer_open = false;
    uv_close((uv_handle_t *)&call->timer, timer_closed);
}

static void timer_ran_out(uv_timer_t *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    counter_add(reactor_counters(call->reactor),
                call->timer_why == CALL_INPUT_TIMED_OUT ? COUNTER_TIMEOUT_INPUT : COUNTER_TIMEOUT_REQUEST, 1);
    call_cancel(call, call->timer_why);
}

void call_start_timer(struct call *call, uint64_t ms, enum call_end why)
{
    if (!call->timer_open) {
        uv_timer_init(reactor_loop(call->reactor), &call->timer); /* never fails: it only fills in the record */
        call->timer_open = true;
        call_ref(call);
    }
    call->timer_why = why;
    uv_update_time(reactor_loop(call->reactor));
    uv_timer_start(&call->timer, timer_ran_out, ms, 0);
}

/* ---- the end ---- */

static void end(struct call *call)
{
    if (call->ended)
        return;
    call->ended = true;
    call->waited_for = false;
    link_remove(&call->link);
    close_timer(call);
    bridge_free(TAKE(call->bridge));
    tool_limits_leave(call->gateway, TAKE(call->place));
    if (call->exchange->session) {
        session_forget(call->exchange->session, call);
        session_remove_call(call->exchange->session, call);
    }
    if (call->exchange->call == call) {
        call->exchange->call = NULL;
        call_unref(call);
    }
    call_unref(call); /* its own */
}

/* The exchange is about to be answered, or is not interested: from now on it does not know the call. */
static struct exchange *part(struct call *call)
{
    call->waited_for = false;
    if (call->exchange->call == call) {
        call->exchange->call = NULL;
        call_unref(call);
    }
    return call->exchange;
}

static void tell_provider(struct call *call)
{
    struct provider *provider = call->request.item->provider;
    if (atomic_exchange(&call->cancelled, true) || call->told_cancel || atomic_load(&call->round) != ROUND_RUNNING)
        return;
    call->told_cancel = true;
    if (provider->ops->cancel)
        provider->ops->cancel(provider, call);
}

/* Nobody waits any more. A round that is running keeps the call until it is answered. */
static void give_up(struct call *call)
{
    call_ref(call);
    call->waited_for = false;
    stop_timer(call);
    tell_provider(call);
    if (atomic_load(&call->round) == ROUND_IDLE)
        end(call);
    call_unref(call);
}

void call_abandon(struct call *call)
{
    if (!call->ended && !call->task)
        give_up(call);
}

void call_fail(struct call *call, enum error_name error, struct span message, struct span data)
{
    call_ref(call);
    if (call->waited_for && call->task)
        task_fail(call->task, error_row(error)->code[ERA_MODERN],
                  message.size ? message : span_of(error_row(error)->text), data);
    else if (call->waited_for)
        exchange_reply_error_full(part(call), error, message, data);
    give_up(call);
    call_unref(call);
}

static void cancel_now(struct call *call, enum call_end why)
{
    static const enum error_name errors[] = {
        [CALL_CANCELLED_BY_CLIENT] = ERROR_CANCELLED, [CALL_SESSION_ENDED] = ERROR_SESSION_UNKNOWN,
        [CALL_TIMED_OUT] = ERROR_TIMED_OUT,           [CALL_INPUT_TIMED_OUT] = ERROR_INPUT_TIMED_OUT,
        [CALL_TASK_CANCELLED] = ERROR_CANCELLED,      [CALL_DRAINED] = ERROR_DRAINING,
    };
    if (call->ended || !call->waited_for)
        return;
    call_ref(call);
    if (why == CALL_CANCELLED_BY_CLIENT && !call->task) {
        counter_add(reactor_counters(call->reactor), COUNTER_CANCELLED, 1);
        exchange_reply_cancelled(part(call));
        give_up(call);
    } else if (why == CALL_TASK_CANCELLED) {
        give_up(call); /* the task has said so already */
    } else {
        call_fail(call, errors[why], (struct span){0}, (struct span){0});
    }
    call_unref(call);
}

static void cancel_posted(struct reactor_post *post)
{
    struct call *call = CONTAINER_OF(post, struct call, cancel_post);
    cancel_now(call, call->cancel_why);
    call_unref(call);
}

void call_cancel(struct call *call, enum call_end why)
{
    if (reactor_current() == call->reactor) {
        cancel_now(call, why);
        return;
    }
    if (atomic_exchange(&call->cancel_posted, true))
        return;
    call->cancel_why = why;
    call_ref(call);
    reactor_post(call->reactor, &call->cancel_post, cancel_posted);
}

/* ---- rounds ---- */

static void start_round(struct call *call)
{
    struct provider *provider = call->request.item->provider;
    uint64_t timeout_ms = call->snapshot->settings->limits.request_timeout_ms;
    call_ref(call);
    atomic_store(&call->round, ROUND_RUNNING);
    call->told_cancel = false;
    trace_round_begin(&call->traced, call->exchange);
    provider->ops->start(provider, call);
    if (!call->ended && call->waited_for && !atomic_load(&call->is_task) && atomic_load(&call->round) != ROUND_IDLE)
        call_start_timer(call, timeout_ms, CALL_TIMED_OUT);
    call_unref(call);
}

static int copy_into(char **to, struct span *span, struct span from)
{
    char *copy = span_copy(from);
    if (!copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    *span = (struct span){copy, from.size};
    return 0;
}

void call_next_round(struct call *call, struct span inputs, struct span state)
{
    int r = copy_into(&call->inputs, &call->request.inputs, inputs);
    if (r == 0)
        r = copy_into(&call->state, &call->request.state, state);
    if (++call->rounds == CALL_MAX_ROUNDS)
        call_fail(call, ERROR_HANDLER, SPAN("The handler asks without end"), (struct span){0});
    else if (r < 0)
        call_fail(call, ERROR_INTERNAL, (struct span){0}, (struct span){0});
    else
        start_round(call);
}

/* server/utilities/caching: the modern era wants ttlMs and cacheScope in the result of resources/read. A handler that
   says nothing of them gets what is always right. */
static void add_caching(struct text *out, struct span result)
{
    bool ttl = !span_absent(json_find(result, "ttlMs")), scope = !span_absent(json_find(result, "cacheScope"));
    text_add_char(out, '{');
    text_add(out, ttl ? SPAN("") : SPAN("\"ttlMs\":0"));
    text_add(out, !ttl && !scope ? SPAN(",") : SPAN(""));
    text_add(out, scope ? SPAN("") : SPAN("\"cacheScope\":\"private\""));
    text_add(out, (!ttl || !scope) && result.size > 2 ? SPAN(",") : SPAN(""));
    text_add(out, (struct span){result.at + 1, result.size - 1});
}

static void settle_result(struct call *call, const struct answer *answer)
{
    if (call->task) {
        task_complete(call->task, answer->json);
    } else if (call->request.kind == CALL_RESOURCE && call->exchange->era == ERA_MODERN) {
        CLEANUP(text_done) struct text cached = TEXT(answer->json.size + 64);
        add_caching(&cached, answer->json);
        exchange_reply_result(part(call), RESULT_COMPLETE, text_span(&cached));
    } else {
        exchange_reply_result(part(call), RESULT_COMPLETE, answer->json);
    }
}

void call_end_with(struct call *call, const char *result_type, struct span result)
{
    call_ref(call);
    exchange_reply_result(part(call), result_type, result);
    end(call);
    call_unref(call);
}

static void settle_error(struct call *call, const struct answer *answer)
{
    if (call->task)
        task_fail(call->task, answer->code, answer->message, answer->data);
    else
        exchange_reply_handler_error(part(call), answer->code, answer->message, answer->data);
}

static void settle_refusal(struct call *call, const struct answer *answer)
{
    if (call->task)
        task_fail(call->task, answer->code, answer->message, (struct span){0});
    else
        exchange_reply_error_full(part(call), answer->error, answer->message, (struct span){0});
}

static void settle_missing(struct call *call, const struct answer *answer)
{
    CLEANUP(text_done) struct text data = TEXT(1024);
    capabilities_add_required(&data, answer->capabilities);
    call_fail(call, ERROR_MISSING_CAPABILITY, (struct span){0}, text_span(&data));
}

/* What the handler said, whether or not anybody still hears it. */
static void trace_answer(struct call *call, const struct answer *answer)
{
    bool is_error = false;
    enum outcome outcome = OUTCOME_OK;
    if (!call->traced.started_ns)
        return;
    if (answer->kind == ANSWER_ERROR || answer->kind == ANSWER_MISSING_CAPABILITY)
        outcome = OUTCOME_ERROR;
    else if (answer->kind == ANSWER_REFUSED)
        outcome = error_row(answer->error)->status[call->exchange->era] == 503 ? OUTCOME_REFUSED : OUTCOME_ERROR;
    else if (answer->kind == ANSWER_RESULT && call->request.kind == CALL_TOOL &&
             json_to_bool(json_find(answer->json, "isError"), &is_error) == 0 && is_error)
        outcome = OUTCOME_TOOL_ERROR;
    trace_round_end(&call->traced, call->exchange, call->request.item, call->rounds, outcome, answer->code);
}

void call_settle(struct call *call, const struct answer *answer)
{
    call_ref(call);
    stop_timer(call);
    trace_answer(call, answer);
    atomic_store(&call->round, ROUND_IDLE);
    if (call->waited_for && answer->kind == ANSWER_NEED_INPUT) {
        bridge_ask(call, answer->json, answer->data);
    } else {
        if (!call->waited_for)
            ; /* nobody listens */
        else if (answer->kind == ANSWER_RESULT)
            settle_result(call, answer);
        else if (answer->kind == ANSWER_ERROR)
            settle_error(call, answer);
        else if (answer->kind == ANSWER_REFUSED)
            settle_refusal(call, answer);
        else
            settle_missing(call, answer);
        end(call);
    }
    call_unref(call);
}

/* ---- the beginning ---- */

static int open_state(struct call *call, struct text *inputs, struct text *state)
{
    struct exchange *exchange = call->exchange;
    struct span sealed = exchange_text(exchange, MEMBER_REQUEST_STATE);
    struct span fresh = exchange_member(exchange, MEMBER_INPUT_RESPONSES)->raw;
    CLEANUP(text_done) struct text old = TEXT(BRIDGE_MAX_INPUT_BYTES);
    if (!span_absent(sealed)) {
        int r = seal_open(call->gateway->seal, exchange, sealed, &old, state);
        if (r != 0)
            return r;
    }
    bridge_merge_inputs(inputs, text_span(&old), fresh);
    return inputs->error;
}

/* The modern era's retry of a request brings answers and state. 0, SEAL_REFUSED or -errno. */
static int read_inputs(struct call *call)
{
    CLEANUP(text_done) struct text inputs = TEXT(BRIDGE_MAX_INPUT_BYTES);
    CLEANUP(text_done) struct text state = TEXT(BRIDGE_MAX_INPUT_BYTES);
    int r = 0;
    call->request.inputs = NO_OBJECT;
    call->request.state = SPAN("");
    if (call->exchange->era == ERA_LEGACY ||
        (span_absent(exchange_text(call->exchange, MEMBER_REQUEST_STATE)) &&
         span_absent(exchange_member(call->exchange, MEMBER_INPUT_RESPONSES)->raw)))
        return 0;
    r = open_state(call, &inputs, &state);
    if (r == 0)
        r = copy_into(&call->inputs, &call->request.inputs, text_span(&inputs));
    if (r == 0)
        r = copy_into(&call->state, &call->request.state, text_span(&state));
    return r;
}

static struct call *make_call(struct exchange *exchange, const struct call_plan *plan)
{
    struct call *call = malloc(sizeof(*call)); /* not calloc: that passes by the allocator's thread cache */
    struct uri_match *match = plan->match ? malloc(sizeof(*match)) : NULL;
    if (!call || (plan->match && !match)) {
        free(call);
        free(match);
        if (plan->arguments_tree)
            json_object_put(plan->arguments_tree);
        return NULL;
    }
    memset(call, 0, sizeof(*call));
    call->references = 2; /* its own and the exchange's */
    call->reactor = exchange->reactor;
    call->gateway = exchange_gateway(exchange);
    call->snapshot = snapshot_ref(exchange->snapshot);
    call->exchange = exchange_ref(exchange);
    call->waited_for = true;
    link_append(reactor_calls(call->reactor), &call->link);
    link_init(&call->in_session);
    call->match = match;
    call->place = plan->place;
    call->last_progress = -INFINITY;
    call->request = (struct call_request){
        .kind = plan->kind,
        .item = item_ref(plan->item),
        .name = plan->name,
        .arguments = span_absent(plan->arguments) ? NO_OBJECT : plan->arguments,
        .arguments_tree = plan->arguments_tree,
        .variables = match,
        .capabilities = exchange->capabilities,
        .context_arguments = span_absent(plan->context_arguments) ? NO_OBJECT : plan->context_arguments,
    };
    return call;
}

/* The spans of a match point into its own record, which has moved. */
static void move_match(struct uri_match *to, const struct uri_match *from)
{
    memcpy(to, from, sizeof(*to));
    for (size_t i = 0; i < to->count; i++)
        if (!span_absent(to->variables[i].value))
            to->variables[i].value.at = to->bytes + (from->variables[i].value.at - from->bytes);
}

/* What is completed was decoded for the method, which does not wait for the answer. */
static int copy_completing(struct call *call, const struct call_plan *plan)
{
    struct span name = plan->completing, value = plan->completing_value;
    if (call->request.kind != CALL_COMPLETE)
        return 0;
    call->completing = malloc(name.size + value.size + 1);
    if (!call->completing)
        return -ENOMEM;
    char *at = call->completing;
    call->request.completing = span_move(&at, name);
    call->request.completing_value = span_move(&at, value);
    return 0;
}

void call_begin(struct exchange *exchange, const struct call_plan *plan)
{
    struct call *call = make_call(exchange, plan);
    if (!call) {
        tool_limits_leave(exchange_gateway(exchange), plan->place);
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
        return;
    }
    if (call->match)
        move_match(call->match, plan->match);
    exchange->call = call;
    exchange->item = plan->item;
    call_ref(call);
    int r = copy_completing(call, plan);
    if (r == 0)
        r = read_inputs(call);
    if (r == SEAL_REFUSED)
        call_fail(call, ERROR_INVALID_PARAMS,
                  SPAN("requestState is not valid for this request: start again without it"), (struct span){0});
    else if (r < 0)
        call_fail(call, r == -EMSGSIZE ? ERROR_PAYLOAD_TOO_LARGE : ERROR_INTERNAL,
                  r == -EMSGSIZE ? SPAN("params.inputResponses are too large together, or too many") : SPAN(""),
                  (struct span){0});
    else
        start_round(call);
    if (!call->ended && call->waited_for && exchange->session && /* it takes time: now it is worth being found */
        session_add_call(exchange->session, call) == SESSION_CLOSED)
        call_cancel(call, CALL_SESSION_ENDED);
    call_unref(call);
}

/* SEP-2663, "Task Creation": the client gets the task instead of a result, and the exchange is over. */
void call_become_task(struct call *call)
{
    struct exchange *exchange = call->exchange;
    CLEANUP(text_done) struct text created = TEXT(4096);
    stop_timer(call);
    task_add_state(&created, call->task);
    if (exchange->call == call) {
        exchange->call = NULL;
        call_unref(call);
    }
    exchange_reply_result(exchange, RESULT_TASK, created.error ? (struct span){0} : text_span(&created));
}

/* ---- what others see ---- */

bool call_trace(const struct call *call, struct trace_context *ret_context, struct span *ret_state)
{
    if (!trace_round_context(&call->traced, call->exchange, ret_context))
        return false;
    *ret_state = trace_state(call->exchange);
    return true;
}

const struct call_request *call_request(const struct call *call)
{
    return &call->request;
}

struct reactor *call_reactor(const struct call *call)
{
    return call->reactor;
}

void call_set_provider_data(struct call *call, void *data)
{
    call->provider_data = data;
}

void *call_provider_data(const struct call *call)
{
    return call->provider_data;
}

bool call_cancelled(const struct call *call)
{
    return atomic_load_explicit(&call->cancelled, memory_order_acquire);
}

bool call_overdue(const struct call *call, uint64_t waited_ns)
{
    return !atomic_load(&call->is_task) && waited_ns / 1000000 >= call_settings(call)->limits.request_timeout_ms;
}

struct exchange *call_exchange(struct call *call)
{
    return call->task ? NULL : call->exchange;
}

const struct item *call_item(const struct call *call)
{
    return call->request.item;
}

struct identity *call_identity(const struct call *call)
{
    return call->exchange->identity;
}

struct caller call_caller(const struct call *call)
{
    const struct identity *identity = call_identity(call);
    if (!identity)
        return (struct caller){.proof = span_of(identity_proof_name(IDENTITY_ANONYMOUS)), .subject = SPAN("")};
    return (struct caller){.proof = span_of(identity_proof_name(identity->proof)),
                           .subject = span_of(identity->subject),
                           .issuer = span_of(identity->issuer),
                           .client_id = span_of(identity->client_id)};
}

bool call_caller_has_scope(const struct call *call, struct span scope)
{
    const struct identity *identity = call_identity(call);
    return identity && identity_has_scope(identity, scope);
}

struct task *call_task(struct call *call)
{
    return call->task;
}

const struct settings *call_settings(const struct call *call)
{
    return call->snapshot->settings;
}

struct bridge **call_bridge(struct call *call)
{
    return &call->bridge;
}

/* One round of a call to a C module: what its handler may ask and answer. A round begins on the call's reactor, is
   answered on any thread, and ends (struct weir_call is freed) on the reactor again, once its answer is given and its
   handler has returned. Owns a reference to the call and the strings it decoded for the handler. */
#include <errno.h>

#include "gateway/base/log.h"
#include "gateway/core/overload.h"
#include "gateway/mcp/errors.h"
#include "gateway/mcp/json.h"
#include "gateway/providers/module_priv.h"

enum { ROUND_MAX_MESSAGE_BYTES = 1024 };

/* A decoded string that was handed out. */
struct loan {
    struct loan *next;
    char bytes[];
};

struct weir_call {
    struct call *call; /* counted */
    struct module *module;
    const struct module_handler *handler; /* the item's, which the call keeps */
    _Atomic unsigned references;          /* one while the handler runs, one until the answer */
    _Atomic bool answered;
    pthread_mutex_t lock; /* guards what follows */
    struct loan *loans;
    bool held;
    bool cancelled;
    bool told; /* on_cancel has been called */
    void (*on_cancel)(struct weir_call *call, void *user);
    void *cancel_user;

    uv_work_t work;
    uint64_t queued_ns; /* for a worker */
    struct reactor_post post;
};

/* ---- the life of a round ------------------------------------------------------------------------------------------
 */

static void round_free(struct weir_call *round)
{
    struct module_registry *registry = round->module->registry;
    if (call_provider_data(round->call) == round) /* else the next round has begun */
        call_set_provider_data(round->call, NULL);
    while (round->loans) {
        struct loan *loan = round->loans;
        round->loans = loan->next;
        free(loan);
    }
    pthread_mutex_destroy(&round->lock);
    call_unref(round->call);
    free(round);
    atomic_fetch_sub_explicit(&registry->rounds, 1, memory_order_release);
}

static void round_free_post(struct reactor_post *post)
{
    round_free(CONTAINER_OF(post, struct weir_call, post));
}

static void round_unref(struct weir_call *round)
{
    if (atomic_fetch_sub_explicit(&round->references, 1, memory_order_acq_rel) != 1)
        return;
    struct reactor *reactor = call_reactor(round->call);
    if (reactor_current() == reactor)
        round_free(round);
    else
        reactor_post(reactor, &round->post, round_free_post);
}

static struct weir_call *round_new(struct module *module, struct call *call)
{
    struct weir_call *round = calloc(1, sizeof(*round));
    if (!round)
        return NULL;
    round->call = call_ref(call);
    round->module = module;
    round->handler = call_request(call)->item->handler;
    round->references = 2;
    pthread_mutex_init(&round->lock, NULL);
    call_set_provider_data(call, round);
    atomic_fetch_add_explicit(&module->registry->rounds, 1, memory_order_relaxed);
    return round;
}

/* Whoever gets true gives the round's one answer, and ends with answer_end(). */
static bool answer_begin(struct weir_call *round)
{
    return !atomic_exchange_explicit(&round->answered, true, memory_order_acq_rel);
}

static int answer_end(struct weir_call *round, int r)
{
    if (r == -ENOMEM) /* nothing was said: the answer is still owed */
        atomic_store_explicit(&round->answered, false, memory_order_release);
    else
        round_unref(round);
    return r;
}

/* The last word on a round, whether it can be said or not (then the call ends at its time limit). */
static void give_up(struct weir_call *round, enum error_name error, struct span message)
{
    if (!answer_begin(round))
        return;
    int r = call_refuse(round->call, error, message);
    if (r < 0)
        log_error("module_answer_lost", LOG_TEXT("module", round->module->path), LOG_NUMBER("error", -r));
    round_unref(round);
}

static void give_up_unanswered(struct weir_call *round)
{
    CLEANUP(text_done) struct text message = TEXT(ROUND_MAX_MESSAGE_BYTES);
    const struct call_request *request = call_request(round->call);
    text_addf(&message, "Module %s: the handler of \"%.300s\" returned without an answer", module_name(round->module),
              request->item->key);
    log_error("module_handler_silent", LOG_TEXT("module", round->module->path), LOG_TEXT("item", request->item->key));
    give_up(round, ERROR_HANDLER, text_span(&message));
}

/* The handler has returned: it has answered, or will because it said hold(), or never will. */
static void check_answered(struct weir_call *round)
{
    if (atomic_load_explicit(&round->answered, memory_order_acquire))
        return;
    pthread_mutex_lock(&round->lock);
    bool held = round->held;
    pthread_mutex_unlock(&round->lock);
    if (!held)
        give_up_unanswered(round);
}

static weir_handler *handler_of(const struct weir_call *round)
{
    bool completes = call_request(round->call)->kind == CALL_COMPLETE;
    return completes ? round->handler->complete : round->handler->run;
}

static void run_handler(struct weir_call *round)
{
    weir_handler *handler = handler_of(round);
    if (handler)
        handler(round, round->handler->user);
    check_answered(round);
}

static struct gateway *gateway_of(const struct weir_call *round)
{
    return reactor_gateway(call_reactor(round->call));
}

/* On a worker thread. The worker counts as free when its handler has returned, not when the loop has heard of it. */
static void work_run(uv_work_t *work)
{
    struct weir_call *round = CONTAINER_OF(work, struct weir_call, work);
    struct gateway *gateway = gateway_of(round);
    uint64_t waited_ns = overload_leave_worker(gateway, round->queued_ns);
    if (call_cancelled(round->call))
        give_up(round, ERROR_CANCELLED, SPAN("Cancelled before a worker was free"));
    else if (call_overdue(round->call, waited_ns))
        give_up(round, ERROR_TIMED_OUT, SPAN("No worker was free within limits.request_timeout"));
    else
        run_handler(round);
    quota_give(&gateway->quotas, QUOTA_WORKERS, 1);
}

static void work_done(uv_work_t *work, int status)
{
    (void)status;
    round_unref(CONTAINER_OF(work, struct weir_call, work));
}

/* True: no worker may be had, and the round has been answered. */
static bool refuse_worker(struct weir_call *round, struct gateway *gateway)
{
    CLEANUP(text_done) struct text message = TEXT(ROUND_MAX_MESSAGE_BYTES);
    if (overload_refuses_worker(gateway)) {
        overload_add_message(&message);
    } else if (quota_take(&gateway->quotas, QUOTA_WORKERS, 1) != 0) {
        counter_add(reactor_counters(call_reactor(round->call)), COUNTER_REFUSED_WORKER, 1);
        text_addf(&message, "All worker threads are busy: try again later, or raise %s", quota_option(QUOTA_WORKERS));
    } else {
        return false;
    }
    give_up(round, ERROR_OVER_CAPACITY, text_span(&message));
    return true;
}

static void start_worker(struct weir_call *round)
{
    struct gateway *gateway = gateway_of(round);
    if (refuse_worker(round, gateway)) {
        round_unref(round);
        return;
    }
    round->queued_ns = overload_enter_worker(gateway);
    if (uv_queue_work(reactor_loop(call_reactor(round->call)), &round->work, work_run, work_done) == 0)
        return;
    (void)overload_leave_worker(gateway, round->queued_ns);
    quota_give(&gateway->quotas, QUOTA_WORKERS, 1);
    give_up(round, ERROR_HANDLER, SPAN("No worker thread could be started"));
    round_unref(round);
}

static void start_inline(struct weir_call *round)
{
    run_handler(round);
    round_unref(round);
}

static void fail_without_round(struct call *call)
{
    int r = call_refuse(call, ERROR_HANDLER, SPAN("The gateway is out of memory"));
    if (r < 0)
        log_error("module_answer_lost", LOG_NUMBER("error", -r));
}

void module_call_start(struct provider *provider, struct call *call)
{
    struct weir_call *round = round_new(CONTAINER_OF(provider, struct module, provider), call);
    if (!round)
        fail_without_round(call);
    else if (round->handler->mode == WEIR_WORKER)
        start_worker(round);
    else
        start_inline(round);
}

/* Calls on_cancel if it is due; once per round, whether hold() or the cancellation came first. */
static void tell_cancelled(struct weir_call *round)
{
    pthread_mutex_lock(&round->lock);
    bool due = round->held && round->cancelled && !round->told;
    due = due && !atomic_load_explicit(&round->answered, memory_order_acquire);
    round->told |= due;
    pthread_mutex_unlock(&round->lock);
    if (due && round->on_cancel)
        round->on_cancel(round, round->cancel_user);
}

void module_call_cancel(struct provider *provider, struct call *call)
{
    struct weir_call *round = call_provider_data(call);
    (void)provider;
    if (!round)
        return;
    atomic_fetch_add_explicit(&round->references, 1, memory_order_relaxed);
    pthread_mutex_lock(&round->lock);
    round->cancelled = true;
    pthread_mutex_unlock(&round->lock);
    tell_cancelled(round);
    round_unref(round);
}

/* ---- what a handler asks ------------------------------------------------------------------------------------------
 */

static struct weir_text lend(struct span span)
{
    return (struct weir_text){span.at, span.size};
}

/* An answer that is there but empty is not absent. */
static struct weir_text lend_present(struct span span)
{
    return (struct weir_text){span.at ? span.at : "", span.size};
}

static struct weir_text api_name(struct weir_call *round)
{
    return lend_present(call_request(round->call)->name);
}

static struct weir_text api_arguments(struct weir_call *round)
{
    return lend_present(call_request(round->call)->arguments);
}

static struct weir_text api_argument(struct weir_call *round, const char *member)
{
    return lend(json_find(call_request(round->call)->arguments, member));
}

/* Keeps it until the round is answered. */
static struct weir_text put_on_loan(struct weir_call *round, struct loan *loan, size_t size)
{
    pthread_mutex_lock(&round->lock);
    loan->next = round->loans;
    round->loans = loan;
    pthread_mutex_unlock(&round->lock);
    return (struct weir_text){loan->bytes, size};
}

static struct weir_text decode_on_loan(struct weir_call *round, struct span raw)
{
    struct loan *loan = malloc(sizeof(*loan) + raw.size);
    if (!loan)
        return (struct weir_text){0};
    return put_on_loan(round, loan, json_string_decode_into(raw, loan->bytes));
}

/* `raw` was validated. */
static struct weir_text decode(struct weir_call *round, struct span raw)
{
    struct span plain;
    if (raw.size == 0 || raw.at[0] != '"')
        return (struct weir_text){0};
    return json_string_plain(raw, &plain) ? lend_present(plain) : decode_on_loan(round, raw);
}

static struct weir_text api_argument_string(struct weir_call *round, const char *member)
{
    return decode(round, json_find(call_request(round->call)->arguments, member));
}

/* What a module hands in may be anything. */
static struct span checked(struct weir_text json)
{
    struct json_cursor cursor;
    struct span raw, text = {json.at, json.size};
    bool valid = json.at && json_cursor_init(&cursor, text, JSON_DEPTH_DEFAULT) == 0 &&
                 json_cursor_value(&cursor, &raw) == 0 && json_cursor_finish(&cursor) == 0;
    return valid ? raw : (struct span){0};
}

static struct weir_text api_member(struct weir_call *round, struct weir_text json, const char *name)
{
    (void)round;
    return lend(json_find(checked(json), name));
}

static struct weir_text api_string(struct weir_call *round, struct weir_text json)
{
    return decode(round, checked(json));
}

static struct weir_text api_variable(struct weir_call *round, const char *name)
{
    const struct uri_match *match = call_request(round->call)->variables;
    for (size_t i = 0; match && i < match->count; i++)
        if (span_is(match->variables[i].name, name))
            return lend(match->variables[i].value);
    return (struct weir_text){0};
}

static struct weir_text api_input(struct weir_call *round, const char *key)
{
    return lend(json_find(call_request(round->call)->inputs, key));
}

static struct weir_text api_inputs(struct weir_call *round)
{
    return lend_present(call_request(round->call)->inputs);
}

static struct weir_text api_state(struct weir_call *round)
{
    return lend_present(call_request(round->call)->state);
}

static struct weir_text api_trace_parent(struct weir_call *round)
{
    struct trace_context context;
    struct span state;
    struct loan *loan = NULL;
    if (call_trace(round->call, &context, &state))
        loan = malloc(sizeof(*loan) + TRACE_PARENT_SIZE + 1);
    if (!loan)
        return (struct weir_text){0};
    trace_context_format(&context, loan->bytes);
    return put_on_loan(round, loan, TRACE_PARENT_SIZE);
}

static struct weir_text api_trace_state(struct weir_call *round)
{
    struct trace_context context;
    struct span state;
    return call_trace(round->call, &context, &state) ? lend(state) : (struct weir_text){0};
}

static struct weir_text api_caller(struct weir_call *round, enum weir_caller_fact fact)
{
    struct caller caller = call_caller(round->call);
    switch (fact) {
    case WEIR_CALLER_PROOF:
        return lend(caller.proof);
    case WEIR_CALLER_SUBJECT:
        return lend(caller.subject);
    case WEIR_CALLER_ISSUER:
        return lend(caller.issuer);
    case WEIR_CALLER_CLIENT_ID:
        return lend(caller.client_id);
    }
    return (struct weir_text){0};
}

static bool api_caller_has_scope(struct weir_call *round, const char *scope)
{
    return call_caller_has_scope(round->call, span_of(scope));
}

static struct weir_text api_completing(struct weir_call *round)
{
    return lend(call_request(round->call)->completing);
}

static struct weir_text api_completing_value(struct weir_call *round)
{
    return lend(call_request(round->call)->completing_value);
}

static struct weir_text api_context_arguments(struct weir_call *round)
{
    return lend(call_request(round->call)->context_arguments);
}

/* 0 for what is no capability. */
static unsigned capability_bit(enum weir_capability capability)
{
    static const unsigned bits[] = {
        [WEIR_SAMPLING] = CAPABILITY_SAMPLING,
        [WEIR_ELICITATION] = CAPABILITY_ELICITATION,
        [WEIR_ELICITATION_URL] = CAPABILITY_ELICITATION_URL,
        [WEIR_ROOTS] = CAPABILITY_ROOTS,
        [WEIR_TASKS] = CAPABILITY_TASKS,
    };
    return (unsigned)capability < ARRAY_SIZE(bits) ? bits[capability] : 0;
}

static bool api_client_can(struct weir_call *round, enum weir_capability capability)
{
    return call_request(round->call)->capabilities & capability_bit(capability);
}

static bool api_cancelled(struct weir_call *round)
{
    return call_cancelled(round->call);
}

static void *api_instance(struct weir_call *round)
{
    return round->module->instance;
}

/* ---- answers ------------------------------------------------------------------------------------------------------
 */

static int api_result(struct weir_call *round, const char *json, size_t size)
{
    if (!json)
        return -EINVAL;
    if (!answer_begin(round))
        return -EALREADY;
    return answer_end(round, call_result(round->call, (struct span){json, size}));
}

static int api_result_text(struct weir_call *round, const char *text, size_t size, bool is_error)
{
    if (!text && size > 0)
        return -EINVAL;
    if (!answer_begin(round))
        return -EALREADY;
    return answer_end(round, call_result_text(round->call, (struct span){text ? text : "", size}, is_error));
}

/* basic/index, "Error Codes": -32020 to -32099 belong to the specification. */
static bool is_specification_code(int code)
{
    return code <= -32020 && code >= -32099;
}

static int api_fail(struct weir_call *round, int code, const char *message, const char *data)
{
    if (!message || is_specification_code(code))
        return -EINVAL;
    if (!answer_begin(round))
        return -EALREADY;
    return answer_end(round, call_error(round->call, code, span_of(message), span_of(data)));
}

static int api_missing_capability(struct weir_call *round, enum weir_capability capability)
{
    unsigned bit = capability_bit(capability);
    if (bit == 0)
        return -EINVAL;
    if (!answer_begin(round))
        return -EALREADY;
    return answer_end(round, call_missing_capability(round->call, bit));
}

static int api_need_input(struct weir_call *round, const char *requests, const char *state, size_t state_size)
{
    if (!requests || (!state && state_size > 0))
        return -EINVAL;
    if (!answer_begin(round))
        return -EALREADY;
    return answer_end(round, call_need_input(round->call, span_of(requests), (struct span){state, state_size}));
}

/* ---- while it runs ------------------------------------------------------------------------------------------------
 */

static int api_progress(struct weir_call *round, double progress, double total, const char *message)
{
    return call_progress(round->call, progress, total, span_of(message));
}

static int api_log(struct weir_call *round, enum weir_log_level level, const char *logger, const char *data)
{
    if (!data || (unsigned)level > WEIR_LOG_EMERGENCY)
        return -EINVAL;
    return call_log(round->call, (unsigned)level, span_of(logger), span_of(data));
}

static int api_task_start(struct weir_call *round, uint64_t ttl_ms, uint64_t poll_ms)
{
    return call_task_start(round->call, ttl_ms, poll_ms);
}

static int api_hold(struct weir_call *round, void (*on_cancel)(struct weir_call *call, void *user), void *user)
{
    if (atomic_load_explicit(&round->answered, memory_order_acquire))
        return -EALREADY;
    pthread_mutex_lock(&round->lock);
    bool again = round->held;
    if (!again) {
        round->held = true;
        round->on_cancel = on_cancel;
        round->cancel_user = user;
    }
    pthread_mutex_unlock(&round->lock);
    if (again)
        return -EALREADY;
    tell_cancelled(round);
    return 0;
}

const struct weir_api module_api = {
    .size = sizeof(struct weir_api),
    .add_tool = module_host_add_tool,
    .add_resource = module_host_add_resource,
    .add_prompt = module_host_add_prompt,
    .remove_tool = module_host_remove_tool,
    .remove_resource = module_host_remove_resource,
    .remove_prompt = module_host_remove_prompt,
    .publish = module_host_publish,
    .resource_updated = module_host_resource_updated,
    .problem = module_host_problem,
    .name = api_name,
    .arguments = api_arguments,
    .argument = api_argument,
    .argument_string = api_argument_string,
    .variable = api_variable,
    .input = api_input,
    .inputs = api_inputs,
    .state = api_state,
    .client_can = api_client_can,
    .cancelled = api_cancelled,
    .completing = api_completing,
    .completing_value = api_completing_value,
    .context_arguments = api_context_arguments,
    .trace_parent = api_trace_parent,
    .trace_state = api_trace_state,
    .caller = api_caller,
    .caller_has_scope = api_caller_has_scope,
    .result = api_result,
    .result_text = api_result_text,
    .fail = api_fail,
    .missing_capability = api_missing_capability,
    .need_input = api_need_input,
    .progress = api_progress,
    .log = api_log,
    .task_start = api_task_start,
    .hold = api_hold,
    .instance = api_instance,
    .member = api_member,
    .string = api_string,
};

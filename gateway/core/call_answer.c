/* What providers say of a call, from any thread: an answer per round, notices on the way, the turn to a task. On the
   call's reactor it is acted on at once and nothing is copied; from elsewhere it is copied and posted, in order. */
#include <errno.h>
#include <math.h>

#include "gateway/core/call_priv.h"
#include "gateway/core/session.h"
#include "gateway/core/task.h"
#include "gateway/mcp/json.h"
#include "gateway/mcp/log_level.h"

/* ---- providers ---- */

void provider_init(struct provider *provider, const struct provider_ops *ops)
{
    provider->ops = ops;
    provider->references = 1;
}

struct provider *provider_ref(struct provider *provider)
{
    atomic_fetch_add_explicit(&provider->references, 1, memory_order_relaxed);
    return provider;
}

void provider_unref(struct provider *provider)
{
    if (provider && atomic_fetch_sub_explicit(&provider->references, 1, memory_order_acq_rel) == 1)
        provider->ops->free(provider);
}

/* ---- answers ---- */

static void answer_posted(struct reactor_post *post)
{
    struct call *call = CONTAINER_OF(post, struct call, answer_post);
    struct answer answer = call->answer;
    call->answer.owned = NULL; /* the next round may answer while this one is settled */
    call_settle(call, &answer);
    free(answer.owned);
    call_unref(call);
}

static int post_answer(struct call *call, const struct answer *answer)
{
    char *owned = malloc(answer->json.size + answer->message.size + answer->data.size + 1);
    if (!owned) {
        atomic_store(&call->round, ROUND_RUNNING);
        return -ENOMEM;
    }
    char *at = owned;
    call->answer = *answer;
    call->answer.json = span_move(&at, answer->json);
    call->answer.message = span_move(&at, answer->message);
    call->answer.data = span_move(&at, answer->data);
    call->answer.owned = owned;
    call_ref(call);
    reactor_post(call->reactor, &call->answer_post, answer_posted);
    return 0;
}

/* What was posted before, by a worker of the same handler, must come before what is said now on the reactor. */
static bool must_post(struct call *call)
{
    return reactor_current() != call->reactor || atomic_load(&call->notices) > 0 ||
           (atomic_load(&call->is_task) && call->new_task);
}

static int answer_call(struct call *call, const struct answer *answer)
{
    int running = ROUND_RUNNING;
    if (!atomic_compare_exchange_strong(&call->round, &running, ROUND_ANSWERED))
        return -EALREADY;
    if (must_post(call))
        return post_answer(call, answer);
    call_settle(call, answer);
    return 0;
}

static int answer_internal(struct call *call, const char *what)
{
    const struct call_request *request = call_request(call);
    CLEANUP(text_done) struct text message = TEXT(1024);
    text_addf(&message, "The handler of %s gave %s", request->item->key, what);
    struct answer answer = {
        .kind = ANSWER_ERROR, .code = error_row(ERROR_HANDLER)->code[ERA_MODERN], .message = text_span(&message)};
    int r = answer_call(call, &answer);
    return r < 0 ? r : -EINVAL;
}

/* A handler may lay its JSON out as it likes; a message goes out as one line (2026-07-28, basic/transports/stdio: "MUST
   NOT contain embedded newlines"). `json` becomes that line, in `store` if it had to be written anew. 0, -EINVAL (no
   JSON of that kind), or -ENOMEM. */
static int one_line(struct span *json, bool object, struct text *store)
{
    if (json_check(*json, JSON_DEPTH_DEFAULT) != 0)
        return -EINVAL;
    *store = TEXT(json->size);
    if (memchr(json->at, '\n', json->size) || memchr(json->at, '\r', json->size) || json_kind(*json) == JSON_NONE) {
        json_compact(*json, store);
        if (store->error)
            return store->error;
        *json = text_span(store);
    }
    return !object || json_kind(*json) == JSON_OBJECT ? 0 : -EINVAL;
}

int call_result(struct call *call, struct span json)
{
    CLEANUP(text_done) struct text store = TEXT(0);
    int r = one_line(&json, true, &store);
    if (r == -EINVAL)
        return answer_internal(call, "a result that is not a JSON object");
    return r < 0 ? r : answer_call(call, &(struct answer){.kind = ANSWER_RESULT, .json = json});
}

int call_result_trusted(struct call *call, char *json, size_t size)
{
    int r = answer_call(call, &(struct answer){.kind = ANSWER_RESULT, .json = {json, size}});
    free(json);
    return r;
}

int call_result_text(struct call *call, struct span text, bool is_error)
{
    CLEANUP(text_done) struct text json = TEXT(SIZE_MAX);
    text_reserve(&json, text.size + 64);
    text_add_literal(&json, "{\"content\":[{\"type\":\"text\",\"text\":");
    text_add_json_string(&json, text);
    text_add_literal(&json, "}]");
    if (is_error)
        text_add_literal(&json, ",\"isError\":true");
    text_add_char(&json, '}');
    if (json.error)
        return json.error;
    return answer_call(call, &(struct answer){.kind = ANSWER_RESULT, .json = text_span(&json)});
}

int call_error(struct call *call, int code, struct span message, struct span data)
{
    CLEANUP(text_done) struct text store = TEXT(0);
    int r = span_absent(data) ? 0 : one_line(&data, false, &store);
    if (r == -EINVAL)
        return answer_internal(call, "an error whose data is not JSON");
    if (r < 0)
        return r;
    return answer_call(call, &(struct answer){.kind = ANSWER_ERROR, .code = code, .message = message, .data = data});
}

int call_refuse(struct call *call, enum error_name error, struct span message)
{
    return answer_call(call, &(struct answer){.kind = ANSWER_REFUSED,
                                              .error = error,
                                              .code = error_row(error)->code[call->exchange->era],
                                              .message = message});
}

int call_missing_capability(struct call *call, unsigned capabilities)
{
    return answer_call(call, &(struct answer){.kind = ANSWER_MISSING_CAPABILITY, .capabilities = capabilities});
}

int call_need_input(struct call *call, struct span requests, struct span state)
{
    CLEANUP(text_done) struct text store = TEXT(0);
    int r = one_line(&requests, true, &store);
    if (r == -EINVAL)
        return answer_internal(call, "input requests that are not a JSON object");
    if (r < 0)
        return r;
    return answer_call(call, &(struct answer){.kind = ANSWER_NEED_INPUT, .json = requests, .data = state});
}

/* ---- notices ---- */

struct notice {
    struct reactor_post post;
    struct call *call; /* counted */
    bool is_progress;
    double progress;
    size_t size;
    char bytes[];
};

static void send_notice(struct call *call, struct span message, bool is_progress, double progress)
{
    if (!call->waited_for || call->task)
        return;
    if (is_progress && !(progress > call->last_progress))
        return; /* "MUST increase with each notification" (basic/patterns/progress) */
    if (is_progress)
        call->last_progress = progress;
    (void)!exchange_send(call->exchange, message);
}

static void notice_posted(struct reactor_post *post)
{
    struct notice *notice = CONTAINER_OF(post, struct notice, post);
    struct call *call = notice->call;
    atomic_fetch_sub(&call->notices, 1);
    send_notice(call, (struct span){notice->bytes, notice->size}, notice->is_progress, notice->progress);
    free(notice);
    call_unref(call);
}

static int post_notice(struct call *call, struct span message, bool is_progress, double progress)
{
    if (atomic_fetch_add(&call->notices, 1) >= CALL_MAX_NOTICES) {
        atomic_fetch_sub(&call->notices, 1);
        counter_add_shared(reactor_counters(call->reactor), COUNTER_DROPPED_NOTICES, 1);
        return 0;
    }
    struct notice *notice = malloc(sizeof(*notice) + message.size);
    if (!notice) {
        atomic_fetch_sub(&call->notices, 1);
        return -ENOMEM;
    }
    *notice =
        (struct notice){.call = call_ref(call), .is_progress = is_progress, .progress = progress, .size = message.size};
    memcpy(notice->bytes, message.at, message.size);
    reactor_post(call->reactor, &notice->post, notice_posted);
    return 0;
}

static int give_notice(struct call *call, struct text *message, bool is_progress, double progress)
{
    if (message->error)
        return message->error;
    if (must_post(call))
        return post_notice(call, text_span(message), is_progress, progress);
    send_notice(call, text_span(message), is_progress, progress);
    return 0;
}

static void add_number(struct text *out, double value)
{
    if (value == floor(value) && fabs(value) < 9e15)
        text_addf(out, "%lld", (long long)value);
    else
        text_addf(out, "%.17g", value);
}

int call_progress(struct call *call, double progress, double total, struct span message)
{
    struct span token = exchange_member(call->exchange, MEMBER_META_PROGRESS_TOKEN)->raw;
    if (!isfinite(progress) || isnan(total))
        return -EINVAL;
    if (span_absent(token) || exchange_member(call->exchange, MEMBER_META_PROGRESS_TOKEN)->wrong_type)
        return 0;
    CLEANUP(text_done) struct text notice = TEXT(message.size * 6 + 4096);
    text_add_literal(&notice,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":");
    text_add(&notice, token);
    text_add_literal(&notice, ",\"progress\":");
    add_number(&notice, progress);
    if (total >= 0 && isfinite(total)) {
        text_add_literal(&notice, ",\"total\":");
        add_number(&notice, total);
    }
    if (message.size && call->exchange->revision >= REVISION_2025_03_26) {
        text_add_literal(&notice, ",\"message\":");
        text_add_json_string(&notice, message);
    }
    text_add_literal(&notice, "}}");
    return give_notice(call, &notice, true, progress);
}

/* Legacy: the session's level. Modern: "MUST NOT emit notifications/message for a request that does not include this
 * field". */
static unsigned wanted_level(const struct call *call)
{
    if (call->exchange->era == ERA_MODERN)
        return log_level_find(exchange_text(call->exchange, MEMBER_META_LOG_LEVEL));
    return call->exchange->session ? session_log_level(call->exchange->session) : LOG_LEVEL_NONE;
}

int call_log(struct call *call, unsigned level, struct span logger, struct span data)
{
    CLEANUP(text_done) struct text store = TEXT(0);
    int r = level < LOG_LEVEL_COUNT ? one_line(&data, false, &store) : -EINVAL;
    if (r < 0 || level < wanted_level(call))
        return r;
    CLEANUP(text_done) struct text notice = TEXT(data.size + logger.size * 6 + 4096);
    text_addf(&notice, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"%s\"",
              log_level_name(level));
    if (logger.size) {
        text_add_literal(&notice, ",\"logger\":");
        text_add_json_string(&notice, logger);
    }
    text_add_literal(&notice, ",\"data\":");
    text_add(&notice, data);
    text_add_literal(&notice, "}}");
    return give_notice(call, &notice, false, 0);
}

/* ---- tasks ---- */

static void become_task(struct call *call)
{
    call->task = TAKE(call->new_task);
    if (!call->waited_for) {
        task_forget(call->task); /* its client never learned the id */
        return;
    }
    call_become_task(call);
}

static void task_posted(struct reactor_post *post)
{
    struct call *call = CONTAINER_OF(post, struct call, task_post);
    become_task(call);
    call_unref(call);
}

int call_task_start(struct call *call, uint64_t ttl_ms, uint64_t poll_ms)
{
    if (atomic_load(&call->is_task))
        return 0; /* a later round of the same task */
    if (call->request.kind != CALL_TOOL || !(call->request.capabilities & CAPABILITY_TASKS))
        return -ENOTSUP;
    int r = task_new(call->gateway, call, ttl_ms ? ttl_ms : call->snapshot->settings->limits.task_ttl_ms, poll_ms,
                     &call->new_task);
    if (r != 0)
        return r == QUOTA_REFUSED ? -ENOSPC : r;
    atomic_store(&call->is_task, true);
    if (reactor_current() == call->reactor) {
        become_task(call);
        return 0;
    }
    call_ref(call);
    reactor_post(call->reactor, &call->task_post, task_posted);
    return 0;
}

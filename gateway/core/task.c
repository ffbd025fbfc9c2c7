/* The table of tasks under one lock; a task's own members are under the same lock. Calls are told after it is free. A
   task holds its call until it has ended, a call holds its task; the ending breaks the circle.

       working ─need input─▶ input_required ─all answered─▶ working ─▶ completed | failed | cancelled ─ttl─▶ gone
*/
#include "gateway/core/task.h"

#include <errno.h>
#include <pthread.h>

#include "gateway/base/clock.h"
#include "gateway/base/random.h"
#include "gateway/core/owner.h"
#include "gateway/core/permission.h"
#include "gateway/core/result.h"
#include "gateway/mcp/json.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TOO_LARGE "{\"code\":-32603,\"message\":\"The result is too large to be kept for a task\"}"

enum task_status { TASK_WORKING, TASK_INPUT_REQUIRED, TASK_COMPLETED, TASK_FAILED, TASK_CANCELLED };
static const char *const status_names[] = {"working", "input_required", "completed", "failed", "cancelled"};

struct task {
    UT_hash_handle hh;
    char id[RANDOM_ID_BYTES];
    _Atomic unsigned references;
    struct gateway *gateway;
    struct owner owner;
    char *tool;        /* its name: who may not call it may not ask for its outcome */
    struct call *call; /* counted; NULL once it has ended */
    enum task_status status;
    uint64_t created_ms, updated_ms; /* wall */
    uint64_t expires_ms;             /* monotonic */
    uint64_t ttl_ms, poll_ms;
    struct text outcome;  /* the result object, or the error object */
    struct text requests; /* input_required: those that are not answered, a JSON object */
};

struct task_table {
    pthread_mutex_t lock;
    struct task *tasks;
};

int task_table_new(struct task_table **ret_table)
{
    struct task_table *table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    pthread_mutex_init(&table->lock, NULL);
    *ret_table = table;
    return 0;
}

static void task_free(struct task *task)
{
    call_unref(task->call);
    text_done(&task->outcome);
    text_done(&task->requests);
    free(task->tool);
    free(task);
}

void task_unref(struct task *task)
{
    if (task && atomic_fetch_sub_explicit(&task->references, 1, memory_order_acq_rel) == 1)
        task_free(task);
}

static void lock(struct task *task)
{
    pthread_mutex_lock(&task->gateway->tasks->lock);
}

static void unlock(struct task *task)
{
    pthread_mutex_unlock(&task->gateway->tasks->lock);
}

/* ---- making and expiring ---- */

static struct task *make(struct gateway *gateway, struct call *call, uint64_t ttl_ms, uint64_t poll_ms)
{
    struct task *task = calloc(1, sizeof(*task));
    if (!task)
        return NULL;
    task->references = 2; /* the table's and the caller's */
    task->gateway = gateway;
    ttl_ms = MIN(ttl_ms, TASK_MAX_TTL_MS);
    task->created_ms = task->updated_ms = clock_wall_ms();
    task->expires_ms = clock_now_ms() + ttl_ms;
    task->ttl_ms = ttl_ms;
    task->poll_ms = poll_ms;
    task->outcome = TEXT(TASK_MAX_RESULT_BYTES);
    task->requests = TEXT(BRIDGE_MAX_INPUT_BYTES);
    task->call = call_ref(call);
    task->owner = owner_of(call_identity(call));
    task->tool = span_copy(span_of(call_item(call)->key));
    if (!task->tool) {
        task_free(task);
        return NULL;
    }
    return task;
}

int task_new(struct gateway *gateway, struct call *call, uint64_t ttl_ms, uint64_t poll_ms, struct task **ret_task)
{
    int r = quota_take(&gateway->quotas, QUOTA_TASKS, 1);
    if (r != 0)
        return r;
    struct task *task = make(gateway, call, ttl_ms, poll_ms);
    r = task ? random_id(task->id) : -ENOMEM;
    if (r == 0) {
        lock(task);
        HASH_ADD_STR(gateway->tasks->tasks, id, task);
        r = task->hh.tbl ? 0 : -ENOMEM;
        unlock(task);
    }
    if (r == 0) {
        *ret_task = task;
        return 0;
    }
    if (task)
        task_free(task);
    quota_give(&gateway->quotas, QUOTA_TASKS, 1);
    return r;
}

/* Another's is as good as none. */
static struct task *find(struct gateway *gateway, struct span id, const struct identity *identity)
{
    struct task *task = NULL;
    pthread_mutex_lock(&gateway->tasks->lock);
    HASH_FIND(hh, gateway->tasks->tasks, id.at, id.size, task);
    if (task && !owner_is(&task->owner, identity))
        task = NULL;
    if (task)
        atomic_fetch_add_explicit(&task->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&gateway->tasks->lock);
    return task;
}

/* With the lock held: out of the table. The caller unrefs, and cancels the call, after it is free. */
static void take_out(struct task *task)
{
    HASH_DEL(task->gateway->tasks->tasks, task);
    task->hh.tbl = NULL;
    quota_give(&task->gateway->quotas, QUOTA_TASKS, 1);
}

static void drop(struct task *task)
{
    struct call *call = TAKE(task->call);
    if (call) {
        call_cancel(call, CALL_TASK_CANCELLED);
        call_unref(call);
    }
    task_unref(task);
}

void task_forget(struct task *task)
{
    lock(task);
    bool kept = task->hh.tbl != NULL;
    if (kept)
        take_out(task);
    task->status = TASK_CANCELLED;
    unlock(task);
    if (kept)
        drop(task);
}

void task_table_sweep(struct gateway *gateway)
{
    enum { AT_ONCE = 64 };
    struct task *expired[AT_ONCE];
    unsigned count = 0;
    uint64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&gateway->tasks->lock);
    struct task *task, *next;
    HASH_ITER(hh, gateway->tasks->tasks, task, next)
    {
        if (count == AT_ONCE)
            break;
        if (now_ms < task->expires_ms)
            continue;
        take_out(task);
        task->status = TASK_CANCELLED;
        expired[count++] = task;
    }
    pthread_mutex_unlock(&gateway->tasks->lock);
    while (count > 0)
        drop(expired[--count]);
}

void task_table_free(struct task_table *table)
{
    if (!table)
        return;
    struct task *task, *next;
    HASH_ITER(hh, table->tasks, task, next)
    {
        take_out(task);
        drop(task);
    }
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* ---- what its call says ---- */

/* With the lock held. */
static bool running(const struct task *task)
{
    return task->status == TASK_WORKING || task->status == TASK_INPUT_REQUIRED;
}

/* With the lock held. Returns the call, which the caller unrefs after the lock is free. */
static struct call *finish(struct task *task, enum task_status status)
{
    task->status = status;
    task->updated_ms = clock_wall_ms();
    text_clear(&task->requests);
    return TAKE(task->call);
}

static void add_error(struct text *out, int code, struct span message, struct span data)
{
    text_addf(out, "{\"code\":%d,\"message\":", code);
    text_add_json_string(out, message);
    if (!span_absent(data)) {
        text_add_literal(out, ",\"data\":");
        text_add(out, data);
    }
    text_add_char(out, '}');
}

static void finish_with(struct task *task, enum task_status status, struct span result, int code, struct span message)
{
    struct call *call = NULL;
    lock(task);
    if (running(task)) {
        text_clear(&task->outcome);
        if (status == TASK_COMPLETED)
            text_add(&task->outcome, result);
        else
            add_error(&task->outcome, code, message, result);
        if (task->outcome.error) { /* no result that is honest fits: TOO_LARGE says so */
            text_done(&task->outcome);
            status = TASK_FAILED;
        }
        call = finish(task, status);
    }
    unlock(task);
    call_unref(call);
}

void task_complete(struct task *task, struct span result)
{
    finish_with(task, TASK_COMPLETED, result, 0, (struct span){0});
}

void task_fail(struct task *task, int code, struct span message, struct span data)
{
    finish_with(task, TASK_FAILED, data, code, message);
}

int task_ask(struct task *task, struct span requests)
{
    int r = 0;
    lock(task);
    if (running(task)) {
        text_clear(&task->requests);
        text_add(&task->requests, requests);
        r = task->requests.error;
    }
    if (running(task) && r == 0) {
        task->status = TASK_INPUT_REQUIRED;
        task->updated_ms = clock_wall_ms();
    }
    unlock(task);
    return r;
}

/* ---- what clients see ---- */

static void add_members(struct text *out, const struct task *task)
{
    char created[CLOCK_ISO_BYTES], updated[CLOCK_ISO_BYTES];
    clock_format_iso(task->created_ms, created);
    clock_format_iso(task->updated_ms, updated);
    text_addf(out, "\"taskId\":\"%s\",\"status\":\"%s\",\"createdAt\":\"%s\",\"lastUpdatedAt\":\"%s\",\"ttlMs\":%llu",
              task->id, status_names[task->status], created, updated, (unsigned long long)task->ttl_ms);
    if (task->poll_ms)
        text_addf(out, ",\"pollIntervalMs\":%llu", (unsigned long long)task->poll_ms);
}

void task_add_state(struct text *out, struct task *task)
{
    lock(task);
    text_add_char(out, '{');
    add_members(out, task);
    text_add_char(out, '}');
    unlock(task);
}

/* With the lock held. An outcome that could not be kept is empty, and has failed. */
static struct span shown(const struct task *task)
{
    static const struct span too_large = {TOO_LARGE, sizeof(TOO_LARGE) - 1};
    struct span text = text_span(task->status == TASK_INPUT_REQUIRED ? &task->requests : &task->outcome);
    return text.size ? text : too_large;
}

/* SEP-2663, DetailedTask. With the lock held. */
static void add_detailed(struct text *out, const struct task *task)
{
    static const char *const members[] = {[TASK_INPUT_REQUIRED] = "inputRequests",
                                          [TASK_COMPLETED] = "result",
                                          [TASK_FAILED] = "error",
                                          [TASK_CANCELLED] = NULL};
    const char *member = members[task->status];
    text_add_char(out, '{');
    add_members(out, task);
    if (member) {
        text_addf(out, ",\"%s\":", member);
        text_add(out, shown(task));
    }
    text_add_char(out, '}');
}

/* The task of the request, or NULL and the exchange is answered. The extension is judged first (SEP-2663,
 * "Capability"). */
static struct task *requested(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_TASK_ID};
    if (!(exchange->capabilities & CAPABILITY_TASKS)) {
        CLEANUP(text_done) struct text data = TEXT(1024);
        capabilities_add_required(&data, CAPABILITY_TASKS);
        exchange_reply_error_full(exchange, ERROR_MISSING_CAPABILITY, (struct span){0}, text_span(&data));
        return NULL;
    }
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1))
        return NULL;
    struct task *task = find(exchange_gateway(exchange), exchange_text(exchange, MEMBER_TASK_ID), exchange->identity);
    int hidden =
        task ? permission_check(exchange, ITEM_TOOL, span_of(task->tool), (struct span){0}) : PERMISSION_HIDDEN;
    if (hidden == 0)
        return task;
    if (hidden == PERMISSION_HIDDEN)
        exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "There is no such task, or its time to live is over");
    task_unref(task);
    return NULL;
}

void task_get(struct exchange *exchange)
{
    struct task *task = requested(exchange);
    if (!task)
        return;
    CLEANUP(text_done) struct text state = TEXT(2 * TASK_MAX_RESULT_BYTES);
    lock(task);
    add_detailed(&state, task);
    unlock(task);
    exchange_reply_result(exchange, RESULT_COMPLETE, state.error ? (struct span){0} : text_span(&state));
    task_unref(task);
}

void task_cancel(struct exchange *exchange)
{
    struct task *task = requested(exchange);
    if (!task)
        return;
    struct call *call = NULL;
    lock(task);
    if (running(task))
        call = finish(task, TASK_CANCELLED);
    unlock(task);
    exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{}"));
    if (call) {
        call_cancel(call, CALL_TASK_CANCELLED);
        call_unref(call);
    }
    task_unref(task);
}

/* With the lock held: takes one request out of those that wait, if it is among them. */
static bool take_request(struct task *task, struct span key)
{
    CLEANUP(text_done) struct text left = TEXT(BRIDGE_MAX_INPUT_BYTES);
    struct json_iterator members;
    struct span raw_key, request;
    bool found = false;
    text_add_char(&left, '{');
    json_object_begin(&members, text_span(&task->requests));
    while (json_object_next(&members, &raw_key, &request)) {
        if (json_string_equal(raw_key, key)) {
            found = true;
            continue;
        }
        if (left.size > 1)
            text_add_char(&left, ',');
        text_add(&left, raw_key);
        text_add_char(&left, ':');
        text_add(&left, request);
    }
    text_add_char(&left, '}');
    if (!found || left.error)
        return false;
    text_clear(&task->requests);
    text_add(&task->requests, text_span(&left));
    if (left.size == 2)
        task->status = TASK_WORKING;
    task->updated_ms = clock_wall_ms();
    return true;
}

/* "A server SHOULD ignore any inputResponses mapped to a key that is not currently outstanding." */
static void give_answer(struct task *task, struct span raw_key, struct span answer)
{
    CLEANUP(text_done) struct text key = TEXT(raw_key.size);
    struct call *call = NULL;
    if (json_string_decode(raw_key, &key) < 0)
        return;
    lock(task);
    if (task->status == TASK_INPUT_REQUIRED && take_request(task, text_span(&key)))
        call = call_ref(task->call);
    unlock(task);
    if (call) {
        bridge_answer(call, text_span(&key), answer, (struct span){0});
        call_unref(call);
    }
}

void task_update(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_INPUT_RESPONSES};
    struct task *task = requested(exchange);
    if (!task)
        return;
    if (!exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1)) {
        struct json_iterator answers;
        struct span key, answer;
        json_object_begin(&answers, exchange_member(exchange, MEMBER_INPUT_RESPONSES)->raw);
        while (json_object_next(&answers, &key, &answer))
            if (json_kind(answer) == JSON_OBJECT)
                give_answer(task, key, answer);
        exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{}"));
    }
    task_unref(task);
}

/* A bounded queue under a mutex, and the thread that empties it. Reactors hold the lock for a few instructions; the
   thread is woken when there is a first span, or a whole batch. Owns the queue, the thread, and a copy of the settings.

       WAIT ──a batch, or TRACES_DELAY_MS──▶ POST ──taken, refused──▶ WAIT
                                             ▲  │ later
                                             └──┴─ back-off, doubled each time
*/
#include "gateway/ops/traces.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/ops/traces_json.h"
#include "gateway/ops/traces_post.h"

enum {
    MILLION = 1000000,
    BACK_OFF_FIRST_MS = 500,
    BACK_OFF_MOST_MS = 30000,
    BODY_MAX_BYTES = 4 * 1024 * 1024, /* a batch of the largest spans has a quarter of it */
};

struct traces {
    struct trace_sink sink; /* first */
    struct trace_settings settings;
    struct traces_resource resource;
    struct traces_post *post;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t news;
    struct trace_record *first, **last;
    uint64_t queued;
    bool stopping;
    uint64_t stop_by_ms;
    _Atomic uint64_t exported, dropped_queue, dropped_memory, dropped_refused, dropped_unreachable, failures;
    bool silent; /* the thread's: that it fails has been said */
};

static void add_to(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

/* ---- the reactors' side ---- */

static void on_take(struct trace_sink *sink, struct trace_record *record)
{
    struct traces *traces = CONTAINER_OF(sink, struct traces, sink);
    pthread_mutex_lock(&traces->lock);
    bool room = traces->queued < traces->settings.max_queue;
    if (room) {
        record->next = NULL;
        *traces->last = record;
        traces->last = &record->next;
        traces->queued++;
        if (traces->queued == 1 || traces->queued == TRACES_BATCH)
            pthread_cond_signal(&traces->news);
    }
    pthread_mutex_unlock(&traces->lock);
    if (room)
        return;
    free(record);
    add_to(&traces->dropped_queue, 1);
}

static void on_lost(struct trace_sink *sink)
{
    add_to(&CONTAINER_OF(sink, struct traces, sink)->dropped_memory, 1);
}

/* ---- the thread: waiting ---- */

/* Under the lock. */
static void wait_until(struct traces *traces, uint64_t end_ms)
{
    struct timespec end = {(time_t)(end_ms / 1000), (long)(end_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&traces->news, &traces->lock, &end);
}

/* The time of the condition's clock, which tests do not hold. */
static uint64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Under the lock: the first records, at most a batch. */
static struct trace_record *cut_batch(struct traces *traces, uint64_t *ret_count)
{
    struct trace_record *batch = traces->first, **end = &traces->first;
    uint64_t count = 0;
    for (; *end && count < TRACES_BATCH; count++)
        end = &(*end)->next;
    struct trace_record *rest = *end;
    *end = NULL;
    traces->first = rest;
    if (!rest)
        traces->last = &traces->first;
    traces->queued -= count;
    *ret_count = count;
    return batch;
}

/* NULL: the end, and nothing is left. */
static struct trace_record *next_batch(struct traces *traces, uint64_t *ret_count)
{
    pthread_mutex_lock(&traces->lock);
    while (!traces->first && !traces->stopping)
        pthread_cond_wait(&traces->news, &traces->lock);
    uint64_t end_ms = now_ms() + TRACES_DELAY_MS;
    while (traces->queued < TRACES_BATCH && !traces->stopping && now_ms() < end_ms)
        wait_until(traces, end_ms);
    struct trace_record *batch = traces->first ? cut_batch(traces, ret_count) : NULL;
    pthread_mutex_unlock(&traces->lock);
    return batch;
}

static bool is_stopping(struct traces *traces, uint64_t *ret_left_ms)
{
    pthread_mutex_lock(&traces->lock);
    bool stopping = traces->stopping;
    uint64_t now = now_ms();
    *ret_left_ms = traces->stop_by_ms > now ? traces->stop_by_ms - now : 0;
    pthread_mutex_unlock(&traces->lock);
    return stopping;
}

/* Ends early when the end comes. */
static void sleep_ms(struct traces *traces, uint64_t ms)
{
    uint64_t end_ms = now_ms() + ms;
    pthread_mutex_lock(&traces->lock);
    while (!traces->stopping && now_ms() < end_ms)
        wait_until(traces, end_ms);
    pthread_mutex_unlock(&traces->lock);
}

/* Half of it at least, so that gateways that lost one collector do not come back all at once. */
static uint64_t back_off_ms(unsigned attempt, uint64_t asked_ms)
{
    uint32_t random = 0;
    uint64_t ms = MIN((uint64_t)BACK_OFF_FIRST_MS << attempt, (uint64_t)BACK_OFF_MOST_MS);
    if (asked_ms > 0)
        return MIN(asked_ms, (uint64_t)BACK_OFF_MOST_MS);
    (void)!random_bytes(&random, sizeof(random));
    return ms / 2 + random % (ms / 2);
}

/* ---- the thread: posting ---- */

static bool give_up(void *context)
{
    uint64_t left_ms;
    return is_stopping(context, &left_ms) && left_ms == 0;
}

/* The first failure of a row of them, and the first success after it. */
static void say(struct traces *traces, bool failed)
{
    if (failed && !traces->silent)
        log_warning("traces_not_exported", LOG_TEXT("endpoint", traces->settings.endpoint),
                    LOG_TEXT("why", traces_post_problem(traces->post)));
    else if (!failed && traces->silent)
        log_info("traces_exported", LOG_TEXT("endpoint", traces->settings.endpoint));
    traces->silent = failed;
}

static enum traces_answer post_once(struct traces *traces, struct span body, uint64_t count, uint64_t *ret_wait_ms)
{
    uint64_t left_ms, rejected;
    bool stopping = is_stopping(traces, &left_ms);
    if (stopping && left_ms == 0)
        return TRACES_LATER;
    enum traces_answer answer =
        traces_post_send(traces->post, body, stopping ? MIN(left_ms, (uint64_t)TRACES_TIMEOUT_MS) : TRACES_TIMEOUT_MS,
                         give_up, traces, &rejected, ret_wait_ms);
    if (answer != TRACES_TAKEN)
        add_to(&traces->failures, 1);
    if (answer == TRACES_REFUSED)
        add_to(&traces->dropped_refused, count);
    if (answer == TRACES_TAKEN) {
        add_to(&traces->dropped_refused, MIN(rejected, count));
        add_to(&traces->exported, count - MIN(rejected, count));
    }
    say(traces, answer != TRACES_TAKEN); /* who reads it finds it counted */
    return answer;
}

static void post_batch(struct traces *traces, struct span body, uint64_t count)
{
    for (unsigned attempt = 0; attempt < TRACES_ATTEMPTS; attempt++) {
        uint64_t wait_ms = 0, left_ms;
        bool last = is_stopping(traces, &left_ms); /* then there is no other time */
        if (post_once(traces, body, count, &wait_ms) != TRACES_LATER)
            return;
        if (last)
            break;
        sleep_ms(traces, back_off_ms(attempt, wait_ms));
    }
    add_to(&traces->dropped_unreachable, count);
}

static void free_records(struct trace_record *records)
{
    while (records) {
        struct trace_record *next = records->next;
        free(records);
        records = next;
    }
}

static void *run(void *context)
{
    struct traces *traces = context;
    struct trace_record *batch;
    uint64_t count = 0;
    while ((batch = next_batch(traces, &count))) {
        CLEANUP(text_done) struct text body = TEXT(BODY_MAX_BYTES);
        traces_json_add(&body, &traces->resource, batch);
        free_records(batch);
        if (body.error)
            add_to(&traces->dropped_memory, count);
        else
            post_batch(traces, text_span(&body), count);
    }
    return NULL;
}

/* ---- start and stop ---- */

static int copy_settings(struct traces *traces, const struct trace_settings *settings)
{
    traces->settings = *settings;
    traces->settings.endpoint = span_copy(span_of(settings->endpoint));
    traces->settings.headers = span_copy(span_of(settings->headers));
    traces->settings.service_name = span_copy(span_of(settings->service_name));
    traces->resource.service_name = traces->settings.service_name;
    bool copied = traces->settings.endpoint && traces->settings.headers && traces->settings.service_name;
    return copied ? random_id(traces->resource.instance) : -ENOMEM;
}

static void free_traces(struct traces *traces)
{
    free_records(traces->first);
    traces_post_free(traces->post);
    pthread_cond_destroy(&traces->news);
    pthread_mutex_destroy(&traces->lock);
    free(traces->settings.endpoint);
    free(traces->settings.headers);
    free(traces->settings.service_name);
    free(traces);
}

static void init_locks(struct traces *traces)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&traces->news, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&traces->lock, NULL);
}

int traces_start(const struct trace_settings *settings, struct traces **ret_traces)
{
    struct traces *traces = calloc(1, sizeof(*traces));
    if (!traces)
        return -ENOMEM;
    traces->sink = (struct trace_sink){.take = on_take, .lost = on_lost};
    traces->last = &traces->first;
    init_locks(traces);
    int r = copy_settings(traces, settings);
    if (r == 0)
        r = traces_post_new(&traces->settings, &traces->post);
    if (r == 0)
        r = -pthread_create(&traces->thread, NULL, run, traces);
    if (r < 0) {
        free_traces(traces);
        return r;
    }
    traces_set_sample(traces, settings->sample);
    *ret_traces = traces;
    return 0;
}

void traces_stop(struct traces *traces)
{
    if (!traces)
        return;
    pthread_mutex_lock(&traces->lock);
    traces->stopping = true;
    traces->stop_by_ms = now_ms() + TRACES_FLUSH_MS;
    pthread_cond_signal(&traces->news);
    pthread_mutex_unlock(&traces->lock);
    pthread_join(traces->thread, NULL);
    uint64_t lost = atomic_load(&traces->dropped_unreachable);
    if (lost > 0)
        log_warning("traces_lost", LOG_NUMBER("spans", lost));
    free_traces(traces);
}

struct trace_sink *traces_sink(struct traces *traces)
{
    return &traces->sink;
}

void traces_set_sample(struct traces *traces, unsigned sample)
{
    atomic_store_explicit(&traces->sink.threshold, TRACE_EVERY / MILLION * sample + (sample == MILLION ? MILLION : 0),
                          memory_order_relaxed);
}

void traces_read(struct traces *traces, struct traces_use *ret_use)
{
    *ret_use = (struct traces_use){.queued = 0};
    if (!traces)
        return;
    pthread_mutex_lock(&traces->lock);
    ret_use->queued = traces->queued;
    pthread_mutex_unlock(&traces->lock);
    ret_use->exported = atomic_load(&traces->exported);
    ret_use->dropped_queue = atomic_load(&traces->dropped_queue);
    ret_use->dropped_memory = atomic_load(&traces->dropped_memory);
    ret_use->dropped_refused = atomic_load(&traces->dropped_refused);
    ret_use->dropped_unreachable = atomic_load(&traces->dropped_unreachable);
    ret_use->failures = atomic_load(&traces->failures);
}

/* One thread around a curl_multi. Everybody else only touches the lists, under one lock, and wakes it. Callbacks of
   fetches and waiters run without that lock, so that they may take their own: an owner's lock comes before the
   fetcher's, never behind it. Owns the transfers; a fetch belongs to its owner, and is the fetcher's to use until
   released(). */
#include "auth/fetcher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include <utlist.h>

#include "auth/transfer.h"
#include "gateway/base/clock.h"

enum { LONGEST_SLEEP_MS = 60000, STATUS_GOOD = 200 };

struct fetcher {
    _Atomic unsigned references;
    pthread_t thread;
    CURLM *multi;
    pthread_mutex_t lock;
    struct fetch *idle; /* waiting until they are due */
    struct fetch *active;
    size_t known, under_way;
    bool stopping;
    struct fetcher_counts counts;
};

/* ---- waiters ---- */

/* Under the lock. Nobody can forget them from now on. */
static struct authenticator_waiter *take_waiters(struct fetch *fetch)
{
    for (struct authenticator_waiter *waiter = fetch->waiters; waiter; waiter = waiter->next)
        waiter->fetch = NULL;
    return TAKE(fetch->waiters);
}

/* Without the lock. A waiter may be gone once it was told. */
static void tell(struct authenticator_waiter *waiters)
{
    while (waiters) {
        struct authenticator_waiter *waiter = waiters;
        waiters = waiter->next;
        waiter->next = waiter->previous = NULL;
        waiter->done(waiter);
    }
}

/* Under the lock. */
static void put_waiter(struct fetch *fetch, struct authenticator_waiter *waiter)
{
    waiter->fetch = fetch;
    waiter->previous = NULL;
    waiter->next = fetch->waiters;
    if (waiter->next)
        waiter->next->previous = waiter;
    fetch->waiters = waiter;
}

/* ---- answers ---- */

/* Under the lock: it is known no more. */
static void drop(struct fetcher *fetcher, struct fetch *fetch)
{
    DL_DELETE(fetcher->idle, fetch);
    fetcher->known--;
}

/* On the thread, without the lock. A fetch that was removed while it was under way only hears that. */
static void finish(struct fetcher *fetcher, struct fetch *fetch, const struct fetch_answer *answer)
{
    uint64_t due_ms = fetch->ops->answered(fetch, answer);
    pthread_mutex_lock(&fetcher->lock);
    struct transfer *transfer = TAKE(fetch->transfer);
    struct authenticator_waiter *waiters = take_waiters(fetch);
    DL_DELETE(fetcher->active, fetch);
    DL_APPEND(fetcher->idle, fetch);
    fetcher->under_way--;
    fetch->due_ms = due_ms;
    bool over = due_ms == FETCH_NEVER || fetch->removed;
    if (over)
        drop(fetcher, fetch);
    fetcher->counts.good += answer->error ? 0 : 1;
    fetcher->counts.failed += answer->error ? 1 : 0;
    pthread_mutex_unlock(&fetcher->lock);
    transfer_free(transfer);
    if (over)
        fetch->ops->released(fetch);
    tell(waiters);
}

static void finish_failed(struct fetcher *fetcher, struct fetch *fetch, const char *error)
{
    finish(fetcher, fetch, &(struct fetch_answer){.error = error});
}

static void finish_transfer(struct fetcher *fetcher, struct transfer *transfer, CURLcode code)
{
    char words[FETCH_ERROR_BYTES];
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(fetcher->multi, transfer->easy);
    if (transfer->body.error == -EMSGSIZE)
        finish_failed(fetcher, transfer->fetch, "the answer is too large");
    else if (code != CURLE_OK)
        finish_failed(fetcher, transfer->fetch, transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    else if (status != STATUS_GOOD && snprintf(words, sizeof(words), "the answer is %ld", status) > 0)
        finish_failed(fetcher, transfer->fetch, words);
    else
        finish(fetcher, transfer->fetch,
               &(struct fetch_answer){.body = {transfer->body.at ? transfer->body.at : "", transfer->body.size}});
}

static void fetch_file(struct fetcher *fetcher, struct fetch *fetch)
{
    struct text *body = &fetch->transfer->body;
    char words[FETCH_ERROR_BYTES];
    int result = transfer_read_file(fetch->transfer);
    if (result == 0) {
        finish(fetcher, fetch, &(struct fetch_answer){.body = {body->at ? body->at : "", body->size}});
        return;
    }
    (void)snprintf(words, sizeof(words), "the file cannot be read: %s", strerror(-result));
    finish_failed(fetcher, fetch, words);
}

/* ---- the thread ---- */

/* On the thread, without the lock; the fetch is active. */
static void start(struct fetcher *fetcher, struct fetch *fetch)
{
    struct transfer *transfer = transfer_new(fetch);
    pthread_mutex_lock(&fetcher->lock);
    fetch->transfer = transfer;
    pthread_mutex_unlock(&fetcher->lock);
    if (transfer && !transfer->easy)
        fetch_file(fetcher, fetch);
    else if (!transfer || curl_multi_add_handle(fetcher->multi, transfer->easy) != CURLM_OK)
        finish_failed(fetcher, fetch, "out of memory");
}

/* Under the lock: the next one that may start now; NULL: none. *sleep_ms is how long until there is one. */
static struct fetch *next_due(struct fetcher *fetcher, uint64_t *sleep_ms)
{
    uint64_t now_ms = clock_now_ms();
    *sleep_ms = LONGEST_SLEEP_MS;
    if (fetcher->under_way >= FETCHER_AT_A_TIME)
        return NULL;
    for (struct fetch *fetch = fetcher->idle; fetch; fetch = fetch->next) {
        if (fetch->due_ms <= now_ms)
            return fetch;
        *sleep_ms = MIN(*sleep_ms, fetch->due_ms - now_ms);
    }
    return NULL;
}

static uint64_t start_due(struct fetcher *fetcher)
{
    uint64_t sleep_ms;
    pthread_mutex_lock(&fetcher->lock);
    for (struct fetch *fetch; !fetcher->stopping && (fetch = next_due(fetcher, &sleep_ms));) {
        DL_DELETE(fetcher->idle, fetch);
        DL_APPEND(fetcher->active, fetch);
        fetcher->under_way++;
        pthread_mutex_unlock(&fetcher->lock);
        start(fetcher, fetch);
        pthread_mutex_lock(&fetcher->lock);
    }
    (void)next_due(fetcher, &sleep_ms);
    pthread_mutex_unlock(&fetcher->lock);
    return sleep_ms;
}

static void finish_ended(struct fetcher *fetcher)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(fetcher->multi, &left));) {
        struct transfer *transfer = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK)
            finish_transfer(fetcher, transfer, message->data.result);
    }
}

/* What was removed while it was under way ends now. */
static void end_removed(struct fetcher *fetcher)
{
    struct fetch *found;
    do {
        pthread_mutex_lock(&fetcher->lock);
        DL_SEARCH_SCALAR(fetcher->active, found, removed, true);
        pthread_mutex_unlock(&fetcher->lock);
        if (found) {
            (void)curl_multi_remove_handle(fetcher->multi, found->transfer->easy);
            finish_failed(fetcher, found, "no longer wanted");
        }
    } while (found);
}

static bool is_stopping(struct fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    bool stopping = fetcher->stopping;
    pthread_mutex_unlock(&fetcher->lock);
    return stopping;
}

static void *run(void *data)
{
    struct fetcher *fetcher = data;
    while (!is_stopping(fetcher)) {
        int running = 0;
        (void)curl_multi_perform(fetcher->multi, &running);
        finish_ended(fetcher);
        end_removed(fetcher);
        uint64_t sleep_ms = start_due(fetcher);
        (void)curl_multi_poll(fetcher->multi, NULL, 0, (int)sleep_ms, NULL);
    }
    return NULL;
}

/* ---- from everywhere else ---- */

static int start_thread(struct fetcher *fetcher)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = -pthread_create(&fetcher->thread, NULL, run, fetcher);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int fetcher_new(struct fetcher **ret_fetcher)
{
    struct fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (!fetcher || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(fetcher);
        return -ENOMEM;
    }
    atomic_init(&fetcher->references, 1);
    pthread_mutex_init(&fetcher->lock, NULL);
    fetcher->multi = curl_multi_init();
    int result = fetcher->multi ? start_thread(fetcher) : -ENOMEM;
    if (result == 0) {
        *ret_fetcher = fetcher;
        return 0;
    }
    curl_multi_cleanup(fetcher->multi);
    curl_global_cleanup();
    pthread_mutex_destroy(&fetcher->lock);
    free(fetcher);
    return result;
}

struct fetcher *fetcher_ref(struct fetcher *fetcher)
{
    if (fetcher)
        atomic_fetch_add_explicit(&fetcher->references, 1, memory_order_relaxed);
    return fetcher;
}

/* The thread is gone: there is nobody but us. */
static void release_all(struct fetcher *fetcher)
{
    DL_CONCAT(fetcher->idle, fetcher->active);
    for (struct fetch *fetch; (fetch = fetcher->idle);) {
        struct transfer *transfer = TAKE(fetch->transfer);
        struct authenticator_waiter *waiters = take_waiters(fetch);
        if (transfer && transfer->easy)
            (void)curl_multi_remove_handle(fetcher->multi, transfer->easy);
        transfer_free(transfer);
        drop(fetcher, fetch);
        fetch->ops->released(fetch);
        tell(waiters);
    }
}

void fetcher_unref(struct fetcher *fetcher)
{
    if (!fetcher || atomic_fetch_sub_explicit(&fetcher->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&fetcher->lock);
    fetcher->stopping = true;
    pthread_mutex_unlock(&fetcher->lock);
    (void)curl_multi_wakeup(fetcher->multi);
    pthread_join(fetcher->thread, NULL);
    release_all(fetcher);
    curl_multi_cleanup(fetcher->multi);
    curl_global_cleanup();
    pthread_mutex_destroy(&fetcher->lock);
    free(fetcher);
}

int fetcher_add(struct fetcher *fetcher, struct fetch *fetch, struct authenticator_waiter *waiter)
{
    fetch->due_ms = 0;
    pthread_mutex_lock(&fetcher->lock);
    bool full = fetcher->known >= FETCHER_MAX;
    if (full) {
        fetcher->counts.full++;
    } else {
        DL_APPEND(fetcher->idle, fetch);
        fetcher->known++;
        if (waiter)
            put_waiter(fetch, waiter);
    }
    pthread_mutex_unlock(&fetcher->lock);
    (void)curl_multi_wakeup(fetcher->multi);
    return full ? FETCHER_FULL : 0;
}

void fetcher_wait(struct fetcher *fetcher, struct fetch *fetch, struct authenticator_waiter *waiter)
{
    pthread_mutex_lock(&fetcher->lock);
    fetch->due_ms = 0; /* what is under way gets a new one when it is answered */
    put_waiter(fetch, waiter);
    pthread_mutex_unlock(&fetcher->lock);
    (void)curl_multi_wakeup(fetcher->multi);
}

bool fetcher_forget(struct fetcher *fetcher, struct authenticator_waiter *waiter)
{
    pthread_mutex_lock(&fetcher->lock);
    struct fetch *fetch = TAKE(waiter->fetch);
    if (fetch && waiter->next)
        waiter->next->previous = waiter->previous;
    if (fetch && waiter->previous)
        waiter->previous->next = waiter->next;
    else if (fetch)
        fetch->waiters = waiter->next;
    pthread_mutex_unlock(&fetcher->lock);
    return fetch != NULL;
}

void fetcher_remove(struct fetcher *fetcher, struct fetch *fetch)
{
    struct authenticator_waiter *waiters = NULL;
    pthread_mutex_lock(&fetcher->lock);
    bool is_active = false;
    for (const struct fetch *one = fetcher->active; one; one = one->next)
        is_active = is_active || one == fetch;
    fetch->removed = true;
    if (!is_active) {
        drop(fetcher, fetch);
        waiters = take_waiters(fetch);
    }
    pthread_mutex_unlock(&fetcher->lock);
    if (is_active) {
        (void)curl_multi_wakeup(fetcher->multi);
        return;
    }
    fetch->ops->released(fetch);
    tell(waiters);
}

void fetcher_read_counts(struct fetcher *fetcher, struct fetcher_counts *ret_counts)
{
    pthread_mutex_lock(&fetcher->lock);
    *ret_counts = fetcher->counts;
    pthread_mutex_unlock(&fetcher->lock);
}

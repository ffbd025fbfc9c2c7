/* Visits that wait until an issuer has been asked. A wait is told by the authenticator on its own thread and posts
   itself to its reactor, or its time runs out there first. It is freed when its timer's handle is closed, the
   authenticator will not tell it any more, and no post is under way. The lock orders telling and leaving, so that after
   guard_leave() nothing is posted any more to a reactor that may be going away. */
#include <errno.h>
#include <pthread.h>

#include "gateway/base/clock.h"
#include "gateway/core/guard_priv.h"
#include "gateway/core/snapshot.h"

struct guard_wait {
    struct authenticator_waiter waiter;
    struct reactor_post post;
    _Atomic unsigned references; /* who will tell it, its timer, its post */
    struct reactor *reactor;
    struct authenticator *authenticator; /* counted, while it waits */
    struct guard_visit *visit;           /* NULL: it does not wait any more */
    uv_timer_t timer;
    pthread_mutex_t lock;
    bool left; /* under the lock */
};

static struct guard_wait *hold(struct guard_wait *wait)
{
    atomic_fetch_add_explicit(&wait->references, 1, memory_order_relaxed);
    return wait;
}

static void drop(struct guard_wait *wait)
{
    if (atomic_fetch_sub_explicit(&wait->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&wait->lock);
    free(wait);
}

/* ---- the end of waiting, on the reactor ---- */

static void timer_closed(uv_handle_t *handle)
{
    drop(CONTAINER_OF(handle, struct guard_wait, timer));
}

static void end(struct guard_wait *wait)
{
    struct guard_visit *visit = TAKE(wait->visit);
    visit->wait = NULL;
    authenticator_unref(TAKE(wait->authenticator));
    uv_close((uv_handle_t *)&wait->timer, timer_closed);
}

static void told(struct reactor_post *post)
{
    struct guard_wait *wait = CONTAINER_OF(post, struct guard_wait, post);
    struct guard_visit *visit = wait->visit;
    if (visit) {
        end(wait);
        visit->told(visit->context);
    }
    drop(wait);
}

void guard_leave(struct guard_visit *visit)
{
    struct guard_wait *wait = visit->wait;
    if (!wait)
        return;
    bool forgotten = authenticator_forget(wait->authenticator, &wait->waiter);
    pthread_mutex_lock(&wait->lock);
    wait->left = true;
    pthread_mutex_unlock(&wait->lock);
    end(wait);
    if (forgotten)
        drop(wait);
}

static void ran_out(uv_timer_t *timer)
{
    struct guard_visit *visit = CONTAINER_OF(timer, struct guard_wait, timer)->visit;
    guard_leave(visit);
    visit->told(visit->context);
}

/* ---- on the authenticator's thread ---- */

static void done(struct authenticator_waiter *waiter)
{
    struct guard_wait *wait = CONTAINER_OF(waiter, struct guard_wait, waiter);
    pthread_mutex_lock(&wait->lock);
    if (!wait->left)
        reactor_post(wait->reactor, &hold(wait)->post, told);
    pthread_mutex_unlock(&wait->lock);
    drop(wait);
}

/* ---- the beginning ---- */

bool guard_wait_expired(const struct guard_visit *visit)
{
    return visit->deadline_ms > 0 && clock_now_ms() >= visit->deadline_ms;
}

static struct guard_wait *make(struct reactor *reactor)
{
    struct guard_wait *wait = calloc(1, sizeof(*wait));
    if (!wait)
        return NULL;
    wait->waiter.done = done;
    wait->reactor = reactor;
    atomic_init(&wait->references, 1);
    pthread_mutex_init(&wait->lock, NULL);
    return wait;
}

/* It may have been told by now; that is noticed in a later turn of the loop. */
static void begin(struct guard_wait *wait, struct guard *guard, struct guard_visit *visit)
{
    uint64_t now_ms = clock_now_ms();
    if (visit->deadline_ms == 0)
        visit->deadline_ms = now_ms + reactor_snapshot(wait->reactor)->settings->limits.request_timeout_ms;
    wait->authenticator = authenticator_ref(guard->authenticator);
    wait->visit = visit;
    visit->wait = wait;
    uv_timer_init(reactor_loop(wait->reactor), &hold(wait)->timer);
    uv_timer_start(&wait->timer, ran_out, visit->deadline_ms - now_ms, 0);
}

int guard_wait_verify(struct reactor *reactor, struct guard *guard, const struct credentials *credentials,
                      struct guard_visit *visit, struct identity **ret_identity, const char **ret_why)
{
    struct guard_wait *wait = make(reactor);
    if (!wait)
        return -ENOMEM;
    int result = authenticator_verify(guard->authenticator, credentials, &wait->waiter, ret_identity, ret_why);
    if (result == AUTHENTICATOR_PENDING)
        begin(wait, guard, visit);
    else
        drop(wait);
    return result;
}

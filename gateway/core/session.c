/* The table of legacy sessions, in stripes of one lock each, and the life of a session. Any thread. A session is owned
   by its references; the table holds one until the session is closed. */
#include "gateway/core/session.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/core/call.h"
#include "gateway/core/permission.h"
#include "gateway/core/session_priv.h"

enum { STRIPES = 64, LOG_LEVEL_DEFAULT = 1 };

struct stripe {
    pthread_mutex_t lock;
    struct session *sessions;
};

struct session_table {
    struct stripe stripe[STRIPES];
};

static struct stripe *stripe_of(struct session_table *table, struct span id)
{
    unsigned char byte = id.size ? (unsigned char)id.at[id.size - 1] : 0;
    unsigned char other = id.size > 1 ? (unsigned char)id.at[id.size - 2] : 0;
    return &table->stripe[(byte * 31U + other) % STRIPES];
}

int session_table_new(struct session_table **ret_table)
{
    struct session_table *table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&table->stripe[i].lock, NULL);
    *ret_table = table;
    return 0;
}

void session_table_free(struct session_table *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < STRIPES; i++) {
        while (table->stripe[i].sessions)
            session_close(table->stripe[i].sessions);
        pthread_mutex_destroy(&table->stripe[i].lock);
    }
    free(table);
}

/* ---- one session ---- */

static int put_in_table(struct session *session)
{
    struct stripe *stripe = stripe_of(session->gateway->sessions, span_of(session->id));
    pthread_mutex_lock(&stripe->lock);
    HASH_ADD_STR(stripe->sessions, id, session);
    bool added = session->hh.tbl != NULL;
    pthread_mutex_unlock(&stripe->lock);
    return added ? 0 : -ENOMEM;
}

/* FNV-1a: 32 bits of what has 128 leave the rest unknown. */
static void make_tag(struct session *session)
{
    uint32_t hash = UINT32_C(2166136261);
    for (const char *at = session->id; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT32_C(16777619);
    (void)snprintf(session->tag, sizeof(session->tag), "%08x", (unsigned)hash);
}

static struct session *session_make(struct gateway *gateway, enum revision revision, unsigned capabilities,
                                    const struct identity *identity)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    session->references = 2; /* the table's and the caller's */
    session->gateway = gateway;
    session->revision = revision;
    session->capabilities = capabilities;
    session->owner = owner_of(identity);
    session->listener = SESSION_NO_LISTENER;
    session->log_level = LOG_LEVEL_DEFAULT;
    session->used_ms = clock_now_ms();
    session->next_question = 1;
    pthread_mutex_init(&session->lock, NULL);
    link_init(&session->calls);
    streams_init(session);
    return session;
}

static void drop_subscriptions(struct session *session)
{
    while (session->subscriptions) {
        struct subscription *subscription = session->subscriptions;
        HASH_DEL(session->subscriptions, subscription);
        free(subscription);
        quota_give(&session->gateway->quotas, QUOTA_SUBSCRIPTIONS, 1);
    }
}

static void session_free(struct session *session)
{
    drop_subscriptions(session);
    streams_done(session);
    identity_unref(session->identity);
    pthread_mutex_destroy(&session->lock);
    free(session);
}

int session_open(struct gateway *gateway, enum revision revision, unsigned capabilities,
                 const struct identity *identity, struct session **ret_session)
{
    int r = quota_take(&gateway->quotas, QUOTA_SESSIONS, 1);
    if (r != 0)
        return r;
    struct session *session = session_make(gateway, revision, capabilities, identity);
    r = session ? random_id(session->id) : -ENOMEM;
    if (r == 0) {
        make_tag(session);
        r = put_in_table(session);
    }
    if (r == 0) {
        *ret_session = session;
        return 0;
    }
    if (session)
        session_free(session);
    quota_give(&gateway->quotas, QUOTA_SESSIONS, 1);
    return r;
}

struct session *session_find(struct gateway *gateway, struct span id, const struct identity *identity)
{
    struct stripe *stripe = stripe_of(gateway->sessions, id);
    struct session *session = NULL;
    if (id.size != RANDOM_ID_BYTES - 1)
        return NULL;
    pthread_mutex_lock(&stripe->lock);
    HASH_FIND(hh, stripe->sessions, id.at, id.size, session);
    if (session && !owner_is(&session->owner, identity))
        session = NULL;
    if (session) {
        session_ref(session);
        atomic_store_explicit(&session->used_ms, clock_now_ms(), memory_order_relaxed);
    }
    pthread_mutex_unlock(&stripe->lock);
    return session;
}

struct session *session_ref(struct session *session)
{
    atomic_fetch_add_explicit(&session->references, 1, memory_order_relaxed);
    return session;
}

void session_unref(struct session *session)
{
    if (session && atomic_fetch_sub_explicit(&session->references, 1, memory_order_acq_rel) == 1)
        session_free(session);
}

void session_used(struct session *session, unsigned listener, struct identity *identity)
{
    struct identity *old = identity;
    pthread_mutex_lock(&session->lock);
    session->listener = listener;
    if (session->identity != identity) {
        old = session->identity;
        session->identity = identity_ref(identity);
    }
    pthread_mutex_unlock(&session->lock);
    if (old != identity)
        identity_unref(old);
}

/* ---- its end ---- */

void session_close(struct session *session)
{
    if (atomic_exchange(&session->closed, true))
        return;
    struct stripe *stripe = stripe_of(session->gateway->sessions, span_of(session->id));
    pthread_mutex_lock(&stripe->lock);
    HASH_DEL(stripe->sessions, session);
    pthread_mutex_unlock(&stripe->lock);
    questions_close(session);
    streams_close(session);
    pthread_mutex_lock(&session->lock);
    drop_subscriptions(session);
    pthread_mutex_unlock(&session->lock);
    quota_give(&session->gateway->quotas, QUOTA_SESSIONS, 1);
    session_unref(session);
}

static bool idle(struct session *session, uint64_t now_ms, uint64_t idle_ms)
{
    uint64_t used_ms = atomic_load_explicit(&session->used_ms, memory_order_relaxed);
    return atomic_load(&session->busy) == 0 && now_ms > used_ms && now_ms - used_ms > idle_ms;
}

static unsigned sweep_stripe(struct stripe *stripe, uint64_t idle_ms)
{
    enum { AT_ONCE = 64 };
    struct session *found[AT_ONCE];
    unsigned count = 0;
    uint64_t now_ms = clock_now_ms();
    pthread_mutex_lock(&stripe->lock);
    for (struct session *session = stripe->sessions; session && count < AT_ONCE; session = session->hh.next)
        if (idle(session, now_ms, idle_ms))
            found[count++] = session_ref(session);
    pthread_mutex_unlock(&stripe->lock);
    for (unsigned i = 0; i < count; i++) {
        session_close(found[i]);
        session_unref(found[i]);
    }
    return count;
}

unsigned session_table_sweep(struct gateway *gateway, uint64_t idle_ms)
{
    unsigned ended = 0;
    for (unsigned i = 0; i < STRIPES; i++)
        ended += sweep_stripe(&gateway->sessions->stripe[i], idle_ms);
    return ended;
}

/* ---- what it knows ---- */

const char *session_id(const struct session *session)
{
    return session->id;
}

const char *session_tag(const struct session *session)
{
    return session->tag;
}

enum revision session_revision(const struct session *session)
{
    return session->revision;
}

unsigned session_capabilities(const struct session *session)
{
    return session->capabilities;
}

unsigned session_log_level(const struct session *session)
{
    return atomic_load_explicit(&session->log_level, memory_order_relaxed);
}

void session_set_log_level(struct session *session, unsigned level)
{
    atomic_store_explicit(&session->log_level, level, memory_order_relaxed);
}

/* ---- subscriptions ---- */

static int add_subscription(struct session *session, struct span uri)
{
    struct subscription *subscription = NULL;
    HASH_FIND(hh, session->subscriptions, uri.at, uri.size, subscription);
    if (subscription)
        return 0;
    if (HASH_COUNT(session->subscriptions) >= SESSION_MAX_SUBSCRIPTIONS)
        return QUOTA_REFUSED;
    subscription = calloc(1, sizeof(*subscription) + uri.size + 1);
    if (!subscription)
        return -ENOMEM;
    memcpy(subscription->uri, uri.at, uri.size);
    HASH_ADD(hh, session->subscriptions, uri, uri.size, subscription);
    if (!subscription->hh.tbl) {
        free(subscription);
        return -ENOMEM;
    }
    int r = quota_take(&session->gateway->quotas, QUOTA_SUBSCRIPTIONS, 1);
    if (r != 0) {
        HASH_DEL(session->subscriptions, subscription);
        free(subscription);
    }
    return r;
}

int session_subscribe(struct session *session, struct span uri)
{
    pthread_mutex_lock(&session->lock);
    int r = add_subscription(session, uri);
    pthread_mutex_unlock(&session->lock);
    return r;
}

void session_unsubscribe(struct session *session, struct span uri)
{
    struct subscription *subscription = NULL;
    pthread_mutex_lock(&session->lock);
    HASH_FIND(hh, session->subscriptions, uri.at, uri.size, subscription);
    if (subscription) {
        HASH_DEL(session->subscriptions, subscription);
        free(subscription);
        quota_give(&session->gateway->quotas, QUOTA_SUBSCRIPTIONS, 1);
    }
    pthread_mutex_unlock(&session->lock);
}

/* With the lock held: whether the policy of now lets its owner know. */
static bool may_know(const struct session *session, const struct snapshot *snapshot, const struct session_news *news)
{
    struct permission permission;
    const struct settings *settings = snapshot->settings;
    bool known = session->listener < settings->listeners;
    permission_now(snapshot, known ? &settings->listener[session->listener] : NULL, session->identity, &permission);
    return news->kinds ? permission_notices(&permission, news->kinds, news->items)
                       : permission_tells(&permission, news->uri);
}

static bool wants(struct session *session, const struct snapshot *snapshot, const struct session_news *news)
{
    struct subscription *subscription = NULL;
    pthread_mutex_lock(&session->lock);
    if (!news->kinds)
        HASH_FIND(hh, session->subscriptions, news->uri.at, news->uri.size, subscription);
    bool wanted = (news->kinds || subscription) && may_know(session, snapshot, news);
    pthread_mutex_unlock(&session->lock);
    return wanted;
}

/* Locks go stripe, then session, never the other way round. */
void session_table_notify(struct gateway *gateway, const struct session_news *news)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &gateway->sessions->stripe[i];
        pthread_mutex_lock(&stripe->lock);
        for (struct session *session = stripe->sessions; session; session = session->hh.next)
            if (wants(session, snapshot, news))
                session_notify(session, snapshot->settings, news->message);
        pthread_mutex_unlock(&stripe->lock);
    }
    snapshot_unref(snapshot);
}

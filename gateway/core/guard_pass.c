/* Passes: connections and streams that stay after they were let in. A pass is looked at again when a reload has brought
   another authenticator, when its identity comes to its end, and, where an issuer has to be asked about it, as often as
   auth.cache says. For that it keeps what was shown, and wipes it at its end. On one reactor; freed when its timer's
   handle is closed. */
#include <errno.h>

#include "gateway/base/clock.h"
#include "gateway/core/guard_priv.h"
#include "gateway/core/owner.h"
#include "gateway/core/snapshot.h"

enum {
    AGAIN_MS = 5000,            /* an issuer could not be asked */
    LONGEST_SLEEP_MS = 3600000, /* wall clocks are set */
};

enum kept { KEPT_AUTHORIZATION, KEPT_API_KEY, KEPT_SUBPROTOCOL, KEPT_DPOP, KEPT_COUNT };

struct guard_pass {
    struct link link; /* reactor_passes() */
    struct reactor *reactor;
    struct guard *guard;       /* counted: which has let it in; NULL is one, too */
    struct identity *identity; /* counted */
    struct peer_facts *facts;  /* counted */
    struct address address;
    char *kept[KEPT_COUNT]; /* NULL: was not shown */
    struct guard_visit visit;
    uint64_t due_ms; /* monotonic: to be verified anew; 0: at no time */
    uv_timer_t timer;
    void (*over)(void *context, const char *why);
    void *context;
};

/* ---- what was shown ---- */

static struct span *shown(struct credentials *credentials, enum kept kept)
{
    switch (kept) {
    case KEPT_AUTHORIZATION:
        return &credentials->authorization;
    case KEPT_API_KEY:
        return &credentials->api_key;
    case KEPT_SUBPROTOCOL:
        return &credentials->subprotocol;
    default:
        return &credentials->dpop;
    }
}

static int keep(struct guard_pass *pass, const struct credentials *credentials)
{
    struct credentials from = *credentials;
    for (unsigned i = 0; i < KEPT_COUNT; i++) {
        struct span value = *shown(&from, (enum kept)i);
        if (span_absent(value))
            continue;
        pass->kept[i] = span_copy(value);
        if (!pass->kept[i])
            return -ENOMEM;
    }
    pass->address = *credentials->address;
    return 0;
}

static void wipe(struct guard_pass *pass)
{
    for (unsigned i = 0; i < KEPT_COUNT; i++) {
        if (pass->kept[i])
            explicit_bzero(pass->kept[i], strlen(pass->kept[i]));
        free(TAKE(pass->kept[i]));
    }
}

static struct credentials credentials_of(struct guard_pass *pass)
{
    struct credentials credentials = {.address = &pass->address};
    for (unsigned i = 0; i < KEPT_COUNT; i++)
        *shown(&credentials, (enum kept)i) = span_of(pass->kept[i]);
    guard_show_certificate(pass->facts, &credentials);
    return credentials;
}

/* ---- when ---- */

static void on_timer(uv_timer_t *timer);

static void arm(struct guard_pass *pass)
{
    uint64_t now_ms = clock_now_ms(), wall_ms = clock_wall_ms(), sleep_ms = UINT64_MAX;
    if (pass->identity && pass->identity->expires_wall_ms > 0)
        sleep_ms = pass->identity->expires_wall_ms - MIN(wall_ms, pass->identity->expires_wall_ms);
    if (pass->due_ms > 0)
        sleep_ms = MIN(sleep_ms, pass->due_ms - MIN(now_ms, pass->due_ms));
    if (sleep_ms == UINT64_MAX)
        uv_timer_stop(&pass->timer);
    else
        uv_timer_start(&pass->timer, on_timer, MIN(sleep_ms, (uint64_t)LONGEST_SLEEP_MS) + 1, 0);
}

/* An issuer may take back what it said; what we can judge ourselves stays as it is. */
static void set_due(struct guard_pass *pass)
{
    bool asked = pass->identity && pass->identity->proof == IDENTITY_INTROSPECTION;
    pass->due_ms = asked ? clock_now_ms() + MAX(guard_cache_ms(pass->guard), (uint64_t)AGAIN_MS) : 0;
}

/* ---- looking again ---- */

static bool expired(const struct guard_pass *pass)
{
    return pass->identity && pass->identity->expires_wall_ms > 0 && clock_wall_ms() >= pass->identity->expires_wall_ms;
}

static bool is_stale(const struct guard_pass *pass)
{
    return guard_authenticator(pass->guard) != guard_authenticator(reactor_snapshot(pass->reactor)->guard) ||
           (pass->due_ms > 0 && clock_now_ms() >= pass->due_ms);
}

/* It stays as long as nobody knows better. */
static void look_later(struct guard_pass *pass)
{
    pass->due_ms = clock_now_ms() + AGAIN_MS;
    arm(pass);
}

static void renew(struct guard_pass *pass, struct identity *identity)
{
    struct owner owner = owner_of(pass->identity);
    bool same = owner_is(&owner, identity);
    identity_unref(pass->identity);
    guard_unref(pass->guard);
    pass->identity = identity;
    pass->guard = guard_ref(reactor_snapshot(pass->reactor)->guard);
    set_due(pass);
    arm(pass);
    if (!same) /* sessions and tasks are another's */
        pass->over(pass->context, "the credential is another identity's now");
}

static void on_told(void *context);

static void look(struct guard_pass *pass)
{
    struct credentials credentials = credentials_of(pass);
    struct guard_refusal refusal;
    struct identity *identity = NULL;
    pass->visit = (struct guard_visit){.front = pass->visit.front, .told = on_told, .context = pass, .paid = true};
    int result = guard_authenticate(pass->reactor, &credentials, &pass->visit, &identity, &refusal);
    if (result == 0)
        renew(pass, identity);
    else if (result == GUARD_REFUSED && refusal.challenge)
        pass->over(pass->context,
                   refusal.oauth ? "the credential is not valid any more" : "a credential is needed now");
    else if (result == GUARD_REFUSED)
        look_later(pass);
}

static void check(struct guard_pass *pass)
{
    if (expired(pass))
        pass->over(pass->context, "the token has expired");
    else if (!pass->visit.wait && is_stale(pass))
        look(pass);
    else
        arm(pass);
}

static void on_timer(uv_timer_t *timer)
{
    check(CONTAINER_OF(timer, struct guard_pass, timer));
}

static void on_told(void *context)
{
    look(context);
}

void guard_recheck(struct reactor *reactor)
{
    struct link left;
    link_move(&left, reactor_passes(reactor));
    while (!link_alone(&left)) {
        struct guard_pass *pass = CONTAINER_OF(left.next, struct guard_pass, link);
        link_remove(&pass->link);
        link_append(reactor_passes(reactor), &pass->link);
        check(pass);
    }
}

/* ---- life ---- */

static void timer_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct guard_pass, timer));
}

void guard_pass_end(struct guard_pass *pass)
{
    if (!pass)
        return;
    guard_leave(&pass->visit);
    link_remove(&pass->link);
    wipe(pass);
    identity_unref(pass->identity);
    guard_unref(pass->guard);
    peer_facts_unref(pass->facts);
    uv_close((uv_handle_t *)&pass->timer, timer_closed);
}

struct guard_pass *guard_pass_new(struct reactor *reactor, const struct guard_pass_facts *facts)
{
    struct guard_pass *pass = calloc(1, sizeof(*pass));
    if (!pass)
        return NULL;
    if (keep(pass, facts->credentials) < 0) {
        wipe(pass);
        free(pass);
        return NULL;
    }
    pass->reactor = reactor;
    pass->guard = guard_ref(reactor_snapshot(reactor)->guard);
    pass->identity = identity_ref(facts->identity);
    pass->facts = peer_facts_ref(facts->peer);
    pass->over = facts->over;
    pass->context = facts->context;
    pass->visit.front = facts->front;
    uv_timer_init(reactor_loop(reactor), &pass->timer);
    link_append(reactor_passes(reactor), &pass->link);
    set_due(pass);
    arm(pass);
    return pass;
}

struct identity *guard_pass_identity(const struct guard_pass *pass)
{
    return pass->identity;
}

/* The guard itself: what settings.auth has become, and the way from credentials to an identity. The authenticator is
   for all threads; visits and the waits of guard_wait.c are their reactor's. */
#include "gateway/core/guard.h"

#include <errno.h>

#include "gateway/core/audit.h"
#include "gateway/core/guard_priv.h"
#include "gateway/core/rates.h"
#include "gateway/core/snapshot.h"

/* ---- life ---- */

static bool knows_anybody(const struct auth_settings *settings)
{
    return settings->required || settings->api_keys > 0 || settings->issuers > 0 || settings->certificates;
}

static int open_authenticator(struct guard *guard, const struct settings *settings,
                              const struct settings_holder *running)
{
    struct authenticator *previous = running ? guard_authenticator(settings_holder_guard(running)) : NULL;
    if (!previous || !auth_settings_equal(&settings->auth, &settings_holder_get(running)->auth))
        return authenticator_new(&settings->auth, previous, &guard->authenticator);
    guard->authenticator = authenticator_ref(previous);
    return 0;
}

int guard_new(const struct settings *settings, const struct settings_holder *running, struct guard **ret_guard)
{
    struct guard *guard = NULL;
    int result = 0;
    if (knows_anybody(&settings->auth)) {
        guard = calloc(1, sizeof(*guard));
        if (!guard)
            return -ENOMEM;
        atomic_init(&guard->references, 1);
        guard->required = settings->auth.required;
        guard->cache_ms = settings->auth.cache_ms;
        result = guard_describe(guard, settings);
        if (result == 0)
            result = open_authenticator(guard, settings, running);
    }
    if (result < 0)
        guard_unref(guard);
    else
        *ret_guard = guard;
    return result;
}

struct guard *guard_ref(struct guard *guard)
{
    if (guard)
        atomic_fetch_add_explicit(&guard->references, 1, memory_order_relaxed);
    return guard;
}

void guard_unref(struct guard *guard)
{
    if (!guard || atomic_fetch_sub_explicit(&guard->references, 1, memory_order_acq_rel) != 1)
        return;
    authenticator_unref(guard->authenticator);
    free(guard->challenge);
    free(guard->scope);
    free(guard->metadata);
    free(guard->path);
    free(guard);
}

struct authenticator *guard_authenticator(const struct guard *guard)
{
    return guard ? guard->authenticator : NULL;
}

void guard_show_certificate(const struct peer_facts *facts, struct credentials *credentials)
{
    if (!facts || !facts->subject)
        return;
    credentials->certificate_subject = span_of(facts->subject);
    credentials->certificate_fingerprint = facts->fingerprint;
}

/* ---- outcomes ---- */

static int refuse(struct guard_refusal *ret_refusal, struct guard_refusal refusal)
{
    *ret_refusal = refusal;
    return GUARD_REFUSED;
}

static int refuse_stranger(struct guard_refusal *ret_refusal)
{
    return refuse(ret_refusal, (struct guard_refusal){.error = ERROR_UNAUTHENTICATED,
                                                      .counter = COUNTER_REFUSED_UNAUTHENTICATED,
                                                      .challenge = true});
}

static int refuse_credential(const char *why, struct guard_refusal *ret_refusal)
{
    return refuse(ret_refusal, (struct guard_refusal){.error = ERROR_UNAUTHENTICATED,
                                                      .counter = COUNTER_REFUSED_UNAUTHENTICATED,
                                                      .message = "The credential is not valid here",
                                                      .oauth = "invalid_token",
                                                      .why = why,
                                                      .challenge = true});
}

static int refuse_malformed(const char *why, struct guard_refusal *ret_refusal)
{
    return refuse(ret_refusal, (struct guard_refusal){.error = ERROR_BAD_CREDENTIALS,
                                                      .counter = COUNTER_REFUSED_UNAUTHENTICATED,
                                                      .oauth = "invalid_request",
                                                      .why = why,
                                                      .challenge = true});
}

static int refuse_for_want(enum error_name error, struct guard_refusal *ret_refusal)
{
    return refuse(ret_refusal, (struct guard_refusal){.error = error,
                                                      .counter = COUNTER_REFUSED_AUTHENTICATION_UNAVAILABLE,
                                                      .retry_after_s = GUARD_RETRY_AFTER_S});
}

static int refuse_attempt(unsigned retry_after_s, struct guard_refusal *ret_refusal)
{
    return refuse(ret_refusal, (struct guard_refusal){.error = ERROR_TOO_MANY_ATTEMPTS,
                                                      .counter = COUNTER_REFUSED_ATTEMPTS,
                                                      .retry_after_s = retry_after_s});
}

/* ---- counting ---- */

/* A row per proof and way. */
static enum counter counter_of(const struct identity *identity, bool cached)
{
    switch (identity->proof) {
    case IDENTITY_CERTIFICATE:
        return COUNTER_AUTHENTICATED_CERTIFICATE;
    case IDENTITY_JWT:
        return cached ? COUNTER_AUTHENTICATED_JWT_CACHED : COUNTER_AUTHENTICATED_JWT;
    case IDENTITY_INTROSPECTION:
        return cached ? COUNTER_AUTHENTICATED_INTROSPECTION_CACHED : COUNTER_AUTHENTICATED_INTROSPECTION;
    default:
        return cached ? COUNTER_AUTHENTICATED_API_KEY_CACHED : COUNTER_AUTHENTICATED_API_KEY;
    }
}

static int let_in(struct reactor *reactor, struct identity *identity, bool cached, struct identity **ret_identity)
{
    counter_add(reactor_counters(reactor), counter_of(identity, cached), 1);
    *ret_identity = identity;
    return 0;
}

/* ---- the way ---- */

/* An attempt of the address: before any work is done for it, and once for each request. */
static int pay(struct reactor *reactor, const struct credentials *credentials, struct guard_visit *visit,
               struct guard_refusal *ret_refusal)
{
    unsigned retry_after_s = 0;
    if (visit->paid || rates_attempt(reactor_gateway(reactor), reactor_snapshot(reactor)->settings,
                                     credentials->address, &retry_after_s) == 0) {
        visit->paid = true;
        return 0;
    }
    return refuse_attempt(retry_after_s, ret_refusal);
}

static int verify(struct reactor *reactor, struct guard *guard, const struct credentials *credentials,
                  struct guard_visit *visit, struct identity **ret_identity, struct guard_refusal *ret_refusal)
{
    struct identity *identity = NULL;
    const char *why = NULL;
    if (guard_wait_expired(visit))
        return refuse_for_want(ERROR_AUTHENTICATION_UNAVAILABLE, ret_refusal);
    if (pay(reactor, credentials, visit, ret_refusal) != 0)
        return GUARD_REFUSED;
    int result = guard_wait_verify(reactor, guard, credentials, visit, &identity, &why);
    switch (result) {
    case 0:
        audit_authenticated(reactor_gateway(reactor), identity, visit->front);
        return let_in(reactor, identity, false, ret_identity);
    case AUTHENTICATOR_PENDING:
        return GUARD_PENDING;
    case AUTHENTICATOR_REFUSED:
        return refuse_credential(why, ret_refusal);
    case AUTHENTICATOR_MALFORMED:
        return refuse_malformed(why, ret_refusal);
    case AUTHENTICATOR_UNAVAILABLE:
        return refuse_for_want(ERROR_AUTHENTICATION_UNAVAILABLE, ret_refusal);
    default:
        return refuse_for_want(ERROR_OVER_CAPACITY, ret_refusal);
    }
}

static int authenticate(struct reactor *reactor, struct guard *guard, const struct credentials *credentials,
                        struct guard_visit *visit, struct identity **ret_identity, struct guard_refusal *ret_refusal)
{
    struct identity *identity = NULL;
    int result = authenticator_find(guard->authenticator, credentials, &identity);
    switch (result) {
    case 0:
        return let_in(reactor, identity, true, ret_identity);
    case AUTHENTICATOR_UNKNOWN:
        return verify(reactor, guard, credentials, visit, ret_identity, ret_refusal);
    case AUTHENTICATOR_NONE:
        if (guard->required)
            return refuse_stranger(ret_refusal);
        counter_add(reactor_counters(reactor), COUNTER_AUTHENTICATED_NOBODY, 1);
        *ret_identity = NULL;
        return 0;
    default:
        return refuse_for_want(ERROR_OVER_CAPACITY, ret_refusal);
    }
}

static void note_refusal(struct reactor *reactor, const struct credentials *credentials,
                         const struct guard_visit *visit, const struct guard_refusal *refusal)
{
    struct gateway *gateway = reactor_gateway(reactor);
    counter_add(reactor_counters(reactor), refusal->counter, 1);
    if (refusal->error == ERROR_TOO_MANY_ATTEMPTS)
        audit_limited(gateway, credentials->address, visit->front);
    else
        audit_refused(gateway, credentials->address, refusal->why ? refusal->why : error_row(refusal->error)->label,
                      visit->front);
}

bool guard_looks(struct reactor *reactor)
{
    return reactor_snapshot(reactor)->guard != NULL;
}

int guard_authenticate(struct reactor *reactor, const struct credentials *credentials, struct guard_visit *visit,
                       struct identity **ret_identity, struct guard_refusal *ret_refusal)
{
    struct guard *guard = reactor_snapshot(reactor)->guard;
    if (!guard) {
        *ret_identity = NULL;
        return 0;
    }
    int result = authenticate(reactor, guard, credentials, visit, ret_identity, ret_refusal);
    if (result == GUARD_REFUSED)
        note_refusal(reactor, credentials, visit, ret_refusal);
    return result;
}

/* Puts the parts together: what was shown (credential.h), whether it is known (credential_cache.h), and whose it is by
   its own kind of proof. Any thread; owns its tables, counted. */
#include "auth/authenticator.h"

#include <errno.h>

#include "auth/api_key.h"
#include "auth/credential.h"
#include "auth/credential_cache.h"
#include "auth/issuer.h"

struct authenticator {
    _Atomic unsigned references;
    bool certificates;
    uint64_t cache_ms;
    struct api_key_table *api_keys;
    struct credential_cache *cache;
    struct fetcher *fetcher; /* NULL: there is no issuer */
    size_t issuers;
    struct issuer **issuer;
};

/* ---- life ---- */

static void free_authenticator(struct authenticator *authenticator)
{
    for (size_t i = 0; i < authenticator->issuers; i++)
        issuer_free(authenticator->issuer[i], authenticator->fetcher);
    free(authenticator->issuer);
    fetcher_unref(authenticator->fetcher);
    credential_cache_free(authenticator->cache);
    api_key_table_free(authenticator->api_keys);
    free(authenticator);
}

/* A reload goes on with the thread that is there, and so with the keys that it has fetched. */
static int open_fetcher(struct authenticator *authenticator, const struct authenticator *previous)
{
    if (!previous || !previous->fetcher)
        return fetcher_new(&authenticator->fetcher);
    authenticator->fetcher = fetcher_ref(previous->fetcher);
    return 0;
}

static int open_issuers(struct authenticator *authenticator, const struct auth_settings *settings,
                        const struct authenticator *previous)
{
    const struct issuer_rules rules = {.leeway_ms = settings->leeway_ms, .jwks_ttl_ms = settings->jwks_ttl_ms};
    if (settings->issuers == 0)
        return 0;
    int result = open_fetcher(authenticator, previous);
    if (result == 0)
        authenticator->issuer = calloc(settings->issuers, sizeof(*authenticator->issuer));
    if (result == 0 && !authenticator->issuer)
        result = -ENOMEM;
    for (size_t i = 0; i < settings->issuers && result == 0; i++) {
        result = issuer_new(&settings->issuer[i], &rules, authenticator->fetcher, previous ? previous->issuer : NULL,
                            previous ? previous->issuers : 0, &authenticator->issuer[i]);
        authenticator->issuers += result == 0 ? 1 : 0;
    }
    return result;
}

static int fill(struct authenticator *authenticator, const struct auth_settings *settings,
                const struct authenticator *previous)
{
    authenticator->certificates = settings->certificates;
    authenticator->cache_ms = settings->cache_ms;
    int result = api_key_table_new(settings->api_key, settings->api_keys, &authenticator->api_keys);
    if (result == 0)
        result = credential_cache_new(settings->max_cached, &authenticator->cache);
    return result == 0 ? open_issuers(authenticator, settings, previous) : result;
}

int authenticator_new(const struct auth_settings *settings, struct authenticator *previous,
                      struct authenticator **ret_authenticator)
{
    struct authenticator *authenticator = calloc(1, sizeof(*authenticator));
    if (!authenticator)
        return -ENOMEM;
    atomic_init(&authenticator->references, 1);
    int result = fill(authenticator, settings, previous);
    if (result < 0) {
        free_authenticator(authenticator);
        return result;
    }
    *ret_authenticator = authenticator;
    return 0;
}

struct authenticator *authenticator_ref(struct authenticator *authenticator)
{
    atomic_fetch_add_explicit(&authenticator->references, 1, memory_order_relaxed);
    return authenticator;
}

void authenticator_unref(struct authenticator *authenticator)
{
    if (authenticator && atomic_fetch_sub_explicit(&authenticator->references, 1, memory_order_acq_rel) == 1)
        free_authenticator(authenticator);
}

/* ---- the cache ---- */

static struct credential_cache_key key_of(const struct credentials *credentials, const struct credential *credential)
{
    return (struct credential_cache_key){
        .kind = credential->kind,
        .secret = credential->secret,
        .certificate_fingerprint = credentials->certificate_fingerprint,
        .address = credentials->address,
    };
}

/* What cannot be remembered is verified again the next time: no reason to refuse it now. */
static int keep(struct authenticator *authenticator, const struct credentials *credentials,
                const struct credential *credential, struct identity *identity, struct identity **ret_identity)
{
    struct credential_cache_key key = key_of(credentials, credential);
    (void)!credential_cache_add(authenticator->cache, &key, identity, NULL, authenticator->cache_ms);
    *ret_identity = identity;
    return 0;
}

/* ---- the kinds ---- */

static int make_certificate(struct authenticator *authenticator, const struct credentials *credentials,
                            const struct credential *credential, struct identity **ret_identity)
{
    struct identity *identity = NULL;
    int result = identity_new(&(struct identity_facts){.proof = IDENTITY_CERTIFICATE,
                                                       .subject = credentials->certificate_subject,
                                                       .address = credentials->address},
                              &identity);
    return result < 0 ? result : keep(authenticator, credentials, credential, identity, ret_identity);
}

static int make_api_key(struct authenticator *authenticator, const struct credentials *credentials,
                        const struct credential *credential, struct identity **ret_identity)
{
    const struct api_key_settings *row = NULL;
    struct identity *identity = NULL;
    struct span scope[API_KEY_MAX_SCOPES];
    int result = api_key_find(authenticator->api_keys, credential->secret, &row);
    if (result != 0)
        return result;
    for (size_t i = 0; i < row->scopes.count; i++)
        scope[i] = span_of(row->scopes.name[i]);
    result = identity_new(&(struct identity_facts){.proof = IDENTITY_API_KEY,
                                                   .subject = span_of(row->name),
                                                   .scope = scope,
                                                   .scopes = row->scopes.count,
                                                   .address = credentials->address},
                          &identity);
    return result < 0 ? result : keep(authenticator, credentials, credential, identity, ret_identity);
}

static int refused(const char *why, const char **ret_why)
{
    *ret_why = why;
    return AUTHENTICATOR_REFUSED;
}

/* Of no form that is known here: whoever issues such tokens is asked, one after the other. That one of them does not
   answer matters only if no other one knows the token. */
static int verify_opaque(struct authenticator *authenticator, const struct issuer_question *question,
                         struct identity **ret_identity, const char **ret_why)
{
    int outcome = refused("unknown key", ret_why);
    for (size_t i = 0; i < authenticator->issuers; i++) {
        const char *why = NULL;
        if (!issuer_is_introspected(authenticator->issuer[i]))
            continue;
        int result = issuer_introspect(authenticator->issuer[i], authenticator->fetcher, question, ret_identity, &why);
        if (result != AUTHENTICATOR_REFUSED && result != AUTHENTICATOR_UNAVAILABLE)
            return result;
        if (outcome == AUTHENTICATOR_REFUSED) {
            outcome = result;
            *ret_why = why;
        }
    }
    return outcome;
}

/* A token that says whose it is goes to that issuer alone: nobody is shown what others have issued. */
static int verify_signed(struct authenticator *authenticator, const struct jwt *jwt, int read,
                         const struct issuer_question *question, struct identity **ret_identity, const char **ret_why)
{
    struct span name = claims_text(jwt->claims, "iss");
    for (size_t i = 0; i < authenticator->issuers; i++) {
        struct issuer *issuer = authenticator->issuer[i];
        if (!span_is(name, issuer_name(issuer)))
            continue;
        if (issuer_is_introspected(issuer))
            return issuer_introspect(issuer, authenticator->fetcher, question, ret_identity, ret_why);
        return read != 0 ? read : issuer_verify(issuer, authenticator->fetcher, jwt, question, ret_identity, ret_why);
    }
    return refused("wrong issuer", ret_why);
}

static int verify_token(struct authenticator *authenticator, const struct issuer_question *question,
                        struct identity **ret_identity, const char **ret_why)
{
    struct jwt jwt;
    int result = jwt_read(question->token, &jwt, ret_why);
    if (result == JWT_OPAQUE)
        return verify_opaque(authenticator, question, ret_identity, ret_why);
    if (result < 0)
        return result;
    result = verify_signed(authenticator, &jwt, result == JWT_REFUSED ? AUTHENTICATOR_REFUSED : 0, question,
                           ret_identity, ret_why);
    jwt_done(&jwt);
    return result;
}

static int make_token(struct authenticator *authenticator, const struct credentials *credentials,
                      const struct credential *credential, struct authenticator_waiter *waiter,
                      struct identity **ret_identity, const char **ret_why)
{
    struct identity *identity = NULL;
    const struct issuer_question question = {.token = credential->secret,
                                             .certificate_fingerprint = credentials->certificate_fingerprint,
                                             .address = credentials->address,
                                             .waiter = waiter};
    int result = verify_token(authenticator, &question, &identity, ret_why);
    return result == 0 ? keep(authenticator, credentials, credential, identity, ret_identity) : result;
}

static int verify_shown(struct authenticator *authenticator, const struct credentials *credentials,
                        const struct credential *credential, struct authenticator_waiter *waiter,
                        struct identity **ret_identity, const char **ret_why)
{
    if (credential->kind == CREDENTIAL_CERTIFICATE)
        return make_certificate(authenticator, credentials, credential, ret_identity);
    if (credential->kind == CREDENTIAL_DPOP)
        return refused("proofs of possession (DPoP) are not verified here", ret_why);
    int result = make_api_key(authenticator, credentials, credential, ret_identity);
    if (result != API_KEY_UNKNOWN)
        return result;
    if (credential->kind == CREDENTIAL_API_KEY)
        return refused("unknown key", ret_why);
    return make_token(authenticator, credentials, credential, waiter, ret_identity, ret_why);
}

/* ---- the two steps ---- */

int authenticator_find(struct authenticator *authenticator, const struct credentials *credentials,
                       struct identity **ret_identity)
{
    CLEANUP(credential_done) struct credential credential = {.kind = CREDENTIAL_BEARER};
    const char *why = NULL;
    int result = credential_read(credentials, authenticator->certificates, &credential, &why);
    if (result != 0)
        return result < 0 ? result : result == CREDENTIAL_NONE ? AUTHENTICATOR_NONE : AUTHENTICATOR_UNKNOWN;
    struct credential_cache_key key = key_of(credentials, &credential);
    if (credential_cache_find(authenticator->cache, &key, ret_identity, &why) == 0)
        return 0;
    if (credential.kind != CREDENTIAL_CERTIFICATE)
        return AUTHENTICATOR_UNKNOWN;
    return make_certificate(authenticator, credentials, &credential, ret_identity);
}

/* What credential_read() says, in the words of verify(). */
static int read_outcome(int result)
{
    switch (result) {
    case CREDENTIAL_NONE:
        return AUTHENTICATOR_NONE;
    case CREDENTIAL_MALFORMED:
        return AUTHENTICATOR_MALFORMED;
    case CREDENTIAL_REFUSED:
        return AUTHENTICATOR_REFUSED;
    default:
        return result;
    }
}

int authenticator_verify(struct authenticator *authenticator, const struct credentials *credentials,
                         struct authenticator_waiter *waiter, struct identity **ret_identity, const char **ret_why)
{
    CLEANUP(credential_done) struct credential credential = {.kind = CREDENTIAL_BEARER};
    int result = credential_read(credentials, authenticator->certificates, &credential, ret_why);
    if (result != 0)
        return read_outcome(result);
    struct credential_cache_key key = key_of(credentials, &credential);
    if (credential_cache_find(authenticator->cache, &key, ret_identity, ret_why) == 0)
        return 0;
    if (credential_check(&credential, ret_why) != 0)
        return AUTHENTICATOR_MALFORMED;
    return verify_shown(authenticator, credentials, &credential, waiter, ret_identity, ret_why);
}

bool authenticator_forget(struct authenticator *authenticator, struct authenticator_waiter *waiter)
{
    return authenticator->fetcher && fetcher_forget(authenticator->fetcher, waiter);
}

/* ---- for configuration ---- */

int authenticator_check_url(struct span url, bool may_be_file)
{
    return fetcher_check_url(url, may_be_file);
}

int authenticator_check_algorithm(struct span name)
{
    return algorithm_find(name) ? 0 : -EINVAL;
}

/* ---- what is shown of it ---- */

void authenticator_read_counts(struct authenticator *authenticator, struct authenticator_counts *ret_counts)
{
    struct credential_cache_counts cache;
    struct fetcher_counts fetches = {0};
    credential_cache_read_counts(authenticator->cache, &cache);
    if (authenticator->fetcher)
        fetcher_read_counts(authenticator->fetcher, &fetches);
    *ret_counts = (struct authenticator_counts){.cached = cache.entries,
                                                .found = cache.found,
                                                .missed = cache.missed,
                                                .evicted = cache.evicted,
                                                .fetched = fetches.good,
                                                .failed = fetches.failed,
                                                .full = fetches.full};
}

bool authenticator_read_issuer(struct authenticator *authenticator, size_t index,
                               struct authenticator_issuer *ret_issuer)
{
    if (index >= authenticator->issuers)
        return false;
    issuer_read_status(authenticator->issuer[index], ret_issuer);
    return true;
}

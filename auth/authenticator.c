/* Puts the parts together: what was shown (credential.h), whether it is known (credential_cache.h), and whose it is by
   its own kind of proof. Any thread; owns its tables, counted. */
#include "auth/authenticator.h"

#include <errno.h>

#include "auth/api_key.h"
#include "auth/credential.h"
#include "auth/credential_cache.h"

struct authenticator {
    _Atomic unsigned references;
    bool certificates;
    uint64_t cache_ms;
    struct api_key_table *api_keys;
    struct credential_cache *cache;
};

/* ---- life ---- */

static void free_authenticator(struct authenticator *authenticator)
{
    credential_cache_free(authenticator->cache);
    api_key_table_free(authenticator->api_keys);
    free(authenticator);
}

static int fill(struct authenticator *authenticator, const struct auth_settings *settings)
{
    authenticator->certificates = settings->certificates;
    authenticator->cache_ms = settings->cache_ms;
    int result = api_key_table_new(settings->api_key, settings->api_keys, &authenticator->api_keys);
    if (result == 0)
        result = credential_cache_new(settings->max_cached, &authenticator->cache);
    return result;
}

int authenticator_new(const struct auth_settings *settings, struct authenticator *previous UNUSED,
                      struct authenticator **ret_authenticator)
{
    if (settings->issuers > 0)
        return -ENOTSUP;
    struct authenticator *authenticator = calloc(1, sizeof(*authenticator));
    if (!authenticator)
        return -ENOMEM;
    atomic_init(&authenticator->references, 1);
    int result = fill(authenticator, settings);
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

static int verify_shown(struct authenticator *authenticator, const struct credentials *credentials,
                        const struct credential *credential, struct identity **ret_identity, const char **ret_why)
{
    if (credential->kind == CREDENTIAL_CERTIFICATE)
        return make_certificate(authenticator, credentials, credential, ret_identity);
    if (credential->kind == CREDENTIAL_DPOP)
        return refused("proofs of possession are not verified here", ret_why);
    int result = make_api_key(authenticator, credentials, credential, ret_identity);
    return result == API_KEY_UNKNOWN ? refused("unknown key", ret_why) : result;
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
                         struct authenticator_waiter *waiter UNUSED, struct identity **ret_identity,
                         const char **ret_why)
{
    CLEANUP(credential_done) struct credential credential = {.kind = CREDENTIAL_BEARER};
    int result = credential_read(credentials, authenticator->certificates, &credential, ret_why);
    if (result != 0)
        return read_outcome(result);
    struct credential_cache_key key = key_of(credentials, &credential);
    if (credential_cache_find(authenticator->cache, &key, ret_identity, ret_why) == 0)
        return 0;
    return verify_shown(authenticator, credentials, &credential, ret_identity, ret_why);
}

bool authenticator_forget(struct authenticator *authenticator UNUSED, struct authenticator_waiter *waiter)
{
    return waiter->fetch != NULL;
}

/* ---- what is shown of it ---- */

void authenticator_read_counts(struct authenticator *authenticator, struct authenticator_counts *ret_counts)
{
    struct credential_cache_counts cache;
    credential_cache_read_counts(authenticator->cache, &cache);
    *ret_counts = (struct authenticator_counts){
        .cached = cache.entries, .found = cache.found, .missed = cache.missed, .evicted = cache.evicted};
}

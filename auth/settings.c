/* Compares settings of authentication. Pure; any thread. */
#include "auth/settings.h"

#include <string.h>

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_names(const struct name_list *one, const struct name_list *other)
{
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++)
        if (!same_text(one->name[i], other->name[i]))
            return false;
    return true;
}

static bool same_api_key(const struct api_key_settings *one, const struct api_key_settings *other)
{
    return same_text(one->name, other->name) && same_text(one->sha256, other->sha256) &&
           same_names(&one->scopes, &other->scopes);
}

static bool same_issuer(const struct issuer_settings *one, const struct issuer_settings *other)
{
    return same_text(one->issuer, other->issuer) && same_text(one->audience, other->audience) &&
           same_text(one->jwks, other->jwks) && same_text(one->introspection, other->introspection) &&
           same_text(one->client_id, other->client_id) && same_text(one->client_secret, other->client_secret) &&
           same_names(&one->algorithms, &other->algorithms) && same_text(one->ca, other->ca);
}

static bool same_rules(const struct auth_settings *one, const struct auth_settings *other)
{
    return one->required == other->required && one->certificates == other->certificates &&
           one->leeway_ms == other->leeway_ms && one->cache_ms == other->cache_ms &&
           one->jwks_ttl_ms == other->jwks_ttl_ms && one->max_cached == other->max_cached;
}

bool auth_settings_equal(const struct auth_settings *one, const struct auth_settings *other)
{
    if (!same_rules(one, other) || one->api_keys != other->api_keys || one->issuers != other->issuers)
        return false;
    for (size_t i = 0; i < one->api_keys; i++)
        if (!same_api_key(&one->api_key[i], &other->api_key[i]))
            return false;
    for (size_t i = 0; i < one->issuers; i++)
        if (!same_issuer(&one->issuer[i], &other->issuer[i]))
            return false;
    return true;
}

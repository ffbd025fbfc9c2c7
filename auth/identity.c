/* Identities: one allocation each part, freed with the last reference. */
#include "auth/identity.h"

#include <errno.h>
#include <openssl/evp.h>

const char *identity_proof_name(enum identity_proof proof)
{
    static const char *const names[] = {
        [IDENTITY_ANONYMOUS] = "anonymous", [IDENTITY_LOCAL] = "local", [IDENTITY_CERTIFICATE] = "certificate",
        [IDENTITY_API_KEY] = "api_key",     [IDENTITY_JWT] = "jwt",     [IDENTITY_INTROSPECTION] = "introspection",
    };
    return names[proof];
}

/* Lengths go in as well: no two callers share a key because their parts add up to the same bytes. */
static int digest_part(EVP_MD_CTX *context, struct span part)
{
    uint64_t size = part.size;
    return EVP_DigestUpdate(context, &size, sizeof(size)) == 1 && EVP_DigestUpdate(context, part.at, part.size) == 1
               ? 0
               : -ENOMEM;
}

static int make_key(const struct identity_facts *facts, uint8_t key[IDENTITY_KEY_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    const char *proof = identity_proof_name(facts->proof);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int result = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
    if (result == 0)
        result = digest_part(context, span_of(proof));
    if (result == 0)
        result = digest_part(context, facts->issuer);
    if (result == 0)
        result = digest_part(context, facts->subject);
    if (result == 0 && EVP_DigestFinal_ex(context, digest, NULL) != 1)
        result = -ENOMEM;
    EVP_MD_CTX_free(context);
    if (result == 0)
        memcpy(key, digest, IDENTITY_KEY_BYTES);
    return result;
}

static int copy(struct span text, char **ret_text)
{
    *ret_text = span_copy(text);
    return *ret_text ? 0 : -ENOMEM;
}

static int copy_optional(struct span text, char **ret_text)
{
    return span_absent(text) ? 0 : copy(text, ret_text);
}

static int fill(struct identity *identity, const struct identity_facts *facts)
{
    identity->proof = facts->proof;
    identity->expires_wall_ms = facts->expires_wall_ms;
    if (facts->address)
        identity->address = *facts->address;
    int result = copy(facts->subject, &identity->subject);
    if (result == 0)
        result = copy_optional(facts->issuer, &identity->issuer);
    if (result == 0)
        result = copy_optional(facts->client_id, &identity->client_id);
    if (result == 0 && facts->scopes > 0) {
        identity->scope = calloc(facts->scopes, sizeof(*identity->scope));
        result = identity->scope ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < facts->scopes && result == 0; i++) {
        result = copy(facts->scope[i], &identity->scope[i]);
        if (result == 0)
            identity->scopes++;
    }
    return result == 0 ? make_key(facts, identity->key) : result;
}

static void free_identity(struct identity *identity)
{
    for (size_t i = 0; i < identity->scopes; i++)
        free(identity->scope[i]);
    free(identity->scope);
    free(identity->client_id);
    free(identity->issuer);
    free(identity->subject);
    free(identity);
}

int identity_new(const struct identity_facts *facts, struct identity **ret_identity)
{
    struct identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        return -ENOMEM;
    atomic_init(&identity->references, 1);
    int result = fill(identity, facts);
    if (result != 0) {
        free_identity(identity);
        return result;
    }
    *ret_identity = identity;
    return 0;
}

int identity_at(const struct identity *identity, const struct address *address, struct identity **ret_identity)
{
    struct span *scope = calloc(MAX(identity->scopes, (size_t)1), sizeof(*scope));
    if (!scope)
        return -ENOMEM;
    for (size_t i = 0; i < identity->scopes; i++)
        scope[i] = span_of(identity->scope[i]);
    int result = identity_new(&(struct identity_facts){.proof = identity->proof,
                                                       .subject = span_of(identity->subject),
                                                       .issuer = span_of(identity->issuer),
                                                       .client_id = span_of(identity->client_id),
                                                       .scope = scope,
                                                       .scopes = identity->scopes,
                                                       .address = address,
                                                       .expires_wall_ms = identity->expires_wall_ms},
                              ret_identity);
    free(scope);
    return result;
}

struct identity *identity_ref(struct identity *identity)
{
    if (identity)
        atomic_fetch_add_explicit(&identity->references, 1, memory_order_relaxed);
    return identity;
}

void identity_unref(struct identity *identity)
{
    if (identity && atomic_fetch_sub_explicit(&identity->references, 1, memory_order_acq_rel) == 1)
        free_identity(identity);
}

bool identity_has_scope(const struct identity *identity, struct span scope)
{
    for (size_t i = 0; i < identity->scopes; i++)
        if (span_is(scope, identity->scope[i]))
            return true;
    return false;
}

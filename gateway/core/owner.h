/* Whose something is. Sessions, tasks, inboxes and sealed request state belong to the identity that made them; to any
   other they are unknown, so that nobody learns that they exist (MCP, security best practices, "Session Hijacking").
   Whoever showed nothing shares one owner with all who did the same. Pure; any thread. */
#pragma once
#include "auth/identity.h"

struct owner {
    uint8_t key[IDENTITY_KEY_BYTES];
};

static inline struct owner owner_of(const struct identity *identity)
{
    struct owner owner = {{0}};
    if (identity && identity->proof != IDENTITY_ANONYMOUS)
        memcpy(owner.key, identity->key, sizeof(owner.key));
    return owner;
}

static inline bool owner_is(const struct owner *owner, const struct identity *identity)
{
    struct owner other = owner_of(identity);
    return memcmp(owner->key, other.key, sizeof(other.key)) == 0;
}

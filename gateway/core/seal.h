/* Sealing of requestState (MCP 2026-07-28, basic/patterns/mrtr, "Server Requirements"): AES-256-GCM by OpenSSL over
   expiry, a digest of the request it belongs to, the answers so far and the handler's state. Whose it is (owner.h)
   is part of what is authenticated. Any thread. */
#pragma once
#include "gateway/core/exchange.h"

struct seal;

/* `secret` NULL: a random key that lives with the process. Gateways behind one balancer share a secret. 0 or -errno. */
MUST_USE int seal_new(const char *secret, struct seal **ret_seal);
void seal_free(struct seal *seal); /* NULL is fine */

/* Appends the sealed text (base64url). 0, or out's error, or -ENOMEM. */
MUST_USE int seal_add(struct seal *seal, const struct exchange *exchange, uint64_t ttl_ms, struct span inputs,
                      struct span state, struct text *out);
/* Opens and verifies. 0, SEAL_REFUSED (forged, expired, of another request or identity), or -ENOMEM. */
enum { SEAL_REFUSED = 1 };
MUST_USE int seal_open(struct seal *seal, const struct exchange *exchange, struct span sealed, struct text *inputs,
                       struct text *state);

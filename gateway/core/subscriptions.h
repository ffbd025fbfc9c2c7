/* Change notifications: subscriptions/listen streams (MCP 2026-07-28, basic/patterns/subscriptions) and the same for
   legacy sessions. A change is announced from any thread; each reactor tells its own streams. */
#pragma once
#include "gateway/core/exchange.h"

enum { SUBSCRIPTIONS_MAX_URIS = 1000 /* of one stream */ };

/* The method subscriptions/listen. On the reactor. */
void subscriptions_listen(struct exchange *exchange);
/* The exchange has ended, for whatever reason (called by exchange.c). */
void subscriptions_remove(struct exchange *exchange);
/* Ends all streams of this reactor gracefully, each with its completion result. On the reactor. */
void subscriptions_end_all(struct reactor *reactor);

/* The lists of these kinds (1 << item_kind) have changed; or the resource `uri`. Any thread. 0, or -ENOMEM: not
   everybody was told. */
MUST_USE int subscriptions_announce(struct gateway *gateway, unsigned kinds, struct span uri);
/* The lists of these kinds have changed by `items` (catalogue_add_changes()): who may see none of it is not told. */
MUST_USE int subscriptions_announce_changes(struct gateway *gateway, unsigned kinds, struct span items);

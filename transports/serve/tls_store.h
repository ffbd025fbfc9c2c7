/* The TLS of one listener as it is now: the newest good context, replaced when its files change or its settings are
   read again. New handshakes take the newest; whoever has an older one keeps it. A context that cannot be made is kept
   out: the one before it stays.

   tls_store_take(): any thread. All else: one thread at a time, and never after tls_store_free(). */
#pragma once
#include "transports/serve/tls_context.h"

struct tls_store;

enum { TLS_STORE_RELOADED = TLS_CONTEXT_BAD + 1 };

/* As tls_context_new(); the settings are copied, the tickets referred to. */
MUST_USE int tls_store_new(const struct tls_settings *settings, struct tls_tickets *tickets, struct text *mistake,
                           struct tls_store **ret_store);
void tls_store_free(struct tls_store *store); /* takes NULL */
/* The newest, with a reference. */
struct tls_context *tls_store_take(struct tls_store *store);
/* Reads everything again, with new settings (SIGHUP). As tls_store_new(); on failure nothing has changed. */
MUST_USE int tls_store_reload(struct tls_store *store, const struct tls_settings *settings, struct text *mistake);
/* For a timer: reads everything again if a file has changed. 0: none has; TLS_STORE_RELOADED; or TLS_CONTEXT_BAD and
   why, told once for each change (a key and its certificate seldom change in one instant); or -ENOMEM. */
MUST_USE int tls_store_poll(struct tls_store *store, struct text *mistake);

/* The HTTP fronts of all reactors, and the sockets they accept from. Called by the main thread while the reactors run.
 */
#pragma once
#include "gateway/core/gateway.h"
#include "gateway/core/page.h"

struct fronts;

/* Opens every listening address and the admin address of the settings, and a front on each reactor. `pages` are
   borrowed until fronts_close(). 0, or -errno with a sentence in `problem`. */
MUST_USE int fronts_open(struct gateway *gateway, const struct settings *settings, const struct page *pages,
                         size_t pages_count, struct fronts **ret_fronts, struct text *problem);
/* What clients use: "http://127.0.0.1:8080/mcp" for listener `index`, with its real port. */
void fronts_add_url(const struct fronts *fronts, const struct settings *settings, size_t index, struct text *out);
/* "http://127.0.0.1:9464"; nothing without an admin address. */
void fronts_add_admin_url(const struct fronts *fronts, struct text *out);
/* No new connections from here on. */
void fronts_drain(struct fronts *fronts);
/* Ends all connections and closes the sockets. The reactors still run. Takes NULL. */
void fronts_close(struct fronts *fronts);

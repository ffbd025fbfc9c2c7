/* The fronts of all reactors, the edge before them, and the sockets and certificates they need. Called by the main
   thread while the reactors run. */
#pragma once
#include "gateway/core/gateway.h"
#include "gateway/core/page.h"

struct fronts;

/* Opens every listening address and the admin address of the settings, and the fronts on each reactor. `pages` are
   borrowed until fronts_close(); *served is set before the first of them is served, and NULL after a failure. 0, or
   -errno with a sentence in `problem`. */
MUST_USE int fronts_open(struct gateway *gateway, const struct settings *settings, const struct page *pages,
                         size_t pages_count, struct fronts **served, struct text *problem);
/* What clients use: "https://127.0.0.1:8080/mcp" for listener `index`, with its real port; "tcp://127.0.0.1:8080",
   "tls://…" or "unix:/run/weir.sock" where lines are spoken. */
void fronts_add_url(const struct fronts *fronts, const struct settings *settings, size_t index, struct text *out);
/* "wss://127.0.0.1:8080/mcp"; nothing where WebSocket is not spoken. */
void fronts_add_websocket_url(const struct fronts *fronts, const struct settings *settings, size_t index,
                              struct text *out);
/* "http://127.0.0.1:9464"; nothing without an admin address. */
void fronts_add_admin_url(const struct fronts *fronts, struct text *out);

/* Serves one client on two descriptors of this process, which stay open. `ended` is told once, on a reactor's thread,
   when the client is through or gone. 0 or -errno. */
MUST_USE int fronts_serve_stdio(struct fronts *fronts, int in_fd, int out_fd, void (*ended)(void *context),
                                void *context);

/* Reads all certificates again, with the paths of new settings: those that are good serve new connections from here on,
   the others stay as they were and are said in the log. */
void fronts_reload_certificates(struct fronts *fronts, const struct settings *settings);
/* The same for those whose files have changed; for a timer. */
void fronts_watch_certificates(struct fronts *fronts);
bool fronts_have_certificates(const struct fronts *fronts);
/* Calls `each` for every listener that speaks TLS: its address, and when the first of its certificates expires, in
   seconds since 1970. Any thread, from the first page served to fronts_close(). */
void fronts_each_certificate(const struct fronts *fronts,
                             void (*each)(void *out, const char *address, int64_t expires_s), void *out);

/* Who begins to connect from here on waits, and is refused once fronts_drain() has closed the sockets; who has begun is
   still let in. */
void fronts_shut(struct fronts *fronts);
/* No new connections from here on. */
void fronts_drain(struct fronts *fronts);
/* Whether no connection is left, and none is on its way. */
bool fronts_idle(struct fronts *fronts);
/* Ends all connections and closes the sockets. The reactors still run. Takes NULL. */
void fronts_close(struct fronts *fronts);

/* The edge: where connections come in. It accepts them on one reactor's sockets, takes from each what comes before the
   first message, and hands it to the front that its listener is for:

       accept → PROXY header → TLS handshake → HTTP front, or the line front (`transports: [stream]`)
                (proxy_protocol) (tls)

   A connection that needs neither goes to its front at once. One that does has limits.head_timeout for each. Whatever
   ends one here is counted by its reason (gateway/core/counters.def). */
#pragma once
#include "gateway/core/reactor.h"
#include "transports/serve/http_front.h"
#include "transports/serve/lines.h"
#include "transports/serve/listening.h"
#include "transports/serve/pump.h"
#include "transports/serve/tls_store.h"

struct edge;

enum { EDGE_MAX_LISTENERS = SETTINGS_MAX_LISTENERS + 1 /* the admin listener */ };

struct edge_listener {
    struct listening *listening; /* borrowed; the socket with the reactor's index is taken out of it */
    unsigned listener;           /* of settings->listener in every snapshot, or ARRIVAL_ADMIN */
    struct tls_store *tls;       /* borrowed until the edge's memory is gone; NULL: plain */
};

/* Where connections go. Borrowed; freed after the edge. */
struct edge_fronts {
    struct http_front *http;
    struct lines_front *lines; /* may be NULL without a listener for it */
    struct pumps *pumps;       /* may be NULL without a listener with TLS */
};

/* What a listener speaks is read from the reactor's snapshot, once: no reload changes it. 0 or -errno; the sockets are
   taken in both cases. On the reactor's thread, like all below. */
MUST_USE int edge_new(struct reactor *reactor, const struct edge_listener *listeners, size_t listeners_count,
                      const struct edge_fronts *fronts, struct edge **ret_edge);
/* Nobody new begins to connect (acceptor_shut()); for the moment before edge_drain(). */
void edge_shut(struct edge *edge);
/* Hands over what waits in the backlogs, then accepts nothing more. What is on its way to a front still gets there.
   May be called twice. */
void edge_drain(struct edge *edge);
/* Whether nothing is on its way to a front, and no TLS connection is carried any more. */
bool edge_idle(const struct edge *edge);
/* Closes what has not reached a front. The memory goes when the loop has closed the handles. Takes NULL. */
void edge_free(struct edge *edge);

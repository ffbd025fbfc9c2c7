/* The streaming HTTP front: MCP over Streamable HTTP (basic/transports) on one reactor, with libmicrohttpd doing the
   HTTP/1.1 and everything around it done here: which connections there are, how long they may take, who may speak to
   us, what is a stream. Implements the front side of gateway/core/front.h.

   One front per reactor. All functions run on the reactor's thread, http_front_new() also before that thread starts. */
#pragma once
#include "gateway/core/page.h"
#include "gateway/core/reactor.h"
#include "transports/serve/listening.h"

struct http_front;

enum { HTTP_FRONT_MAX_LISTENERS = 33 /* SETTINGS_MAX_LISTENERS and the admin listener */ };

struct http_listener {
    struct listening *listening; /* borrowed; the socket with the reactor's index is taken out of it */
    bool admin;                  /* the admin listener: pages only, and those of PAGE_ADMIN too */
    unsigned index;              /* of settings->listener in every snapshot; unused for the admin listener */
};

/* Starts serving `listeners` when the reactor's loop runs. `pages` are borrowed until the front is free. Listener and
   limit settings are those of the snapshot that each request gets; a request on a listener that a reload has removed
   gets 404. 0 or -errno; the sockets are taken in both cases. */
MUST_USE int http_front_new(struct reactor *reactor, const struct http_listener *listeners, size_t listeners_count,
                            const struct page *pages, size_t pages_count, struct http_front **ret_front);

/* Begins the drain: accepts what waits in the backlog and then nothing more; answers from now on end their connections,
   idle connections are closed at once. Streams and requests go on until the core ends them. May be called twice. */
void http_front_drain(struct http_front *front);
/* Whether no connection is left. */
bool http_front_idle(const struct http_front *front);
/* Cuts off whatever is left (exchange_gone() for those without an answer) and closes the loop's handles. The memory
   goes when the loop has turned to close them and the last exchange is released; the loop must run until then. Takes
   NULL. */
void http_front_free(struct http_front *front);

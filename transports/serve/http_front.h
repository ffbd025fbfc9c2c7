/* The streaming HTTP front: MCP over Streamable HTTP (basic/transports) on one reactor, with libmicrohttpd doing the
   HTTP/1.1 and everything around it done here: which connections there are, how long they may take, who may speak to
   us, what is a stream. Implements the front side of gateway/core/front.h.

   One front per reactor. All functions run on the reactor's thread, http_front_new() also before that thread starts. */
#pragma once
#include "gateway/core/page.h"
#include "gateway/core/reactor.h"
#include "transports/serve/upgrade.h"

struct http_front;

/* `pages` are borrowed until the front is free; `upgrade` is where connections go that ask for the WebSocket protocol
   on a listener that speaks it, and is copied (NULL: nobody asks in vain, they are answered as if they had not asked).
   0 or -errno. */
MUST_USE int http_front_new(struct reactor *reactor, const struct page *pages, size_t pages_count,
                            const struct upgrade_front *upgrade, struct http_front **ret_front);
/* Serves a connection whose first byte of HTTP is still to be read. Listener and limit settings are those of the
   snapshot that each request gets; on the admin listener there are pages only, and those of PAGE_ADMIN too. */
void http_front_adopt(struct http_front *front, const struct arrival *arrival);

/* Begins the drain: answers from now on end their connections, idle connections are closed at once. Streams and
   requests go on until the core ends them. New connections are still served, so whoever has the acceptors stops them
   first. May be called twice. */
void http_front_drain(struct http_front *front);
/* Whether no connection is left. */
bool http_front_idle(const struct http_front *front);
/* Cuts off whatever is left (exchange_gone() for those without an answer) and closes the loop's handles. The memory
   goes when the loop has turned to close them and the last exchange is released; the loop must run until then. Takes
   NULL. */
void http_front_free(struct http_front *front);

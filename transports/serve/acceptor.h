/* Accepts the connections of one listening socket on one reactor. Every connection is charged to QUOTA_CONNECTIONS
   before anybody sees it; one too many gets an honest refusal instead. */
#pragma once
#include "gateway/base/address.h"
#include "gateway/core/gateway.h"

struct acceptor;

/* A connection: non-blocking, close-on-exec, TCP_NODELAY. The callee owns the descriptor and one unit of
   QUOTA_CONNECTIONS, which it gives back when it closes. */
typedef void (*acceptor_callback)(void *context, int fd, const struct address *client);

/* Takes the descriptor, on success and failure. Accepting begins when the reactor's loop runs. 0 or -errno. */
MUST_USE int acceptor_new(struct reactor *reactor, int fd, acceptor_callback accepted, void *context,
                          struct acceptor **ret_acceptor);
/* What a connection that is one too many is told; HTTP unless set. */
enum acceptor_refusal {
    ACCEPTOR_REFUSE_HTTP,    /* a 503 with a JSON-RPC error */
    ACCEPTOR_REFUSE_LINE,    /* the JSON-RPC error alone, on a line */
    ACCEPTOR_REFUSE_SILENTLY /* closed: its client could read neither (TLS) */
};
/* Tells a connection that there is no room for it, and closes it (takes it), as acceptor_refuse_with() has it. What it
   was charged with has been given back. On the reactor. */
void acceptor_refuse(struct acceptor *acceptor, int fd);
void acceptor_refuse_with(struct acceptor *acceptor, enum acceptor_refusal refusal);
/* From now on the kernel drops who begins to connect (SYN) and lets those in who have: a client that was let in is not
   reset when the socket closes a moment later, and one that was not tries again and is then told that nobody listens.
   TCP; elsewhere, and where the kernel cannot do it, nothing changes. On the reactor. */
void acceptor_shut(struct acceptor *acceptor);
/* Hands over what waits in the backlog already, so that a drain loses nobody who is connected, then closes the socket.
   On the reactor; may be called twice. */
void acceptor_stop(struct acceptor *acceptor);
/* Stops, and frees once the loop has closed its handles: `freed` is told, on the reactor. Takes NULL (then nothing is
 * told). */
void acceptor_free(struct acceptor *acceptor, void (*freed)(void *context), void *context);

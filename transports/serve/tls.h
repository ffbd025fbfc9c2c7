/* The TLS edge: takes accepted sockets, does the handshake in the reactor, and hands on one side of a socketpair that
   carries what the peer says in plain; a pump (transports/serve/pump.h) does the carrying. Whoever gets it works as
   with a plain connection.

   A handshake that has not ended head_timeout after the accept is ended. At most TLS_MAX_HANDSHAKES are under way: one
   more, and the oldest gives way. Of those that have something to do TLS_STEPS_PER_TURN are looked at before the loop
   goes on, so that a flood of them does not keep the reactor from its other work. Every failure is counted by its
   reason and answered as TLS asks (an alert); a client that speaks HTTP in plain is told so in HTTP.

   One edge per reactor and TLS listener, or one per listener's settings; the reactor's thread throughout. */
#pragma once
#include "gateway/base/address.h"
#include "gateway/core/gateway.h"
#include "transports/serve/pump.h"
#include "transports/serve/tls_facts.h"
#include "transports/serve/tls_store.h"

enum { TLS_MAX_HANDSHAKES = 1024, TLS_STEPS_PER_TURN = 16, TLS_LINGER_MS = 1000 };

struct tls_edge;
struct counted;

/* A connection whose handshake is done. `fd` is non-blocking and close-on-exec, and belongs to the callee, as do
   `facts` and what came with the connection: one unit of QUOTA_CONNECTIONS and that of its network. Bytes may wait in
   it already. It is a local socket; `pump` carries what goes through it. */
struct tls_shaken {
    int fd;
    struct pump *pump;
    struct address client;
    struct counted *network;
    struct tls_facts *facts;
};
typedef void (*tls_callback)(void *context, const struct tls_shaken *shaken);

struct tls_edge_settings {
    struct reactor *reactor; /* head_timeout is that of its snapshot */
    struct pumps *pumps;     /* borrowed until the edge is free */
    struct tls_store *store; /* the same */
    tls_callback accepted;
    void *context;
};

/* 0 or -errno. */
MUST_USE int tls_edge_new(const struct tls_edge_settings *settings, struct tls_edge **ret_edge);
/* Takes a connection on which the client is to speak first, and what it was charged with. */
void tls_edge_accepted(struct tls_edge *edge, int fd, const struct address *client, struct counted *network);
/* Whether neither a handshake is under way nor a connection of this edge is still carried. */
bool tls_edge_idle(const struct tls_edge *edge);
/* Ends the handshakes under way; connections that are carried go on until their ends or pumps_free() end them, and the
   memory goes after the last of them. The loop must run until then. Takes NULL. */
void tls_edge_free(struct tls_edge *edge);

/* A connection on its way from the listening socket to the front that will speak with it, and what has been learnt of
   it so far. Whoever is handed one owns it whole: the descriptor, the reference to the facts, and what it was charged
   with, which is given back when the connection is closed: one unit of QUOTA_CONNECTIONS, and one connection of its
   network. */
#pragma once
#include "gateway/base/address.h"
#include "gateway/core/gateway.h"
#include "gateway/core/peer_facts.h"
#include "gateway/core/settings.h"

struct counted;

enum { ARRIVAL_ADMIN = SETTINGS_MAX_LISTENERS /* in place of a listener's index: the admin listener */ };

struct pump;

struct arrival {
    int fd;                /* non-blocking, close-on-exec; plaintext: behind TLS it is one end of a socketpair */
    struct pump *carrier;  /* whose other end this pump carries, for pump_attend() before the loop goes on; or NULL */
    struct address client; /* the peer, or whom a trusted PROXY header named */
    struct peer_facts *facts; /* NULL: nothing is known */
    struct counted *network;  /* whose connection it is (limits.max_connections_per_ip); NULL: not counted */
    unsigned listener;        /* of settings->listener in every snapshot, or ARRIVAL_ADMIN */
};

/* Charges the client's network with a connection. 0, ARRIVAL_REFUSED (counted): it has as many as it may have, or
   -ENOMEM. *ret_network stays as it is where networks are not counted. On the reactor. */
enum { ARRIVAL_REFUSED = 1 };
MUST_USE int arrival_charge_network(struct reactor *reactor, const struct address *client,
                                    struct counted **ret_network);
/* Gives back what an arrival was charged with: its connection is closed. On the reactor. */
void arrival_give_back(struct reactor *reactor, struct counted *network);

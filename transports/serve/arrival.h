/* A connection on its way from the listening socket to the front that will speak with it, and what has been learnt of
   it so far. Whoever is handed one owns it whole: the descriptor, the reference to the facts, and one unit of
   QUOTA_CONNECTIONS, which is given back when the connection is closed. */
#pragma once
#include "gateway/base/address.h"
#include "gateway/core/peer_facts.h"
#include "gateway/core/settings.h"

enum { ARRIVAL_ADMIN = SETTINGS_MAX_LISTENERS /* in place of a listener's index: the admin listener */ };

struct arrival {
    int fd;                   /* non-blocking, close-on-exec; plaintext: behind TLS it is one end of a socketpair */
    struct address client;    /* the peer, or whom a trusted PROXY header named */
    struct peer_facts *facts; /* NULL: nothing is known */
    unsigned listener;        /* of settings->listener in every snapshot, or ARRIVAL_ADMIN */
};

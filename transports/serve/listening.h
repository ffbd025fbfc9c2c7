/* The sockets of one listening address: for TCP one per reactor, all on the same port (SO_REUSEPORT, so the kernel
   spreads connections and no reactor wakes for another's); a Unix socket is one socket that every reactor has a
   descriptor of. Opened by main before the reactors start. */
#pragma once
#include "gateway/base/address.h"

enum { LISTENING_MAX_SOCKETS = 256, LISTENING_BACKLOG = 4096 };

struct listening;

/* Binds and listens `sockets` times. A Unix socket path that is left over from a process that has died is taken over;
   one that somebody listens on is -EADDRINUSE. 0 or -errno; -EINVAL for a count out of range. */
MUST_USE int listening_open(const struct address *address, unsigned sockets, struct listening **ret_listening);
/* What it is bound to: with the real port if 0 was asked for. */
const struct address *listening_address(const struct listening *listening);
/* Socket `index`, non-blocking and close-on-exec, the caller's from now on; -1 if it was taken before. */
int listening_take(struct listening *listening, unsigned index);
/* Closes what was not taken, removes a Unix socket's path, frees. Takes NULL. Call it when the reactors have stopped
   accepting. */
void listening_close(struct listening *listening);

/* How a connection gets from HTTP to the WebSocket front. Two ways lead there:

   - The first head of a connection asks for it. Nobody has answered yet: adopt() judges the head as the HTTP request it
     is, answers it (101 or a refusal) and goes on with the connection.
   - A later head of a kept-alive connection asks for it, inside libmicrohttpd (proxies reuse their connections). The
     HTTP front re-makes the head and asks judge() for the whole answer, which it sends by way of libmicrohttpd. After a
     101 has gone out, adopt() gets the connection with `answered` set.

   The client's address is, where the connection or the head comes from trusted proxies, that of whom they speak for.
   One reactor's thread throughout; both functions may be called from inside the HTTP front's callbacks, so neither may
   call the HTTP front. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/guard.h"
#include "transports/serve/arrival.h"

enum { UPGRADE_PENDING = 0 /* judge(): the guard asks who it is; its visit is told when to judge again */ };
enum { UPGRADE_MAX_HEAD = 32 * 1024 /* a longer head gets its 431 from the HTTP front */ };

struct upgrade {
    struct arrival arrival; /* nothing of `received` is left in its descriptor */
    struct span received;   /* all that the client has sent so far: a whole head with its blank line, then perhaps early
                               frames. Borrowed for the call */
    bool answered;          /* the 101 has been sent, with the fields of judge(); `received` begins with the head as it
                               was re-made: names and values are the client's, the order is, blanks are not */
    struct identity *identity; /* with answered: whom judge() has let in; adopt() takes the reference */
    struct guard_visit *visit; /* for judge(): its way through the guard */
};

struct upgrade_front {
    /* Takes the arrival. */
    void (*adopt)(void *context, const struct upgrade *upgrade);
    /* Judges the head in upgrade->received; takes nothing (fd is -1). Writes the whole HTTP/1.1 answer into `answer`:
       status line, fields, blank line, body (none with 101). 101: adopt() follows, with *ret_identity (counted, may be
       NULL). Another status: that is the answer. UPGRADE_PENDING or -ENOMEM. */
    int (*judge)(void *context, const struct upgrade *upgrade, struct text *answer, struct identity **ret_identity);
    void *context;
};

/* Whom a proxy speaks for: X-Forwarded-For, and Forwarded (RFC 7239). Each proxy adds its own client at the right end,
   and anybody may have written what is left of that; so the lists are read from the right, as long as whoever added the
   entry is trusted. Pure; any thread. */
#pragma once
#include "gateway/base/address.h"

enum { FORWARDED_MAX_LINES = 16, FORWARDED_MAX_ENTRIES = 64 /* what is left of so many is not looked at */ };

/* The values of the request's fields, in the order in which they came. */
struct forwarded {
    struct span x_forwarded_for[FORWARDED_MAX_LINES];
    size_t x_forwarded_fors;
    struct span forwarded[FORWARDED_MAX_LINES];
    size_t forwardeds;
    bool beyond; /* there were more lines: nothing of them is believed */
};

/* Takes a field into account, if it is one of the two. */
void forwarded_add(struct forwarded *forwarded, struct span name, struct span value);

/* The client's address: `peer` itself if it is not trusted, if there are no such fields, or if the entry that it added
   cannot be read or is hidden ("unknown", "_name"); the same holds for each trusted address on the way. Where both
   fields are there and do not say the same, neither is believed: most proxies write one of them and pass the other on,
   whoever wrote it. The port is 0 where none was said. */
void forwarded_client(const struct forwarded *forwarded, const struct address *peer, const struct prefix_list *trusted,
                      struct address *ret_client);

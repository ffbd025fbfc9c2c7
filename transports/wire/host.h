/* Host and Origin against DNS rebinding (MCP basic/transports, "Security Warning"; RFC 9110, 7.2; RFC 6454). A page in
   the user's browser can make a name of its own point at a loopback address; what it cannot do is send another Host or
   Origin than its own. Pure; any thread. */
#pragma once
#include "gateway/base/span.h"

struct host {
    struct span name; /* without brackets */
    struct span port; /* digits; absent: none */
    bool literal;     /* an IPv4 address or a bracketed one: no name, so no rebinding */
};

/* host [":" port] of RFC 3986, whole: 0, or HOST_BAD. */
enum { HOST_BAD = 1 };
MUST_USE int host_parse(struct span value, struct host *ret_host);

/* localhost, 127.0.0.1, ::1, in any case. */
bool host_is_loopback(const struct host *host);

/* Whether a Host value may be served: its name is among `names` (without port; "*" is any well-formed one). No names:
   loopback names. An absent or malformed value never is. */
bool host_allowed(struct span value, char *const *names, size_t count);

/* Whether an Origin value may be served: among `origins` ("https://app.example", whole and with its port; "*" is any,
   "null" too). No origins: http and https of loopback names, any port. Ask only when the field is there. */
bool origin_allowed(struct span value, char *const *origins, size_t count);

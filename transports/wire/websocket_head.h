/* The upgrade to WebSocket, judged as the HTTP request that it is (RFC 6455, 4.2; RFC 9110, 7.8), and what is made of
   it: the answer's fields, and the minimal head that the WebSocket library gets instead of the client's. Pure; any
   thread; spans are borrowed from the head. */
#pragma once
#include "gateway/base/text.h"

enum {
    WEBSOCKET_MAX_HEAD = 32 * 1024, /* a token in a subprotocol may be long */
    WEBSOCKET_MAX_FIELDS = 100,
    WEBSOCKET_KEY_BYTES = 24,    /* base64 of 16 */
    WEBSOCKET_ACCEPT_BYTES = 28, /* base64 of a SHA-1 */
};

/* Filled by websocket_head_read(), or by the caller and websocket_head_add(). Start with zeros. */
struct websocket_head {
    struct span method;  /* "GET" */
    struct span target;  /* raw */
    struct span version; /* "HTTP/1.1" */
    size_t size;         /* of the whole head with its empty line; what follows is the client's first frames */

    struct span host, origin, key, websocket_version; /* trimmed; absent: did not come */
    struct span authorization, api_key, dpop;
    struct span credentials; /* of a subprotocol mcp.auth.<credentials>; absent: none */
    struct span revision;    /* of a subprotocol mcp.version.<revision>; absent: none */
    uint16_t fields;
    bool upgrade;    /* Upgrade names websocket */
    bool connection; /* Connection names upgrade */
    bool mcp;        /* the subprotocol mcp is offered: the answer echoes it, and nothing else */
    bool has_body;
};

/* Outcomes. */
enum {
    WEBSOCKET_HEAD_MORE = 1,  /* its end has not come */
    WEBSOCKET_HEAD_BAD,       /* no HTTP/1 head: 400 */
    WEBSOCKET_HEAD_TOO_LARGE, /* beyond WEBSOCKET_MAX_HEAD or WEBSOCKET_MAX_FIELDS: 431 */
};

/* Reads a whole head from the first bytes of a request. 0 or an outcome; *head is set in any case. */
MUST_USE int websocket_head_read(struct span bytes, struct websocket_head *head);
/* Takes one field line into account. 0, WEBSOCKET_HEAD_BAD (no token as its name, control characters in its value, a
   field that may come once came twice, a subprotocol that is no token), or WEBSOCKET_HEAD_TOO_LARGE. */
MUST_USE int websocket_head_add(struct websocket_head *head, struct span name, struct span value);

/* Whether a request asks to become a WebSocket at all; everything else about it may still be wrong. */
bool websocket_head_asks(const struct websocket_head *head);

struct websocket_rules {
    const char *path; /* "/mcp" */
    char *const *allowed_hosts;
    size_t allowed_hosts_count; /* as host_allowed() wants them */
    char *const *allowed_origins;
    size_t allowed_origins_count; /* as origin_allowed() wants them */
};

/* Why an upgrade is refused. All static. */
struct websocket_refusal {
    int status;          /* of HTTP */
    const char *message; /* a sentence */
    const char *field;   /* "Allow" or "Sec-WebSocket-Version", the answer's further field; NULL: none */
    const char *value;
};

enum { WEBSOCKET_REFUSED = 1 };
/* `outcome` is what reading the head gave. 0, or WEBSOCKET_REFUSED: *ret_refusal says why. */
MUST_USE int websocket_head_judge(const struct websocket_head *head, int outcome, const struct websocket_rules *rules,
                                  struct websocket_refusal *ret_refusal);

/* RFC 6455, 4.2.2: the value of Sec-WebSocket-Accept, NUL-terminated. 0 or -ENOMEM. */
MUST_USE int websocket_accept(struct span key, char out[WEBSOCKET_ACCEPT_BYTES + 1]);
/* The head for the library: what it must know and nothing that it gets wrong, so no extensions and no subprotocol but
   mcp. */
void websocket_head_rewrite(const struct websocket_head *head, struct text *out);

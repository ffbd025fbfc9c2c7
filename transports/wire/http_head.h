/* What an HTTP/1 request head says, judged: field names and values, framing, target, media types. A library has cut the
   head into lines already; these are the checks that it does not make. Pure; any thread; spans are borrowed from the
   head. */
#pragma once
#include "gateway/base/span.h"

enum http_field {
#define HTTP_FIELD(name, ...) HTTP_FIELD_##name,
#include "transports/wire/http_fields.def"
#undef HTTP_FIELD
    HTTP_FIELD_COUNT
};

/* How well a media type is wanted (RFC 9110, 12.5.1): the most specific range that matches it decides. */
struct http_preference {
    unsigned specificity; /* 0: nothing matched yet; 1 any, 2 type, 3 exact */
    unsigned thousandths; /* its q */
};

struct http_head {
    struct span field[HTTP_FIELD_COUNT]; /* the first of its name, trimmed; absent: none */
    struct http_preference json, event_stream, html;
};

/* Outcomes: what is wrong with a request. */
enum { HTTP_BAD = 1, /* 400 */ HTTP_UNIMPLEMENTED = 2 /* 501 */ };

/* Takes one field line into account. 0, or HTTP_BAD: the name is no token, the value holds control characters, or a
   single-valued field came twice (also with the same value). Start with a head of zeros. */
MUST_USE int http_head_add(struct http_head *head, struct span name, struct span value);

struct http_framing {
    bool chunked;
    uint64_t length; /* Content-Length; 0 without one */
};
/* RFC 9112, 6: 0, HTTP_BAD (both forms, a length that is not digits, a transfer coding in HTTP/1.0), or
   HTTP_UNIMPLEMENTED (a coding other than chunked alone). */
MUST_USE int http_head_framing(const struct http_head *head, bool version_1_0, struct http_framing *ret_framing);

/* Whether the client takes it. No Accept at all: it takes anything. */
bool http_head_accepts_json(const struct http_head *head);
bool http_head_accepts_event_stream(const struct http_head *head);
/* Whether an Accept field would rather have text/html, which it names, than JSON: a browser's does. */
bool http_accepts_html(struct span accept);
/* application/json with any parameters but a charset other than UTF-8. */
bool http_head_is_json(const struct http_head *head);

struct http_target {
    struct span path; /* without query; "/" at least; as it came, not decoded */
    struct span host; /* of the absolute form: counts instead of Host; absent: origin form */
};
/* RFC 9112, 3.2: origin-form or absolute-form (http, https). 0, or HTTP_BAD: other forms, characters that no target
   has, a fragment, user information. */
MUST_USE int http_target_parse(struct span raw, struct http_target *ret_target);

/* RFC 9110, 5.6.2. */
bool http_is_token(struct span name);

/* What the beginning of a connection asks for. */
enum http_peek {
    HTTP_PEEK_MORE,    /* cannot tell yet: the head is not complete */
    HTTP_PEEK_REQUEST, /* a request with an answer, or nothing that makes sense */
    HTTP_PEEK_UPGRADE, /* a GET that asks for the WebSocket protocol */
    HTTP_PEEK_STREAM,  /* a long-lived stream: GET for text/event-stream, or Mcp-Method: subscriptions/listen */
};
enum http_peek http_head_peek(struct span bytes);

/* Whether an Upgrade field (RFC 9110, 7.8: protocols, by preference) names the WebSocket protocol. */
bool http_asks_for_websocket(struct span upgrade);

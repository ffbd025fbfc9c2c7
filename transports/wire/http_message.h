/* A whole request, read in one go, if it is what nearly all are: a POST that came together, in the plainest form that
   RFC 9112 allows. Anything else is not wrong, but left to a library that knows all of HTTP. Pure; any thread; spans
   are borrowed from the bytes. */
#pragma once
#include "transports/wire/http_head.h"

enum { HTTP_MESSAGE_MAX_FIELDS = 64 };

struct http_message {
    struct span target; /* not judged yet: http_target_parse() */
    struct span fields; /* the lines between the request line and the empty one */
    struct span body;
    struct http_head head; /* what the fields say */
};

/* 0: `bytes` are one POST of HTTP/1.1, all of it and nothing behind it: lines end in CRLF and none is folded, Host is
   there, Content-Length says how long the body is, and nothing is asked of the connection (Connection other than
   keep-alive, Expect, Upgrade, Transfer-Encoding). HTTP_BAD: anything else. */
MUST_USE int http_message_read(struct span bytes, struct http_message *ret_message);

/* Takes the next field line off the front. False: there is none, or it is malformed. */
bool http_message_next_field(struct span *fields, struct span *ret_name, struct span *ret_value);
/* The value of the first field of that name, in any case, trimmed; absent: none. */
struct span http_message_field(struct span fields, struct span name);

/* Server-Sent Events as a server writes them (WHATWG HTML, 9.2 "Server-sent events"). Pure; any thread. */
#pragma once
#include "gateway/base/text.h"

struct sse_event {
    struct span id;    /* absent: no id line. One with NUL, CR or LF is left out: it cannot be written. */
    struct span type;  /* absent: no event line, which readers take for "message". As written: no line ends */
    struct span data;  /* a line each; absent or empty: one empty data line, as a priming event has it,
                          but none if there is only retry_ms: then readers see no event */
    unsigned retry_ms; /* 0: no retry line */
};

/* Appends the whole event with the empty line that ends it. Fails as a text does (out->error), then with nothing of it.
 */
void sse_add_event(struct text *out, const struct sse_event *event);
/* A comment that clients skip: keeps proxies and the peer's socket awake. */
void sse_add_comment(struct text *out);

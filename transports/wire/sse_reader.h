/* Server-Sent Events as a client reads them (WHATWG HTML, 9.2.5 and 9.2.6): bytes in any pieces go in, events come out.
   Pure. */
#pragma once
#include "gateway/base/text.h"

enum { SSE_MAX_ID_BYTES = 1024, SSE_MAX_RETRY_MS = 10000 };

struct sse_reader {
    struct text line;
    struct text data;
    struct text id;    /* the last event id that came */
    unsigned retry_ms; /* 0: none came */
    bool message;      /* the event under way is a "message" */
    bool after_return;
    bool begun;
    int (*take)(void *context, struct span data);
    void *context;
};

/* No line and no event's data may be longer than max_bytes. `take` gets the data of each message event that has any;
   not 0 from it ends the reading. */
void sse_reader_init(struct sse_reader *reader, size_t max_bytes, int (*take)(void *context, struct span data),
                     void *context);
void sse_reader_done(struct sse_reader *reader);
/* 0, what `take` returned, -EMSGSIZE (longer than allowed) or -ENOMEM. */
MUST_USE int sse_reader_feed(struct sse_reader *reader, struct span bytes);

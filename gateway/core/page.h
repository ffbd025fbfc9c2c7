/* A page: something the gateway says about itself over plain HTTP. The rows are made where the knowledge is
   (gateway/ops), put together in main, and served by the HTTP front, which knows only this record. */
#pragma once
#include "gateway/base/address.h"
#include "gateway/base/text.h"

enum page_where { PAGE_EVERY_LISTENER = 1 << 0, PAGE_ADMIN = 1 << 1 };

enum {
    PAGE_MAX_CHANGE = 1024, /* bytes of a PUT's body */
    PAGE_LIVE_MS = 1000,    /* from one event of a live page to the next */
};

struct page {
    const char *path; /* "/healthz": compared whole, without the query */
    unsigned where;   /* enum page_where */
    const char *content_type;
    /* Writes the body and the HTTP status. Runs on the reactor that got the request; must not block. 0 or -errno
     * (answered 500). */
    int (*render)(void *context, struct text *body, int *ret_status);
    /* A setting: takes the body of a PUT, and writes the answer's. `from` is the peer, which is on this machine: others
     * may not. Else as render(). NULL: the page is only for reading. */
    int (*change)(void *context, const struct address *from, struct span value, struct text *body, int *ret_status);
    const struct page *for_browsers; /* served instead to who would rather have text/html; NULL: there is no such */
    const char *policy;              /* Content-Security-Policy; NULL: none */
    bool live;                       /* a stream of events, each of which is what render() writes: one line */
    void *context;
};

/* A page: something the gateway says about itself over plain HTTP GET. The rows are made where the knowledge is
   (gateway/ops), put together in main, and served by the HTTP front, which knows only this record. */
#pragma once
#include "gateway/base/text.h"

enum page_where { PAGE_EVERY_LISTENER = 1 << 0, PAGE_ADMIN = 1 << 1 };

struct page {
    const char *path; /* "/healthz": compared whole, without the query */
    unsigned where;   /* enum page_where */
    const char *content_type;
    /* Writes the body and the HTTP status. Runs on the reactor that got the request; must not block. 0 or -errno
     * (answered 500). */
    int (*render)(void *context, struct text *body, int *ret_status);
    void *context;
};

/* One thing that is fetched, as libcurl or a file gives it: the fetcher's parts that know how, not when. */
#pragma once
#include <curl/curl.h>

#include "auth/fetcher.h"
#include "gateway/base/text.h"

/* One fetch under way. The fetcher's thread's alone. */
struct transfer {
    struct fetch *fetch;
    CURL *easy; /* with the transfer as its CURLOPT_PRIVATE; NULL: it is a file */
    struct curl_slist *fields;
    struct text body;
    char error[CURL_ERROR_SIZE];
};

/* Set up with the fetch's request, and bounded. NULL without memory. */
struct transfer *transfer_new(struct fetch *fetch);
void transfer_free(struct transfer *transfer); /* NULL is fine */
/* The whole file into the body. 0 or -errno. */
MUST_USE int transfer_read_file(struct transfer *transfer);

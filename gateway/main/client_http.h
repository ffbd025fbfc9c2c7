/* HTTP as a client (libcurl): http and https, one request after the other, each with its fields and a receiver for its
   body. Main thread. */
#pragma once
#include "gateway/base/text.h"

struct client_http;
struct curl_slist;

enum {
    CLIENT_FAILED =
        1, /* outcome of all client_* modules: it did not work, and `problem` has a sentence that says why */
    CLIENT_HTTP_VALUE_BYTES = 1024,
    CLIENT_CONNECT_MS = 10000,
};

struct client_http_settings {
    const char *url;
    const char *const *fields; /* the user's own, "Name: value" */
    size_t fields_count;
    uint64_t timeout_ms; /* of one request, to the end of its answer */
    const char *ca;      /* file with the certificates that are trusted, PEM; NULL: the system's */
    bool insecure;       /* the server's certificate is not checked */
};
#define CLIENT_HTTP_TRUST_HINT " (--ca FILE says whom to trust)"

/* 0, CLIENT_FAILED: no URL, or none of http, https, ws or wss; or -ENOMEM. */
MUST_USE int client_http_check_url(const char *url, struct text *problem);
/* Borrows the settings' texts; the URL has been checked. 0 or -ENOMEM. */
MUST_USE int client_http_new(const struct client_http_settings *settings, struct client_http **ret_http);
void client_http_free(struct client_http *http);

/* What is known once the first piece of the body is there. Texts are cut to fit. */
struct client_http_answer {
    long status; /* 0: none came */
    char content_type[CLIENT_HTTP_VALUE_BYTES];
    char session[CLIENT_HTTP_VALUE_BYTES];  /* Mcp-Session-Id, or "" */
    char location[CLIENT_HTTP_VALUE_BYTES]; /* of a redirection, which is not followed: credentials stay with the URL */
};

struct client_http_request {
    const char *method; /* POST, GET, DELETE */
    struct span body;
    struct curl_slist *fields; /* borrowed */
    /* Gets each piece of the body; not 0 ends the transfer. It may send requests of its own on the same http. */
    int (*receive)(void *context, const struct client_http_answer *answer, struct span bytes);
    void *context;
};

/* Adds "name: value" to a list that begins as NULL. 0 or -ENOMEM; then the list is as before. */
MUST_USE int client_http_add_field(struct curl_slist **fields, const char *name, struct span value);
/* For CLEANUP. */
void client_http_done_fields(struct curl_slist **fields);

/* 0 when an answer came, whole or ended by the receiver; CLIENT_FAILED, or -ENOMEM. */
MUST_USE int client_http_send(struct client_http *http, const struct client_http_request *request,
                              struct client_http_answer *ret_answer, struct text *problem);

/* What must be asked of issuers, on a thread of its own with libcurl: key sets and introspection. A fetch is embedded
   in whatever it is for; the fetcher starts it when it is due, hands its answer over, and starts it again when it is
   due again. Bounded in every way: fetches in all and at a time, bytes and time of each. Only https, http on loopback,
   and files; redirects are not followed; nothing of what came is believed before its owner has read it. */
#pragma once
#include "auth/authenticator.h"

struct fetcher;

enum {
    FETCHER_MAX = 1024, /* fetches that it knows of, under way or not */
    FETCHER_AT_A_TIME = 16,
    FETCHER_TIMEOUT_MS = 10000, /* of one fetch, from name to last byte */
    FETCHER_CONNECT_MS = 5000,
    FETCH_ERROR_BYTES = 96,
};

/* Borrowed for as long as the fetcher knows of the fetch. */
struct fetch_request {
    const char *url;  /* as fetcher_check_url() wants it */
    const char *ca;   /* PEM file; NULL: the system's */
    const char *user; /* HTTP Basic, already encoded as RFC 6749, 2.3.1 wants it; NULL: none */
    const char *password;
    struct span form; /* application/x-www-form-urlencoded, by POST; absent: GET */
    size_t max_bytes; /* of the answer */
};

struct fetch_answer {
    struct span body;  /* of a 200; absent if there was none */
    const char *error; /* why not; NULL: there was */
};

struct fetch_ops {
    /* On the fetcher's thread, without a lock. Returns when to ask again, in milliseconds of the monotonic clock, or
       FETCH_NEVER: then it is released. */
    uint64_t (*answered)(struct fetch *fetch, const struct fetch_answer *answer);
    /* The fetcher knows of it no more: its owner may free it. Any thread, without a lock of the fetcher's. */
    void (*released)(struct fetch *fetch);
};
#define FETCH_NEVER UINT64_MAX

struct transfer;
struct fetch {
    const struct fetch_ops *ops;
    struct fetch_request request;
    /* The fetcher's. */
    struct fetch *next, *prev;
    uint64_t due_ms;
    struct transfer *transfer; /* NULL: not under way */
    bool removed;
    struct authenticator_waiter *waiters;
};

/* 0, -EINVAL or -ENOMEM. */
MUST_USE int fetcher_check_url(struct span url, bool may_be_file);

/* With one reference and its thread started. 0 or -errno. */
MUST_USE int fetcher_new(struct fetcher **ret_fetcher);
struct fetcher *fetcher_ref(struct fetcher *fetcher); /* NULL is fine */
/* The last one ends the thread and waits for it: never on that thread. NULL is fine. */
void fetcher_unref(struct fetcher *fetcher);

enum { FETCHER_FULL = 1 };
/* Makes a fetch known, due at once; `waiter` (NULL: none) is told when it has been answered. 0 or FETCHER_FULL. */
MUST_USE int fetcher_add(struct fetcher *fetcher, struct fetch *fetch, struct authenticator_waiter *waiter);
/* The waiter is told of the next answer, which is asked for now unless that is under way already. The fetch must be
   known to it: its owner sees to that with a lock of its own, which it also takes in answered(). */
void fetcher_wait(struct fetcher *fetcher, struct fetch *fetch, struct authenticator_waiter *waiter);
/* True: the waiter will not be told. */
bool fetcher_forget(struct fetcher *fetcher, struct authenticator_waiter *waiter);
/* released() follows, on this thread or the fetcher's; whoever waits is told. */
void fetcher_remove(struct fetcher *fetcher, struct fetch *fetch);

struct fetcher_counts {
    uint64_t good, failed, full;
};
void fetcher_read_counts(struct fetcher *fetcher, struct fetcher_counts *ret_counts);

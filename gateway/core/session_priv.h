/* What session.c, stream.c and question.c share of a session. */
#pragma once
#include <pthread.h>

#include "gateway/base/random.h"
#include "gateway/core/session.h"
#include "gateway/core/stream.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* One event that was sent, or waits to be. */
struct kept_event {
    struct kept_event *next;
    uint64_t stream;
    uint64_t number;
    bool last;
    size_t size;
    char bytes[];
};

struct stream {
    struct link link;        /* session->streams, under its lock */
    struct session *session; /* outlives it: the exchange that made the stream holds it */
    uint64_t number;
    uint64_t events;         /* numbers given so far */
    uint64_t delivered;      /* the standing stream: the newest that was handed to an outlet */
    struct exchange *outlet; /* counted: a GET that listens to it; NULL: none */
};

struct question {
    uint64_t id;
    struct call *call; /* counted */
    UT_hash_handle hh;
    size_t key_size;
    char key[];
};

struct subscription {
    UT_hash_handle hh;
    char uri[];
};

struct session {
    UT_hash_handle hh; /* in the table, under the stripe's lock */
    char id[RANDOM_ID_BYTES];
    char tag[SESSION_TAG_BYTES];
    _Atomic unsigned references;
    struct gateway *gateway;
    enum revision revision;
    unsigned capabilities;
    struct owner owner;
    unsigned listener; /* where it was opened; SESSION_NO_LISTENER: at none */
    _Atomic unsigned log_level;
    _Atomic uint64_t used_ms; /* monotonic */
    _Atomic unsigned busy;    /* outlets and calls: a session that is listened to or at work is not idle */
    _Atomic bool closed;

    pthread_mutex_t lock;      /* for all that follows; never held while a front or a provider runs */
    struct identity *identity; /* counted: its owner as he last came; a newer token may have other scopes */
    struct link streams;
    struct stream standing;
    uint64_t next_stream;
    struct kept_event *oldest, *newest;
    size_t kept_bytes, kept_events;
    size_t pending_bytes; /* posted to outlets and not yet delivered */
    struct question *questions;
    uint64_t next_question;
    struct subscription *subscriptions;
    struct link calls; /* by call->in_session, counted */
    unsigned call_count;
};

/* question.c; the lock must be free. */
void questions_close(struct session *session);
/* stream.c */
void streams_init(struct session *session);
void streams_close(struct session *session);
void streams_done(struct session *session);

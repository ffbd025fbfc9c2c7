/* The parts of fake.h: a front that writes down what it is told, and a provider whose handlers the test plays. */
#pragma once
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/core/call.h"
#include "gateway/core/drain.h"
#include "gateway/core/gateway.h"
#include "gateway/core/session.h"
#include "gateway/core/task.h"
#include "gateway/mcp/json.h"

enum { FAKE_MAX_EVENTS = 64, FAKE_MAX_HEADERS = 8, FAKE_MAX_HELD = 64, FAKE_SESSION_BYTES = 64 };
#define FAKE_START_WALL_MS UINT64_C(1795402970123) /* 2026-11-23 */

/* What the fake itself allocates must not fail when a test makes allocations fail. */
static _Thread_local volatile int
    fake_busy; /* volatile: gcc knows calloc() and would keep this from being seen in it */

struct fake {
    struct settings settings;
    struct listener_settings listener;
    struct gateway *gateway;
    struct identity *caller;        /* of what is asked from now on; counted by the test; NULL: nobody */
    const struct provider_ops *ops; /* NULL: fake_provider */
    struct provider provider;
    bool provider_freed;
    struct call *held[FAKE_MAX_HELD]; /* counted: calls to items without a function of their own */
    unsigned holds;
    unsigned cancels; /* how often the provider was told */
    bool answer_cancels;
    struct asked *asked; /* all of them, newest first */
    struct span state;   /* what the last need_input() of "ask" had as its state */
};

/* One message, stream or end of a session, and what came of it. */
struct asked {
    struct exchange exchange;
    struct fake *fake;
    struct asked *next;
    struct reactor_post post;
    struct {
        const char *name;
        char value[256];
    } header[FAKE_MAX_HEADERS];
    unsigned headers;
    char *message;
    char session[FAKE_SESSION_BYTES];
    char last_event_id[64];
    bool is_last_event_id;

    bool refuse;       /* send() says FRONT_GONE */
    bool gone_in_send; /* and the front tells so from within */
    char *event[FAKE_MAX_EVENTS];
    char event_id[FAKE_MAX_EVENTS][64]; /* "": none */
    unsigned events;
    unsigned primes; /* events without a message */
    char prime_id[64];
    unsigned replies;
    int status;
    unsigned retry_after_s;
    char *body;      /* NULL: none */
    char end_id[64]; /* the SSE id of the last event */
    char made[FAKE_SESSION_BYTES];
    bool released, unreferenced;
    sem_t *wake; /* NULL: none; posted after each of these, for tests with threads */
};

/* ---- front ---- */

static inline struct asked *asked_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct asked, exchange);
}

static inline void fake_wake(struct asked *asked)
{
    if (asked->wake)
        sem_post(asked->wake);
}

static inline void fake_copy(char *to, size_t room, struct span from)
{
    assert_true(from.size < room);
    if (from.size)
        memcpy(to, from.at, from.size);
    to[from.size] = '\0';
}

static inline struct span fake_header(struct exchange *exchange, const char *name)
{
    struct asked *asked = asked_of(exchange);
    for (unsigned i = 0; i < asked->headers; i++)
        if (span_equal_nocase(span_of(asked->header[i].name), span_of(name)))
            return span_of(asked->header[i].value);
    return (struct span){0};
}

static inline int fake_send(struct exchange *exchange, const struct event *event)
{
    struct asked *asked = asked_of(exchange);
    assert_int_equal(asked->replies, 0);
    if (asked->refuse) {
        if (asked->gone_in_send)
            exchange_gone(exchange);
        return FRONT_GONE;
    }
    if (event->message.size == 0) {
        asked->primes++;
        fake_copy(asked->prime_id, sizeof(asked->prime_id), event->id);
        return 0;
    }
    if (asked->wake && asked->events == FAKE_MAX_EVENTS)
        return 0; /* with threads nobody knows how many there will be */
    assert_true(asked->events < FAKE_MAX_EVENTS);
    assert_int_equal(json_check(event->message, JSON_DEPTH_DEFAULT), 0);
    fake_busy++;
    asked->event[asked->events] = span_copy(event->message);
    fake_busy--;
    fake_copy(asked->event_id[asked->events++], sizeof(asked->event_id[0]), event->id);
    fake_wake(asked);
    return 0;
}

static inline void fake_reply(struct exchange *exchange, struct reply *reply)
{
    struct asked *asked = asked_of(exchange);
    asked->replies++;
    assert_int_equal(asked->replies, 1);
    asked->status = reply->status;
    asked->retry_after_s = reply->retry_after_s;
    fake_copy(asked->end_id, sizeof(asked->end_id), reply->event_id);
    if (reply->session_id)
        fake_copy(asked->made, sizeof(asked->made), span_of(reply->session_id));
    if (reply->body) {
        struct span body = {reply->body, reply->size};
        assert_int_equal(json_check(body, JSON_DEPTH_DEFAULT), 0);
        fake_busy++;
        asked->body = span_copy(body);
        fake_busy--;
    }
    free(reply->body);
    fake_wake(asked);
}

static inline void fake_release(struct exchange *exchange)
{
    struct asked *asked = asked_of(exchange);
    assert_false(asked->released);
    asked->released = true;
    fake_wake(asked);
}

static const struct front_ops fake_front = {.name = "fake",
                                            .has_headers = true,
                                            .has_event_ids = true,
                                            .header = fake_header,
                                            .send = fake_send,
                                            .reply = fake_reply,
                                            .release = fake_release};

/* ---- provider ---- */

typedef void fake_handler(struct fake *fake, struct call *call);

/* A function of an item; data pointers carry no functions. */
struct fake_item {
    fake_handler *run;
};

static inline void fake_start(struct provider *provider, struct call *call)
{
    struct fake *fake = CONTAINER_OF(provider, struct fake, provider);
    const struct fake_item *item = call_request(call)->item->handler;
    if (item && item->run) {
        item->run(fake, call);
        return;
    }
    assert_true(fake->holds < FAKE_MAX_HELD);
    fake->held[fake->holds++] = call_ref(call);
}

static inline void fake_cancel(struct provider *provider, struct call *call)
{
    struct fake *fake = CONTAINER_OF(provider, struct fake, provider);
    fake->cancels++;
    if (!fake->answer_cancels)
        return;
    int r = call_error(call, -32000, SPAN("cancelled"), (struct span){0});
    assert_true(r == 0 || r == -EALREADY || r == -ENOMEM);
}

static inline void fake_provider_free(struct provider *provider)
{
    CONTAINER_OF(provider, struct fake, provider)->provider_freed = true;
}

static const struct provider_ops fake_provider = {
    .name = "fake", .start = fake_start, .cancel = fake_cancel, .free = fake_provider_free};

/* The oldest call that waits for the test; the test answers it and unrefs it. */
static inline struct call *fake_take(struct fake *fake)
{
    assert_true(fake->holds > 0);
    struct call *call = fake->held[0];
    memmove(fake->held, fake->held + 1, --fake->holds * sizeof(fake->held[0]));
    return call;
}

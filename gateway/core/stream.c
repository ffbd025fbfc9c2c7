/* Streams of legacy sessions and what is kept of them. A POST's stream belongs to its exchange, the standing stream to
   its session; an outlet (a GET) may be on any reactor and is reached by a post, one per event, in the order of the
   event numbers because both happen under the session's lock. Nothing of a front runs while the lock is held. */
#include "gateway/core/stream.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/core/session_priv.h"

/* An event on its way to an outlet. */
struct delivery {
    struct reactor_post post;
    struct exchange *exchange; /* counted */
    struct session *session;   /* counted */
    bool last;
    char id[STREAM_EVENT_ID_BYTES];
    size_t size;
    char bytes[];
};

static struct span event_id(char *out, uint64_t stream, uint64_t number)
{
    int size =
        snprintf(out, STREAM_EVENT_ID_BYTES, "%llu-%llu", (unsigned long long)stream, (unsigned long long)number);
    return (struct span){out, (size_t)size};
}

static int read_event_id(struct span id, uint64_t *ret_stream, uint64_t *ret_number)
{
    struct span rest = id;
    struct span stream = span_cut(&rest, '-');
    uint64_t number = 0;
    int r = span_absent(rest) ? -EINVAL : span_to_uint64(rest, &number);
    if (r == 0)
        r = span_to_uint64(stream, ret_stream);
    if (r == 0)
        *ret_number = number;
    return r;
}

/* ---- what is kept ---- */

static void drop_oldest(struct session *session)
{
    struct kept_event *event = session->oldest;
    session->oldest = event->next;
    if (!session->oldest)
        session->newest = NULL;
    session->kept_bytes -= event->size;
    session->kept_events--;
    free(event);
}

/* Best effort by contract: what does not fit, or finds no memory, cannot be fetched later. */
static void keep(struct session *session, struct stream *stream, struct span message, bool last, size_t max_bytes)
{
    if (message.size > max_bytes)
        return;
    struct kept_event *event = malloc(sizeof(*event) + message.size);
    if (!event)
        return;
    *event =
        (struct kept_event){.stream = stream->number, .number = stream->events, .last = last, .size = message.size};
    if (message.size)
        memcpy(event->bytes, message.at, message.size);
    while (session->oldest &&
           (session->kept_bytes + message.size > max_bytes || session->kept_events >= STREAM_MAX_EVENTS))
        drop_oldest(session);
    if (session->newest)
        session->newest->next = event;
    else
        session->oldest = event;
    session->newest = event;
    session->kept_bytes += message.size;
    session->kept_events++;
}

/* ---- delivery to an outlet ---- */

static void give_event(struct exchange *outlet, struct delivery *delivery)
{
    struct span message = {delivery->bytes, delivery->size};
    if (delivery->last) {
        struct reply reply = {.status = 200, .event_id = span_of(delivery->id)};
        reply.body = delivery->size ? span_copy(message) : NULL;
        reply.size = reply.body ? delivery->size : 0;
        exchange_reply_stream(outlet, &reply);
    } else if (exchange_open(outlet)) {
        outlet->state = EXCHANGE_STREAM;
        if (outlet->ops->send(outlet, &(struct event){.message = message, .id = span_of(delivery->id)}) < 0)
            exchange_gone(outlet);
    }
}

static void deliver(struct reactor_post *post)
{
    struct delivery *delivery = CONTAINER_OF(post, struct delivery, post);
    struct session *session = delivery->session;
    pthread_mutex_lock(&session->lock);
    session->pending_bytes -= delivery->size;
    pthread_mutex_unlock(&session->lock);
    give_event(delivery->exchange, delivery);
    exchange_unref(delivery->exchange);
    session_unref(session);
    free(delivery);
}

/* With the lock held: the event `number` of a stream, for an outlet. */
static int post_event(struct session *session, struct exchange *outlet, uint64_t stream, uint64_t number,
                      struct span message, bool last)
{
    struct delivery *delivery = malloc(sizeof(*delivery) + message.size);
    if (!delivery)
        return -ENOMEM;
    *delivery = (struct delivery){
        .exchange = exchange_ref(outlet),
        .session = session_ref(session),
        .last = last,
        .size = message.size,
    };
    event_id(delivery->id, stream, number);
    if (message.size)
        memcpy(delivery->bytes, message.at, message.size);
    session->pending_bytes += message.size;
    reactor_post(outlet->reactor, &delivery->post, deliver);
    return 0;
}

static void end_posted(struct reactor_post *post)
{
    struct exchange *outlet = CONTAINER_OF(post, struct exchange, post);
    exchange_reply_stream(outlet, &(struct reply){.status = 200});
    exchange_unref(outlet);
}

/* Ends an outlet, after what was posted to it before, and gives up a reference. An exchange is an outlet but once, so
   its own post serves and no memory is needed. */
static void post_end(struct exchange *outlet)
{
    reactor_post(outlet->reactor, &outlet->post, end_posted);
}

/* With the lock held: the outlet gets nothing more; `end` tells its client so. */
static void drop_outlet(struct stream *stream, bool end)
{
    struct exchange *outlet = TAKE(stream->outlet);
    if (!outlet)
        return;
    atomic_fetch_sub(&stream->session->busy, 1);
    if (end)
        post_end(outlet);
    else
        exchange_unref(outlet);
}

/* With the lock held. An outlet that cannot have the event is ended: it can come back for what it missed. */
static void post_to_outlet(struct stream *stream, struct span message, bool last, size_t max_queue)
{
    struct session *session = stream->session;
    if (session->pending_bytes + message.size > max_queue ||
        post_event(session, stream->outlet, stream->number, stream->events, message, last) < 0)
        drop_outlet(stream, true);
    else
        stream->delivered = stream->events;
    if (last)
        drop_outlet(stream, false);
}

/* ---- a POST's own stream ---- */

static void stream_free(struct stream *stream)
{
    link_remove(&stream->link);
    free(stream);
}

/* With the lock held. */
static int make_stream(struct exchange *exchange)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    stream->session = exchange->session;
    stream->number = ++exchange->session->next_stream;
    link_append(&exchange->session->streams, &stream->link);
    exchange->stream = stream;
    return 0;
}

/* "The server SHOULD immediately send an SSE event consisting of an event ID and an empty data field" (2025-11-25).
   Older clients would read the empty data as a message: they get the retry time alone. */
static int prime(struct exchange *exchange, struct span id)
{
    struct event event = {.retry_ms = STREAM_RETRY_MS};
    if (!exchange_open(exchange))
        return 0;
    if (exchange->revision >= REVISION_2025_11_25)
        event.id = id;
    exchange->state = EXCHANGE_STREAM;
    return exchange->ops->send(exchange, &event);
}

/* A stream whose beginning did not reach the client is none: nobody knows what to come back to. */
static void unmake_stream(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->session->lock);
    if (exchange->stream && !exchange->stream->outlet)
        stream_free(TAKE(exchange->stream));
    pthread_mutex_unlock(&exchange->session->lock);
}

static int begin(struct exchange *exchange)
{
    char id[STREAM_EVENT_ID_BYTES];
    if (!exchange_open(exchange))
        return FRONT_GONE;
    pthread_mutex_lock(&exchange->session->lock);
    int r = make_stream(exchange);
    pthread_mutex_unlock(&exchange->session->lock);
    if (r == 0)
        r = prime(exchange, event_id(id, exchange->stream->number, 0));
    if (r != 0)
        unmake_stream(exchange);
    return r;
}

int stream_send(struct exchange *exchange, struct span message)
{
    struct session *session = exchange->session;
    const struct settings *settings = exchange_settings(exchange);
    char id[STREAM_EVENT_ID_BYTES];
    int r = exchange->stream ? 0 : begin(exchange);
    if (r != 0)
        return r;
    pthread_mutex_lock(&session->lock);
    struct stream *stream = exchange->stream;
    stream->events++;
    keep(session, stream, message, false, settings->limits.max_replay);
    bool elsewhere = stream->outlet != NULL;
    if (elsewhere)
        post_to_outlet(stream, message, false, settings->limits.max_send_queue);
    struct event event = {.message = message, .id = event_id(id, stream->number, stream->events)};
    pthread_mutex_unlock(&session->lock);
    if (elsewhere)
        return 0;
    if (!exchange_open(exchange))
        return FRONT_GONE;
    exchange->state = EXCHANGE_STREAM;
    return exchange->ops->send(exchange, &event);
}

bool stream_finish(struct exchange *exchange, struct span message, char out[STREAM_EVENT_ID_BYTES])
{
    struct session *session = exchange->session;
    const struct settings *settings = exchange_settings(exchange);
    struct stream *stream = TAKE(exchange->stream);
    pthread_mutex_lock(&session->lock);
    stream->events++;
    keep(session, stream, message, true, settings->limits.max_replay);
    bool elsewhere = stream->outlet != NULL;
    if (elsewhere)
        post_to_outlet(stream, message, true, settings->limits.max_send_queue);
    event_id(out, stream->number, stream->events);
    stream_free(stream);
    pthread_mutex_unlock(&session->lock);
    return elsewhere;
}

/* With the lock held. */
static struct stream *find_by_outlet(struct session *session, const struct exchange *outlet)
{
    if (session->standing.outlet == outlet)
        return &session->standing;
    for (struct link *link = session->streams.next; link != &session->streams; link = link->next) {
        struct stream *stream = CONTAINER_OF(link, struct stream, link);
        if (stream->outlet == outlet)
            return stream;
    }
    return NULL;
}

void stream_detach(struct exchange *exchange)
{
    exchange->outlet = false;
    pthread_mutex_lock(&exchange->session->lock);
    struct stream *stream = find_by_outlet(exchange->session, exchange);
    if (stream)
        drop_outlet(stream, false);
    pthread_mutex_unlock(&exchange->session->lock);
}

/* ---- GET ---- */

/* With the lock held. */
static struct stream *find_stream(struct session *session, uint64_t number)
{
    for (struct link *link = session->streams.next; link != &session->streams; link = link->next) {
        struct stream *stream = CONTAINER_OF(link, struct stream, link);
        if (stream->number == number)
            return stream;
    }
    return NULL;
}

/* With the lock held: posts what is kept of stream `number` after event `after`, in order. */
static int replay(struct session *session, struct exchange *outlet, uint64_t number, uint64_t after)
{
    int r = 0;
    for (struct kept_event *event = session->oldest; event && r == 0; event = event->next)
        if (event->stream == number && event->number > after)
            r = post_event(session, outlet, number, event->number, (struct span){event->bytes, event->size},
                           event->last);
    return r;
}

static bool end_is_kept(const struct session *session, uint64_t number)
{
    for (const struct kept_event *event = session->oldest; event; event = event->next)
        if (event->stream == number && event->last)
            return true;
    return false;
}

static void become_outlet(struct exchange *exchange, struct stream *stream, uint64_t after)
{
    drop_outlet(stream, true);
    stream->outlet = exchange_ref(exchange);
    exchange->outlet = true;
    atomic_fetch_add(&stream->session->busy, 1);
    stream->delivered = stream->events;
    if (replay(stream->session, exchange, stream->number, after) < 0)
        drop_outlet(stream, true);
}

/* With the lock held: comes back to the answer of a POST. A finished one is replayed to its end, and the exchange ends
   with it. False: there is nothing left of it. */
static bool resume(struct exchange *exchange, uint64_t number, uint64_t after)
{
    struct session *session = exchange->session;
    struct stream *stream = find_stream(session, number);
    if (stream) {
        become_outlet(exchange, stream, after);
        return true;
    }
    if (!end_is_kept(session, number))
        return false;
    (void)!replay(session, exchange, number, after); /* without memory for it the client gets the end, and asks again */
    post_end(exchange_ref(exchange));
    return true;
}

/* With the lock held. `at` gets the id of the event after which the client listens now. A Last-Event-ID that is none of
   ours counts as none. */
static bool attach(struct exchange *exchange, struct span last_event_id, char *at)
{
    struct stream *standing = &exchange->session->standing;
    uint64_t number = 0, after = standing->delivered;
    if (!span_absent(last_event_id) && read_event_id(last_event_id, &number, &after) != 0)
        number = 0;
    event_id(at, number, after);
    if (number > 0)
        return resume(exchange, number, after);
    become_outlet(exchange, standing, after);
    return true;
}

void stream_attach(struct exchange *exchange, struct span last_event_id)
{
    struct session *session = exchange->session;
    char at[STREAM_EVENT_ID_BYTES];
    pthread_mutex_lock(&session->lock);
    bool closed = atomic_load(&session->closed);
    bool attached = !closed && attach(exchange, last_event_id, at);
    pthread_mutex_unlock(&session->lock);
    if (closed)
        exchange_reply_error(exchange, ERROR_SESSION_UNKNOWN, NULL);
    else if (!attached)
        exchange_reply_error(exchange, ERROR_INVALID_REQUEST,
                             "The events after Last-Event-ID are not kept any more: send the request again");
    else
        (void)!prime(exchange, span_of(at)); /* what is replayed comes by post, after this */
}

/* ---- the session's part ---- */

void session_notify(struct session *session, const struct settings *settings, struct span message)
{
    pthread_mutex_lock(&session->lock);
    if (!atomic_load(&session->closed)) {
        session->standing.events++;
        keep(session, &session->standing, message, false, settings->limits.max_replay);
        if (session->standing.outlet)
            post_to_outlet(&session->standing, message, false, settings->limits.max_send_queue);
    }
    pthread_mutex_unlock(&session->lock);
}

void streams_init(struct session *session)
{
    link_init(&session->streams);
    link_init(&session->standing.link);
    session->standing.session = session;
}

void streams_close(struct session *session)
{
    pthread_mutex_lock(&session->lock);
    drop_outlet(&session->standing, true);
    for (struct link *link = session->streams.next; link != &session->streams; link = link->next)
        drop_outlet(CONTAINER_OF(link, struct stream, link), true);
    pthread_mutex_unlock(&session->lock);
}

void streams_done(struct session *session)
{
    while (session->oldest)
        drop_oldest(session);
}

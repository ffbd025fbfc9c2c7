/* The streams of HTTP with SSE, and the answers on them. A stream belongs to the request that opened it; its inbox
   takes messages that were posted to any reactor, and each of them becomes an exchange here, which the stream's end
   leaves without a client. On the stream's reactor; sse_legacy_post() alone runs on the reactor of the POST. */
#include "transports/serve/sse_legacy.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/core/exchange.h"
#include "gateway/core/inbox.h"
#include "gateway/core/session.h"
#include "transports/wire/sse.h"

enum { ENDPOINT_BYTES = 128 };

struct sse_legacy {
    struct link all, silent;      /* front->sse, front->sse_silent */
    struct http_request *request; /* whose answer is the stream; it outlives this */
    struct inbox *inbox;          /* NULL once the stream has ended */
    struct session *session;      /* counted; legacy */
    struct link messages;         /* struct message */
    bool ending;                  /* as soon as nothing is under way */
};

struct message {
    struct exchange exchange;
    struct inbox_message delivery;
    struct sse_legacy *sse; /* NULL once it is gone */
    struct link link;
    struct address client;
    struct peer_facts *facts;  /* counted */
    struct identity *identity; /* of who posted it; counted, the exchange's once there is one */
    bool owes;
    char *bytes;
};

static struct span no_header(struct exchange *exchange UNUSED, const char *name UNUSED)
{
    return (struct span){0};
}

/* ---- the end ---- */

/* Requests that will be answered by themselves; a subscription is not. */
static bool busy(const struct sse_legacy *sse)
{
    for (struct link *link = sse->messages.next; link != &sse->messages; link = link->next) {
        const struct message *message = CONTAINER_OF(link, struct message, link);
        if (message->owes && !message->exchange.listen)
            return true;
    }
    return false;
}

/* The stream's exchange has ended; the stream itself does so when the last answer is on it. */
static void settle(struct sse_legacy *sse)
{
    if (!sse->ending || busy(sse) || sse->request->replied)
        return;
    sse->request->replied = true;
    inbox_close(TAKE(sse->inbox));
    http_stream_end(sse->request, &(struct reply){.status = 200});
}

static void end_stream(struct sse_legacy *sse)
{
    link_remove(&sse->silent);
    if (exchange_open(&sse->request->exchange))
        exchange_reply_stream(&sse->request->exchange, &(struct reply){.status = 200});
}

static void abandon(struct sse_legacy *sse)
{
    while (!link_alone(&sse->messages)) {
        struct message *message = CONTAINER_OF(sse->messages.next, struct message, link);
        link_remove(&message->link);
        message->sse = NULL;
        exchange_ref(&message->exchange);
        exchange_gone(&message->exchange);
        exchange_unref(&message->exchange);
    }
}

void sse_legacy_close(struct sse_legacy *sse)
{
    if (!sse)
        return;
    inbox_close(TAKE(sse->inbox));
    abandon(sse);
    if (sse->session) {
        session_close(sse->session);
        session_unref(TAKE(sse->session));
    }
    link_remove(&sse->silent);
    link_remove(&sse->all);
    free(sse);
}

void sse_legacy_drain(struct http_front *front)
{
    for (struct link *link = front->sse.next, *next; link != &front->sse; link = next) {
        next = link->next;
        end_stream(CONTAINER_OF(link, struct sse_legacy, all));
    }
}

void sse_legacy_sweep(struct http_front *front, uint64_t idle_ms)
{
    uint64_t now_ns = clock_now_ns();
    while (!link_alone(&front->sse_silent)) {
        struct sse_legacy *sse = CONTAINER_OF(front->sse_silent.next, struct sse_legacy, silent);
        if (now_ns - sse->request->exchange.started_ns < idle_ms * 1000000)
            return;
        counter_add(front->counters, COUNTER_TIMEOUT_IDLE, 1);
        end_stream(sse);
    }
}

/* ---- messages on the stream ---- */

static int say(struct http_request *request, struct span message)
{
    return http_stream_add(request, &(struct sse_event){.type = SPAN("message"), .data = message});
}

static struct message *of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct message, exchange);
}

static int send_message(struct exchange *exchange, const struct event *event)
{
    struct sse_legacy *sse = of(exchange)->sse;
    if (!sse)
        return FRONT_GONE;
    return event->message.size ? say(sse->request, event->message) : 0;
}

static void reply_message(struct exchange *exchange, struct reply *reply)
{
    struct message *message = of(exchange);
    struct sse_legacy *sse = message->sse;
    if (sse) {
        if (reply->session_id && exchange->session && !sse->session)
            sse->session = session_ref(exchange->session);
        if (reply->body && message->owes && exchange_answers(exchange))
            (void)!say(sse->request, (struct span){reply->body, reply->size});
        message->owes = false;
        settle(sse);
    }
    free(TAKE(reply->body));
}

static void free_parts(struct message *message)
{
    peer_facts_unref(message->facts);
    identity_unref(message->identity);
    free(message->bytes);
    free(message);
}

static void free_message(struct message *message)
{
    inbox_done(&message->delivery);
    free_parts(message);
}

static void release_message(struct exchange *exchange)
{
    link_remove(&of(exchange)->link);
    free_message(of(exchange));
}

static const struct front_ops message_ops = {
    .name = "sse",
    .connection_session = true,
    .header = no_header,
    .send = send_message,
    .reply = reply_message,
    .release = release_message,
};

/* ---- messages that were posted ---- */

static void begin(struct sse_legacy *sse, struct message *message)
{
    struct exchange *exchange = &message->exchange;
    struct http_request *request = sse->request;
    exchange_init(exchange, &message_ops, request->front->reactor);
    exchange->listener = http_route_listener(request->connection, exchange->snapshot->settings);
    exchange->client = message->client;
    exchange->facts = message->facts;
    exchange->identity = TAKE(message->identity);
    exchange->message = (struct span){message->bytes, message->delivery.size};
    exchange->connection = sse;
    exchange->session = sse->session ? session_ref(sse->session) : NULL;
    message->sse = sse;
    message->owes = true;
    link_append(&sse->messages, &message->link);
    link_remove(&sse->silent);
}

/* What the session says outside of any request has the stream's own exchange. */
static void join_session(struct sse_legacy *sse)
{
    sse->request->exchange.session = session_ref(sse->session);
    dispatch_session(&sse->request->exchange);
}

static void take(void *context, struct inbox_message *delivery)
{
    struct message *message = CONTAINER_OF(delivery, struct message, delivery);
    struct sse_legacy *sse = context;
    if (!sse || sse->request->gone) {
        free_message(message);
        return;
    }
    begin(sse, message);
    bool had_session = sse->session != NULL;
    dispatch_message(&message->exchange);
    exchange_unref(&message->exchange);
    if (!had_session && sse->session)
        join_session(sse);
}

static int put(struct http_request *request, struct span id, struct message *message)
{
    struct exchange *exchange = &request->exchange;
    bool is_request = exchange->envelope.kind == ENVELOPE_REQUEST || exchange->envelope.kind == ENVELOPE_UNKNOWN;
    struct inbox_bounds bounds = {
        .messages = SSE_LEGACY_MAX_OUTSTANDING + (is_request ? 0 : SSE_LEGACY_MAX_OTHERS),
        .bytes = SSE_LEGACY_PAYLOADS * exchange_settings(exchange)->limits.max_payload,
    };
    message->client = exchange->client;
    message->facts = peer_facts_ref(request->facts);
    message->delivery.size = request->body_size;
    message->bytes = TAKE(request->body);
    struct owner owner = owner_of(exchange->identity);
    message->identity = identity_ref(exchange->identity);
    int r = inbox_put(exchange_gateway(exchange), id, &owner, &bounds, &message->delivery);
    if (r == 0)
        return 0;
    request->body = message->bytes;
    message->bytes = NULL;
    free_parts(message);
    return r;
}

static void answer(struct http_request *request, int r)
{
    struct exchange *exchange = &request->exchange;
    switch (r) {
    case 0: /* the bytes are no longer here */
        request->body_size = request->body_room = 0;
        exchange->message = (struct span){0};
        exchange_reply_empty(exchange);
        break;
    case INBOX_UNKNOWN:
        exchange_reply_error(exchange, ERROR_SESSION_UNKNOWN,
                             "No stream has this session: open one by GET " SSE_LEGACY_STREAM_PATH);
        break;
    default:
        counter_add(request->front->counters, COUNTER_REFUSED_PENDING, 1);
        exchange_reply_error(exchange, ERROR_OVER_CAPACITY,
                             "Too many messages of this session are under way: wait for answers on its stream");
        break;
    }
}

void sse_legacy_post(struct http_request *request)
{
    const char *id = MHD_lookup_connection_value(request->connection->mhd, MHD_GET_ARGUMENT_KIND, "session");
    if (!dispatch_read(&request->exchange))
        return;
    struct message *message = calloc(1, sizeof(*message));
    answer(request, message ? put(request, span_of(id), message) : -ENOMEM);
}

/* ---- the stream ---- */

static int send_outside(struct exchange *exchange, const struct event *event)
{
    struct http_request *request = CONTAINER_OF(exchange, struct http_request, exchange);
    return event->message.size ? say(request, event->message) : 0;
}

/* The core ends the stream: with a refusal instead of it, because its session has ended, or in a drain, which lets
   requests under way have their answers. */
static void reply_stream(struct exchange *exchange, struct reply *reply)
{
    struct http_request *request = CONTAINER_OF(exchange, struct http_request, exchange);
    if (!request->sse || request->gone) {
        http_reply_ops.reply(exchange, reply);
        return;
    }
    free(TAKE(reply->body));
    request->sse->ending = true;
    settle(request->sse);
}

const struct front_ops sse_legacy_ops = {
    .name = "sse",
    .connection_session = true,
    .header = no_header,
    .send = send_outside,
    .reply = reply_stream,
    .release = http_reply_release,
};

static int make(struct http_request *request, struct sse_legacy **ret_sse)
{
    struct sse_legacy *sse = calloc(1, sizeof(*sse));
    if (!sse)
        return -ENOMEM;
    struct owner owner = owner_of(request->exchange.identity);
    int r = inbox_open(request->front->reactor, &owner, take, sse, &sse->inbox);
    if (r < 0) {
        free(sse);
        return r;
    }
    sse->request = request;
    link_init(&sse->messages);
    link_append(&request->front->sse, &sse->all);
    link_append(&request->front->sse_silent, &sse->silent);
    *ret_sse = sse;
    return 0;
}

static void send_endpoint(struct http_request *request)
{
    char endpoint[ENDPOINT_BYTES];
    (void)snprintf(endpoint, sizeof(endpoint), SSE_LEGACY_MESSAGES_PATH "?session=%s", inbox_id(request->sse->inbox));
    (void)!http_stream_add(request, &(struct sse_event){.type = SPAN("endpoint"), .data = span_of(endpoint)});
}

void sse_legacy_open(struct http_request *request)
{
    struct exchange *exchange = &request->exchange;
    struct sse_legacy *sse = NULL;
    exchange->session_id = (struct span){0};
    if (!dispatch_connection(exchange))
        return;
    if (make(request, &sse) < 0) {
        exchange_reply_error(exchange, ERROR_OVER_CAPACITY, NULL);
        return;
    }
    request->sse = sse;
    exchange->connection = sse;
    send_endpoint(request);
}

/* JSON-RPC batches, which exist in 2025-03-26 only. A batch is a front of its own to the exchanges of its elements: it
   gathers their replies and answers the exchange that it came by, with an array, or with one event each once any of
   them has sent something before its reply. On the exchange's reactor; lives until the last element is released. */
#include <errno.h>

#include "gateway/core/methods.h"
#include "gateway/core/session.h"
#include "gateway/mcp/json.h"

struct batch {
    struct exchange *parent; /* counted */
    unsigned outstanding;    /* elements that owe an answer, and one for the loop that starts them */
    unsigned references;     /* the same, until release */
    struct text responses;
};

struct element {
    struct exchange exchange;
    struct batch *batch;
};

static struct batch *batch_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct element, exchange)->batch;
}

static void batch_unref(struct batch *batch)
{
    if (--batch->references > 0)
        return;
    exchange_unref(batch->parent);
    text_done(&batch->responses);
    free(batch);
}

/* One event per answer; also for a client that has lost its stream and will come back for it. */
static bool streams(const struct batch *batch)
{
    return batch->parent->state == EXCHANGE_STREAM || batch->parent->stream;
}

/* What was gathered before the stream began is owed as events. */
static void flush(struct batch *batch)
{
    struct json_iterator elements;
    struct span response;
    if (batch->responses.size == 0)
        return;
    text_add_char(&batch->responses, ']');
    if (batch->responses.error != 0)
        return; /* no memory: the client misses them and sees that it does */
    json_array_begin(&elements, text_span(&batch->responses));
    while (json_array_next(&elements, &response))
        (void)!exchange_send(batch->parent, response);
    text_clear(&batch->responses);
}

static void answer(struct batch *batch)
{
    struct exchange *parent = batch->parent;
    char *body = NULL;
    size_t size = 0;
    parent->gathers = false;
    if (streams(batch) || batch->responses.size == 0) {
        exchange_reply_empty(parent);
        return;
    }
    text_add_char(&batch->responses, ']');
    if (text_take(&batch->responses, &body, &size) < 0)
        exchange_reply_error(parent, ERROR_INTERNAL, NULL);
    else
        exchange_reply_bytes(parent, 200, body, size, NULL);
}

static void settled(struct batch *batch)
{
    if (--batch->outstanding == 0)
        answer(batch);
}

/* ---- what a batch is to its elements ---- */

static struct span element_header(struct exchange *exchange, const char *name)
{
    struct exchange *parent = batch_of(exchange)->parent;
    return parent->ops->header(parent, name);
}

static int element_send(struct exchange *exchange, const struct event *event)
{
    struct batch *batch = batch_of(exchange);
    int result = exchange_send(batch->parent, event->message);
    if (streams(batch))
        flush(batch);
    return result;
}

static void element_reply(struct exchange *exchange, struct reply *reply)
{
    struct batch *batch = batch_of(exchange);
    struct span body = {reply->body, reply->size};
    if (body.size && streams(batch)) {
        (void)!exchange_send(batch->parent, body);
    } else if (body.size) {
        text_add_char(&batch->responses, batch->responses.size ? ',' : '[');
        text_add(&batch->responses, body);
    }
    free(reply->body);
    settled(batch);
}

static void element_release(struct exchange *exchange)
{
    struct element *element = CONTAINER_OF(exchange, struct element, exchange);
    batch_unref(element->batch);
    free(element);
}

static const struct front_ops element_ops = {
    .name = "batch",
    .legacy_only = true,
    .header = element_header,
    .send = element_send,
    .reply = element_reply,
    .release = element_release,
};

/* ---- taking it apart ---- */

static int start_element(struct batch *batch, struct span message)
{
    struct element *element = calloc(1, sizeof(*element));
    if (!element)
        return -ENOMEM;
    element->batch = batch;
    batch->outstanding++;
    batch->references++;
    exchange_init(&element->exchange, &element_ops, batch->parent->reactor);
    element->exchange.client = batch->parent->client;
    element->exchange.facts = batch->parent->facts; /* which the parent keeps */
    element->exchange.identity = identity_ref(batch->parent->identity);
    element->exchange.listener = batch->parent->listener;
    element->exchange.message = message;
    element->exchange.session = session_ref(batch->parent->session);
    dispatch_bytes(&element->exchange, false);
    exchange_unref(&element->exchange);
    return 0;
}

static void start(struct batch *batch, struct span array)
{
    struct json_iterator elements;
    struct span message;
    json_array_begin(&elements, array);
    while (json_array_next(&elements, &message))
        if (start_element(batch, message) < 0)
            break; /* what was started is answered; the client misses the rest and sees that it does */
}

static size_t count_elements(struct span array)
{
    struct json_iterator elements;
    struct span message;
    size_t count = 0;
    json_array_begin(&elements, array);
    while (json_array_next(&elements, &message))
        count++;
    return count;
}

static bool refuse_batch(struct exchange *exchange, struct span array)
{
    unsigned limit = exchange_settings(exchange)->limits.max_batch;
    size_t count = count_elements(array);
    bool in_session = exchange->session || !span_absent(exchange->session_id);
    if (in_session && !legacy_session(exchange))
        return true;
    if (!in_session || exchange->revision != REVISION_2025_03_26) {
        exchange_reply_error(exchange, ERROR_BATCH_REFUSED, NULL);
        return true;
    }
    if (count > 0 && count <= limit)
        return false;
    CLEANUP(text_done) struct text message = TEXT(256);
    counter_add(exchange_counters(exchange), COUNTER_REFUSED_BATCH, 1);
    text_addf(&message, "A batch must have 1 to %u messages (limits.max_batch), and this one has %zu", limit, count);
    exchange_reply_error_full(exchange, ERROR_INVALID_REQUEST, text_span(&message), (struct span){0});
    return true;
}

void batch_begin(struct exchange *exchange)
{
    struct span array = exchange->envelope.value;
    if (refuse_batch(exchange, array))
        return;
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch) {
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
        return;
    }
    batch->parent = exchange_ref(exchange);
    exchange->gathers = true;
    batch->outstanding = batch->references = 1;
    batch->responses = TEXT(SIZE_MAX);
    start(batch, array);
    settled(batch);
    batch_unref(batch);
}

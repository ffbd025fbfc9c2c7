/* Listen streams live in a list of their reactor, each with its filter; an announcement is one post per reactor that
   walks the list. Legacy sessions are told from the announcing thread, by their replay buffers. */
#include "gateway/core/subscriptions.h"

#include <errno.h>

#include "gateway/core/call_priv.h"
#include "gateway/core/permission.h"
#include "gateway/core/result.h"
#include "gateway/core/session.h"
#include "gateway/mcp/json.h"

#define SUBSCRIPTION_ID_KEY "io.modelcontextprotocol/subscriptionId"

struct listen {
    struct link link; /* reactor_listeners() */
    struct exchange *exchange;
    unsigned kinds; /* 1 << item_kind; a template change is a resource change */
    size_t uris;
    char **uri;
};

static const struct change_row {
    unsigned kinds;
    const char *filter; /* SubscriptionFilter member */
    const char *method;
} changes[] = {
    {1U << ITEM_TOOL, "toolsListChanged", "notifications/tools/list_changed"},
    {1U << ITEM_PROMPT, "promptsListChanged", "notifications/prompts/list_changed"},
    {1U << ITEM_RESOURCE | 1U << ITEM_TEMPLATE, "resourcesListChanged", "notifications/resources/list_changed"},
};

/* ---- one stream ---- */

static void listen_free(struct listen *listen, struct gateway *gateway)
{
    if (listen->uris)
        quota_give(&gateway->quotas, QUOTA_SUBSCRIPTIONS, listen->uris);
    for (size_t i = 0; i < listen->uris; i++)
        free(listen->uri[i]);
    free(listen->uri);
    free(listen);
}

static int add_uri(struct listen *listen, struct gateway *gateway, struct span raw)
{
    CLEANUP(text_done) struct text uri = TEXT(CATALOGUE_MAX_URI_BYTES);
    int r = json_string_decode(raw, &uri);
    if (r != 0)
        return r == -ENOMEM ? r : -EINVAL;
    r = quota_take(&gateway->quotas, QUOTA_SUBSCRIPTIONS, 1);
    if (r != 0)
        return r;
    listen->uri[listen->uris] = span_copy(text_span(&uri));
    if (!listen->uri[listen->uris]) {
        quota_give(&gateway->quotas, QUOTA_SUBSCRIPTIONS, 1);
        return -ENOMEM;
    }
    listen->uris++;
    return 0;
}

static int add_uris(struct listen *listen, struct gateway *gateway, struct span array)
{
    struct json_iterator items;
    struct span raw;
    size_t count = 0;
    json_array_begin(&items, array);
    while (json_array_next(&items, &raw))
        count++;
    if (count > SUBSCRIPTIONS_MAX_URIS)
        return -EINVAL;
    listen->uri = calloc(count ? count : 1, sizeof(*listen->uri));
    int r = listen->uri ? 0 : -ENOMEM;
    json_array_begin(&items, array);
    while (r == 0 && json_array_next(&items, &raw))
        r = add_uri(listen, gateway, raw);
    return r;
}

static int read_filter(struct listen *listen, struct gateway *gateway, struct span filter)
{
    struct span uris = json_find(filter, "resourceSubscriptions");
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct span wanted = json_find(filter, changes[i].filter);
        bool yes = false;
        if (!span_absent(wanted) && json_to_bool(wanted, &yes) != 0)
            return -EINVAL;
        if (yes)
            listen->kinds |= changes[i].kinds;
    }
    if (span_absent(uris))
        return 0;
    return json_kind(uris) == JSON_ARRAY ? add_uris(listen, gateway, uris) : -EINVAL;
}

static void add_meta(struct text *out, const struct exchange *exchange)
{
    text_add_literal(out, "\"_meta\":{\"" SUBSCRIPTION_ID_KEY "\":");
    text_add(out, exchange->envelope.id);
    text_add_char(out, '}');
}

static void acknowledge(struct listen *listen)
{
    CLEANUP(text_done) struct text message = TEXT(SIZE_MAX);
    bool first = true;
    text_add_literal(&message,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{");
    add_meta(&message, listen->exchange);
    text_add_literal(&message, ",\"notifications\":{");
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
        if (listen->kinds & changes[i].kinds) {
            text_addf(&message, "%s\"%s\":true", first ? "" : ",", changes[i].filter);
            first = false;
        }
    if (listen->uris) {
        text_addf(&message, "%s\"resourceSubscriptions\":[", first ? "" : ",");
        for (size_t i = 0; i < listen->uris; i++) {
            if (i > 0)
                text_add_char(&message, ',');
            text_add_json_string(&message, span_of(listen->uri[i]));
        }
        text_add_char(&message, ']');
    }
    text_add_literal(&message, "}}}");
    if (message.error)
        exchange_reply_error(listen->exchange, ERROR_INTERNAL, NULL);
    else if (exchange_send(listen->exchange, text_span(&message)) == 0)
        exchange_count(listen->exchange, OUTCOME_OK); /* how long it is listened to is no latency */
}

static void refuse(struct exchange *exchange, int r)
{
    if (r == QUOTA_REFUSED)
        exchange_refuse(exchange, QUOTA_SUBSCRIPTIONS, COUNTER_REFUSED_SUBSCRIPTION);
    else if (r == -EINVAL)
        exchange_reply_error(exchange, ERROR_INVALID_PARAMS,
                             "params.notifications must have booleans, and resourceSubscriptions an array of at most "
                             "1000 URIs of at most 4096 bytes");
    else
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
}

/* From a request in flight to a stream: another quota. */
static int charge_stream(struct exchange *exchange)
{
    struct quotas *quotas = &exchange_gateway(exchange)->quotas;
    int r = quota_take(quotas, QUOTA_STREAMS, 1);
    if (r != 0)
        return r;
    exchange->charged |= 1U << QUOTA_STREAMS;
    if (exchange->charged & 1U << QUOTA_IN_FLIGHT)
        quota_give(quotas, QUOTA_IN_FLIGHT, 1);
    exchange->charged &= ~(1U << QUOTA_IN_FLIGHT);
    return 0;
}

void subscriptions_listen(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_NOTIFICATIONS};
    struct gateway *gateway = exchange_gateway(exchange);
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1))
        return;
    if (charge_stream(exchange) != 0) {
        exchange_refuse(exchange, QUOTA_STREAMS, COUNTER_REFUSED_STREAM);
        return;
    }
    struct listen *listen = calloc(1, sizeof(*listen));
    int r = listen ? read_filter(listen, gateway, exchange_member(exchange, MEMBER_NOTIFICATIONS)->raw) : -ENOMEM;
    if (r != 0) {
        if (listen)
            listen_free(listen, gateway);
        refuse(exchange, r);
        return;
    }
    listen->exchange = exchange_ref(exchange); /* a front that has only messages keeps none of its own */
    exchange->listen = listen;
    link_append(reactor_listeners(exchange->reactor), &listen->link);
    acknowledge(listen);
}

static void unref_posted(struct reactor_post *post)
{
    exchange_unref(CONTAINER_OF(post, struct exchange, post));
}

/* In the middle of the exchange's end, which still needs it: the reference is given up later. Its post is free for
   that, since a stream of this era is nobody's outlet. */
void subscriptions_remove(struct exchange *exchange)
{
    struct listen *listen = TAKE(exchange->listen);
    link_remove(&listen->link);
    listen_free(listen, exchange_gateway(exchange));
    reactor_post(exchange->reactor, &exchange->post, unref_posted);
}

/* "Graceful Closure". */
void subscriptions_end_all(struct reactor *reactor)
{
    struct link *list = reactor_listeners(reactor);
    while (!link_alone(list)) {
        struct exchange *exchange = CONTAINER_OF(list->next, struct listen, link)->exchange;
        CLEANUP(text_done) struct text result = TEXT(4096);
        text_add_char(&result, '{');
        add_meta(&result, exchange);
        text_add_char(&result, '}');
        exchange_reply_result(exchange, RESULT_COMPLETE, text_span(&result));
    }
}

/* ---- announcements ---- */

/* What is said: that lists changed, or that a resource did. */
struct news {
    unsigned kinds;    /* 0: a resource */
    struct span uri;   /* of it */
    struct span items; /* of lists, as catalogue_add_changes() writes them; empty: nobody knows */
};

struct announcement {
    struct reactor_post post;
    struct reactor *reactor;
    struct news news; /* its spans point to the bytes behind it */
    char bytes[];
};

static bool watches(const struct listen *listen, struct span uri)
{
    for (size_t i = 0; i < listen->uris; i++)
        if (span_is(uri, listen->uri[i]))
            return true;
    return false;
}

/* By the policy of now, which may be another than when it began to listen. */
static bool may_know(const struct listen *listen, const struct news *news)
{
    struct permission permission;
    const struct exchange *exchange = listen->exchange;
    permission_now(reactor_snapshot(exchange->reactor), exchange->listener, exchange->identity, &permission);
    return news->uri.size ? permission_tells(&permission, news->uri)
                          : permission_notices(&permission, news->kinds, news->items);
}

static bool wants(const struct listen *listen, const struct news *news)
{
    bool asked = news->uri.size ? watches(listen, news->uri) : (listen->kinds & news->kinds) != 0;
    return asked && may_know(listen, news);
}

static void add_notification(struct text *out, const char *method, const struct exchange *exchange, struct span uri)
{
    text_addf(out, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"", method);
    if (exchange || uri.size)
        text_add_literal(out, ",\"params\":{");
    if (exchange)
        add_meta(out, exchange);
    if (uri.size) {
        text_add(out, exchange ? SPAN(",\"uri\":") : SPAN("\"uri\":"));
        text_add_json_string(out, uri);
    }
    text_add(out, exchange || uri.size ? SPAN("}}") : SPAN("}"));
}

static void tell(struct listen *listen, const char *method, struct span uri)
{
    CLEANUP(text_done) struct text message = TEXT(SIZE_MAX);
    add_notification(&message, method, listen->exchange, uri);
    if (!message.error)
        (void)!exchange_send(listen->exchange,
                             text_span(&message)); /* a client that is gone takes the stream with it */
}

/* To tell one stream may end it, and others with it: each goes back to the list before it is told. */
static void tell_streams(void *of, const char *method, const struct news *news)
{
    struct link *list = reactor_listeners(of), untold;
    link_move(&untold, list);
    while (!link_alone(&untold)) {
        struct listen *listen = CONTAINER_OF(untold.next, struct listen, link);
        link_remove(&listen->link);
        link_append(list, &listen->link);
        if (wants(listen, news))
            tell(listen, method, news->uri);
    }
}

static void tell_sessions(void *of, const char *method, const struct news *news)
{
    CLEANUP(text_done) struct text message = TEXT(SIZE_MAX);
    struct session_news told = {.uri = news->uri, .kinds = news->kinds, .items = news->items};
    add_notification(&message, method, NULL, news->uri);
    told.message = text_span(&message);
    if (!message.error)
        session_table_notify(of, &told);
}

/* One notification after the other. */
static void tell_each(const struct news *news, void (*say)(void *of, const char *method, const struct news *news),
                      void *of)
{
    if (news->uri.size)
        say(of, "notifications/resources/updated", &(struct news){.uri = news->uri});
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
        if (news->kinds & changes[i].kinds)
            say(of, changes[i].method, &(struct news){.kinds = changes[i].kinds, .items = news->items});
}

static void announce_here(struct reactor_post *post)
{
    struct announcement *announcement = CONTAINER_OF(post, struct announcement, post);
    tell_each(&announcement->news, tell_streams, announcement->reactor);
    free(announcement);
}

static int announce_on(struct reactor *reactor, const struct news *news)
{
    struct announcement *announcement = calloc(1, sizeof(*announcement) + news->uri.size + news->items.size);
    if (!announcement)
        return -ENOMEM;
    char *to = announcement->bytes;
    announcement->reactor = reactor;
    announcement->news.kinds = news->kinds;
    announcement->news.uri = span_move(&to, news->uri);
    announcement->news.items = span_move(&to, news->items);
    reactor_post(reactor, &announcement->post, announce_here);
    return 0;
}

static int announce(struct gateway *gateway, const struct news *news)
{
    int r = 0;
    for (unsigned i = 0; i < gateway->reactors; i++)
        if (announce_on(gateway->reactor[i], news) < 0)
            r = -ENOMEM;
    tell_each(news, tell_sessions, gateway);
    return r;
}

int subscriptions_announce(struct gateway *gateway, unsigned kinds, struct span uri)
{
    return announce(gateway, &(struct news){.kinds = kinds, .uri = uri});
}

int subscriptions_announce_changes(struct gateway *gateway, unsigned kinds, struct span items)
{
    return announce(gateway, &(struct news){.kinds = kinds, .items = items});
}

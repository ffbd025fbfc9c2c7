/* Pages: rendered when they are asked for; live ones again and again, as events of a stream that is charged like any
   other and ends at the drain; settings, which a PUT changes. A page that watches is rendered once for all who do, and
   only while there are any. On one reactor; owns nothing. */
#include "transports/serve/http_parts.h"

#include <errno.h>

#include "gateway/core/exchange.h"
#include "transports/wire/host.h"
#include "transports/wire/sse.h"

enum { PAGE_MAX_BYTES = 16 << 20 };

/* ---- one answer ---- */

static const struct page *choose(const struct http_request *request)
{
    const struct page *page = request->connection->page;
    struct span accept = http_fields_find(request->connection, "Accept");
    return page->for_browsers && http_accepts_html(accept) ? page->for_browsers : page;
}

static int add_fields(struct http_request *request, const struct page *page)
{
    const struct {
        bool wanted;
        const char *name, *value;
    } fields[] = {
        {true, "Cache-Control", "no-store"},
        {page != request->connection->page || page->for_browsers, "Vary", "Accept"},
        {page->policy != NULL, "Content-Security-Policy", page->policy},
        {page->policy != NULL, "X-Content-Type-Options", "nosniff"},
        {page->policy != NULL, "Referrer-Policy", "no-referrer"},
    };
    int result = 0;
    for (size_t i = 0; i < ARRAY_SIZE(fields) && result == 0; i++)
        if (fields[i].wanted)
            result = http_reply_field(request->response, fields[i].name, fields[i].value);
    return result;
}

/* Takes the body. */
static int answer(struct http_request *request, const struct page *page, int result, struct text *body, int status)
{
    char *bytes = NULL;
    size_t size = 0;
    if (result < 0 || body->error != 0) {
        text_clear(body);
        text_add_literal(body, "The page could not be made\n");
        status = 500;
    }
    if (text_take(body, &bytes, &size) < 0)
        return -ENOMEM;
    result = http_reply_make(request, (unsigned)status, status == 500 ? "text/plain" : page->content_type, bytes, size);
    return result == 0 ? add_fields(request, page) : result;
}

static int render(struct http_request *request)
{
    const struct page *page = choose(request);
    struct text body = TEXT(PAGE_MAX_BYTES);
    int status = 200;
    int result = page->render(page->context, &body, &status);
    return answer(request, page, result, &body, status);
}

/* ---- settings ---- */

/* From this machine, and not from just any page that its user has open: a browser says where a PUT comes from. */
static bool may_change(const struct http_request *request)
{
    const struct http_connection *connection = request->connection;
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    struct span origin = http_fields_find(connection, "Origin");
    if (!address_is_loopback(&connection->client) && !address_is_local(&connection->client))
        return false;
    return span_absent(origin) ||
           (listener && origin_allowed(origin, listener->allowed_origins.name, listener->allowed_origins.count));
}

static int change(struct http_request *request)
{
    const struct page *page = request->connection->page;
    struct span value = {request->body ? request->body : "", request->body_size};
    struct text body = TEXT(PAGE_MAX_BYTES);
    int status = 200;
    if (may_change(request)) {
        int result = page->change(page->context, &request->connection->client, value, &body, &status);
        return answer(request, page, result, &body, status);
    }
    counter_add(request->front->counters, COUNTER_REFUSED_ORIGIN, 1);
    text_add_literal(&body, "Only from this machine, and not from a page of somebody else\n");
    return answer(request, page, 0, &body, 403);
}

/* ---- live pages ---- */

/* What the page has to say now, as one line. */
static bool render_event(const struct page *page, struct text *body)
{
    int status = 200;
    if (page->render(page->context, body, &status) < 0 || body->error)
        return false;
    if (body->size > 0 && body->at[body->size - 1] == '\n')
        body->size--;
    return true;
}

static void say(struct http_request *request, const struct text *body)
{
    (void)!http_stream_add(request, &(struct sse_event){.data = text_span(body)});
}

static void tell_all(struct http_front *front, const struct page *page)
{
    CLEANUP(text_done) struct text body = TEXT(PAGE_MAX_BYTES);
    for (struct link *link = front->live.next, *next; link != &front->live; link = next) {
        struct http_request *request = CONTAINER_OF(link, struct http_request, live);
        next = link->next;
        if (request->connection->page != page)
            continue;
        if (body.size == 0 && !render_event(page, &body))
            return;
        say(request, &body);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct http_front *front = timer->data;
    for (size_t i = 0; i < front->pages_count; i++)
        if (front->pages[i].live)
            tell_all(front, &front->pages[i]);
    if (link_alone(&front->live))
        uv_timer_stop(timer);
}

/* The first event is there at once, and knows of the stream itself. */
static void begin_live(struct http_request *request)
{
    struct http_front *front = request->front;
    CLEANUP(text_done) struct text body = TEXT(PAGE_MAX_BYTES);
    link_append(&front->live, &request->live);
    if (!uv_is_active((uv_handle_t *)&front->live_timer))
        uv_timer_start(&front->live_timer, on_tick, PAGE_LIVE_MS, PAGE_LIVE_MS);
    if (render_event(request->connection->page, &body))
        say(request, &body);
    else
        http_request_cut(request);
}

static int open_live(struct http_request *request)
{
    http_request_open_exchange(request);
    request->dispatching = true;
    if (dispatch_connection(&request->exchange))
        begin_live(request);
    request->dispatching = false;
    return 0;
}

void http_page_drain(struct http_front *front)
{
    while (!link_alone(&front->live)) {
        struct http_request *request = CONTAINER_OF(front->live.next, struct http_request, live);
        link_remove(&request->live);
        if (exchange_open(&request->exchange))
            exchange_reply_stream(&request->exchange, &(struct reply){.status = 200});
    }
}

int http_page_answer(struct http_request *request)
{
    if (request->method == 'P')
        return change(request);
    return request->connection->page->live ? open_live(request) : render(request);
}

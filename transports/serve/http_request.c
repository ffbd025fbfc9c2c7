/* One request's life inside libmicrohttpd's callbacks: target, head (judged at once), body (http_body.c), dispatch, and
   either an answer on the spot or a suspended connection that is resumed when the answer is there. The request outlives
   the connection when its handler does. On one reactor; the front keeps a few finished requests for the next ones. */
#include "transports/serve/http_parts.h"
#include "transports/serve/sse_legacy.h"
#include "transports/wire/host.h"

#include <errno.h>

/* ---- memory ---- */

static struct http_request *take_spare(struct http_front *front)
{
    struct http_request *request = front->spare;
    if (!request)
        return calloc(1, sizeof(*request));
    front->spare = request->next_spare;
    front->spares--;
    return request;
}

/* The guard knows more: the head is judged again. */
static void on_told(void *context)
{
    http_request_resume(context);
}

struct http_request *http_request_new(struct http_connection *connection)
{
    struct http_front *front = connection->front;
    struct http_request *request = take_spare(front);
    if (!request)
        return NULL;
    request->front = front;
    request->connection = connection;
    request->queue = TEXT(SIZE_MAX);
    link_init(&request->resuming);
    link_init(&request->stream);
    link_init(&request->live);
    request->visit = (struct guard_visit){.front = "http", .told = on_told, .context = request};
    http_front_ref(front);
    return request;
}

static void give_memory(struct http_request *request)
{
    memory_give(&reactor_gateway(request->front->reactor)->memory, request->body_charged);
    request->body_charged = 0;
}

/* Everything but the exchange, which exchange_init() sets, and a body buffer worth keeping. */
static void wipe(struct http_request *request)
{
    char *body = request->body;
    size_t room = request->body_room;
    size_t start = offsetof(struct http_request, exchange) + sizeof(request->exchange);
    memset((char *)request + start, 0, sizeof(*request) - start);
    request->body = body;
    request->body_room = room;
}

void http_request_free(struct http_request *request)
{
    struct http_front *front = request->front;
    give_memory(request);
    text_done(&request->queue);
    guard_leave(&request->visit);
    guard_pass_end(request->pass);
    identity_unref(request->identity);
    peer_facts_unref(request->facts);
    if (request->response)
        MHD_destroy_response(request->response);
    if (front->spares >= HTTP_SPARE_REQUESTS || front->ended || request->body_room > HTTP_SPARE_BODY) {
        free(request->body);
        free(request);
    } else {
        wipe(request);
        request->next_spare = front->spare;
        front->spare = request;
        front->spares++;
    }
    http_front_unref(front);
}

/* ---- suspending ---- */

void http_request_suspend(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    request->suspended = true;
    MHD_suspend_connection(connection->mhd);
    if (connection->hung_up)
        http_request_gone(request);
}

void http_request_resume(struct http_request *request)
{
    if (request->suspended && link_alone(&request->resuming))
        link_append(&request->front->resuming, &request->resuming);
}

void http_request_resume_all(struct http_front *front)
{
    while (!link_alone(&front->resuming)) {
        struct http_request *request = CONTAINER_OF(front->resuming.next, struct http_request, resuming);
        struct http_connection *connection = request->connection;
        link_remove(&request->resuming);
        request->suspended = false;
        MHD_resume_connection(connection->mhd);
        http_front_want(connection);
        http_carried_touch(connection);
    }
}

/* ---- the end of the client ---- */

void http_request_cut(struct http_request *request)
{
    request->gone = true;
    link_remove(&request->stream);
    link_remove(&request->live);
    text_done(&request->queue);
    request->queue_sent = 0;
    if (!request->connection)
        return;
    http_request_resume(request);
    http_connection_cut(request->connection);
}

static void tell_core(struct http_request *request)
{
    if (request->is_exchange && !request->replied && !request->told) {
        request->told = true;
        exchange_gone(&request->exchange);
    }
    sse_legacy_close(TAKE(request->sse));
}

void http_request_gone(struct http_request *request)
{
    if (!request->gone)
        http_request_cut(request);
    tell_core(request);
}

static void let_go(struct http_request *request)
{
    if (request->is_exchange)
        exchange_unref(&request->exchange);
    else
        http_request_free(request);
}

void http_request_complete(struct http_connection *connection)
{
    struct http_request *request = TAKE(connection->request);
    http_deadline_set(connection, HTTP_IDLE_NEW);
    if (request) {
        request->connection = NULL;
        request->gone = true;
        guard_leave(&request->visit);
        guard_pass_end(TAKE(request->pass));
        link_remove(&request->resuming);
        link_remove(&request->stream);
        link_remove(&request->live);
        text_done(&request->queue);
        tell_core(request);
        let_go(request);
    }
    if (connection->hung_up || connection->front->draining)
        http_connection_cut(connection);
}

void http_request_on_completed(void *cls UNUSED, struct MHD_Connection *mhd UNUSED, void **context,
                               enum MHD_RequestTerminationCode code UNUSED)
{
    if (*context)
        http_request_complete(*context);
}

/* ---- target ---- */

static struct http_connection *find_connection(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

void http_request_target(struct http_connection *connection, struct span raw)
{
    struct http_target target;
    connection->route = HTTP_ROUTE_BAD;
    connection->target_has_host = false;
    if (http_target_parse(raw, &target) != 0)
        return;
    connection->route = (uint8_t)http_route_find(connection, target.path, &connection->page);
    if (!span_absent(target.host)) { /* judged here: the text is changed after this call */
        const struct listener_settings *listener =
            http_route_listener(connection, http_connection_settings(connection));
        connection->target_has_host = true;
        connection->target_host_allowed =
            listener && host_allowed(target.host, listener->allowed_hosts.name, listener->allowed_hosts.count);
    }
}

void *http_request_on_target(void *cls UNUSED, const char *uri, struct MHD_Connection *mhd)
{
    struct http_connection *connection = find_connection(mhd);
    if (connection->request)
        return connection; /* it has begun ahead of this */
    if (connection->stage != HTTP_HEAD && connection->stage != HTTP_LATE)
        http_deadline_set(connection, HTTP_HEAD);
    http_request_target(connection, span_of(uri));
    return connection;
}

/* ---- head ---- */

static bool add_forwarded(void *context, struct span name, struct span value)
{
    forwarded_add(context, name, value);
    return true;
}

struct address http_request_client(const struct http_connection *connection,
                                   void (*add)(struct forwarded *forwarded, const void *head), const void *head)
{
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    if (!listener || !prefix_list_contains(&listener->trusted_proxies, &connection->client))
        return connection->client;
    struct forwarded forwarded = {.beyond = false};
    struct address client;
    add(&forwarded, head);
    forwarded_client(&forwarded, &connection->client, &listener->trusted_proxies, &client);
    return client;
}

static void add_all_forwarded(struct forwarded *forwarded, const void *connection)
{
    http_fields_each(connection, add_forwarded, forwarded);
}

const struct address *http_request_source(struct http_request *request)
{
    if (!request->has_client)
        request->client = http_request_client(request->connection, add_all_forwarded, request->connection);
    request->has_client = true;
    return &request->client;
}

static void init_exchange(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    struct exchange *exchange = &request->exchange;
    exchange_init(exchange, connection->route == HTTP_ROUTE_SSE ? &sse_legacy_ops : &http_reply_ops,
                  request->front->reactor);
    request->is_exchange = true;
    exchange->listener = http_route_listener(connection, exchange->snapshot->settings);
    exchange->client = *http_request_source(request);
    exchange->facts = request->facts = peer_facts_ref(connection->facts);
    exchange->identity = TAKE(request->identity);
    exchange->reserved = request->body_charged;
    exchange->message =
        request->body ? (struct span){request->body + request->body_start, request->body_size} : SPAN("");
    if (request->session_id[0] != '\0')
        exchange->session_id = span_of(request->session_id);
}

void http_request_open_exchange(struct http_request *request)
{
    init_exchange(request);
}

/* What its client will have sent by then, as far as it is known. */
static uint64_t end_of(const struct http_request *request)
{
    uint64_t start = request->connection->taken_bytes + http_request_head_size(request);
    return request->framing.chunked ? UINT64_MAX : start + request->framing.length;
}

/* Makes the response, unless there is no memory. */
static void refuse(struct http_request *request, const struct http_refusal *refusal)
{
    if (!refusal->is_guard)
        counter_add(request->front->counters, refusal->counter, 1);
    request->connection->refused_end = end_of(request);
    init_exchange(request);
    request->dispatching = true;
    request->exchange.status = refusal->status;
    if (refusal->is_guard)
        guard_refuse(&request->exchange, &refusal->guard);
    else
        exchange_reply_error(&request->exchange, refusal->error, refusal->message);
    request->dispatching = false;
    if (request->response && refusal->allow && http_reply_field(request->response, "Allow", refusal->allow) != 0)
        MHD_destroy_response(TAKE(request->response));
}

static void keep_session_id(struct http_request *request, struct span value)
{
    size_t size = MIN(value.size, sizeof(request->session_id) - 1);
    if (size > 0)
        memcpy(request->session_id, value.at, size);
    request->session_id[size] = '\0';
}

/* The issuer of a credential is being asked: the body stays where it is. */
static enum MHD_Result ask(struct http_request *request)
{
    http_deadline_set(request->connection, HTTP_BUSY);
    http_request_suspend(request);
    return MHD_YES;
}

int http_request_judge(struct http_request *request, const char *method, const char *version)
{
    struct http_head head = {.json = {0}};
    struct http_refusal refusal = {.is_guard = false};
    int result = http_refuse_head(request->connection, method, version, &head, &refusal);
    request->from_browser = !span_absent(head.field[HTTP_FIELD_ORIGIN]);
    request->asking = result == HTTP_ASKING;
    if (result == HTTP_REFUSED)
        refuse(request, &refusal);
    if (result != 0)
        return result;
    keep_session_id(request, head.field[HTTP_FIELD_MCP_SESSION_ID]);
    request->method = *method;
    return 0;
}

/* Nothing more is read of this connection: an answer to a head ends it. */
static enum MHD_Result answer_head(struct http_request *request)
{
    return request->response ? http_reply_queue(request) : MHD_NO;
}

static enum MHD_Result judge(struct http_request *request, const char *method, const char *version)
{
    int result = http_request_judge(request, method, version);
    if (result != 0)
        return result == HTTP_ASKING ? ask(request) : answer_head(request);
    if (request->framing.chunked || request->framing.length > 0)
        http_deadline_set(request->connection, HTTP_BODY);
    return MHD_YES;
}

static enum MHD_Result begin(struct http_connection *connection, const char *method, const char *version)
{
    struct http_request *request = http_request_new(connection);
    if (!request)
        return MHD_NO;
    connection->request = request;
    counter_add(connection->front->counters, COUNTER_HTTP_REQUESTS, 1);
    return judge(request, method, version);
}

/* Of a request that http_straight.c has read: what came of it so far. */
static enum MHD_Result catch_up(struct http_request *request, const char *method, const char *version)
{
    request->ahead = false;
    if (request->asking)
        return request->visit.wait ? ask(request) : judge(request, method, version);
    return request->dispatched ? MHD_YES : answer_head(request);
}

/* ---- dispatch ---- */

size_t http_request_head_size(const struct http_request *request)
{
    if (!span_absent(request->fields))
        return request->body_start;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

static void note_taken(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    if (!request->ahead) /* else it is not taken yet */
        connection->taken_bytes += http_request_head_size(request) + request->body_size;
}

static void dispatch_mcp(struct http_request *request)
{
    switch (request->method) {
    case 'P':
        dispatch_message(&request->exchange);
        break;
    case 'G':
        dispatch_stream(&request->exchange, http_fields_find(request->connection, "Last-Event-ID"));
        break;
    default:
        dispatch_delete(&request->exchange);
        break;
    }
}

static void on_pass_over(void *context, const char *why UNUSED)
{
    http_request_gone(context);
}

/* Answers end by themselves; what has no end of its own is looked at again. */
static void keep_pass(struct http_request *request)
{
    const struct exchange *exchange = &request->exchange;
    bool stays = request->sse || exchange->outlet || exchange->listen;
    if (!stays || request->gone || request->replied)
        return;
    struct credentials credentials = http_refuse_credentials(request);
    request->pass = guard_pass_new(exchange->reactor, &(struct guard_pass_facts){.front = exchange->ops->name,
                                                                                 .credentials = &credentials,
                                                                                 .peer = request->facts,
                                                                                 .identity = exchange->identity,
                                                                                 .over = on_pass_over,
                                                                                 .context = request});
    if (!request->pass)
        http_request_gone(request);
}

static void dispatch_exchange(struct http_request *request)
{
    init_exchange(request);
    request->dispatching = true;
    if (request->connection->route == HTTP_ROUTE_SSE)
        sse_legacy_open(request);
    else if (request->connection->route == HTTP_ROUTE_MESSAGES)
        sse_legacy_post(request);
    else
        dispatch_mcp(request);
    request->dispatching = false;
    keep_pass(request);
}

int http_request_dispatch(struct http_request *request)
{
    request->dispatched = true;
    note_taken(request);
    http_deadline_set(request->connection, HTTP_BUSY);
    if (http_route_is_page((enum http_route)request->connection->route))
        return http_page_answer(request);
    if (request->preflight)
        return http_route_preflight(request);
    if (request->connection->route == HTTP_ROUTE_METADATA)
        return http_route_metadata(request);
    if (request->upgrade)
        return http_upgrade_answer(request);
    dispatch_exchange(request);
    return 0;
}

/* An upgrade that had to wait for the guard. */
static int ask_upgrade_again(struct http_request *request)
{
    return request->upgrade && !request->response && !request->gone ? http_upgrade_answer(request) : 0;
}

/* The request is complete; called again after each resume until there is an answer. */
static enum MHD_Result finish(struct http_request *request)
{
    if (!request->dispatched ? http_request_dispatch(request) != 0 : ask_upgrade_again(request) != 0)
        return MHD_NO;
    if (request->gone)
        return MHD_NO;
    if (request->response)
        return http_reply_queue(request);
    http_request_suspend(request);
    return MHD_YES;
}

enum MHD_Result http_request_on_call(void *cls UNUSED, struct MHD_Connection *mhd UNUSED, const char *url UNUSED,
                                     const char *method, const char *version, const char *upload, size_t *upload_size,
                                     void **context)
{
    struct http_connection *connection = *context;
    struct http_request *request = connection->request;
    if (connection->stage == HTTP_LATE)
        return MHD_NO;
    if (!request)
        return begin(connection, method, version);
    if (request->gone)
        return MHD_NO;
    if (request->ahead)
        return catch_up(request, method, version);
    if (request->asking)
        return judge(request, method, version);
    if (*upload_size == 0)
        return finish(request);
    enum MHD_Result result = !span_absent(request->fields) ? MHD_YES : http_body_add(request, upload, *upload_size);
    *upload_size = 0;
    return result;
}

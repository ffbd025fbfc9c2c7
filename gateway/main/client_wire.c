/* Sends one message and reads until its response. Main thread; owns what it reads until it is handed over. */
#include "gateway/main/client_wire.h"

#include <errno.h>
#include <strings.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/mcp/errors.h"
#include "gateway/mcp/json_tree.h"
#include "transports/wire/sse_reader.h"

enum { MAX_DEPTH = 512, RETRY_MS = 1000, SHOWN_BYTES = 120, REPLY_BYTES = 1024 };

/* What comes back for one request. */
struct receiver {
    struct client_wire *wire;
    int64_t id;
    struct text body; /* of an answer that is no stream */
    struct sse_reader events;
    struct json_object *message;
    struct text *problem;
    int result; /* why reading ended, when not for the response */
};

/* ---- messages ---- */

static const char *string_member(struct json_object *object, const char *key)
{
    struct json_object *value = json_object_object_get(object, key);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static int discard(void *context UNUSED, const struct client_http_answer *answer UNUSED, struct span bytes UNUSED)
{
    return 0;
}

static int add_standard_fields(const struct client_wire *wire, const char *accept, struct curl_slist **fields)
{
    int result = client_http_add_field(fields, "Accept", span_of(accept));
    if (result == 0 && wire->version)
        result = client_http_add_field(fields, "MCP-Protocol-Version", span_of(wire->version));
    if (result == 0 && wire->session[0])
        result = client_http_add_field(fields, "Mcp-Session-Id", span_of(wire->session));
    return result;
}

static int add_post_fields(const struct client_wire *wire, struct curl_slist **fields)
{
    int result = client_http_add_field(fields, "Content-Type", SPAN("application/json"));
    return result == 0 ? add_standard_fields(wire, "application/json, text/event-stream", fields) : result;
}

static int send_answer(struct receiver *receiver, struct span body)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    struct client_http_answer answer;
    if (receiver->wire->websocket)
        return client_websocket_send(receiver->wire->websocket, body);
    int result = add_post_fields(receiver->wire, &fields);
    const struct client_http_request request = {"POST", body, fields, discard, NULL};
    return result == 0 ? client_http_send(receiver->wire->http, &request, &answer, receiver->problem) : result;
}

/* The server asks us: we have declared no capability, so that leaves ping. */
static int answer_request(struct receiver *receiver, const char *method, struct json_object *id)
{
    CLEANUP(text_done) struct text body = TEXT(REPLY_BYTES);
    struct span id_text = span_of(json_object_to_json_string_ext(id, JSON_C_TO_STRING_PLAIN));
    if (strcmp(method, "ping") == 0)
        text_addf(&body, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{}}", SPAN_PRINT(id_text));
    else
        error_add_response(&body, id_text, error_row(ERROR_METHOD_NOT_FOUND)->code[ERA_LEGACY],
                           SPAN("This client has no such method"), (struct span){0});
    return body.error ? 0 : send_answer(receiver, text_span(&body)); /* an id of a kilobyte gets no answer */
}

/* Whether the response is for this request; an error may have no id, or null, when the server could not read it. */
static bool is_ours(const struct receiver *receiver, struct json_object *message)
{
    struct json_object *id = json_object_object_get(message, "id");
    if (!json_object_object_get(message, "result") && !json_object_object_get(message, "error"))
        return false;
    return id ? json_object_is_type(id, json_type_int) && json_object_get_int64(id) == receiver->id
              : json_object_object_get(message, "error") != NULL;
}

static int take_message(struct receiver *receiver, struct json_object *message)
{
    const char *method = string_member(message, "method");
    struct json_object *id = json_object_object_get(message, "id");
    if (method && id)
        return answer_request(receiver, method, id);
    if (method)
        receiver->wire->notice(receiver->wire->context, method, json_object_object_get(message, "params"));
    else if (!receiver->message && is_ours(receiver, message))
        receiver->message = json_object_get(message);
    return 0;
}

static int bad_json(struct receiver *receiver, struct span json, const char *reason)
{
    text_addf(receiver->problem, "the server sent what is not JSON-RPC (%s): %.*s", reason,
              SPAN_PRINT(((struct span){json.at, MIN(json.size, (size_t)SHOWN_BYTES)})));
    return CLIENT_FAILED;
}

int client_wire_value(struct span json, struct span *ret_raw)
{
    struct json_cursor cursor;
    int reason = json_cursor_init(&cursor, json, MAX_DEPTH);
    if (reason == 0)
        reason = json_cursor_value(&cursor, ret_raw);
    return reason == 0 ? json_cursor_finish(&cursor) : reason;
}

static int take_json(struct receiver *receiver, struct span json)
{
    struct json_object *message = NULL;
    struct span raw;
    int reason = client_wire_value(json, &raw);
    if (reason != 0)
        return bad_json(receiver, json, json_reason(reason));
    int result = json_tree(raw, &message);
    if (result != 0)
        return result;
    result = json_object_is_type(message, json_type_object) ? take_message(receiver, message)
                                                            : bad_json(receiver, json, "no object");
    json_object_put(message);
    return result;
}

/* ---- bytes ---- */

enum { ANSWERED = 2 }; /* the transfer may end: what we waited for is there */

static int take_event(void *context, struct span data)
{
    struct receiver *receiver = context;
    int result = take_json(receiver, data);
    return result == 0 && receiver->message ? ANSWERED : result;
}

static bool is_type(const struct client_http_answer *answer, const char *type)
{
    struct span rest = span_of(answer->content_type);
    return span_equal_nocase(span_trim(span_cut(&rest, ';')), span_of(type));
}

static int too_long(struct receiver *receiver)
{
    text_addf(receiver->problem, "the answer is longer than %d MiB, more than this client takes",
              CLIENT_WIRE_MAX_ANSWER_BYTES / 1024 / 1024);
    return CLIENT_FAILED;
}

static int receive(void *context, const struct client_http_answer *answer, struct span bytes)
{
    struct receiver *receiver = context;
    if (is_type(answer, "text/event-stream")) {
        receiver->result = sse_reader_feed(&receiver->events, bytes);
    } else {
        text_add(&receiver->body, bytes);
        receiver->result = receiver->body.error;
    }
    if (receiver->result == -EMSGSIZE)
        receiver->result = too_long(receiver);
    return receiver->result;
}

/* ---- one request ---- */

/* A body that says it is JSON must be it; any other text (a proxy's page) is for the HTTP status to explain. */
static int take_body(struct receiver *receiver, const struct client_http_answer *answer)
{
    if (receiver->body.size == 0 || !is_type(answer, "application/json"))
        return 0;
    return take_json(receiver, text_span(&receiver->body));
}

static int transfer(struct receiver *receiver, const struct client_http_request *request,
                    struct client_http_answer *answer)
{
    receiver->result = 0;
    int result = client_http_send(receiver->wire->http, request, answer, receiver->problem);
    if (receiver->result != 0 && receiver->result != ANSWERED)
        return receiver->result;
    return result == 0 ? take_body(receiver, answer) : result;
}

static void pause_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* Takes the stream up where it ended (2025-11-25, basic/transports, "Resumability and Redelivery"). */
static int resume(struct receiver *receiver, struct client_http_answer *answer)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    int result = add_standard_fields(receiver->wire, "text/event-stream", &fields);
    if (result == 0)
        result = client_http_add_field(&fields, "Last-Event-ID", text_span(&receiver->events.id));
    if (result < 0)
        return result;
    pause_ms(receiver->events.retry_ms ? receiver->events.retry_ms : RETRY_MS);
    return transfer(receiver, &(struct client_http_request){"GET", {0}, fields, receive, receiver}, answer);
}

static int follow(struct receiver *receiver, struct client_http_answer *answer)
{
    uint64_t end_ms = clock_now_ms() + receiver->wire->timeout_ms;
    int result = 0;
    for (unsigned i = 0; i < CLIENT_WIRE_MAX_RESUMES && result == 0; i++) {
        bool cut = !receiver->message && is_type(answer, "text/event-stream") && receiver->events.id.size > 0;
        if (!cut || !receiver->wire->resumes || clock_now_ms() > end_ms)
            break;
        result = resume(receiver, answer);
    }
    return result;
}

/* ---- the same over WebSocket ---- */

/* A notification is through when it is sent; statuses are those that HTTP would have. */
static int send_over_websocket(struct client_wire *wire, struct span message, int64_t id,
                               struct client_reply *ret_reply, struct text *problem)
{
    struct receiver receiver = {.wire = wire, .id = id, .problem = problem};
    int result = client_websocket_send(wire->websocket, message);
    if (result == 0)
        result = client_websocket_wait(wire->websocket, id != 0 ? take_event : NULL, &receiver, problem);
    if (result != 0 && result != ANSWERED) {
        json_object_put(receiver.message);
        return result;
    }
    *ret_reply = (struct client_reply){.http.status = id != 0 ? 200 : 202, .message = receiver.message};
    return 0;
}

int client_wire_send(struct client_wire *wire, struct span message, int64_t id, struct curl_slist **fields,
                     struct client_reply *ret_reply, struct text *problem)
{
    if (wire->websocket)
        return send_over_websocket(wire, message, id, ret_reply, problem);
    struct receiver receiver = {.wire = wire, .id = id, .body = TEXT(CLIENT_WIRE_MAX_ANSWER_BYTES), .problem = problem};
    struct client_http_answer answer = {0};
    int result = add_post_fields(wire, fields);
    sse_reader_init(&receiver.events, CLIENT_WIRE_MAX_ANSWER_BYTES, take_event, &receiver);
    if (result == 0)
        result =
            transfer(&receiver, &(struct client_http_request){"POST", message, *fields, receive, &receiver}, &answer);
    if (result == 0 && id != 0)
        result = follow(&receiver, &answer);
    sse_reader_done(&receiver.events);
    text_done(&receiver.body);
    if (result != 0)
        json_object_put(receiver.message);
    else
        *ret_reply = (struct client_reply){answer, receiver.message};
    return result;
}

void client_wire_end(struct client_wire *wire)
{
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    CLEANUP(text_done) struct text problem = TEXT(REPLY_BYTES);
    struct client_http_answer answer;
    if (!wire->session[0] || add_standard_fields(wire, "application/json", &fields) != 0)
        return;
    /* Whether the server wants to be told is its own affair (405); we are done either way. */
    const struct client_http_request request = {"DELETE", {0}, fields, discard, NULL};
    (void)!client_http_send(wire->http, &request, &answer, &problem);
}

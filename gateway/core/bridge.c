/* Asks the client for what a handler needs. The modern era asks by answering (input_required and a sealed state), the
   legacy era by requests of our own on the call's stream; a task waits for tasks/update. A bridge is what a call
   remembers between two rounds while it waits; it lives on the call's reactor. */
#include "gateway/core/bridge.h"

#include <errno.h>

#include "gateway/core/result.h"
#include "gateway/core/seal.h"
#include "gateway/core/session.h"
#include "gateway/core/task.h"
#include "gateway/mcp/json.h"

struct bridge {
    struct text state;
    struct text answers; /* members of a JSON object, without braces */
    unsigned outstanding;
};

void bridge_free(struct bridge *bridge)
{
    if (!bridge)
        return;
    text_done(&bridge->state);
    text_done(&bridge->answers);
    free(bridge);
}

/* ---- requests ---- */

static struct span string_member(struct span object, const char *key)
{
    struct span text = {0};
    return json_string_plain(json_find(object, key), &text) ? text : (struct span){0};
}

static int check_request(struct span request, unsigned *ret_needed, struct text *problem)
{
    struct span method = string_member(request, "method"), params = json_find(request, "params");
    bool callable = span_absent(params) ? span_is(method, "roots/list") : json_kind(params) == JSON_OBJECT;
    if (callable && capability_of_request(method, params, ret_needed) == 0)
        return 0;
    text_addf(problem, "The handler asked for \"%.*s\", which no client can be asked like that",
              (int)MIN(method.size, 64), method.at ? method.at : "");
    return -EINVAL;
}

int bridge_check_requests(struct span requests, unsigned *ret_needed, struct text *problem)
{
    struct json_iterator members;
    struct span key, request;
    struct span seen[BRIDGE_MAX_REQUESTS];
    unsigned all = 0, count = 0;
    json_object_begin(&members, requests);
    while (json_object_next(&members, &key, &request)) {
        unsigned needed = 0;
        int r = count < BRIDGE_MAX_REQUESTS ? check_request(request, &needed, problem) : -E2BIG;
        for (unsigned i = 0; i < count && r == 0; i++)
            r = json_string_same(seen[i], key) ? -E2BIG : 0;
        if (r == -E2BIG)
            text_addf(problem, "The handler asked for more than %d things at once, or twice under one key",
                      BRIDGE_MAX_REQUESTS);
        if (r < 0)
            return -EINVAL;
        seen[count++] = key;
        all |= needed;
    }
    *ret_needed = all;
    return 0;
}

/* ---- answers ---- */

static void add_member(struct text *out, struct span key, struct span value)
{
    if (out->size > 0 && out->at[out->size - 1] != '{')
        text_add_char(out, ',');
    text_add(out, key);
    text_add_char(out, ':');
    text_add(out, value);
}

/* Clients send these: their number is bounded before they are compared with each other. */
struct keys {
    struct span raw[BRIDGE_MAX_INPUTS];
    unsigned count;
};

static bool among(const struct keys *keys, unsigned count, struct span raw_key)
{
    for (unsigned i = 0; i < count; i++)
        if (json_string_same(keys->raw[i], raw_key))
            return true;
    return false;
}

/* The members of `object` that are not among the first `known` keys. */
static void add_new_members(struct text *out, struct keys *keys, unsigned known, struct span object)
{
    struct json_iterator members;
    struct span key, value;
    json_object_begin(&members, object);
    while (json_object_next(&members, &key, &value)) {
        if (among(keys, known, key))
            continue;
        if (keys->count == BRIDGE_MAX_INPUTS) {
            out->error = -EMSGSIZE;
            return;
        }
        keys->raw[keys->count++] = key;
        add_member(out, key, value);
    }
}

void bridge_merge_inputs(struct text *out, struct span old, struct span fresh)
{
    struct keys keys = {.count = 0};
    text_add_char(out, '{');
    add_new_members(out, &keys, 0, fresh);
    add_new_members(out, &keys, keys.count, old);
    text_add_char(out, '}');
}

/* ---- modern: answer with the question ---- */

static void ask_by_result(struct call *call, struct span requests, struct span state)
{
    struct exchange *exchange = call_exchange(call);
    uint64_t ttl_ms = exchange_settings(exchange)->limits.input_timeout_ms;
    CLEANUP(text_done) struct text result = TEXT(requests.size + 4 * BRIDGE_MAX_INPUT_BYTES);
    text_add_literal(&result, "{\"inputRequests\":");
    text_add(&result, requests);
    text_add_literal(&result, ",\"requestState\":\"");
    int r = seal_add(exchange_gateway(exchange)->seal, exchange, ttl_ms, call_request(call)->inputs, state, &result);
    text_add_literal(&result, "\"}");
    if (r < 0 || result.error)
        call_fail(call, ERROR_INTERNAL, SPAN("The state of the request became too large to hand out"),
                  (struct span){0});
    else
        call_end_with(call, RESULT_INPUT_REQUIRED, text_span(&result));
}

/* ---- legacy: requests of our own ---- */

static int send_request(struct call *call, struct span key, struct span request)
{
    struct exchange *exchange = call_exchange(call);
    struct span params = json_find(request, "params");
    CLEANUP(text_done) struct text name = TEXT(key.size);
    CLEANUP(text_done) struct text message = TEXT(request.size + 256);
    uint64_t id = 0;
    int r = json_string_decode(key, &name);
    if (r == 0)
        r = session_ask(exchange->session, call, text_span(&name), &id);
    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    text_addf(&message, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":", (unsigned long long)id);
    text_add(&message, json_find(request, "method"));
    if (!span_absent(params)) {
        text_add_literal(&message, ",\"params\":");
        text_add(&message, params);
    }
    text_add_char(&message, '}');
    counter_add(exchange_counters(exchange), COUNTER_SERVER_REQUESTS, 1);
    r = message.error ? message.error : exchange_send(exchange, text_span(&message));
    if (r == FRONT_GONE) /* the client can come back for it, if it knows where to */
        return exchange->stream ? 0 : -EPIPE;
    return r;
}

static void send_requests(struct call *call, struct bridge *bridge, struct span requests)
{
    struct json_iterator members;
    struct span key, request;
    int r = 0;
    json_object_begin(&members, requests);
    while (r == 0 && json_object_next(&members, &key, &request))
        bridge->outstanding++;
    json_object_begin(&members, requests);
    while (r == 0 && *call_bridge(call) == bridge && json_object_next(&members, &key, &request))
        r = send_request(call, key, request);
    if (*call_bridge(call) != bridge)
        return; /* sending found the client gone, and that ended the call */
    if (r == -ENOSPC)
        call_fail(call, ERROR_OVER_CAPACITY,
                  SPAN("This session has too many requests that its client has not answered"), (struct span){0});
    else if (r < 0)
        call_fail(call, ERROR_INTERNAL, (struct span){0}, (struct span){0});
    else
        call_start_timer(call, call_settings(call)->limits.input_timeout_ms, CALL_INPUT_TIMED_OUT);
}

bool bridge_is_cut_off(struct call *call)
{
    struct exchange *exchange = call_task(call) ? NULL : call_exchange(call);
    return *call_bridge(call) && exchange && exchange->ops->has_event_ids &&
           gateway_phase(exchange_gateway(exchange)) >= GATEWAY_DRAINING;
}

/* ---- both ---- */

static struct bridge *begin(struct call *call, struct span state)
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));
    if (!bridge)
        return NULL;
    bridge->state = TEXT(BRIDGE_MAX_INPUT_BYTES);
    bridge->answers = TEXT(BRIDGE_MAX_INPUT_BYTES);
    text_add(&bridge->state, state);
    if (bridge->state.error) {
        bridge_free(bridge);
        return NULL;
    }
    bridge_free(*call_bridge(call));
    *call_bridge(call) = bridge;
    return bridge;
}

static void fail_for_want(struct call *call, unsigned missing)
{
    CLEANUP(text_done) struct text data = TEXT(1024);
    CLEANUP(text_done) struct text message = TEXT(1024);
    capabilities_add_required(&data, missing);
    text_add_literal(&message, "The client lacks a capability that this request needs: ");
    capabilities_add(&message, missing);
    call_fail(call, ERROR_MISSING_CAPABILITY, text_span(&message), text_span(&data));
}

static unsigned count_members(struct span object)
{
    struct json_iterator members;
    struct span key, value;
    unsigned count = 0;
    json_object_begin(&members, object);
    while (json_object_next(&members, &key, &value))
        count++;
    return count;
}

/* SEP-2663: a key of inputRequests names one request for the whole life of a task. */
static bool asks_again(struct call *call, struct span requests)
{
    struct json_iterator members;
    struct span key, request;
    struct keys keys = {.count = 0};
    json_object_begin(&members, call_request(call)->inputs);
    while (json_object_next(&members, &key, &request) && keys.count < BRIDGE_MAX_INPUTS)
        keys.raw[keys.count++] = key;
    json_object_begin(&members, requests);
    while (json_object_next(&members, &key, &request))
        if (among(&keys, keys.count, key))
            return true;
    return false;
}

static void ask_of_task(struct call *call, struct bridge *bridge, struct span requests)
{
    bridge->outstanding = count_members(requests);
    if (task_ask(call_task(call), requests) < 0)
        call_fail(call, ERROR_INTERNAL, SPAN("There is no room to keep what the handler asks"), (struct span){0});
}

static void ask_and_wait(struct call *call, struct span requests, struct span state)
{
    struct bridge *bridge = begin(call, state);
    if (!bridge)
        call_fail(call, ERROR_INTERNAL, (struct span){0}, (struct span){0});
    else if (call_task(call))
        ask_of_task(call, bridge, requests);
    else if (bridge_is_cut_off(call))
        call_fail(call, ERROR_DRAINING, (struct span){0}, (struct span){0});
    else
        send_requests(call, bridge, requests);
}

void bridge_ask(struct call *call, struct span requests, struct span state)
{
    const struct call_request *request = call_request(call);
    CLEANUP(text_done) struct text problem = TEXT(256);
    unsigned needed = 0;
    bool waits = call_task(call) || call_exchange(call)->era == ERA_LEGACY;
    if (request->kind == CALL_COMPLETE)
        call_fail(call, ERROR_HANDLER, SPAN("A completion cannot ask the client"), (struct span){0});
    else if (bridge_check_requests(requests, &needed, &problem) < 0)
        call_fail(call, ERROR_HANDLER, text_span(&problem), (struct span){0});
    else if (state.size > BRIDGE_MAX_INPUT_BYTES || requests.size > BRIDGE_MAX_INPUT_BYTES)
        call_fail(call, ERROR_HANDLER, SPAN("The handler's requests or its state are larger than 1 MiB"),
                  (struct span){0});
    else if (call_task(call) && asks_again(call, requests))
        call_fail(call, ERROR_HANDLER, SPAN("The handler asked again under a key that the client has answered"),
                  (struct span){0});
    else if (needed & ~request->capabilities)
        fail_for_want(call, needed & ~request->capabilities);
    else if (!waits)
        ask_by_result(call, requests, state);
    else if (count_members(requests) == 0)
        call_next_round(call, request->inputs, state);
    else
        ask_and_wait(call, requests, state);
}

/* ---- answers come in ---- */

struct arrival {
    struct reactor_post post;
    struct call *call; /* counted */
    struct text key, result, error;
};

static void refuse_answer(struct call *call, const struct arrival *arrival)
{
    CLEANUP(text_done) struct text says = TEXT(arrival->error.size);
    CLEANUP(text_done) struct text message = TEXT(1024);
    (void)!json_string_decode(json_find(text_span(&arrival->error), "message"), &says);
    text_addf(&message, "The client could not answer \"%.*s\": %.*s", (int)MIN(arrival->key.size, 64), arrival->key.at,
              (int)MIN(says.size, 512), says.at ? says.at : "");
    call_fail(call, ERROR_HANDLER, text_span(&message), (struct span){0});
}

static void next_round(struct call *call, struct bridge *bridge)
{
    CLEANUP(text_done) struct text fresh = TEXT(bridge->answers.size + 2);
    CLEANUP(text_done) struct text inputs = TEXT(BRIDGE_MAX_INPUT_BYTES);
    CLEANUP(text_done) struct text state = bridge->state;
    bridge->state = TEXT(0);
    text_add_char(&fresh, '{');
    text_add(&fresh, text_span(&bridge->answers));
    text_add_char(&fresh, '}');
    bridge_merge_inputs(&inputs, call_request(call)->inputs, text_span(&fresh));
    bridge_free(TAKE(*call_bridge(call)));
    if (fresh.error || inputs.error)
        call_fail(call, ERROR_PAYLOAD_TOO_LARGE, SPAN("The client's answers are too large together"), (struct span){0});
    else
        call_next_round(call, text_span(&inputs), text_span(&state));
}

static void take_answer(struct call *call, const struct arrival *arrival)
{
    struct bridge *bridge = *call_bridge(call);
    if (!bridge || bridge->outstanding == 0)
        return; /* the call has ended, or waits for something else */
    if (json_kind(text_span(&arrival->result)) != JSON_OBJECT) {
        refuse_answer(call, arrival);
        return;
    }
    if (bridge->answers.size)
        text_add_char(&bridge->answers, ',');
    text_add_json_string(&bridge->answers, text_span(&arrival->key));
    text_add_char(&bridge->answers, ':');
    text_add(&bridge->answers, text_span(&arrival->result));
    if (bridge->answers.error)
        call_fail(call, ERROR_PAYLOAD_TOO_LARGE, SPAN("The client's answers are too large together"), (struct span){0});
    else if (--bridge->outstanding == 0)
        next_round(call, bridge);
}

static void arrival_free(struct arrival *arrival)
{
    call_unref(arrival->call);
    text_done(&arrival->key);
    text_done(&arrival->result);
    text_done(&arrival->error);
    free(arrival);
}

static void arrived(struct reactor_post *post)
{
    struct arrival *arrival = CONTAINER_OF(post, struct arrival, post);
    take_answer(arrival->call, arrival);
    arrival_free(arrival);
}

void bridge_answer(struct call *call, struct span key, struct span result, struct span error)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    if (!arrival)
        return; /* as if the client had not answered: the input time-out tells the caller */
    arrival->call = call_ref(call);
    arrival->key = TEXT(key.size);
    arrival->result = TEXT(result.size);
    arrival->error = TEXT(error.size);
    text_add(&arrival->key, key);
    text_add(&arrival->result, result);
    text_add(&arrival->error, error);
    if (arrival->key.error || arrival->result.error || arrival->error.error)
        arrival_free(arrival);
    else
        reactor_post(call_reactor(call), &arrival->post, arrived);
}

/* A gateway whose reactors run on the test's thread, a front that writes down what it is told, and a provider whose
   handlers the test plays. Everything that a client sends goes in by the front; what it gets stands in its struct
   asked. fake_done() ends it all and looks that nothing is left: no exchange, no call, no quota. */
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

/* ---- handlers ---- */

/* Without memory nothing is said, so the answer is still owed: with memory again it is given. */
#define FAKE_ANSWER(expression)                                                                                        \
    do {                                                                                                               \
        int fake_r = (expression);                                                                                     \
        if (fake_r == -ENOMEM) {                                                                                       \
            fake_busy++;                                                                                               \
            fake_r = (expression);                                                                                     \
            fake_busy--;                                                                                               \
        }                                                                                                              \
        assert_int_equal(fake_r, 0);                                                                                   \
    } while (0)

static inline void run_echo(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_result_text(call, call_request(call)->arguments, false));
}

#define FAKE_ELICIT                                                                                                    \
    "{\"method\":\"elicitation/create\",\"params\":{\"message\":\"Who?\",\"requestedSchema\":{\"type\":\"object\","    \
    "\"properties\":{\"name\":{\"type\":\"string\"}}}}}"

/* Asks for "name", then answers with all inputs and the state, as text. */
static inline void run_ask(struct fake *fake UNUSED, struct call *call)
{
    const struct call_request *request = call_request(call);
    if (span_absent(json_find(request->inputs, "name"))) {
        FAKE_ANSWER(call_need_input(call, SPAN("{\"name\":" FAKE_ELICIT "}"), SPAN("S1")));
        return;
    }
    CLEANUP(text_done) struct text says = TEXT(MIB);
    fake_busy++;
    text_add(&says, request->state);
    text_add_char(&says, ' ');
    text_add(&says, request->inputs);
    fake_busy--;
    FAKE_ANSWER(call_result_text(call, text_span(&says), false));
}

/* Two rounds: "one" with state A, then "two" with state B. */
static inline void run_ask_twice(struct fake *fake UNUSED, struct call *call)
{
    struct span inputs = call_request(call)->inputs;
    if (span_absent(json_find(inputs, "one")))
        FAKE_ANSWER(call_need_input(call, SPAN("{\"one\":" FAKE_ELICIT "}"), SPAN("A")));
    else if (span_absent(json_find(inputs, "two")))
        FAKE_ANSWER(call_need_input(call, SPAN("{\"two\":" FAKE_ELICIT "}"), SPAN("B")));
    else
        FAKE_ANSWER(call_result_text(call, call_request(call)->state, false));
}

/* Two things at once. */
static inline void run_ask_two(struct fake *fake UNUSED, struct call *call)
{
    struct span inputs = call_request(call)->inputs;
    if (span_absent(json_find(inputs, "a")) || span_absent(json_find(inputs, "b")))
        FAKE_ANSWER(call_need_input(call, SPAN("{\"b\":" FAKE_ELICIT ",\"a\":{\"method\":\"roots/list\"}}"), SPAN("")));
    else
        FAKE_ANSWER(call_result_text(call, inputs, false));
}

static inline void run_nothing_asked(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_need_input(call, SPAN("{}"), SPAN("")));
}

/* Becomes a task at once and asks two things. */
static inline void run_task_ask(struct fake *fake, struct call *call)
{
    int r = call_task_start(call, 0, 500);
    if (r == -ENOMEM || r == -ENOSPC)
        FAKE_ANSWER(call_error(call, -32000, SPAN("no task"), (struct span){0}));
    else
        run_ask_two(fake, call);
}

static inline void run_progress(struct fake *fake UNUSED, struct call *call)
{
    int r = call_progress(call, 1, 3, SPAN("one"));
    if (r == 0)
        r = call_progress(call, 1, 3, SPAN("again"));
    if (r == 0)
        r = call_progress(call, 0.5, -1, SPAN("back"));
    if (r == 0)
        r = call_progress(call, 2.5, 3, SPAN(""));
    assert_true(r == 0 || r == -ENOMEM);
    FAKE_ANSWER(call_result_text(call, SPAN("done"), false));
}

static inline void run_log(struct fake *fake UNUSED, struct call *call)
{
    static const char *const data[] = {"\"debug\"", "\"info\"", "{\"a\": 1}"};
    for (unsigned level = 0; level < ARRAY_SIZE(data); level++) {
        int r = call_log(call, level, SPAN("here"), span_of(data[level]));
        assert_true(r == 0 || r == -ENOMEM);
    }
    FAKE_ANSWER(call_result_text(call, SPAN("logged"), false));
}

static inline void run_fail(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_error(call, -32050, SPAN("no \"luck\""), SPAN("{\"why\":1}")));
}

static inline void run_missing(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_missing_capability(call, CAPABILITY_SAMPLING));
}

static inline void run_bad(struct fake *fake UNUSED, struct call *call)
{
    int r = call_result(call, SPAN("[1"));
    if (r == -ENOMEM)
        FAKE_ANSWER(call_error(call, -32000, SPAN("bad"), (struct span){0}));
    else
        assert_int_equal(r, -EINVAL);
    r = call_result_text(call, SPAN("late"), false);
    assert_true(r == -EALREADY || r == -ENOMEM);
}

static inline void run_resource(struct fake *fake UNUSED, struct call *call)
{
    const struct call_request *request = call_request(call);
    CLEANUP(text_done) struct text result = TEXT(MIB);
    fake_busy++;
    text_add_literal(&result, "{\"contents\":[{\"uri\":");
    text_add_json_string(&result, request->name);
    text_add_literal(&result, ",\"text\":");
    text_add_json_string(&result, request->variables ? request->variables->variables[0].value : SPAN("fixed"));
    text_add_literal(&result, "}]}");
    fake_busy--;
    FAKE_ANSWER(call_result(call, text_span(&result)));
}

static inline void run_prompt(struct fake *fake UNUSED, struct call *call)
{
    if (call_request(call)->kind == CALL_COMPLETE)
        FAKE_ANSWER(call_result(call, SPAN("{\"completion\":{\"values\":[\"x\"]}}")));
    else
        FAKE_ANSWER(call_result(call, SPAN(" {\"messages\":[]} ")));
}

/* ---- catalogue ---- */

#define FAKE_TOOL(name) "{\"name\":\"" name "\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\"}}"

static const struct fake_row {
    enum item_kind kind;
    unsigned flags;
    const char *key;
    const char *definition;
    struct fake_item item;
} fake_rows[] = {
    {ITEM_TOOL, 0, "echo", FAKE_TOOL("echo"), {run_echo}},
    {ITEM_TOOL, 0, "hold", FAKE_TOOL("hold"), {0}},
    {ITEM_TOOL, 0, "ask", FAKE_TOOL("ask"), {run_ask}},
    {ITEM_TOOL, 0, "ask_twice", FAKE_TOOL("ask_twice"), {run_ask_twice}},
    {ITEM_TOOL, 0, "ask_two", FAKE_TOOL("ask_two"), {run_ask_two}},
    {ITEM_TOOL, 0, "nothing_asked", FAKE_TOOL("nothing_asked"), {run_nothing_asked}},
    {ITEM_TOOL, 0, "task_ask", FAKE_TOOL("task_ask"), {run_task_ask}},
    {ITEM_TOOL, 0, "progress", FAKE_TOOL("progress"), {run_progress}},
    {ITEM_TOOL, 0, "log", FAKE_TOOL("log"), {run_log}},
    {ITEM_TOOL, 0, "fail", FAKE_TOOL("fail"), {run_fail}},
    {ITEM_TOOL, 0, "missing", FAKE_TOOL("missing"), {run_missing}},
    {ITEM_TOOL, 0, "bad", FAKE_TOOL("bad"), {run_bad}},
    {ITEM_TOOL, ITEM_TASK_REQUIRED, "task_only", FAKE_TOOL("task_only"), {0}},
    {ITEM_TOOL, ITEM_UNLISTED, "hidden", FAKE_TOOL("hidden"), {run_echo}},
    {ITEM_TOOL,
     0,
     "typed",
     "{\"name\":\"typed\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
     "\"integer\"}},\"required\":[\"n\"]}}",
     {run_echo}},
    {ITEM_TOOL,
     0,
     "regional",
     "{\"name\":\"regional\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"region\":{"
     "\"type\":\"string\",\"x-mcp-header\":\"Region\"}}}}",
     {run_echo}},
    {ITEM_RESOURCE, 0, "note://one", "{\"uri\":\"note://one\",\"name\":\"one\"}", {run_resource}},
    {ITEM_TEMPLATE,
     ITEM_COMPLETES,
     "note://{id}/data",
     "{\"uriTemplate\":\"note://{id}/data\",\"name\":\"many\"}",
     {run_resource}},
    {ITEM_RESOURCE, 0, "note://held", "{\"uri\":\"note://held\",\"name\":\"held\"}", {0}},
    {ITEM_PROMPT,
     ITEM_COMPLETES,
     "greet",
     "{\"name\":\"greet\",\"arguments\":[{\"name\":\"who\",\"required\":true},{\"name\":\"how\"}]}",
     {run_prompt}},
    {ITEM_PROMPT, ITEM_COMPLETES, "slow", "{\"name\":\"slow\"}", {0}},
    {ITEM_PROMPT, 0, "ask", "{\"name\":\"ask\"}", {run_ask}},
};

static inline struct item *fake_item(struct fake *fake, const struct fake_row *row)
{
    struct item *item = NULL;
    struct json_object *definition = json_tokener_parse(row->definition);
    assert_non_null(definition);
    struct text problem = TEXT(1024);
    int r = item_new(&(struct item_definition){.kind = row->kind,
                                               .flags = row->flags,
                                               .key = row->key,
                                               .definition = definition,
                                               .provider = &fake->provider,
                                               .handler = (void *)(uintptr_t)&row->item},
                     &item, &problem);
    if (r != 0)
        fail_msg("%s: %.*s", row->key, SPAN_PRINT(text_span(&problem)));
    json_object_put(definition);
    text_done(&problem);
    return item;
}

/* ---- the gateway ---- */

static inline void fake_keep_settings(struct settings *settings UNUSED)
{
}

static inline void fake_settings(struct fake *fake)
{
    *fake = (struct fake){.settings = {.threads = 1, .page_size = 100, .list_ttl_ms = 5000}};
    fake->settings.limits.max_payload = 16 * MIB;
    fake->settings.limits.max_batch = 5;
    fake->settings.limits.max_in_flight = 1000;
    fake->settings.limits.max_tasks = 10;
    fake->settings.limits.task_ttl_ms = 60000;
    fake->settings.limits.max_subscriptions = 10;
    fake->settings.limits.max_sessions = 10;
    fake->settings.limits.max_streams = 10;
    fake->settings.limits.max_send_queue = MIB;
    fake->settings.limits.max_replay = 64 * KIB;
    fake->settings.limits.session_idle_ms = 60000;
    fake->settings.limits.request_timeout_ms = 60000;
    fake->settings.limits.input_timeout_ms = 60000;
}

static inline void fake_build(struct fake *fake)
{
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct settings_holder *holder = NULL;
    struct snapshot *snapshot = NULL;
    unsigned changed = 0;
    provider_init(&fake->provider, fake->ops ? fake->ops : &fake_provider);
    assert_int_equal(catalogue_builder_new(NULL, &builder), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fake_rows); i++)
        assert_int_equal(catalogue_builder_add(builder, fake_item(fake, &fake_rows[i])), 0);
    assert_int_equal(catalogue_builder_finish(builder, &catalogue, &changed), 0);
    catalogue_builder_free(builder);
    assert_int_equal(settings_holder_new(&fake->settings, fake_keep_settings, &holder), 0);
    assert_int_equal(snapshot_new(holder, catalogue, &snapshot), 0);
    assert_int_equal(gateway_new(snapshot, &fake->gateway), 0);
    atomic_store(&fake->gateway->phase, GATEWAY_READY);
}

/* With the settings of fake_settings(), which the test may have changed, and a clock that stands. */
static inline void fake_init(struct fake *fake)
{
    clock_fake(UINT64_C(1000000) * 1000000, FAKE_START_WALL_MS);
    fake_build(fake);
}

static inline void fake_begin(struct fake *fake)
{
    fake_settings(fake);
    fake_init(fake);
}

/* Runs all that is due. */
static inline void fake_settle(struct fake *fake)
{
    bool any = true;
    while (any) {
        any = false;
        for (unsigned i = 0; i < fake->gateway->reactors; i++)
            any |= reactor_run_here(fake->gateway->reactor[i]);
    }
}

static inline uint64_t fake_used(struct fake *fake, enum quota_name quota)
{
    return quota_used(&fake->gateway->quotas, quota);
}

/* ---- asking ---- */

static inline struct asked *fake_asked_on(struct fake *fake, unsigned reactor)
{
    fake_busy++;
    struct asked *asked = calloc(1, sizeof(*asked));
    fake_busy--;
    assert_non_null(asked);
    asked->fake = fake;
    asked->next = fake->asked;
    fake->asked = asked;
    exchange_init(&asked->exchange, &fake_front, fake->gateway->reactor[reactor]);
    asked->exchange.listener = &fake->listener;
    asked->exchange.identity = identity_ref(fake->caller);
    return asked;
}

static inline struct asked *fake_asked(struct fake *fake)
{
    return fake_asked_on(fake, 0);
}

static inline void fake_add_header(struct asked *asked, const char *name, const char *value)
{
    assert_true(asked->headers < FAKE_MAX_HEADERS);
    asked->header[asked->headers].name = name;
    fake_copy(asked->header[asked->headers++].value, sizeof(asked->header[0].value), span_of(value));
}

static inline void fake_on_reactor(struct asked *asked, void (*run)(struct reactor_post *post))
{
    reactor_post(asked->exchange.reactor, &asked->post, run);
    fake_settle(asked->fake);
}

static inline void fake_dispatch(struct reactor_post *post)
{
    struct asked *asked = CONTAINER_OF(post, struct asked, post);
    dispatch_message(&asked->exchange);
}

static inline void fake_dispatch_stream(struct reactor_post *post)
{
    struct asked *asked = CONTAINER_OF(post, struct asked, post);
    dispatch_stream(&asked->exchange, span_of(asked->is_last_event_id ? asked->last_event_id : NULL));
}

static inline void fake_dispatch_delete(struct reactor_post *post)
{
    dispatch_delete(&CONTAINER_OF(post, struct asked, post)->exchange);
}

static inline void fake_gone_post(struct reactor_post *post)
{
    exchange_gone(&CONTAINER_OF(post, struct asked, post)->exchange);
}

static inline void fake_unref_post(struct reactor_post *post)
{
    exchange_unref(&CONTAINER_OF(post, struct asked, post)->exchange);
}

/* Takes the message (malloc). */
static inline void fake_post(struct asked *asked, char *message)
{
    asked->message = message;
    asked->exchange.message = span_of(message);
    fake_on_reactor(asked, fake_dispatch);
}

PRINTF(1, 2) static inline char *fake_format(const char *format, ...)
{
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    fake_busy++;
    assert_true(vasprintf(&made, format, arguments) >= 0);
    fake_busy--;
    va_end(arguments);
    return made;
}

/* The client goes away. */
static inline void fake_gone(struct asked *asked)
{
    fake_on_reactor(asked, fake_gone_post);
}

/* A modern request. */
struct fake_request {
    const char *method;
    const char *name;         /* Mcp-Name; NULL: none */
    const char *params;       /* members of params with a comma behind them; NULL: none */
    const char *capabilities; /* NULL: elicitation, sampling, roots */
    const char *meta;         /* members of _meta with a comma before them; NULL: none */
    const char *id;           /* NULL: 1 */
};

#define FAKE_CAPABILITIES "{\"elicitation\":{},\"sampling\":{},\"roots\":{}}"
#define FAKE_TASKS                                                                                                     \
    "{\"elicitation\":{},\"sampling\":{},\"roots\":{},\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}"

static inline char *fake_modern_message(const struct fake_request *request)
{
    return fake_format("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"%s\",\"params\":{%s\"_meta\":{"
                       "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                       "\"io.modelcontextprotocol/clientCapabilities\":%s%s}}}",
                       request->id ? request->id : "1", request->method, request->params ? request->params : "",
                       request->capabilities ? request->capabilities : FAKE_CAPABILITIES,
                       request->meta ? request->meta : "");
}

static inline void fake_modern_headers(struct asked *asked, const struct fake_request *request)
{
    fake_add_header(asked, "mcp-protocol-version", "2026-07-28");
    fake_add_header(asked, "Mcp-Method", request->method);
    if (request->name)
        fake_add_header(asked, "Mcp-Name", request->name);
}

static inline struct asked *fake_modern(struct fake *fake, const struct fake_request *request)
{
    struct asked *asked = fake_asked(fake);
    fake_modern_headers(asked, request);
    fake_post(asked, fake_modern_message(request));
    return asked;
}

/* A modern tools/call; `more` as fake_request.params, behind the name. */
static inline struct asked *fake_tool_with(struct fake *fake, const char *name, const char *more,
                                           const char *capabilities)
{
    char *params = fake_format("\"name\":\"%s\",%s", name, more ? more : "");
    struct asked *asked = fake_modern(
        fake,
        &(struct fake_request){.method = "tools/call", .name = name, .params = params, .capabilities = capabilities});
    free(params);
    return asked;
}

static inline struct asked *fake_tool(struct fake *fake, const char *name)
{
    return fake_tool_with(fake, name, NULL, NULL);
}

/* A legacy message; `session` "" or NULL: none. */
static inline struct asked *fake_legacy_on(struct fake *fake, unsigned reactor, const char *session, char *message)
{
    struct asked *asked = fake_asked_on(fake, reactor);
    if (session && session[0]) {
        fake_copy(asked->session, sizeof(asked->session), span_of(session));
        asked->exchange.session_id = span_of(asked->session);
    }
    fake_post(asked, message);
    return asked;
}

static inline struct asked *fake_legacy(struct fake *fake, const char *session, char *message)
{
    return fake_legacy_on(fake, 0, session, message);
}

/* A request of a session; `params`: the whole object, or NULL. */
static inline struct asked *fake_request(struct fake *fake, const char *session, int id, const char *method,
                                         const char *params)
{
    return fake_legacy(fake, session,
                       fake_format("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\"%s%s}", id, method,
                                   params ? ",\"params\":" : "", params ? params : ""));
}

static inline struct asked *fake_call(struct fake *fake, const char *session, int id, const char *tool)
{
    char *params = fake_format("{\"name\":\"%s\",\"_meta\":{\"progressToken\":\"p%d\"}}", tool, id);
    struct asked *asked = fake_request(fake, session, id, "tools/call", params);
    free(params);
    return asked;
}

/* Opens a session; its id goes to `session`. */
static inline void fake_open(struct fake *fake, const char *version, const char *capabilities,
                             char session[FAKE_SESSION_BYTES])
{
    struct asked *asked =
        fake_legacy(fake, NULL,
                    fake_format("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
                                "\"protocolVersion\":\"%s\",\"capabilities\":%s,\"clientInfo\":{\"name\":\"t\","
                                "\"version\":\"1\"}}}",
                                version, capabilities));
    assert_int_equal(asked->status, 200);
    fake_copy(session, FAKE_SESSION_BYTES, span_of(asked->made));
    assert_int_equal(strlen(session), 32);
}

static inline struct asked *fake_get_on(struct fake *fake, unsigned reactor, const char *session,
                                        const char *last_event_id)
{
    struct asked *asked = fake_asked_on(fake, reactor);
    fake_copy(asked->session, sizeof(asked->session), span_of(session));
    asked->exchange.session_id = span_of(session ? asked->session : NULL);
    asked->is_last_event_id = last_event_id != NULL;
    if (last_event_id)
        fake_copy(asked->last_event_id, sizeof(asked->last_event_id), span_of(last_event_id));
    fake_on_reactor(asked, fake_dispatch_stream);
    return asked;
}

static inline struct asked *fake_get(struct fake *fake, const char *session, const char *last_event_id)
{
    return fake_get_on(fake, 0, session, last_event_id);
}

static inline struct asked *fake_delete(struct fake *fake, const char *session)
{
    struct asked *asked = fake_asked(fake);
    fake_copy(asked->session, sizeof(asked->session), span_of(session));
    asked->exchange.session_id = span_of(session ? asked->session : NULL);
    fake_on_reactor(asked, fake_dispatch_delete);
    return asked;
}

/* ---- looking ---- */

static inline void assert_has(const char *text, const char *part)
{
    const char *seen = text ? text : "";
    if (!strstr(seen, part))
        fail_msg("no %s in %s", part, seen);
}

static inline void assert_has_not(const char *text, const char *part)
{
    if (text && strstr(text, part))
        fail_msg("%s in %s", part, text);
}

/* Answered once, with that status and a body with all of that in it. */
static inline void assert_reply(const struct asked *asked, int status, const char *part)
{
    assert_int_equal(asked->replies, 1);
    if (asked->status != status)
        fail_msg("status %d, not %d: %s", asked->status, status, asked->body ? asked->body : "(no body)");
    if (part)
        assert_has(asked->body, part);
}

static inline void assert_error(const struct asked *asked, int status, int code)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "\"error\":{\"code\":%d,", code);
    assert_reply(asked, status, expected);
}

/* The string member of a body, wherever the first of that name stands; the caller frees it. */
static inline char *fake_find(const char *text, const char *member)
{
    char *key = fake_format("\"%s\":\"", member);
    assert_has(text, key);
    const char *at = strstr(text ? text : "", key);
    at = at ? at + strlen(key) : "";
    free(key);
    return fake_format("%.*s", (int)strcspn(at, "\""), at);
}

/* Waits for a real timer, a minute at most. */
static inline void fake_wait_reply(struct fake *fake, const struct asked *asked)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t until = now.tv_sec + 60;
    while (asked->replies == 0 && now.tv_sec < until) {
        fake_settle(fake);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    assert_int_equal(asked->replies, 1);
}

/* ---- the end ---- */

static inline void fake_end_session(struct fake *fake)
{
    for (int i = 0; i < 100 && (fake_used(fake, QUOTA_SESSIONS) || fake_used(fake, QUOTA_TASKS)); i++) {
        clock_fake_advance(UINT64_C(40) * 24 * 3600 * 1000000000);
        session_table_sweep(fake->gateway, 0);
        task_table_sweep(fake->gateway);
        fake_settle(fake);
    }
}

static inline void fake_drop_asked(struct fake *fake)
{
    for (struct asked *asked = fake->asked; asked; asked = asked->next) {
        if (asked->replies == 0)
            fake_gone(asked);
        if (!asked->unreferenced)
            fake_on_reactor(asked, fake_unref_post);
        asked->unreferenced = true;
    }
}

static inline void fake_free_asked(struct fake *fake)
{
    while (fake->asked) {
        struct asked *asked = fake->asked;
        fake->asked = asked->next;
        assert_true(asked->released);
        for (unsigned i = 0; i < asked->events; i++)
            free(asked->event[i]);
        free(asked->body);
        free(asked->message);
        free(asked);
    }
}

static inline void fake_done(struct fake *fake)
{
    fake_busy++;
    fake_drop_asked(fake);
    while (fake->holds > 0) {
        struct call *call = fake_take(fake);
        assert_int_equal(call_error(call, -32000, SPAN("the test is over"), (struct span){0}), 0);
        call_unref(call);
        fake_settle(fake);
    }
    fake_end_session(fake);
    for (unsigned quota = 0; quota < QUOTA_COUNT; quota++)
        if (quota < QUOTA_ATTEMPT_BUCKETS && fake_used(fake, (enum quota_name)quota)) /* from there on: remembered */
            fail_msg("%s: %llu left", quota_label((enum quota_name)quota),
                     (unsigned long long)fake_used(fake, (enum quota_name)quota));
    gateway_free(fake->gateway);
    fake_free_asked(fake);
    provider_unref(&fake->provider);
    assert_true(fake->provider_freed);
    clock_fake_end();
    fake_busy--;
}

/* A gateway whose reactors run on the test's thread, a front that writes down what it is told, and a provider whose
   handlers the test plays. Everything that a client sends goes in by the front; what it gets stands in its struct
   asked. fake_done() ends it all and looks that nothing is left: no exchange, no call, no quota. */
#pragma once
#include "tests/unit/gateway/core/fake_handlers.h"

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

/* Memory that runs out: every scenario runs again and again, and in the n-th run its n-th allocation fails, alone or
   with all that follow. Whatever comes of it, nothing crashes or leaks, nobody is answered twice, what is said is valid
   JSON (fake.h looks), and every quota is back at zero. The linker puts the allocator of this file before the real one.
 */
#include "gateway/core/subscriptions.h"
#include "tests/unit/gateway/core/fake.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static struct {
    bool armed, all_that_follow;
    unsigned long left; /* allocations until one fails */
    unsigned long failed;
} memory;

static bool refused(void)
{
    if (!memory.armed || fake_busy)
        return false;
    if (memory.left > 1) {
        memory.left--;
        return false;
    }
    if (memory.failed > 0 && !memory.all_that_follow)
        return false;
    memory.failed++;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refused() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : __real_strdup(text);
}

/* ---- scenarios: what they get is looked at by the front only ---- */

static void modern_calls(struct fake *fake)
{
    static const char *const tools[] = {"echo", "typed", "log", "fail", "missing", "bad", "ask", "ask_two", "nope"};
    static const char *const lists[] = {"tools/list", "resources/list", "resources/templates/list", "prompts/list",
                                        "server/discover"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        (void)fake_modern(fake, &(struct fake_request){.method = lists[i], .id = "\"\\u0061\""});
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
        (void)fake_tool_with(fake, tools[i], "\"arguments\":{\"a\":\"\\n\"},", NULL);
    (void)fake_modern(fake, &(struct fake_request){.method = "tools/call",
                                                   .name = "progress",
                                                   .params = "\"name\":\"\\u0070rogress\",",
                                                   .meta = ",\"progressToken\":\"p\""});
    (void)fake_modern(fake, &(struct fake_request){.method = "resources/read",
                                                   .name = "note://7/data",
                                                   .params = "\"uri\":\"note://7/data\","});
    (void)fake_modern(fake,
                      &(struct fake_request){.method = "resources/read", .name = "no:", .params = "\"uri\":\"no:\","});
    (void)fake_modern(fake, &(struct fake_request){.method = "prompts/get",
                                                   .name = "greet",
                                                   .params = "\"name\":\"greet\",\"arguments\":{\"who\":\"x\"},"});
    (void)fake_modern(fake, &(struct fake_request){.method = "completion/complete",
                                                   .params = "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"greet\"},"
                                                             "\"argument\":{\"name\":\"who\",\"value\":\"v\"},"});
}

static void modern_rounds(struct fake *fake)
{
    struct asked *asked = fake_tool(fake, "ask_twice");
    if (!asked->body || !strstr(asked->body, "requestState"))
        return;
    char *sealed = fake_find(asked->body, "requestState");
    char *more = fake_format("\"inputResponses\":{\"one\":{\"x\":1}},\"requestState\":\"%s\",", sealed);
    (void)fake_tool_with(fake, "ask_twice", more, NULL);
    free(more);
    more = fake_format("\"requestState\":\"%s-\",", sealed);
    (void)fake_tool_with(fake, "ask_twice", more, NULL);
    free(more);
    free(sealed);
}

/* Answers a held call from outside of the reactor; what fails for want of memory is said again. */
static void answer_held(struct fake *fake)
{
    if (fake->holds == 0)
        return;
    struct call *call = fake_take(fake);
    (void)!call_progress(call, 1, 2, SPAN("x"));
    (void)!call_log(call, 7, SPAN("l"), SPAN("{}"));
    FAKE_ANSWER(call_result_text(call, SPAN("done"), false));
    call_unref(call);
    fake_settle(fake);
}

static void held_calls(struct fake *fake)
{
    (void)fake_tool(fake, "hold");
    answer_held(fake);
    struct asked *asked = fake_tool(fake, "hold");
    if (fake->holds > 0)
        fake_gone(asked);
    answer_held(fake);
}

static void task_methods(struct fake *fake, const char *id)
{
    static const char *const methods[] = {"tasks/get", "tasks/update", "tasks/get", "tasks/cancel", "tasks/get"};
    char *params = fake_format("\"taskId\":\"%s\",\"inputResponses\":{\"a\":{},\"\\u0062\":{\"x\":1}},", id);
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        (void)fake_modern(fake, &(struct fake_request){
                                    .method = methods[i], .name = id, .params = params, .capabilities = FAKE_TASKS});
    free(params);
}

static void tasks(struct fake *fake)
{
    struct asked *asked = fake_tool_with(fake, "task_ask", NULL, FAKE_TASKS);
    if (asked->body && strstr(asked->body, "\"taskId\"")) {
        char *id = fake_find(asked->body, "taskId");
        task_methods(fake, id);
        free(id);
    }
    (void)fake_tool_with(fake, "hold", NULL, FAKE_TASKS);
    if (fake->holds > 0) {
        int r = call_task_start(fake->held[0], 0, 0);
        assert_true(r == 0 || r == -ENOMEM);
        answer_held(fake);
    }
}

static void listening(struct fake *fake)
{
    struct asked *asked =
        fake_modern(fake, &(struct fake_request){.method = "subscriptions/listen",
                                                 .params = "\"notifications\":{\"toolsListChanged\":true,"
                                                           "\"resourceSubscriptions\":[\"a:b\",\"a:\\u0063\"]},"});
    for (int i = 0; i < 2; i++) {
        (void)!subscriptions_announce(fake->gateway, 1U << ITEM_TOOL, (struct span){0});
        (void)!gateway_resource_updated(fake->gateway, SPAN("a:c"));
        fake_settle(fake);
    }
    fake_gone(asked);
    (void)fake_modern(fake, &(struct fake_request){.method = "subscriptions/listen",
                                                   .params = "\"notifications\":{\"promptsListChanged\":true},"});
    drain_begin(fake->gateway);
    fake_settle(fake);
    drain_cut(fake->gateway);
    fake_settle(fake);
}

/* A session, or false. */
static bool open_session(struct fake *fake, const char *version, char session[FAKE_SESSION_BYTES])
{
    struct asked *asked =
        fake_legacy(fake, NULL,
                    fake_format("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0030\",\"method\":\"initialize\",\"params\":{"
                                "\"protocolVersion\":\"%s\",\"capabilities\":" FAKE_CAPABILITIES "}}",
                                version));
    fake_copy(session, FAKE_SESSION_BYTES, span_of(asked->made));
    return session[0] != '\0';
}

static void respond(struct fake *fake, const char *session, int id, const char *rest)
{
    (void)fake_legacy(fake, session, fake_format("{\"jsonrpc\":\"2.0\",\"id\":%d,%s}", id, rest));
}

static void legacy_rounds(struct fake *fake)
{
    char session[FAKE_SESSION_BYTES];
    if (!open_session(fake, "2025-11-25", session))
        return;
    (void)fake_call(fake, session, 1, "ask_two");
    respond(fake, session, 2, "\"result\":{\"roots\":[]}");
    respond(fake, session, 1, "\"result\":{\"x\":\"\\n\"}");
    (void)fake_call(fake, session, 2, "ask_twice");
    respond(fake, session, 3, "\"result\":{}");
    respond(fake, session, 4, "\"error\":{\"code\":1,\"message\":\"no\"}");
    (void)fake_call(fake, session, 3, "nothing_asked");
    (void)fake_call(fake, session, 4, "ask");
    (void)fake_delete(fake, session);
}

static void legacy_streams(struct fake *fake)
{
    char session[FAKE_SESSION_BYTES];
    if (!open_session(fake, "2025-11-25", session))
        return;
    struct asked *standing = fake_get(fake, session, NULL);
    (void)fake_request(fake, session, 1, "resources/subscribe", "{\"uri\":\"a:\\u0062\"}");
    (void)fake_request(fake, session, 1, "logging/setLevel", "{\"level\":\"debug\"}");
    (void)!gateway_resource_updated(fake->gateway, SPAN("a:b"));
    fake_settle(fake);
    struct asked *post = fake_call(fake, session, 2, "hold");
    if (fake->holds > 0) {
        (void)!call_progress(fake->held[0], 0.5, 2, SPAN("x"));
        fake_settle(fake);
        fake_gone(post);
        (void)!call_progress(fake->held[0], 0.75, 2, SPAN("x"));
        fake_settle(fake);
        (void)fake_get(fake, session, "1-1");
        answer_held(fake);
        (void)fake_get(fake, session, "1-0");
    }
    (void)fake_get(fake, session, "0-0");
    (void)fake_call(fake, session, 3, "log");
    fake_gone(standing);
    (void)fake_call(fake, session, 4, "hold");
    (void)fake_request(fake, session, 0, "notifications/cancelled", "{\"requestId\":4}");
    respond(fake, session, 9, "\"method\":\"notifications/cancelled\"");
    (void)fake_legacy(fake, session,
                      fake_format("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                                  "\"requestId\":4}}"));
    answer_held(fake);
}

static void batches(struct fake *fake)
{
    static const char *const first[] = {"echo", "progress"};
    char session[FAKE_SESSION_BYTES];
    if (!open_session(fake, "2025-03-26", session))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
        struct asked *asked = fake_legacy(
            fake, session,
            fake_format(
                "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\",\"_meta\":{"
                "\"progressToken\":1}}},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{"
                "\"name\":\"hold\"}},{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}]",
                first[i]));
        if (i == 1)
            fake_gone(asked);
        answer_held(fake);
    }
}

static int add_and_remove(struct catalogue_builder *builder, void *data)
{
    static const struct fake_row row = {ITEM_TOOL, 0, "late", FAKE_TOOL("late"), {run_echo}};
    struct fake *fake = data;
    struct item *item = NULL;
    struct text problem = TEXT(1024);
    fake_busy++;
    struct json_object *definition = json_tokener_parse(row.definition);
    fake_busy--;
    int r = item_new(&(struct item_definition){.kind = row.kind,
                                               .key = row.key,
                                               .definition = definition,
                                               .provider = &fake->provider,
                                               .handler = (void *)(uintptr_t)&row.item},
                     &item, &problem);
    json_object_put(definition);
    text_done(&problem);
    if (r == 0)
        r = catalogue_builder_add(builder, item);
    if (r < 0)
        item_unref(item);
    return r < 0 ? r : catalogue_builder_remove(builder, ITEM_TOOL, SPAN("echo"), &fake->provider);
}

static void publishing(struct fake *fake)
{
    struct asked *asked = fake_tool(fake, "hold");
    int r = gateway_edit_catalogue(fake->gateway, add_and_remove, fake, 1U << ITEM_PROMPT);
    assert_true(r == 0 || r == GATEWAY_NOT_ANNOUNCED || r == -ENOMEM);
    fake_settle(fake);
    (void)asked;
    (void)fake_tool(fake, "late");
    (void)fake_tool(fake, "echo");
    answer_held(fake);
}

static void (*const scenarios[])(struct fake *fake) = {
    modern_calls, modern_rounds, held_calls, tasks, listening, legacy_rounds, legacy_streams, batches, publishing,
};

/* ---- running them ---- */

/* Each modern request but a stream was answered, unless its client had left. */
static void look_for_answers(const struct fake *fake)
{
    for (const struct asked *asked = fake->asked; asked; asked = asked->next)
        if (asked->headers > 0 && !strstr(asked->message, "subscriptions/listen") &&
            asked->exchange.state != EXCHANGE_GONE)
            assert_int_equal(asked->replies, 1);
}

static unsigned long run_once(void (*scenario)(struct fake *fake), unsigned long n, bool all)
{
    struct fake fake;
    fake_begin(&fake);
    memory.left = n;
    memory.failed = 0;
    memory.all_that_follow = all;
    memory.armed = true;
    scenario(&fake);
    memory.armed = false;
    while (fake.holds > 0)
        answer_held(&fake);
    look_for_answers(&fake);
    fake_done(&fake);
    return memory.failed;
}

static void torture(void **state)
{
    void (*scenario)(struct fake * fake) = *(void (**)(struct fake * fake)) * state;
    unsigned long n = 1;
    while (run_once(scenario, n, false) > 0)
        n++;
    print_message("%lu allocations\n", n - 1);
    assert_true(n > 5);
    for (unsigned long from = 1; from < n; from++)
        (void)run_once(scenario, from, true);
}

/* The gateway itself. */
static void test_making(void **state UNUSED)
{
    for (unsigned long n = 1; n < 1000; n++) {
        struct fake fake;
        struct catalogue_builder *builder = NULL;
        struct catalogue *catalogue = NULL;
        struct settings_holder *holder = NULL;
        struct snapshot *snapshot = NULL;
        unsigned changed = 0;
        fake_settings(&fake);
        fake.settings.threads = 3;
        provider_init(&fake.provider, &fake_provider);
        memory.left = n;
        memory.failed = 0;
        memory.armed = true;
        int r = catalogue_builder_new(NULL, &builder);
        if (r == 0)
            r = catalogue_builder_finish(builder, &catalogue, &changed);
        catalogue_builder_free(builder);
        if (r == 0)
            r = settings_holder_new(&fake.settings, fake_keep_settings, &holder);
        if (r == 0)
            r = snapshot_new(holder, catalogue, &snapshot);
        if (r == 0)
            r = gateway_new(snapshot, &fake.gateway);
        memory.armed = false;
        assert_int_equal(r, memory.failed ? -ENOMEM : 0);
        if (r == 0) {
            gateway_free(fake.gateway);
        } else if (snapshot) {
            snapshot_unref(snapshot);
        } else {
            settings_holder_unref(holder);
            catalogue_unref(catalogue);
        }
        provider_unref(&fake.provider);
        if (r == 0)
            return;
    }
    fail_msg("no end");
}

int main(void)
{
    static void (*scenario[ARRAY_SIZE(scenarios)])(struct fake * fake);
    memcpy(scenario, scenarios, sizeof(scenarios));
    const struct CMUnitTest tests[] = {
        {"modern_calls", torture, NULL, NULL, &scenario[0]},   {"modern_rounds", torture, NULL, NULL, &scenario[1]},
        {"held_calls", torture, NULL, NULL, &scenario[2]},     {"tasks", torture, NULL, NULL, &scenario[3]},
        {"listening", torture, NULL, NULL, &scenario[4]},      {"legacy_rounds", torture, NULL, NULL, &scenario[5]},
        {"legacy_streams", torture, NULL, NULL, &scenario[6]}, {"batches", torture, NULL, NULL, &scenario[7]},
        {"publishing", torture, NULL, NULL, &scenario[8]},     cmocka_unit_test(test_making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is checked before a handler runs: schemas, prompts' arguments, resources and templates, completion; and lists,
   page by page, while the catalogue changes. */
#include "tests/unit/gateway/core/fake.h"

static struct asked *modern(struct fake *fake, const char *method, const char *name, const char *params)
{
    return fake_modern(fake, &(struct fake_request){.method = method, .name = name, .params = params});
}

static const struct {
    const char *method, *name, *params;
    int code; /* 0: a result */
    const char *part, *comment;
} rows[] = {
    {"tools/call", "typed", "\"name\":\"typed\",\"arguments\":{\"n\":1},", 0, "\"text\":\"{\\\"n\\\":1}\"", "fits"},
    {"tools/call", "typed", "\"name\":\"typed\",", 0, "\"isError\":true", "SEP-1303: a mistake is a result"},
    {"tools/call", "typed", "\"name\":\"typed\",\"arguments\":{\"n\":\"x\"},", 0, "\"isError\":true", "wrong type"},
    {"tools/call", "typed", "\"name\":\"typed\",\"arguments\":[1],", -32602, "params.arguments", "no object"},
    {"prompts/get", "greet", "\"name\":\"greet\",\"arguments\":{\"who\":\"x\"},", 0, "\"messages\":[]", "fits"},
    {"prompts/get", "greet", "\"name\":\"greet\",", -32602, "params.arguments.who is required", "required"},
    {"prompts/get", "greet", "\"name\":\"greet\",\"arguments\":{\"who\":1},", -32602, "arguments.who must be a string",
     "number"},
    {"prompts/get", "greet", "\"name\":\"greet\",\"arguments\":{\"wh\\u006f\":\"x\"},", 0, "messages", "escaped"},
    {"prompts/get", "nope", "\"name\":\"nope\",", -32602, "Unknown prompt: nope", "unknown"},
    {"resources/read", "note://one", "\"uri\":\"note://one\",", 0, "\"text\":\"fixed\"", "by its URI"},
    {"resources/read", "note://one", "\"uri\":\"note://one\",", 0, "\"ttlMs\":0,\"cacheScope\":\"private\"", "caching"},
    {"resources/read", "note://1%202/data", "\"uri\":\"note://1%202/data\",", 0, "\"text\":\"1 2\"", "by a template"},
    {"resources/read", "note://", "\"uri\":\"note://\",", -32602, "\"data\":{\"uri\":\"note://\"}", "unknown"},
    {"resources/read", NULL, "", -32602, "params.uri is required", "no URI"},
    {"completion/complete", NULL,
     "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"greet\"},\"argument\":{\"name\":\"who\",\"value\":\"\"},", 0,
     "\"values\":[\"x\"]", "of a prompt"},
    {"completion/complete", NULL,
     "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"ask\"},\"argument\":{\"name\":\"who\",\"value\":\"\"},", 0,
     "{\"values\":[]}", "of one that has none"},
    {"completion/complete", NULL,
     "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"note://one\"},\"argument\":{\"name\":\"x\",\"value\":\"\"},", 0,
     "{\"values\":[]}", "of a resource"},
    {"completion/complete", NULL,
     "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"nope\"},\"argument\":{\"name\":\"x\",\"value\":\"\"},", -32602,
     "params.ref", "of nothing"},
    {"completion/complete", NULL,
     "\"ref\":{\"type\":\"ref/tool\",\"name\":\"echo\"},\"argument\":{\"name\":\"x\",\"value\":\"\"},", -32602,
     "params.ref", "of a tool"},
    {"completion/complete", NULL, "\"ref\":{\"type\":5},\"argument\":{\"name\":\"x\",\"value\":\"\"},", -32602,
     "strings", ""},
    {"completion/complete", NULL, "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"greet\"},", -32602, "params.argument",
     ""},
};

static void test_rules(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct asked *asked = modern(&fake, rows[i].method, rows[i].name, rows[i].params);
        print_message("row %zu: %s\n", i, rows[i].comment);
        if (rows[i].code)
            assert_error(asked, 200, rows[i].code);
        assert_reply(asked, 200, rows[i].part);
        if (!rows[i].code)
            assert_has(asked->body, "\"resultType\":\"complete\"");
    }
    fake_done(&fake);
}

/* What is completed stands in no message: the method decodes it, and the handler may look at it much later. */
static void test_completion_waits(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = modern(
        &fake, "completion/complete", NULL,
        "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"slow\"},\"argument\":{\"name\":\"\\u0061rg\",\"value\":\"v\\n\"},"
        "\"context\":{\"arguments\":{\"x\":\"y\"}},");
    struct call *call = fake_take(&fake);
    const struct call_request *request = call_request(call);
    assert_true(span_is(request->completing, "arg"));
    assert_true(span_is(request->completing_value, "v\n"));
    assert_true(span_is(request->context_arguments, "{\"x\":\"y\"}"));
    assert_int_equal(call_result(call, SPAN("{\"completion\":{\"values\":[]}}")), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_reply(asked, 200, "values");
    fake_done(&fake);
}

/* ---- lists ---- */

static struct asked *page(struct fake *fake, const char *cursor)
{
    char *params = cursor ? fake_format("\"cursor\":\"%s\",", cursor) : NULL;
    struct asked *asked = modern(fake, "tools/list", NULL, params);
    free(params);
    return asked;
}

static void add_names(struct text *out, const char *body)
{
    for (const char *at = strstr(body, "\"tools\":"); (at = strstr(at, "\"name\":\""));) {
        at += 8;
        text_add(out, (struct span){at, strcspn(at, "\"")});
        text_add_char(out, ' ');
    }
}

static int take_out(struct catalogue_builder *builder, void *data)
{
    struct fake *fake = data;
    static const struct fake_row row = {ITEM_TOOL, 0, "newest", FAKE_TOOL("newest"), {run_echo}};
    int r = catalogue_builder_remove(builder, ITEM_TOOL, SPAN("ask"), &fake->provider);
    if (r == 0)
        r = catalogue_builder_remove(builder, ITEM_TOOL, SPAN("log"), &fake->provider);
    return r < 0 ? r : catalogue_builder_add(builder, fake_item(fake, &row));
}

/* A page that follows a change neither repeats nor skips what stayed, even if the item it began after is gone. */
static void test_pages(void **state UNUSED)
{
    struct fake fake;
    fake_settings(&fake);
    fake.settings.page_size = 3;
    fake_init(&fake);
    struct text names = TEXT(SIZE_MAX);
    struct asked *asked = page(&fake, NULL);
    assert_has(asked->body, "\"ttlMs\":5000,\"cacheScope\":\"public\"");
    for (int i = 0; strstr(asked->body, "nextCursor"); i++) {
        add_names(&names, asked->body);
        char *cursor = fake_find(asked->body, "nextCursor");
        assert_error(modern(&fake, "prompts/list", NULL, "\"cursor\":\"x\","), 200, -32602);
        if (i == 0) { /* "ask" was the last that was shown */
            assert_int_equal(gateway_edit_catalogue(fake.gateway, take_out, &fake, 0), 0);
            fake_settle(&fake);
        }
        asked = page(&fake, cursor);
        free(cursor);
    }
    add_names(&names, asked->body);
    text_terminate(&names);
    assert_string_equal(names.at, "echo hold ask ask_twice ask_two nothing_asked task_ask progress fail missing bad "
                                  "task_only typed regional newest ");
    text_done(&names);
    fake_done(&fake);
}

/* ---- changes ---- */

static int put_back(struct catalogue_builder *builder, void *data)
{
    const struct catalogue *catalogue = data;
    catalogue_builder_clear(builder);
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++)
        for (size_t i = 0; i < catalogue_count(catalogue, (enum item_kind)kind); i++) {
            int r = catalogue_builder_add(builder, item_ref(catalogue_at(catalogue, (enum item_kind)kind, i)));
            if (r < 0)
                return r;
        }
    return 0;
}

static int refuse(struct catalogue_builder *builder UNUSED, void *data UNUSED)
{
    return -EPERM;
}

static void test_changes_are_told(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = modern(
        &fake, "subscriptions/listen", NULL,
        "\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":true,\"resourcesListChanged\":true},");
    assert_int_equal(gateway_edit_catalogue(fake.gateway, refuse, NULL, 1), -EPERM);
    struct snapshot *snapshot = gateway_snapshot(fake.gateway);
    int r = gateway_edit_catalogue(fake.gateway, put_back, snapshot_catalogue(snapshot), 0);
    assert_int_equal(r, 0);
    fake_settle(&fake);
    assert_int_equal(asked->events, 1); /* a reload that changes nothing is no news */
    r = gateway_edit_catalogue(fake.gateway, put_back, snapshot_catalogue(snapshot), 1U << ITEM_PROMPT);
    assert_int_equal(r, 0);
    snapshot_unref(snapshot);
    fake_settle(&fake);
    assert_int_equal(asked->events, 2); /* unless somebody says so */
    assert_has(asked->event[1], "prompts/list_changed");
    assert_int_equal(gateway_edit_catalogue(fake.gateway, take_out, &fake, 0), 0);
    fake_settle(&fake);
    assert_int_equal(asked->events, 3);
    assert_has(asked->event[2], "tools/list_changed");
    fake_done(&fake);
}

/* A call that began with one catalogue ends with it. */
static void test_change_while_a_call_runs(void **state UNUSED)
{
    struct fake fake;
    fake_begin(&fake);
    struct asked *asked = fake_tool(&fake, "hold");
    struct call *call = fake_take(&fake);
    struct item *item = call_request(call)->item;
    assert_int_equal(gateway_edit_catalogue(fake.gateway, take_out, &fake, 0), 0);
    fake_settle(&fake);
    assert_string_equal(item->key, "hold");
    assert_error(fake_tool(&fake, "ask"), 200, -32602);
    assert_reply(fake_tool(&fake, "newest"), 200, "content");
    assert_int_equal(call_result_text(call, SPAN("x"), false), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_reply(asked, 200, "\"x\"");
    fake_done(&fake);
}

/* ---- the end ---- */

static void test_drain(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", FAKE_CAPABILITIES, session);
    struct asked *stream = fake_get(&fake, session, NULL);
    struct asked *held = fake_tool(&fake, "hold");
    struct asked *cut = fake_tool(&fake, "hold");
    drain_begin(fake.gateway);
    fake_settle(&fake);
    assert_int_equal(stream->replies, 1);
    assert_error(fake_get(&fake, session, NULL), 503, 503);
    struct asked *refused = modern(&fake, "subscriptions/listen", NULL, NULL);
    assert_error(refused, 503, 503);
    assert_true(refused->retry_after_s > 0);
    assert_reply(modern(&fake, "server/discover", NULL, NULL), 200, NULL); /* it was on its way */
    struct call *call = fake_take(&fake);
    assert_int_equal(call_result_text(call, SPAN("in time"), false), 0);
    call_unref(call);
    fake_settle(&fake);
    assert_reply(held, 200, "in time");
    assert_false(drain_done(fake.gateway));
    drain_cut(fake.gateway);
    fake_settle(&fake);
    assert_error(cut, 503, 503);
    assert_true(drain_done(fake.gateway));
    assert_int_equal(fake.cancels, 1);
    fake_done(&fake);
}

/* ---- sessions that nobody uses ---- */

static void test_idle_sessions(void **state UNUSED)
{
    struct fake fake;
    char idle[FAKE_SESSION_BYTES], used[FAKE_SESSION_BYTES], heard[FAKE_SESSION_BYTES], busy[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    fake_open(&fake, "2025-11-25", "{}", idle);
    fake_open(&fake, "2025-11-25", "{}", used);
    fake_open(&fake, "2025-11-25", "{}", heard);
    fake_open(&fake, "2025-11-25", "{}", busy);
    struct asked *stream = fake_get(&fake, heard, NULL);
    struct asked *held = fake_call(&fake, busy, 1, "hold");
    clock_fake_advance(UINT64_C(60000) * 1000000);
    assert_reply(fake_request(&fake, used, 1, "ping", NULL), 200, NULL);
    assert_int_equal(session_table_sweep(fake.gateway, 60000), 0);
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 4);
    clock_fake_advance(1000000);
    assert_int_equal(session_table_sweep(fake.gateway, 60000), 1);
    fake_settle(&fake);
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 3);
    assert_error(fake_request(&fake, idle, 1, "ping", NULL), 404, -32600);
    assert_reply(fake_request(&fake, used, 1, "ping", NULL), 200, NULL);
    assert_int_equal(stream->replies + held->replies, 0);
    fake_gone(stream);
    struct call *call = fake_take(&fake);
    assert_int_equal(call_result_text(call, SPAN("x"), false), 0);
    call_unref(call);
    fake_settle(&fake);
    clock_fake_advance(UINT64_C(60001) * 1000000);
    assert_int_equal(session_table_sweep(fake.gateway, 60000), 3);
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 0);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_completion_waits),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_changes_are_told),
        cmocka_unit_test(test_change_while_a_call_runs),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_idle_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The policy as clients meet it, in both eras: lists, calls, reads, prompts, completions, subscriptions and tasks of
   callers who may, may not, and lack a scope. */
#include "gateway/core/permission.h"

#include "gateway/core/subscriptions.h"
#include "tests/unit/gateway/core/fake.h"

enum { NOBODY, KEY, TOKEN, ADMIN, CALLERS };
static const struct {
    enum identity_proof proof;
    const char *subject, *scope;
} callers[CALLERS] = {
    [NOBODY] = {IDENTITY_ANONYMOUS, "", "x"},
    [KEY] = {IDENTITY_API_KEY, "ci", "x"},
    [TOKEN] = {IDENTITY_JWT, "alice", "x"},
    [ADMIN] = {IDENTITY_JWT, "root", "admin"},
};

/* Everybody: echo, hold, note://one, notes 1x, the prompt greet. Keys: the tools ask*. Admins: all, but the tool fail
   is nobody's. */
static const char *everybody[] = {"echo", "hold"}, *notes[] = {"note://one", "note://1*"}, *greet[] = {"greet"};
static const char *asking[] = {"ask*"}, *all[] = {"*"}, *fail_tool[] = {"fail"}, *admin[] = {"admin"}, *ci[] = {"ci"};
#define LIST_OF(array)                                                                                                 \
    {                                                                                                                  \
        (char **)(uintptr_t)(array), ARRAY_SIZE(array)                                                                 \
    }
static struct policy_rule_settings rules[] = {
    {.name = (char *)(uintptr_t) "everybody",
     .allow = {.tools = LIST_OF(everybody), .resources = LIST_OF(notes), .prompts = LIST_OF(greet)},
     .deny = {.tools = LIST_OF(fail_tool)}},
    {.name = (char *)(uintptr_t) "keys", .who = {.keys = LIST_OF(ci)}, .allow = {.tools = LIST_OF(asking)}},
    {.name = (char *)(uintptr_t) "admins",
     .who = {.scopes = LIST_OF(admin)},
     .allow = {.tools = LIST_OF(all), .resources = LIST_OF(all), .prompts = LIST_OF(all)}},
};

struct scene {
    struct fake fake;
    struct identity *caller[CALLERS];
};

static void begin_with(struct scene *scene, size_t policies)
{
    struct fake *fake = &scene->fake;
    fake_settings(fake);
    fake->listener.path = (char *)(uintptr_t) "/mcp";
    fake->listener.address_text = (char *)(uintptr_t) "127.0.0.1:80";
    fake->settings.listener = &fake->listener;
    fake->settings.listeners = 1;
    fake->settings.policy = rules;
    fake->settings.policies = policies;
    fake_init(fake);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct span scope = span_of(callers[i].scope);
        struct identity_facts facts = {
            .proof = callers[i].proof, .subject = span_of(callers[i].subject), .scope = &scope, .scopes = 1};
        assert_int_equal(identity_new(&facts, &scene->caller[i]), 0);
    }
}

static void begin(struct scene *scene)
{
    begin_with(scene, ARRAY_SIZE(rules));
}

static void done(struct scene *scene)
{
    scene->fake.caller = NULL;
    fake_done(&scene->fake);
    for (unsigned i = 0; i < CALLERS; i++)
        identity_unref(scene->caller[i]);
}

static struct fake *as(struct scene *scene, unsigned caller)
{
    scene->fake.caller = scene->caller[caller];
    return &scene->fake;
}

/* ---- requests, of either era ---- */

static struct asked *ask(struct fake *fake, bool modern, const char *method, const char *name, const char *members)
{
    char session[FAKE_SESSION_BYTES];
    char *params = fake_format(modern ? "%s," : "{%s}", members);
    struct asked *asked;
    if (modern) {
        asked = fake_modern(fake, &(struct fake_request){.method = method, .name = name, .params = params});
    } else {
        fake_open(fake, "2025-11-25", "{}", session);
        asked = fake_request(fake, session, 1, method, params);
        fake_delete(fake, session);
    }
    free(params);
    return asked;
}

/* The whole of a list, over all of its pages. */
static void list(struct fake *fake, bool modern, const char *method, struct text *out)
{
    char *members = fake_format("\"x\":0"), *cursor;
    text_clear(out);
    do {
        struct asked *asked = ask(fake, modern, method, NULL, members);
        assert_reply(asked, 200, NULL);
        text_add(out, span_of(asked->body));
        cursor = strstr(asked->body, "\"nextCursor\":\"");
        free(members);
        members = cursor ? fake_format("\"cursor\":\"%.*s\"", (int)strcspn(cursor + 14, "\""), cursor + 14) : NULL;
    } while (cursor);
    text_terminate(out);
}

static const struct {
    unsigned caller;
    const char *method, *seen, *unseen;
} lists[] = {
    {NOBODY, "tools/list", "\"echo\" \"hold\"", "\"ask\" \"fail\" \"typed\" \"hidden\""},
    {KEY, "tools/list", "\"echo\" \"ask\" \"ask_two\"", "\"fail\" \"typed\" \"hidden\""},
    {TOKEN, "tools/list", "\"echo\" \"ask\" \"typed\"", "\"fail\" \"hidden\""}, /* can step up, so it sees what for */
    {ADMIN, "tools/list", "\"echo\" \"ask\" \"typed\"", "\"fail\" \"hidden\""},
    {NOBODY, "resources/list", "\"note://one\"", "\"note://held\""},
    {ADMIN, "resources/list", "\"note://one\" \"note://held\"", ""},
    {NOBODY, "resources/templates/list", "\"note://{id}/data\"", ""},
    {NOBODY, "prompts/list", "\"greet\"", "\"slow\" \"ask\""},
    {ADMIN, "prompts/list", "\"greet\" \"slow\"", ""},
};

static void check_words(const char *text, const char *words, bool there)
{
    struct span rest = span_of(words);
    while (!span_absent(rest) && rest.size > 0) {
        char word[64];
        fake_copy(word, sizeof(word), span_cut(&rest, ' '));
        there ? assert_has(text, word) : assert_has_not(text, word);
    }
}

static void test_lists(void **state UNUSED)
{
    struct scene scene;
    CLEANUP(text_done) struct text seen = TEXT(MIB);
    begin(&scene);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        for (int modern = 0; modern < 2; modern++) {
            list(as(&scene, lists[i].caller), modern, lists[i].method, &seen);
            check_words(seen.at, lists[i].seen, true);
            check_words(seen.at, lists[i].unseen, false);
            if (modern)
                assert_has(seen.at, "\"cacheScope\":\"private\"");
        }
    done(&scene);
}

/* Pages are full whatever is hidden between their items, and cursors tell nothing. */
static void test_pages(void **state UNUSED)
{
    struct scene scene;
    begin(&scene);
    struct fake *fake = as(&scene, KEY);
    fake->settings.page_size = 3; /* echo, hold, ask | ask_twice, ask_two */
    struct asked *first = ask(fake, true, "tools/list", NULL, "\"x\":0");
    check_words(first->body, "\"echo\" \"hold\" \"ask\" nextCursor", true);
    check_words(first->body, "\"ask_twice\"", false);
    char *at = strstr(first->body, "\"nextCursor\":\"") + 14;
    char *members = fake_format("\"cursor\":\"%.*s\"", (int)strcspn(at, "\""), at);
    struct asked *second = ask(fake, true, "tools/list", NULL, members);
    check_words(second->body, "\"ask_twice\" \"ask_two\"", true);
    check_words(second->body, "\"echo\" \"typed\" nextCursor", false);
    assert_error(ask(as(&scene, TOKEN), true, "tools/list", NULL, members), 200, -32602); /* another's */
    assert_error(ask(as(&scene, KEY), true, "prompts/list", NULL, members), 200, -32602); /* of another list */
    assert_error(ask(fake, true, "tools/list", NULL, "\"cursor\":\"MXQx\""), 200,
                 -32602);         /* of a time without policy */
    fake->settings.page_size = 5; /* exactly what is seen: there is no page behind it */
    assert_has_not(ask(fake, true, "tools/list", NULL, "\"x\":0")->body, "nextCursor");
    free(members);
    done(&scene);
}

/* ---- names ---- */

static const struct {
    const char *method, *name, *members, *unknown, *unknown_members;
    char verdict[CALLERS + 1]; /* + may, - does not exist, s scope */
} names[] = {
    {"tools/call", "echo", "\"name\":\"echo\"", "eche", "\"name\":\"eche\"", "++++"},
    {"tools/call", "ask", "\"name\":\"ask\"", "asl", "\"name\":\"asl\"", "-+s+"},
    {"tools/call", "bad", "\"name\":\"bad\"", "bae", "\"name\":\"bae\"", "-ss+"},
    {"tools/call", "fail", "\"name\":\"fail\"", "faim", "\"name\":\"faim\"", "----"},
    {"tools/call", "none", "\"name\":\"none\"", "nonf", "\"name\":\"nonf\"", "----"},
    {"resources/read", "note://one", "\"uri\":\"note://one\"", "note://onf", "\"uri\":\"note://onf\"", "++++"},
    {"resources/read", "note://17/data", "\"uri\":\"note://17/data\"", "note://17/dat_", "\"uri\":\"note://17/dat_\"",
     "++++"},
    {"resources/read", "note://7/data", "\"uri\":\"note://7/data\"", "note://7/dat_", "\"uri\":\"note://7/dat_\"",
     "-ss+"},
    {"prompts/get", "slow", "\"name\":\"slow\"", "slox", "\"name\":\"slox\"", "-ss+"},
};

static void replace(char *text, const char *from, const char *to)
{
    for (char *at; (at = strstr(text, from));)
        memcpy(at, to, strlen(to));
}

static void check_name(struct fake *fake, size_t row, bool modern, char verdict)
{
    struct asked *asked = ask(fake, modern, names[row].method, names[row].name, names[row].members);
    if (verdict == 's') {
        assert_error(asked, 403, 403);
        assert_has(asked->body, "lacks a scope that this needs: admin");
    } else if (verdict == '+' && asked->body) { /* handlers that hold still hold it */
        assert_has_not(asked->body, "nknown");
        assert_has_not(asked->body, "no such");
        assert_int_equal(asked->status == 403, false);
    } else if (verdict == '-') { /* to the byte what a name gets that does not exist */
        struct asked *unknown = ask(fake, modern, names[row].method, names[row].unknown, names[row].unknown_members);
        assert_int_equal(asked->status, unknown->status);
        replace(asked->body, names[row].name, names[row].unknown);
        assert_string_equal(asked->body, unknown->body);
    }
}

static void test_names(void **state UNUSED)
{
    struct scene scene;
    begin(&scene);
    for (size_t row = 0; row < ARRAY_SIZE(names); row++)
        for (unsigned caller = 0; caller < CALLERS; caller++)
            for (int modern = 0; modern < 2; modern++) {
                /* The kinds of answers of a request that is in flight are other tests' matter. */
                if (strcmp(names[row].name, "slow") == 0 && names[row].verdict[caller] == '+')
                    continue;
                check_name(as(&scene, caller), row, modern, names[row].verdict[caller]);
            }
    done(&scene);
}

static void test_nobody_asked(void **state UNUSED)
{
    struct scene scene;
    begin(&scene);
    assert_reply(fake_tool(&scene.fake, "echo"), 200, "result");
    assert_error(fake_tool(&scene.fake, "ask"), 200, -32602);
    done(&scene);
}

static const struct {
    const char *type, *key;
    char verdict[CALLERS + 1];
} completions[] = {
    {"ref/prompt\",\"name", "greet", "++++"},        {"ref/prompt\",\"name", "slow", "-ss "},
    {"ref/prompt\",\"name", "none", "----"},         {"ref/resource\",\"uri", "note://{id}/data", "++++"},
    {"ref/resource\",\"uri", "note://held", "-ss+"},
};

static void test_completions(void **state UNUSED)
{
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < ARRAY_SIZE(completions); i++)
        for (unsigned caller = 0; caller < CALLERS; caller++) {
            char verdict = completions[i].verdict[caller];
            if (verdict == ' ')
                continue;
            char *members =
                fake_format("\"ref\":{\"type\":\"%s\":\"%s\"},\"argument\":{\"name\":\"who\",\"value\":\"\"}",
                            completions[i].type, completions[i].key);
            struct asked *asked = ask(as(&scene, caller), true, "completion/complete", NULL, members);
            if (verdict == 's')
                assert_error(asked, 403, 403);
            else
                assert_reply(asked, 200, verdict == '-' ? "names no prompt" : "result");
            free(members);
        }
    done(&scene);
}

/* ---- what is told ---- */

static void updated(struct fake *fake, const char *uri)
{
    assert_int_equal(gateway_resource_updated(fake->gateway, span_of(uri)), 0);
    fake_settle(fake);
}

static void test_subscriptions(void **state UNUSED)
{
    struct scene scene;
    char session[FAKE_SESSION_BYTES];
    begin(&scene);
    struct fake *fake = as(&scene, NOBODY);
    struct asked *listening = fake_modern(
        fake,
        &(struct fake_request){
            .method = "subscriptions/listen",
            .params = "\"notifications\":{\"resourceSubscriptions\":[\"note://one\",\"note://held\",\"none:\"]},"});
    assert_int_equal(listening->events, 1);
    fake_open(fake, "2025-11-25", "{}", session);
    struct asked *get = fake_get(fake, session, NULL);
    assert_reply(fake_request(fake, session, 1, "resources/subscribe", "{\"uri\":\"note://one\"}"), 200, "{}");
    /* What is hidden is subscribed to as what does not exist is. */
    assert_reply(fake_request(fake, session, 2, "resources/subscribe", "{\"uri\":\"note://held\"}"), 200, "{}");
    assert_reply(fake_request(fake, session, 2, "resources/subscribe", "{\"uri\":\"none:\"}"), 200, "{}");
    updated(fake, "note://one");
    updated(fake, "note://held");
    assert_int_equal(listening->events, 2);
    assert_has(listening->event[1], "note://one");
    assert_int_equal(get->events, 1);
    assert_has(get->event[0], "note://one");
    char other[FAKE_SESSION_BYTES];
    as(&scene, TOKEN);
    fake_open(fake, "2025-11-25", "{}", other);
    assert_error(fake_request(fake, other, 1, "resources/subscribe", "{\"uri\":\"note://held\"}"), 403, 403);
    fake_delete(fake, other);
    as(&scene, NOBODY);
    fake_delete(fake, session);
    fake_gone(listening);
    done(&scene);
}

static int no_change(struct catalogue_builder *builder UNUSED, void *data UNUSED)
{
    return 0;
}

static void keep(struct settings *settings UNUSED)
{
}

static void reload(struct fake *fake, struct settings *settings)
{
    struct settings_holder *holder = NULL;
    assert_int_equal(settings_holder_new(settings, keep, &holder), 0);
    assert_int_equal(gateway_reconfigure(fake->gateway, holder, no_change, NULL), 0);
    settings_holder_unref(holder);
    fake_settle(fake);
}

/* Another policy is told as another list to everybody; the same one is not; and from then on it counts, for streams
   that are open, too. */
static void test_reload(void **state UNUSED)
{
    struct scene scene;
    struct settings same, open;
    begin(&scene);
    struct fake *fake = as(&scene, NOBODY);
    struct asked *listening =
        fake_modern(fake, &(struct fake_request){.method = "subscriptions/listen",
                                                 .params = "\"notifications\":{\"toolsListChanged\":true,"
                                                           "\"resourceSubscriptions\":[\"note://held\"]},"});
    same = open = fake->settings;
    open.policies = 0;
    reload(fake, &same);
    updated(fake, "note://held");
    assert_int_equal(listening->events, 1);
    reload(fake, &open);
    assert_int_equal(listening->events, 2);
    assert_has(listening->event[1], "notifications/tools/list_changed");
    assert_reply(fake_tool(fake, "ask_twice"), 200, "input_required");
    updated(fake, "note://held");
    assert_int_equal(listening->events, 3);
    reload(fake, &same);
    updated(fake, "note://held");
    assert_int_equal(listening->events, 4);
    assert_error(fake_tool(fake, "ask_twice"), 200, -32602);
    fake_gone(listening);
    done(&scene);
}

struct addition {
    struct fake *fake;
    const char *name;
    unsigned count;
};

/* Tools NAME0, NAME1 ... */
static int add_tools(struct catalogue_builder *builder, void *data)
{
    const struct addition *addition = data;
    for (unsigned i = 0; i < addition->count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s%u", addition->name, i);
        char *definition = fake_format(FAKE_TOOL("%s"), name);
        struct fake_row row = {ITEM_TOOL, 0, name, definition, {0}};
        assert_int_equal(catalogue_builder_add(builder, fake_item(addition->fake, &row)), 0);
        free(definition);
    }
    return 0;
}

static struct asked *listen_for_tools(struct scene *scene, unsigned caller)
{
    return fake_modern(as(scene, caller),
                       &(struct fake_request){.method = "subscriptions/listen",
                                              .params = "\"notifications\":{\"toolsListChanged\":true},"});
}

/* A list that is the same as before for a caller is not said to have changed: the news would be that something hidden
   has. So many changes that nobody keeps them are said to all. */
static void test_list_changes(void **state UNUSED)
{
    struct scene scene;
    char session[FAKE_SESSION_BYTES];
    begin(&scene);
    struct asked *nobody = listen_for_tools(&scene, NOBODY), *key = listen_for_tools(&scene, KEY);
    struct fake *fake = as(&scene, NOBODY);
    fake_open(fake, "2025-11-25", "{}", session);
    struct asked *get = fake_get(fake, session, NULL);
    struct addition addition = {fake, "ask_more", 2};
    assert_int_equal(gateway_edit_catalogue(fake->gateway, add_tools, &addition, 0), 0);
    fake_settle(fake);
    assert_int_equal(key->events, 2);
    assert_int_equal(nobody->events, 1);
    assert_int_equal(get->events, 0);
    addition.name = "other"; /* nobody's but the admins' */
    assert_int_equal(gateway_edit_catalogue(fake->gateway, add_tools, &addition, 0), 0);
    fake_settle(fake);
    assert_int_equal(key->events, 2);
    assert_int_equal(nobody->events, 1);
    addition.name = "many";
    addition.count = CATALOGUE_MAX_CHANGES + 1;
    assert_int_equal(gateway_edit_catalogue(fake->gateway, add_tools, &addition, 0), 0);
    fake_settle(fake);
    assert_int_equal(key->events, 3);
    assert_int_equal(nobody->events, 2);
    assert_int_equal(get->events, 1);
    assert_int_equal(gateway_edit_catalogue(fake->gateway, no_change, NULL, 1U << ITEM_TOOL), 0); /* a module says so */
    fake_settle(fake);
    assert_int_equal(nobody->events, 3);
    fake_delete(fake, session);
    fake_gone(nobody);
    fake_gone(key);
    done(&scene);
}

/* Whoever may not call a tool any more does not get at what it has done before. */
static void test_tasks(void **state UNUSED)
{
    struct scene scene;
    struct settings closed, open;
    begin_with(&scene, 0);
    struct fake *fake = as(&scene, NOBODY);
    struct asked *made = fake_tool_with(fake, "task_ask", NULL, FAKE_TASKS);
    assert_reply(made, 200, "\"taskId\":\"");
    char *at = strstr(made->body, "\"taskId\":\"") + 10;
    char *id = fake_format("%.*s", (int)strcspn(at, "\""), at), *params = fake_format("\"taskId\":\"%s\",", id);
    struct fake_request get = {.method = "tasks/get", .name = id, .params = params, .capabilities = FAKE_TASKS};
    assert_reply(fake_modern(fake, &get), 200, "\"status\":");
    closed = open = fake->settings;
    closed.policies = ARRAY_SIZE(rules);
    reload(fake, &closed);
    assert_error(fake_modern(fake, &get), 200, -32602);
    reload(fake, &open);
    assert_reply(fake_modern(fake, &get), 200, "\"status\":");
    free(params);
    free(id);
    done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),        cmocka_unit_test(test_pages),        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nobody_asked), cmocka_unit_test(test_completions),  cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_reload),       cmocka_unit_test(test_list_changes), cmocka_unit_test(test_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

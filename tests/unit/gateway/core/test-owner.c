/* What belongs to one identity is unknown to any other: sessions, their streams, tasks, sealed request state; and the
   same identity has them whatever credential it shows. */
#include "gateway/core/inbox.h"
#include "gateway/core/owner.h"

#include "tests/unit/gateway/core/fake.h"

enum { ALICE, ALICE_AGAIN, BOB, BOBS_TOKEN, ANONYMOUS, CALLERS };

static const struct {
    enum identity_proof proof;
    const char *subject, *scope;
} callers[CALLERS] = {
    [ALICE] = {IDENTITY_API_KEY, "alice", "tools"},
    [ALICE_AGAIN] = {IDENTITY_API_KEY, "alice", "all"}, /* another key of the same name */
    [BOB] = {IDENTITY_API_KEY, "bob", "tools"},
    [BOBS_TOKEN] = {IDENTITY_JWT, "alice", "tools"}, /* who calls himself alice at some issuer */
    [ANONYMOUS] = {IDENTITY_ANONYMOUS, "", "tools"},
};

struct scene {
    struct fake fake;
    struct identity *caller[CALLERS];
};

static void begin(struct scene *scene)
{
    fake_begin(&scene->fake);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct span scope = span_of(callers[i].scope);
        struct identity_facts facts = {
            .proof = callers[i].proof, .subject = span_of(callers[i].subject), .scope = &scope, .scopes = 1};
        assert_int_equal(identity_new(&facts, &scene->caller[i]), 0);
    }
}

static void done(struct scene *scene)
{
    scene->fake.caller = NULL;
    fake_done(&scene->fake);
    for (unsigned i = 0; i < CALLERS; i++)
        identity_unref(scene->caller[i]);
}

static void become(struct scene *scene, unsigned caller)
{
    scene->fake.caller = scene->caller[caller];
}

static void test_owner(void **state UNUSED)
{
    struct scene scene;
    begin(&scene);
    struct owner alice = owner_of(scene.caller[ALICE]), nobody = owner_of(NULL);
    assert_true(owner_is(&alice, scene.caller[ALICE]));
    assert_true(owner_is(&alice, scene.caller[ALICE_AGAIN]));
    assert_false(owner_is(&alice, scene.caller[BOB]));
    assert_false(owner_is(&alice, scene.caller[BOBS_TOKEN]));
    assert_false(owner_is(&alice, NULL));
    assert_true(owner_is(&nobody, NULL));
    assert_true(owner_is(&nobody, scene.caller[ANONYMOUS]));
    assert_false(owner_is(&nobody, scene.caller[ALICE]));
    done(&scene);
}

static void test_session(void **state UNUSED)
{
    struct scene scene;
    struct fake *fake = &scene.fake;
    char session[FAKE_SESSION_BYTES];
    begin(&scene);
    become(&scene, ALICE);
    fake_open(fake, "2025-11-25", "{}", session);
    assert_reply(fake_request(fake, session, 1, "ping", NULL), 200, "{}");
    become(&scene, ALICE_AGAIN);
    assert_reply(fake_request(fake, session, 2, "ping", NULL), 200, "{}");
    for (unsigned other = BOB; other < CALLERS; other++) {
        become(&scene, other);
        assert_error(fake_request(fake, session, 3, "ping", NULL), 404, -32600);
        assert_error(fake_get(fake, session, NULL), 404, -32600);
        assert_error(fake_delete(fake, session), 404, -32600);
        assert_error(fake_request(fake, session, 3, "initialize", "{\"protocolVersion\":\"2025-11-25\"}"), 404, -32600);
    }
    fake->caller = NULL;
    assert_error(fake_request(fake, session, 4, "ping", NULL), 404, -32600);
    become(&scene, ALICE);
    assert_reply(fake_delete(fake, session), 204, NULL);
    done(&scene);
}

/* A stranger's request does not keep a session from becoming idle. */
static void test_idle(void **state UNUSED)
{
    enum { IDLE_MS = 1000 };
    struct scene scene;
    struct fake *fake = &scene.fake;
    char session[FAKE_SESSION_BYTES];
    begin(&scene);
    become(&scene, ALICE);
    fake_open(fake, "2025-11-25", "{}", session);
    clock_fake_advance(UINT64_C(900) * 1000000);
    become(&scene, BOB);
    assert_error(fake_request(fake, session, 1, "ping", NULL), 404, -32600);
    clock_fake_advance(UINT64_C(900) * 1000000);
    session_table_sweep(fake->gateway, IDLE_MS);
    assert_int_equal(fake_used(fake, QUOTA_SESSIONS), 0);
    done(&scene);
}

static char *answer_by(const char *name)
{
    return fake_format(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"action\":\"accept\",\"content\":{\"name\":\"%s\"}}}", name);
}

/* A question of ours is answered by whom it was put to. */
static void test_question(void **state UNUSED)
{
    struct scene scene;
    struct fake *fake = &scene.fake;
    char session[FAKE_SESSION_BYTES];
    begin(&scene);
    become(&scene, ALICE);
    fake_open(fake, "2025-11-25", "{\"elicitation\":{}}", session);
    struct asked *call = fake_call(fake, session, 1, "ask");
    assert_int_equal(call->events, 1);
    become(&scene, BOB);
    assert_error(fake_legacy(fake, session, answer_by("Mallory")), 404, -32600);
    assert_int_equal(call->replies, 0);
    become(&scene, ALICE);
    assert_reply(fake_legacy(fake, session, answer_by("Alice")), 202, NULL);
    assert_reply(call, 200, "Alice");
    done(&scene);
}

static struct asked *task_method(struct fake *fake, const char *method, const char *id)
{
    char *params = fake_format("\"taskId\":\"%s\",\"inputResponses\":{},", id);
    struct asked *asked = fake_modern(
        fake, &(struct fake_request){.method = method, .name = id, .params = params, .capabilities = FAKE_TASKS});
    free(params);
    return asked;
}

static void test_task(void **state UNUSED)
{
    static const char *const methods[] = {"tasks/get", "tasks/update", "tasks/cancel"};
    struct scene scene;
    struct fake *fake = &scene.fake;
    begin(&scene);
    become(&scene, ALICE);
    struct asked *asked = fake_tool_with(fake, "task_ask", NULL, FAKE_TASKS);
    assert_reply(asked, 200, "\"resultType\":\"task\"");
    char *id = fake_find(asked->body, "taskId");
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        become(&scene, BOB);
        assert_reply(task_method(fake, methods[i], id), 200, "There is no such task");
        fake->caller = NULL;
        assert_reply(task_method(fake, methods[i], id), 200, "There is no such task");
    }
    become(&scene, ALICE_AGAIN);
    assert_reply(task_method(fake, "tasks/get", id), 200, "input_required");
    free(id);
    done(&scene);
}

static void test_request_state(void **state UNUSED)
{
    struct scene scene;
    struct fake *fake = &scene.fake;
    begin(&scene);
    become(&scene, ALICE);
    struct asked *asked = fake_tool(fake, "ask");
    char *sealed = fake_find(asked->body, "requestState");
    char *more = fake_format("\"inputResponses\":{\"name\":{\"x\":1}},\"requestState\":\"%s\",", sealed);
    become(&scene, BOB);
    assert_error(fake_tool_with(fake, "ask", more, NULL), 200, -32602);
    fake->caller = NULL;
    assert_error(fake_tool_with(fake, "ask", more, NULL), 200, -32602);
    become(&scene, ALICE_AGAIN);
    assert_reply(fake_tool_with(fake, "ask", more, NULL), 200, "S1 {");
    free(more);
    free(sealed);
    done(&scene);
}

static void never_taken(void *context UNUSED, struct inbox_message *message)
{
    inbox_done(message);
}

static void test_inbox(void **state UNUSED)
{
    static const struct inbox_bounds wide = {.messages = SIZE_MAX, .bytes = SIZE_MAX};
    struct scene scene;
    struct inbox *inbox = NULL;
    struct inbox_message message = {.size = 1};
    begin(&scene);
    struct gateway *gateway = scene.fake.gateway;
    struct owner alice = owner_of(scene.caller[ALICE]), bob = owner_of(scene.caller[BOB]);
    assert_int_equal(inbox_open(gateway->reactor[0], &alice, never_taken, &scene, &inbox), 0);
    assert_int_equal(inbox_put(gateway, span_of(inbox_id(inbox)), &bob, &wide, &message), INBOX_UNKNOWN);
    assert_int_equal(inbox_put(gateway, span_of(inbox_id(inbox)), &alice, &wide, &message), 0);
    fake_settle(&scene.fake);
    inbox_close(inbox);
    done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner),    cmocka_unit_test(test_session), cmocka_unit_test(test_idle),
        cmocka_unit_test(test_question), cmocka_unit_test(test_task),    cmocka_unit_test(test_request_state),
        cmocka_unit_test(test_inbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

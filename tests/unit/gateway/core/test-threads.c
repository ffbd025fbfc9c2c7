/* Everything at once, on threads: reactors, workers that answer calls of all of them, clients of both eras whose
   messages come in by any reactor, changes of the catalogue and announcements from outside. For the thread sanitizer;
   what each client gets is looked at, too, and that nothing is left in the end. */
#include "gateway/core/subscriptions.h"
#include "tests/unit/gateway/core/fake.h"

#include <pthread.h>
#include <sched.h>

enum { REACTORS = 3, WORKERS = 3, ROUNDS = 60, WAIT_SECONDS = 60, QUEUE = 1024 };

static struct world {
    struct fake fake;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct call *queue[QUEUE]; /* counted */
    unsigned queued;
    bool over;
    _Atomic unsigned cancels;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* ---- handlers on worker threads ---- */

static void start(struct provider *provider UNUSED, struct call *call)
{
    pthread_mutex_lock(&world.lock);
    assert_true(world.queued < QUEUE);
    world.queue[world.queued++] = call_ref(call);
    pthread_cond_signal(&world.filled);
    pthread_mutex_unlock(&world.lock);
}

static void cancel(struct provider *provider UNUSED, struct call *call UNUSED)
{
    atomic_fetch_add(&world.cancels, 1);
}

static const struct provider_ops workers = {
    .name = "workers", .start = start, .cancel = cancel, .free = fake_provider_free};

static struct call *next_call(void)
{
    struct call *call = NULL;
    pthread_mutex_lock(&world.lock);
    while (world.queued == 0 && !world.over)
        pthread_cond_wait(&world.filled, &world.lock);
    if (world.queued > 0)
        call = world.queue[--world.queued];
    pthread_mutex_unlock(&world.lock);
    return call;
}

static void work(struct call *call)
{
    const struct call_request *request = call_request(call);
    for (int i = 1; i <= 3 && !call_cancelled(call); i++) {
        assert_int_equal(call_progress(call, i, 3, SPAN("on it")), 0);
        assert_int_equal(call_log(call, 3, SPAN("worker"), SPAN("\"x\"")), 0);
    }
    if (request->capabilities & CAPABILITY_TASKS)
        assert_int_equal(call_task_start(call, 0, 0), 0);
    if (span_is(request->name, "ask") && span_absent(json_find(request->inputs, "name")))
        assert_int_equal(call_need_input(call, SPAN("{\"name\":" FAKE_ELICIT "}"), SPAN("S")), 0);
    else
        assert_int_equal(call_result_text(call, request->inputs, false), 0);
    call_unref(call);
}

static void *run_worker(void *data UNUSED)
{
    struct call *call;
    while ((call = next_call()))
        work(call);
    return NULL;
}

/* ---- clients ---- */

struct client {
    struct fake *fake;
    unsigned seed;
    unsigned rounds;
};

/* One message of a client, which waits for what it wants to see. */
struct sent {
    struct asked asked;
    struct reactor_post post, end_post;
    unsigned reactor;
    enum { SEND_MESSAGE, SEND_GET, SEND_DELETE } kind;
    sem_t wake;
};

static void dispatch(struct reactor_post *post)
{
    struct sent *sent = CONTAINER_OF(post, struct sent, post);
    struct exchange *exchange = &sent->asked.exchange;
    exchange_init(exchange, &fake_front, sent->asked.fake->gateway->reactor[sent->reactor]);
    exchange->listener = &sent->asked.fake->listener;
    exchange->session_id = span_of(sent->asked.session[0] ? sent->asked.session : NULL);
    exchange->message = span_of(sent->asked.message);
    if (sent->kind == SEND_MESSAGE)
        dispatch_message(exchange);
    else if (sent->kind == SEND_GET)
        dispatch_stream(exchange, (struct span){0});
    else
        dispatch_delete(exchange);
}

static struct sent *begin(struct client *client, int kind, const char *session, char *message)
{
    struct sent *sent = calloc(1, sizeof(*sent));
    assert_non_null(sent);
    sent->reactor = (unsigned)rand_r(&client->seed) % REACTORS;
    sent->kind = kind;
    sem_init(&sent->wake, 0, 0);
    sent->asked.fake = client->fake;
    sent->asked.wake = &sent->wake;
    sent->asked.message = message;
    if (session)
        fake_copy(sent->asked.session, sizeof(sent->asked.session), span_of(session));
    return sent;
}

static struct sent *go(struct sent *sent)
{
    reactor_post(sent->asked.fake->gateway->reactor[sent->reactor], &sent->post, dispatch);
    return sent;
}

static void wait_once(struct sent *sent)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    int r;
    while ((r = sem_timedwait(&sent->wake, &until)) != 0 && errno == EINTR)
        ;
    assert_int_equal(r, 0);
}

/* What a front has written is read by its reactor only; here it is looked at under the eyes of that reactor. */
struct look {
    struct reactor_post post;
    struct sent *sent;
    bool (*seen)(const struct sent *sent);
    bool result;
    sem_t done;
};

static void look_here(struct reactor_post *post)
{
    struct look *look = CONTAINER_OF(post, struct look, post);
    look->result = look->seen(look->sent);
    sem_post(&look->done);
}

static bool looks(struct sent *sent, bool (*seen)(const struct sent *sent))
{
    struct look look = {.sent = sent, .seen = seen};
    sem_init(&look.done, 0, 0);
    reactor_post(sent->asked.fake->gateway->reactor[sent->reactor], &look.post, look_here);
    while (sem_wait(&look.done) != 0)
        ;
    sem_destroy(&look.done);
    return look.result;
}

static void wait_for(struct sent *sent, bool (*seen)(const struct sent *sent))
{
    while (!looks(sent, seen))
        wait_once(sent);
}

static bool replied(const struct sent *sent)
{
    return sent->asked.replies > 0;
}

static bool released(const struct sent *sent)
{
    return sent->asked.released;
}

static bool asks(const struct sent *sent)
{
    for (unsigned i = 0; i < sent->asked.events; i++)
        if (strstr(sent->asked.event[i], "elicitation/create"))
            return true;
    return sent->asked.replies > 0;
}

static void unref_here(struct reactor_post *post)
{
    exchange_unref(&CONTAINER_OF(post, struct sent, end_post)->asked.exchange);
}

static void gone_here(struct reactor_post *post)
{
    exchange_gone(&CONTAINER_OF(post, struct sent, end_post)->asked.exchange);
    unref_here(post);
}

/* The client is done with it, or hangs up. */
static void finish(struct sent *sent, bool hangs_up)
{
    reactor_post(sent->asked.fake->gateway->reactor[sent->reactor], &sent->end_post, hangs_up ? gone_here : unref_here);
    wait_for(sent, released);
    sem_destroy(&sent->wake);
    struct asked *asked = &sent->asked;
    for (unsigned i = 0; i < asked->events; i++)
        free(asked->event[i]);
    free(asked->body);
    free(asked->message);
    free(sent);
}

/* Sends, waits for the answer, and gives its body. */
static char *ask(struct client *client, int kind, const char *session, char *message, char *made)
{
    struct sent *sent = go(begin(client, kind, session, message));
    wait_for(sent, replied);
    char *body = sent->asked.body ? strdup(sent->asked.body) : strdup("");
    if (made)
        memcpy(made, sent->asked.made, FAKE_SESSION_BYTES);
    finish(sent, false);
    return body;
}

static struct sent *begin_modern(struct client *client, const struct fake_request *request)
{
    struct sent *sent = begin(client, SEND_MESSAGE, NULL, fake_modern_message(request));
    fake_modern_headers(&sent->asked, request);
    return sent;
}

static char *ask_modern(struct client *client, const struct fake_request *request)
{
    struct sent *sent = go(begin_modern(client, request));
    wait_for(sent, replied);
    char *body = strdup(sent->asked.body ? sent->asked.body : "");
    finish(sent, false);
    return body;
}

static const struct fake_request call_hold = {.method = "tools/call",
                                              .name = "hold",
                                              .params = "\"name\":\"hold\",",
                                              .meta =
                                                  ",\"progressToken\":1,\"io.modelcontextprotocol/logLevel\":\"info\""};

static void *run_modern(void *data)
{
    struct client *client = data;
    for (unsigned i = 0; i < client->rounds; i++) {
        bool hangs_up = rand_r(&client->seed) % 3 == 0;
        struct sent *sent = go(begin_modern(client, &call_hold));
        if (!hangs_up) {
            wait_for(sent, replied);
            assert_has(sent->asked.body, "\"text\":\"{}\"");
            assert_int_equal(sent->asked.events, 6); /* none is lost, and none comes after the answer */
        }
        finish(sent, hangs_up);
    }
    return NULL;
}

/* A task is made on one reactor and polled and cancelled on others. */
static void *run_tasks(void *data)
{
    struct client *client = data;
    for (unsigned i = 0; i < client->rounds; i++) {
        struct fake_request request = {
            .method = "tools/call", .name = "ask", .params = "\"name\":\"ask\",", .capabilities = FAKE_TASKS};
        struct sent *made = go(begin_modern(client, &request)); /* the task keeps its message */
        wait_for(made, replied);
        char *id = fake_find(made->asked.body, "taskId");
        char *body = NULL;
        char *params = fake_format("\"taskId\":\"%s\",\"inputResponses\":{\"name\":{\"x\":1}},", id);
        request =
            (struct fake_request){.method = "tasks/get", .name = id, .params = params, .capabilities = FAKE_TASKS};
        do {
            body = ask_modern(client, &request);
            assert_has(body, "\"status\":");
            bool waits = strstr(body, "\"status\":\"input_required\"");
            bool over = strstr(body, "\"status\":\"completed\"") || strstr(body, "\"status\":\"cancelled\"");
            free(body);
            if (over)
                break;
            if (waits) {
                request.method = i % 3 ? "tasks/update" : "tasks/cancel";
                free(ask_modern(client, &request));
                request.method = "tasks/get";
            }
            sched_yield();
        } while (true);
        finish(made, false);
        free(params);
        free(id);
    }
    return NULL;
}

static void respond_all(struct client *client, const char *session)
{
    for (int id = 1; id <= 2; id++)
        free(ask(client, SEND_MESSAGE, session,
                 fake_format("{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"action\":\"accept\"}}", id), NULL));
}

static void *run_legacy(void *data)
{
    struct client *client = data;
    for (unsigned i = 0; i < client->rounds; i++) {
        char session[FAKE_SESSION_BYTES];
        free(ask(client, SEND_MESSAGE, NULL,
                 fake_format("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
                             "\"2025-11-25\",\"capabilities\":" FAKE_CAPABILITIES "}}"),
                 session));
        struct sent *stream = go(begin(client, SEND_GET, session, NULL));
        free(ask(client, SEND_MESSAGE, session,
                 fake_format("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/subscribe\",\"params\":{\"uri\":"
                             "\"a:b\"}}"),
                 NULL));
        struct sent *call = go(begin(client, SEND_MESSAGE, session,
                                     fake_format("{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{"
                                                 "\"name\":\"ask\",\"_meta\":{\"progressToken\":9}}}")));
        bool hangs_up = i % 4 == 0;
        if (!hangs_up)
            wait_for(call, asks);
        if (i % 4 == 1)
            free(
                ask(client, SEND_MESSAGE, session,
                    fake_format("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":"
                                "9}}"),
                    NULL));
        else if (i % 4 == 2)
            respond_all(client, session);
        if (i % 4 != 2)
            free(ask(client, SEND_DELETE, session, NULL, NULL));
        if (!hangs_up)
            wait_for(call, replied);
        finish(call, hangs_up);
        if (i % 4 == 2)
            free(ask(client, SEND_DELETE, session, NULL, NULL));
        wait_for(stream, replied);
        finish(stream, false);
    }
    return NULL;
}

static void *run_listener(void *data)
{
    struct client *client = data;
    const struct fake_request request = {.method = "subscriptions/listen",
                                         .params = "\"notifications\":{\"toolsListChanged\":true,"
                                                   "\"resourceSubscriptions\":[\"a:b\"]},"};
    for (unsigned i = 0; i < client->rounds; i++) {
        struct sent *sent = go(begin_modern(client, &request));
        wait_once(sent);
        finish(sent, true);
    }
    return NULL;
}

static int flip(struct catalogue_builder *builder, void *data)
{
    static const struct fake_row row = {ITEM_TOOL, 0, "flip", FAKE_TOOL("flip"), {0}};
    struct fake *fake = data;
    if (catalogue_builder_remove(builder, ITEM_TOOL, SPAN("flip"), &fake->provider) == 0)
        return 0;
    struct item *item = fake_item(fake, &row);
    return catalogue_builder_add(builder, item);
}

static void *run_changes(void *data)
{
    struct client *client = data;
    for (unsigned i = 0; i < client->rounds; i++) {
        assert_int_equal(gateway_edit_catalogue(client->fake->gateway, flip, client->fake, 0), 0);
        assert_int_equal(gateway_resource_updated(client->fake->gateway, SPAN("a:b")), 0);
        struct snapshot *snapshot = gateway_snapshot(client->fake->gateway);
        assert_non_null(catalogue_find(snapshot->catalogue, ITEM_TOOL, SPAN("hold")));
        snapshot_unref(snapshot);
        session_table_sweep(client->fake->gateway, UINT64_MAX / 2);
        task_table_sweep(client->fake->gateway);
        sched_yield();
    }
    return NULL;
}

/* ---- the whole ---- */

static void begin_world(void)
{
    fake_settings(&world.fake);
    world.fake.ops = &workers;
    world.fake.settings.threads = REACTORS;
    world.fake.settings.limits.max_sessions = 1000;
    world.fake.settings.limits.max_streams = 1000;
    world.fake.settings.limits.max_subscriptions = 1000;
    world.fake.settings.limits.max_tasks = 1000;
    world.over = false;
    fake_init(&world.fake);
    for (unsigned i = 0; i < REACTORS; i++)
        assert_int_equal(reactor_start(world.fake.gateway->reactor[i]), 0);
}

static void end_world(void)
{
    for (unsigned i = 0; i < REACTORS; i++)
        reactor_stop(world.fake.gateway->reactor[i]);
    for (unsigned i = 0; i < REACTORS; i++)
        reactor_join(world.fake.gateway->reactor[i]);
    fake_settle(&world.fake);
    fake_done(&world.fake);
}

static void test_all_at_once(void **state UNUSED)
{
    static void *(*const runs[])(void *) = {run_modern, run_modern, run_tasks, run_legacy, run_listener, run_changes};
    pthread_t worker[WORKERS], thread[ARRAY_SIZE(runs)];
    struct client client[ARRAY_SIZE(runs)];
    begin_world();
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&worker[i], NULL, run_worker, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
        client[i] = (struct client){.fake = &world.fake, .seed = (unsigned)i + 1, .rounds = ROUNDS};
        assert_int_equal(pthread_create(&thread[i], NULL, runs[i], &client[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
        pthread_join(thread[i], NULL);
    pthread_mutex_lock(&world.lock);
    world.over = true;
    pthread_cond_broadcast(&world.filled);
    pthread_mutex_unlock(&world.lock);
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(worker[i], NULL);
    end_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

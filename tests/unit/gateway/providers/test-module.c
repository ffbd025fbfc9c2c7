/* The C module provider: what is refused at start, what handlers are asked and answer, on the loop, on workers and
 * later. */
#include "tests/unit/gateway/providers/served.h" /* reactor_start(): several threads */

#include "gateway/base/clock.h"
#include "gateway/core/overload.h"
#include "gateway/providers/module.h"

enum { POOL = 4 }; /* threads of libuv's, see main() */
static const uint64_t START_NS = 1000000000000, MS = 1000000;

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    static const struct {
        const char *fixture;
        const char *config;
        const char *sentence;
    } rows[] = {
        {"no_such_file", NULL, "cannot be opened: No such file or directory: build the module, or correct its path"},
        {"bad_symbol", NULL, "exports no symbol \"weir_module\": declare"},
        {"bad_version", NULL, "speaks version 2 of the module interface, this gateway version 1: build it again"},
        {"bad_start", NULL, "start() refused: the license file is missing: set config.license"},
        {"bad_start", "true", "start() returned 1 without a reason"},
        {"bad_duplicate", NULL, "tool \"twin\": this name is taken"},
        {"bad_schema", NULL, "tool \"crooked\": its inputSchema is no good"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct served served;
        served_init(&served);
        served_add_module(&served, rows[i].fixture, rows[i].config);
        char *sentence = served_refusal(&served);
        assert_true(strncmp(sentence, "modules[0] ", 11) == 0);
        assert_contains(sentence, rows[i].sentence);
        free(sentence);
        served_done(&served);
    }
}

static void test_file_that_is_no_library(void **state)
{
    struct served served;
    (void)state;
    served_init(&served);
    served.module[0] = (struct module_settings){.path = strdup("/etc/passwd")};
    served.settings.modules = 1;
    char *sentence = served_refusal(&served);
    assert_contains(sentence, "modules[0] /etc/passwd: cannot be loaded: ");
    assert_contains(sentence, "invalid ELF header");
    free(sentence);
    served_done(&served);
}

static void test_two_modules_with_one_name(void **state)
{
    struct served served;
    (void)state;
    served_init(&served);
    served_add_module(&served, "example", NULL);
    served_add_module(&served, "example", "1");
    char *sentence = served_refusal(&served);
    assert_contains(sentence, "modules[1] ");
    assert_contains(sentence, "there is a tool \"count_words\" already: rename one of the two");
    free(sentence);
    served_done(&served);
}

/* ---- a served probe ---- */

struct fixture_state {
    struct served served;
    struct journal journal;
};

static void start_probe(struct fixture_state *fixture, uint64_t workers)
{
    char config[128];
    journal_open(&fixture->journal, true);
    served_init(&fixture->served);
    fixture->served.settings.builtin = true;
    fixture->served.settings.limits.workers = workers;
    snprintf(config, sizeof(config), "\"%s\"", fixture->journal.path);
    served_add_module(&fixture->served, "probe", config);
    served_start(&fixture->served);
    assert_next(&fixture->journal, "started");
}

static int setup(void **state)
{
    struct fixture_state *fixture = calloc(1, sizeof(*fixture));
    start_probe(fixture, 2);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture_state *fixture = *state;
    served_stop(&fixture->served);
    assert_next(&fixture->journal, "stopped");
    journal_close(&fixture->journal);
    free(fixture);
    return 0;
}

static void test_silent_handlers(void **state)
{
    struct fixture_state *fixture = *state;
    const char *const names[] = {"mute", "mute_worker"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        char expected[128];
        snprintf(expected, sizeof(expected),
                 "\"code\":-32603,\"message\":\"Module probe: the handler of \\\"%s\\\" returned without an answer\"",
                 names[i]);
        assert_tool(&fixture->served, names[i], "{}", expected);
    }
}

static void test_answers(void **state)
{
    struct fixture_state *fixture = *state;
    assert_tool(&fixture->served, "twice", "{}", "\"text\":\"first\"");
    assert_next(&fixture->journal, "second refused");
    assert_tool(&fixture->served, "broken", "{}",
                "\"code\":-32603,\"message\":\"The handler of broken gave a result that");
    assert_tool(&fixture->served, "fails", "{}",
                "\"code\":7,\"message\":\"my own failure\",\"data\":{\"why\":\"asked to\"}");
}

static void test_questions(void **state)
{
    struct fixture_state *fixture = *state;
    static const char arguments[] = "{\"text\":\"a\\u00e9\\n\",\"number\":7,\"deep\":{\"a\":\"x\\ty\"}}";
    static const char *const names[] = {"tell", "tell_worker"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        char expected[256];
        snprintf(expected, sizeof(expected),
                 "name=%s raw=\\\"a\\\\u00e9\\\\n\\\" text=a\xc3\xa9\\n number=absent deep=x\\ty missing=absent "
                 "instance=mine",
                 names[i]);
        assert_tool(&fixture->served, names[i], arguments, expected);
    }
}

static void test_templates_and_completion(void **state)
{
    struct fixture_state *fixture = *state;
    char *body = answer_of(ask(&fixture->served, "resources/read", "\"uri\":\"probe://a%20b\","));
    assert_contains(body, "\"uri\":\"probe://a%20b\",\"text\":\"id a b\"");
    free(body);
    body = answer_of(ask(&fixture->served, "completion/complete",
                         "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"probe://{id}\"},"
                         "\"argument\":{\"name\":\"id\",\"value\":\"v\"},"));
    assert_contains(body, "\"values\":[\"id=v!\"]");
    free(body);
}

/* The span of a string member's value, without quotes, NUL-terminated: the caller frees it. */
static char *member_string(const char *body, const char *key)
{
    char *value = strdup(strstr(body, key) + strlen(key));
    *strchr(value, '"') = '\0';
    return value;
}

static void test_rounds(void **state)
{
    struct fixture_state *fixture = *state;
    char *body = call_tool(&fixture->served, "greet", "{}"), *params = NULL;
    assert_contains(body, "\"resultType\":\"input_required\"");
    assert_contains(body, "\"who\":{\"method\":\"elicitation/create\"");
    char *sealed = member_string(body, "\"requestState\":\"");
    assert_true(asprintf(&params,
                         "\"name\":\"greet\",\"arguments\":{},\"requestState\":\"%s\",\"inputResponses\":{\"who\":"
                         "{\"action\":\"accept\",\"content\":{\"name\":\"Ann\"}}},",
                         sealed) > 0);
    char *second = answer_of(ask(&fixture->served, "tools/call", params));
    assert_contains(second, "Hello Ann after round 1");
    free(second);
    free(params);
    free(sealed);
    free(body);
}

/* ---- workers ---- */

static void test_workers_are_bounded(void **state)
{
    struct fixture_state *fixture = *state;
    struct asked *blocked[2];
    for (unsigned i = 0; i < 2; i++) {
        blocked[i] = ask_tool(&fixture->served, "block", "{}");
        assert_next(&fixture->journal, "blocked");
    }
    assert_tool(&fixture->served, "block", "{}", "\"code\":503,\"message\":\"All worker threads are busy");
    assert_tool(&fixture->served, "tell", "{}", "name=tell"); /* what needs no worker goes on */
    assert_tool(&fixture->served, "open", "{}", "open");
    for (unsigned i = 0; i < 2; i++) {
        char *body = answer_of(blocked[i]);
        assert_contains(body, "\"text\":\"through\"");
        free(body);
    }
}

/* All threads of the pool are taken, as they are when there is too little CPU for them. */
static void take_pool(struct fixture_state *fixture, struct asked *blocked[POOL])
{
    quota_set_limit(&fixture->served.gateway->quotas, QUOTA_WORKERS, 100);
    for (unsigned i = 0; i < POOL; i++) {
        blocked[i] = ask_tool(&fixture->served, "block", "{}");
        assert_next(&fixture->journal, "blocked");
    }
}

static void assert_answer(struct asked *asked, int status, const char *part)
{
    await(&asked->answered);
    assert_int_equal(asked->status, status);
    sem_post(&asked->answered);
    char *body = answer_of(asked);
    assert_contains(body, part);
    free(body);
}

static void let_through(struct fixture_state *fixture, struct asked *blocked[POOL])
{
    assert_tool(&fixture->served, "open", "{}", "open");
    for (unsigned i = 0; i < POOL; i++)
        assert_answer(blocked[i], 200, "\"text\":\"through\"");
}

static void test_jobs_that_wait_for_a_worker(void **state)
{
    struct fixture_state *fixture = *state;
    struct served *served = &fixture->served;
    struct asked *blocked[POOL], *waiting[2];
    clock_fake(START_NS, START_NS / 1000000);
    served->settings.limits.queue_delay_ms = 100;
    gateway_apply_limits(served->gateway, &served->settings);
    take_pool(fixture, blocked);
    uint64_t before_ns = overload_enter_worker(served->gateway); /* as if one had waited before them */
    clock_fake_advance(101 * MS);
    assert_int_equal(overload_leave_worker(served->gateway, before_ns), 101 * MS);
    for (unsigned i = 0; i < ARRAY_SIZE(waiting); i++)
        waiting[i] = ask_tool(served, "tell_worker", "{}");
    assert_tool(served, "tell", "{}", "name=tell"); /* so both have been handed over */
    clock_fake_advance(200 * MS);
    let_through(fixture, blocked);
    for (unsigned i = 0; i < ARRAY_SIZE(waiting); i++)
        assert_answer(waiting[i], 200, "name=tell_worker");
    assert_answer(ask_tool(served, "tell_worker", "{}"), 503, "limits.queue_delay");
    assert_tool(served, "tell", "{}", "name=tell"); /* what needs no worker goes on */
    assert_int_equal(served->gateway->quotas.row[QUOTA_QUEUE_DELAY].refused, 1);
    clock_fake_advance(1000 * MS);
    assert_answer(ask_tool(served, "tell_worker", "{}"), 200, "name=tell_worker");
    clock_fake_end();
}

/* Nobody waits for it any more: it is not run. */
static void test_job_past_its_time(void **state)
{
    struct fixture_state *fixture = *state;
    struct served *served = &fixture->served;
    struct asked *blocked[POOL], *late;
    clock_fake(START_NS, START_NS / 1000000);
    take_pool(fixture, blocked);
    late = ask_tool(served, "block", "{}");
    assert_tool(served, "tell", "{}", "name=tell");
    clock_fake_advance(served->settings.limits.request_timeout_ms * MS);
    let_through(fixture, blocked);
    assert_answer(late, 504, "No worker was free");
    clock_fake_end();
}

static void test_client_leaves_a_worker(void **state)
{
    struct fixture_state *fixture = *state;
    struct asked *blocked = ask_tool(&fixture->served, "block", "{}");
    assert_next(&fixture->journal, "blocked");
    hang_up(blocked);
    assert_tool(&fixture->served, "open", "{}", "open");
    asked_free(blocked); /* the handler has answered a call that nobody waits for */
}

/* ---- answers after return ---- */

static void test_late_answer(void **state)
{
    struct fixture_state *fixture = *state;
    struct asked *held = ask_tool(&fixture->served, "hold", "{}");
    assert_next(&fixture->journal, "held");
    assert_tool(&fixture->served, "release", "{}", "released");
    assert_next(&fixture->journal, "answered late");
    char *body = answer_of(held);
    assert_contains(body, "\"text\":\"late\"");
    free(body);
}

static void test_client_leaves_a_held_call(void **state)
{
    struct fixture_state *fixture = *state;
    struct asked *held = ask_tool(&fixture->served, "hold", "{}");
    assert_next(&fixture->journal, "held");
    hang_up(held);
    assert_next(&fixture->journal, "on_cancel");
    assert_next(&fixture->journal, "answered after cancel");
    asked_free(held);
}

/* ---- changes ---- */

static char *list_tools(struct served *served)
{
    return answer_of(ask(served, "tools/list", ""));
}

static void test_changes_of_the_catalogue(void **state)
{
    struct fixture_state *fixture = *state;
    char expected[64];
    assert_tool(&fixture->served, "late_tool", "{}", "\"error\"");
    snprintf(expected, sizeof(expected), "added=0 again=%d taken=%d published=0", -EEXIST, -EEXIST);
    assert_tool(&fixture->served, "grow", "{}", expected);
    assert_tool(&fixture->served, "late_tool", "{}", "name=late_tool");
    char *list = list_tools(&fixture->served);
    assert_contains(list, "\"name\":\"late_tool\"");
    free(list);
    snprintf(expected, sizeof(expected), "removed=0 again=%d foreign=%d published=0", -ENOENT, -ENOENT);
    assert_tool(&fixture->served, "shrink", "{}", expected);
    assert_tool(&fixture->served, "late_tool", "{}", "\"error\"");
    list = list_tools(&fixture->served);
    assert_null(strstr(list, "late_tool"));
    assert_contains(list, "\"name\":\"echo\"");
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_file_that_is_no_library),
        cmocka_unit_test(test_two_modules_with_one_name),
        cmocka_unit_test_setup_teardown(test_silent_handlers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_templates_and_completion, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_workers_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_that_wait_for_a_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_past_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_leaves_a_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_leaves_a_held_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_the_catalogue, setup, teardown),
    };
    setenv("UV_THREADPOOL_SIZE", "4", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

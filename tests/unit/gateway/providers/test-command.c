/* Command handlers, with real small programs: what a row is refused for, outputs, failures, time, bounds, the whole
 * group's end. */
#include "tests/unit/gateway/providers/served.h" /* reactor_start(): several threads */

#include "gateway/base/clock.h"
#include "gateway/providers/command.h"
#include "gateway/providers/command_run.h"

enum { MAX_WORDS = 8 };

static char text_schema[] = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}";

/* A row with defaults; `words` outlives it. */
static struct command_settings *add_command(struct served *served, const char *name, const char *const words[MAX_WORDS])
{
    struct command_settings *row = &served->command[served->settings.commands++];
    *row = (struct command_settings){.name = (char *)(uintptr_t)name,
                                     .description = (char *)(uintptr_t) "For tests",
                                     .input_schema = text_schema,
                                     .run = {.name = (char **)(uintptr_t)words},
                                     .timeout_ms = 60000,
                                     .max_output = 64 * KIB};
    while (row->run.count < MAX_WORDS && words[row->run.count])
        row->run.count++;
    return row;
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    static const struct {
        const char *name, *schema, *directory, *annotations;
        const char *run[MAX_WORDS];
        const char *sentence;
    } rows[] = {
        {"x",
         NULL,
         NULL,
         NULL,
         {"no-such-program"},
         "run[0] \"no-such-program\" is no program that can be run: install it"},
        {"x", NULL, NULL, NULL, {"/etc/passwd"}, "run[0] \"/etc/passwd\" is no program that can be run"},
        {"x", NULL, "/no/such", NULL, {"ls"}, "there is no directory \"/no/such\": create it"},
        {"x", NULL, "/etc/passwd", NULL, {"ls"}, "there is no directory"},
        {"x", NULL, NULL, NULL, {"ls", "{other}"}, "run[1] \"{other}\": {other} is no property of input_schema"},
        {"x y", NULL, NULL, NULL, {"ls"}, "the name \"x y\" may hold only letters"},
        {"x", "{\"type\":\"string\"}", NULL, NULL, {"ls"}, "inputSchema"},
        {"x",
         "{\"type\":\"object\",\"required\":1}",
         NULL,
         NULL,
         {"ls"},
         "its inputSchema is no good: #: has a `required`"},
        {"x", "{]", NULL, NULL, {"ls"}, "its inputSchema is not right"},
        {"x", NULL, NULL, "[]", {"ls"}, "its annotations is not right: it must be a JSON object"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct served served;
        served_init(&served);
        struct command_settings *row = add_command(&served, rows[i].name, rows[i].run);
        row->input_schema = rows[i].schema ? (char *)(uintptr_t)rows[i].schema : text_schema;
        row->directory = (char *)(uintptr_t)rows[i].directory;
        row->annotations = (char *)(uintptr_t)rows[i].annotations;
        char *sentence = served_refusal(&served);
        assert_true(strncmp(sentence, "commands[0] x", 13) == 0);
        assert_contains(sentence, rows[i].sentence);
        free(sentence);
    }
}

static void test_name_that_a_builtin_has(void **state)
{
    static const char *const words[MAX_WORDS] = {"ls"};
    struct served served;
    (void)state;
    served_init(&served);
    served.settings.builtin = true;
    add_command(&served, "echo", words);
    char *sentence = served_refusal(&served);
    assert_string_equal(sentence, "commands[0] echo: there is another \"echo\" already: rename one of the two");
    free(sentence);
}

/* ---- runs ---- */

struct row {
    const char *run[MAX_WORDS];
    const char *arguments;
    const char *expected; /* in the answer */
    const char *absent;   /* not in the answer; or NULL */
    bool json_stdin, json_output;
    size_t max_output; /* 0: the default */
};

static void test_runs(void **state)
{
    static const struct row rows[] = {
        {{"printf", "%s|", "{text}"},
         "{\"text\":\"a b\"}",
         "\"content\":[{\"type\":\"text\",\"text\":\"a b|\"}]",
         "isError"},
        {{"printf", "%s|", "{text}"}, "{\"text\":\"$(id);`id`\"}", "\"text\":\"$(id);`id`|\"", NULL},
        {{"printf", "%s|", "{text}", "end"}, "{}", "\"text\":\"end|\"", NULL},
        {{"printf", "a\\377b"},
         "{}",
         "\"text\":\"a\xef\xbf\xbd"
         "b\"",
         NULL},
        {{"true"}, "{}", "\"text\":\"\"", "isError"},
        {{"cat"}, "{\"text\":\"x\"}", "\"text\":\"\"", NULL},
        {{"cat"}, "{\"text\":\"x\"}", "\"text\":\"{\\\"text\\\":\\\"x\\\"}\"", NULL, .json_stdin = true},
        {{"cat"},
         "{\"text\":\"x\"}",
         "\"structuredContent\":{\"text\":\"x\"}",
         "isError",
         .json_stdin = true,
         .json_output = true},
        {{"printf", "{{\\n\"a\": 1\\r\\n}}\\n"}, "{}", "\"structuredContent\":{\"a\": 1}", NULL, .json_output = true},
        {{"printf", "[1]"}, "{}", "\"text\":\"[1]\"", "structuredContent", .json_output = true},
        {{"printf", "no json"}, "{}", "standard output is not JSON", NULL, .json_output = true},
        {{"true"}, "{}", "standard output is not JSON", NULL, .json_output = true},
        {{"sh", "-c", "exit 3"}, "{}", "\"text\":\"run: exit status 3\"}],\"isError\":true", NULL},
        {{"sh", "-c", "echo out; echo bad >&2; exit 1"},
         "{}",
         "[{\"type\":\"text\",\"text\":\"run: exit status 1\\nbad\"},{\"type\":\"text\",\"text\":\"out\\n\"}]",
         NULL},
        {{"sh", "-c", "echo x > /dev/stderr; exit 1"}, "{}", "exit status 1\\nx\"", NULL},
        {{"sh", "-c", "kill -9 $$"}, "{}", "run: ended by signal 9 (Killed)", NULL},
        {{"sh", "-c", "seq 1 40 >&2; exit 1"}, "{}", "exit status 1\\n21\\n22\\n", "\\n20\\n"},
        {{"sh", "-c", "seq 100000 120000 >&2; exit 1"}, "{}", "\\n120000\"", "100000"},
        {{"printf", "0123456789"}, "{}", "\"text\":\"0123456789\"", NULL, .max_output = 10},
        {{"printf", "0123456789"},
         "{}",
         "run: more than max_output (9 bytes) on standard output",
         NULL,
         .max_output = 9},
        {{"sh", "-c", "sleep 1000 & echo done"}, "{}", "\"text\":\"done\\n\"", NULL},
        {{"yes"}, "{}", "more than max_output", NULL},
        {{"sh", "-c", "exec <&-; echo deaf"}, "{\"text\":\"x\"}", "deaf", NULL, .json_stdin = true},
        {{"printf", "%s", "{text}"}, "{\"text\":7}", "\"isError\":true", NULL},
        {{"printf", "%s", "{text}"}, "{\"text\":\"a\\u0000b\"}", "/text: holds a NUL character", NULL},
        {{"sh", "-c", "ls /proc/self/fd | wc -l"}, "{}", "\"text\":\"4\\n\"", NULL}, /* 0, 1, 2 and the folder itself */
        {{"sh", "-c", "ps -o pid=,pgid=,sid= -p $$ | awk '{{print ($1==$2 && $2==$3)}}'"},
         "{}",
         "\"text\":\"1\\n\"",
         NULL},
        {{"env"}, "{}", "PATH=", "WEIR_TEST_SECRET"},
    };
    (void)state;
    setenv("WEIR_TEST_SECRET", "hidden", 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct served served;
        served_init(&served);
        struct command_settings *row = add_command(&served, "run", rows[i].run);
        row->json_stdin = rows[i].json_stdin;
        row->json_output = rows[i].json_output;
        row->max_output = rows[i].max_output ? rows[i].max_output : row->max_output;
        served_start(&served);
        char *body = call_tool(&served, "run", rows[i].arguments);
        if (!strstr(body, rows[i].expected) || (rows[i].absent && strstr(body, rows[i].absent)))
            fail_msg("row %zu (%s): %s", i, rows[i].run[0], body);
        free(body);
        served_stop(&served);
    }
}

static void test_environment_and_directory(void **state)
{
    static const char *const words[MAX_WORDS] = {"sh", "-c", "pwd; echo $WEIR_TEST_SHOWN"};
    static char *const names[] = {(char *)(uintptr_t) "WEIR_TEST_SHOWN", (char *)(uintptr_t) "WEIR_TEST_UNSET"};
    struct served served;
    (void)state;
    setenv("WEIR_TEST_SHOWN", "shown", 1);
    served_init(&served);
    struct command_settings *row = add_command(&served, "run", words);
    row->environment = (struct name_list){.name = (char **)(uintptr_t)names, .count = 2};
    row->directory = (char *)(uintptr_t) "/";
    served_start(&served);
    assert_tool(&served, "run", "{}", "\"text\":\"/\\nshown\\n\"");
    served_stop(&served);
}

static void test_large_input_and_output(void **state)
{
    static const char *const words[MAX_WORDS] = {"cat"};
    enum { SIZE = 3 * 1024 * 1024 };
    struct served served;
    (void)state;
    served_init(&served);
    struct command_settings *row = add_command(&served, "run", words);
    row->json_stdin = true;
    row->max_output = 2 * (size_t)SIZE;
    served_start(&served);
    char *arguments = malloc(SIZE + 16);
    memset(arguments, 'x', SIZE);
    memcpy(arguments, "{\"text\":\"", 9);
    memcpy(arguments + SIZE, "\"}", 3);
    char *body = call_tool(&served, "run", arguments);
    assert_true(strlen(body) > SIZE && strlen(body) < SIZE + 1000);
    assert_contains(body, "xxx\\\"}\"}]");
    free(body);
    free(arguments);
    served_stop(&served);
}

/* ---- the end of a group ---- */

struct group {
    struct served served;
    struct journal journal;
};

/* The program and its child keep the journal open: its end is theirs. */
static void start_group(struct group *group, const char *script, uint64_t timeout_ms)
{
    static char schema[] = "{\"type\":\"object\",\"properties\":{\"journal\":{\"type\":\"string\"}}}";
    const char *words[MAX_WORDS] = {"sh", "-c", script, "sh", "{journal}"};
    journal_open(&group->journal, false);
    served_init(&group->served);
    struct command_settings *row = add_command(&group->served, "run", words);
    row->input_schema = schema;
    row->timeout_ms = timeout_ms;
    served_start(&group->served);
}

static struct asked *ask_group(struct group *group)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "{\"journal\":\"%s\"}", group->journal.path);
    return ask_tool(&group->served, "run", arguments);
}

static void end_group(struct group *group)
{
    assert_null(journal_next(&group->journal)); /* nobody is left */
    served_stop(&group->served);
    journal_close(&group->journal);
}

#define TWO_SLEEPERS "exec 3>\"$1\"; sleep 1000 & echo up >&3; sleep 1000; echo not reached >&3"
#define DEAF_SLEEPER "exec 3>\"$1\"; trap '' TERM; echo up >&3; while :; do sleep 1; done"

static void test_time_is_over(void **state)
{
    struct group group;
    (void)state;
    start_group(&group, TWO_SLEEPERS, 300);
    char *body = answer_of(ask_group(&group));
    assert_contains(body, "\"text\":\"run: timed out after 300 ms\"}],\"isError\":true");
    free(body);
    assert_next(&group.journal, "up");
    end_group(&group);
}

static void test_deaf_to_sigterm(void **state)
{
    struct group group;
    (void)state;
    start_group(&group, DEAF_SLEEPER, 200);
    uint64_t before = clock_now_ms();
    char *body = answer_of(ask_group(&group));
    assert_contains(body, "timed out after 200 ms");
    assert_true(clock_now_ms() - before < COMMAND_KILL_GRACE_MS); /* the answer does not wait for the end */
    free(body);
    assert_next(&group.journal, "up");
    end_group(&group);
    assert_true(clock_now_ms() - before >= COMMAND_KILL_GRACE_MS);
}

static void test_client_leaves(void **state)
{
    struct group group;
    (void)state;
    start_group(&group, TWO_SLEEPERS, 60000);
    struct asked *asked = ask_group(&group);
    assert_next(&group.journal, "up");
    hang_up(asked);
    asked_free(asked);
    end_group(&group);
}

static void test_client_leaves_while_draining(void **state)
{
    struct group group;
    (void)state;
    start_group(&group, DEAF_SLEEPER, 60000);
    struct asked *asked = ask_group(&group);
    assert_next(&group.journal, "up");
    atomic_store(&group.served.gateway->phase, GATEWAY_DRAINING);
    uint64_t before = clock_now_ms();
    hang_up(asked);
    asked_free(asked);
    end_group(&group);
    assert_true(clock_now_ms() - before < COMMAND_KILL_GRACE_MS);
}

/* ---- bounds ---- */

static void test_processes_are_bounded(void **state)
{
    struct group group;
    (void)state;
    start_group(&group, "exec 3>\"$1\"; echo up >&3; sleep 1000", 60000);
    quota_set_limit(&group.served.gateway->quotas, QUOTA_PROCESSES, 2);
    struct asked *asked[2];
    for (unsigned i = 0; i < 2; i++) {
        asked[i] = ask_group(&group);
        assert_next(&group.journal, "up");
    }
    char *body = answer_of(ask_group(&group));
    assert_contains(body, "\"code\":503,\"message\":\"Too many programs are running: try again later, or raise "
                          "limits.max_processes\"");
    free(body);
    assert_int_equal(atomic_load(&reactor_counters(group.served.gateway->reactor[0])->event[COUNTER_REFUSED_PROCESS]),
                     1);
    for (unsigned i = 0; i < 2; i++) {
        hang_up(asked[i]);
        asked_free(asked[i]);
    }
    end_group(&group);
}

static void test_program_that_vanished(void **state)
{
    char folder[] = "/tmp/weir-test-XXXXXX", path[64];
    const char *words[MAX_WORDS] = {path};
    struct served served;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/program", folder);
    assert_int_equal(symlink("/bin/true", path), 0);
    served_init(&served);
    add_command(&served, "run", words);
    served_start(&served);
    assert_tool(&served, "run", "{}", "\"text\":\"\"");
    unlink(path);
    rmdir(folder);
    assert_tool(&served, "run", "{}",
                "\"code\":-32603,\"message\":\"run: the program could not be started: no such file or directory\"");
    served_stop(&served);
}

/* Many runs, some at once: every descriptor comes back, the lowest free one is what it was. */
static void test_many_runs_leave_nothing(void **state)
{
    static const char *const words[MAX_WORDS] = {"true"};
    enum { ROUNDS = 50, AT_ONCE = 8 };
    struct served served;
    (void)state;
    served_init(&served);
    add_command(&served, "run", words);
    served_start(&served);
    assert_tool(&served, "run", "{}", "\"text\":\"\"");
    int before = dup(0);
    close(before);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct asked *asked[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++)
            asked[i] = ask_tool(&served, "run", "{}");
        for (unsigned i = 0; i < AT_ONCE; i++) {
            char *body = answer_of(asked[i]);
            assert_contains(body, "\"text\":\"\"");
            free(body);
        }
    }
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    served_stop(&served);
}

/* What this process has inherited is not what it leaks. */
static void keep_inherited_descriptors(void)
{
    enum { MOST = 1024 };
    for (int fd = 3; fd < MOST; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int main(void)
{
    keep_inherited_descriptors();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_name_that_a_builtin_has),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_environment_and_directory),
        cmocka_unit_test(test_large_input_and_output),
        cmocka_unit_test(test_time_is_over),
        cmocka_unit_test(test_deaf_to_sigterm),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_client_leaves_while_draining),
        cmocka_unit_test(test_processes_are_bounded),
        cmocka_unit_test(test_program_that_vanished),
        cmocka_unit_test(test_many_runs_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The list of providers over reloads: what stays, what goes, what comes, what is refused and leaves all as it was. */
#include "tests/unit/gateway/providers/served.h" /* reactor_start(): several threads */

static char schema[] = "{\"type\":\"object\"}";
static char *hello[] = {(char *)(uintptr_t) "echo", (char *)(uintptr_t) "hello", NULL};
static char *goodbye[] = {(char *)(uintptr_t) "echo", (char *)(uintptr_t) "goodbye", NULL};

static void set_command(struct served *served, size_t index, const char *name, char **words)
{
    served->command[index] = (struct command_settings){.name = (char *)(uintptr_t)name,
                                                       .description = (char *)(uintptr_t) "For tests",
                                                       .input_schema = schema,
                                                       .run = {.name = words, .count = 2},
                                                       .timeout_ms = 60000,
                                                       .max_output = 1024};
    served->settings.commands = MAX(served->settings.commands, index + 1);
}

/* As main reloads: 0, or -errno with nothing changed. */
static int reload(struct served *served)
{
    struct text problem = TEXT(2048);
    struct providers_change *change = NULL;
    int r = providers_prepare(served->providers, &served->settings, &change, &problem);
    text_done(&problem);
    if (r < 0)
        return r;
    r = gateway_edit_catalogue(served->gateway, providers_apply, change, 0);
    if (r < 0)
        providers_abandon(change);
    else
        providers_commit(change, served->gateway);
    return r;
}

struct kept {
    struct provider *provider;
    uint64_t ordinal;
};

/* Who offers a tool, or NULL. */
static struct kept find_tool(struct served *served, const char *name)
{
    struct snapshot *snapshot = gateway_snapshot(served->gateway);
    struct item *item = catalogue_find(snapshot->catalogue, ITEM_TOOL, span_of(name));
    struct kept kept = {item ? item->provider : NULL, item ? item->ordinal : 0};
    snapshot_unref(snapshot);
    return kept;
}

static void test_what_stays_keeps_its_place(void **state)
{
    struct served served;
    (void)state;
    served_init(&served);
    served.settings.builtin = true;
    served_add_module(&served, "example", NULL);
    set_command(&served, 0, "greet", hello);
    served_start(&served);
    static const char *const names[] = {"echo", "count_words", "greet"};
    struct kept before[ARRAY_SIZE(names)];
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        before[i] = find_tool(&served, names[i]);
    set_command(&served, 1, "part", goodbye);
    assert_int_equal(reload(&served), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct kept after = find_tool(&served, names[i]);
        assert_ptr_equal(after.provider, before[i].provider);
        assert_true(after.ordinal == before[i].ordinal);
    }
    assert_tool(&served, "part", "{}", "goodbye");
    served_stop(&served);
}

static void test_what_changed_is_exchanged(void **state)
{
    struct served served;
    (void)state;
    served_init(&served);
    served.settings.builtin = true;
    set_command(&served, 0, "greet", hello);
    served_start(&served);
    assert_tool(&served, "greet", "{}", "hello");
    set_command(&served, 0, "greet", goodbye);
    served.settings.builtin = false;
    assert_int_equal(reload(&served), 0);
    assert_tool(&served, "greet", "{}", "goodbye");
    assert_null(find_tool(&served, "echo").provider);
    served_stop(&served);
}

static void test_refused_change_changes_nothing(void **state)
{
    struct served served;
    (void)state;
    served_init(&served);
    served.settings.builtin = true;
    set_command(&served, 0, "greet", hello);
    served_start(&served);
    struct kept before = find_tool(&served, "greet");
    set_command(&served, 1, "echo", goodbye); /* a name that is taken */
    assert_int_equal(reload(&served), -EEXIST);
    set_command(&served, 1, "bad name", goodbye);
    assert_int_equal(reload(&served), -EINVAL);
    assert_ptr_equal(find_tool(&served, "greet").provider, before.provider);
    assert_tool(&served, "echo", "{\"message\":\"still\"}", "still");
    assert_null(find_tool(&served, "part").provider);
    served_stop(&served);
}

static void test_modules_come_and_go(void **state)
{
    struct served served;
    struct journal journal;
    char config[128];
    (void)state;
    journal_open(&journal, true);
    snprintf(config, sizeof(config), "\"%s\"", journal.path);
    served_init(&served);
    served_add_module(&served, "probe", config);
    served_start(&served);
    assert_next(&journal, "started");

    /* A call keeps its module until it is answered, though it is configured no more. */
    struct asked *held = ask_tool(&served, "hold", "{}");
    assert_next(&journal, "held");
    struct asked *blocked = ask_tool(&served, "block", "{}");
    assert_next(&journal, "blocked");
    assert_tool(&served, "open", "{}", "open");
    free(answer_of(blocked));
    served.settings.modules = 0;
    assert_int_equal(reload(&served), 0);
    assert_null(find_tool(&served, "tell").provider);
    hang_up(held);
    assert_next(&journal, "on_cancel");
    assert_next(&journal, "answered after cancel");
    asked_free(held);
    assert_next(&journal, "stopped");

    /* And again, with an instance that is refused beside it. */
    served.settings.modules = 1;
    assert_int_equal(reload(&served), 0);
    assert_next(&journal, "started");
    served_add_module(&served, "bad_start", NULL);
    assert_int_equal(reload(&served), -EINVAL);
    assert_tool(&served, "tell", "{}", "name=tell");
    served_stop(&served);
    assert_next(&journal, "stopped");
    journal_close(&journal);
}

static void copy_file(const char *from, const char *to)
{
    char command[2 * PATH_MAX + 16];
    snprintf(command, sizeof(command), "cp '%s' '%s.new' && mv '%s.new' '%s'", from, to, to, to);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own paths */
}

/* A new build is moved over the old file, several times, while a call still runs in the old one. */
static void test_new_file_under_the_old_name(void **state)
{
    char folder[] = "/tmp/weir-test-XXXXXX", path[64];
    char *example = fixture("example"), *probe = fixture("probe");
    struct served served;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/handlers.so", folder);
    copy_file(probe, path);
    served_init(&served);
    served.module[0] = (struct module_settings){.path = strdup(path)};
    served.settings.modules = 1;
    served_start(&served);
    struct asked *held = ask_tool(&served, "hold", "{}");
    assert_tool(&served, "tell", "{}", "name=tell");
    for (unsigned round = 0; round < 3; round++) {
        copy_file(example, path);
        assert_int_equal(reload(&served), 0);
        assert_tool(&served, "count_words", "{\"text\":\"a b\"}", "2 words");
        assert_null(find_tool(&served, "tell").provider);
        copy_file(probe, path);
        assert_int_equal(reload(&served), 0);
        assert_tool(&served, "tell", "{}", "name=tell");
    }
    hang_up(held);
    asked_free(held);
    served_stop(&served);
    unlink(path);
    rmdir(folder);
    free(example);
    free(probe);
}

static void test_what_a_module_added_goes_with_it(void **state)
{
    struct served served;
    (void)state;
    served_init(&served);
    served_add_module(&served, "probe", NULL);
    served_start(&served);
    assert_tool(&served, "grow", "{}", "published=0");
    assert_int_equal(reload(&served), 0); /* nothing changed: what was added stays */
    assert_tool(&served, "late_tool", "{}", "name=late_tool");
    served.settings.modules = 0;
    assert_int_equal(reload(&served), 0);
    assert_null(find_tool(&served, "late_tool").provider);
    served.settings.modules = 1;
    served_stop(&served);
}

/* Calls, a module that publishes, and reloads that take the module away and bring it back, all at once: every call gets
   an answer, and in the end the catalogue is what the configuration says. */
static void test_reloads_under_changes(void **state)
{
    enum { ROUNDS = 100, CALLS = 4 };
    static const char *const names[CALLS] = {"grow", "late_tool", "shrink", "tell_worker"};
    struct served served;
    (void)state;
    served_init(&served);
    served.settings.builtin = true;
    served_add_module(&served, "probe", NULL);
    set_command(&served, 0, "say", hello);
    served_start(&served);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct asked *asked[CALLS];
        for (unsigned i = 0; i < CALLS; i++)
            asked[i] = ask_tool(&served, names[i], "{}");
        set_command(&served, 0, "say", round % 2 ? hello : goodbye);
        served.settings.modules = round % 3 != 0;
        assert_int_equal(reload(&served), 0);
        for (unsigned i = 0; i < CALLS; i++)
            free(answer_of(asked[i]));
    }
    served.settings.modules = 0;
    assert_int_equal(reload(&served), 0);
    assert_null(find_tool(&served, "tell").provider);
    assert_null(find_tool(&served, "late_tool").provider);
    assert_tool(&served, "say", "{}", "hello");
    served.settings.modules = 1;
    served_stop(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stays_keeps_its_place),     cmocka_unit_test(test_what_changed_is_exchanged),
        cmocka_unit_test(test_refused_change_changes_nothing), cmocka_unit_test(test_modules_come_and_go),
        cmocka_unit_test(test_new_file_under_the_old_name),    cmocka_unit_test(test_what_a_module_added_goes_with_it),
        cmocka_unit_test(test_reloads_under_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

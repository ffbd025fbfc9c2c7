/* Unit tests of gateway/providers/command_process.h, with real small programs: what they find when they begin, why they
   do not begin, and who ends them. pthread_create(): one thread ends before its program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/providers/command_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/span.h"

enum { WAIT_MS = 60000, MAX_OUTPUT = 8192 };

static char *no_environment[] = {NULL};

/* This very program, begun as a command: the bounds that its first function finds. */
__attribute__((constructor)) static void say_bounds(void)
{
    struct rlimit core, descriptors, data;
    if (!getenv("WEIR_TEST_BOUNDS"))
        return;
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &descriptors);
    getrlimit(RLIMIT_DATA, &data);
    printf("core %llu/%llu descriptors %llu/%llu data %llu/%llu", (unsigned long long)core.rlim_cur,
           (unsigned long long)core.rlim_max, (unsigned long long)descriptors.rlim_cur,
           (unsigned long long)descriptors.rlim_max, (unsigned long long)data.rlim_cur,
           (unsigned long long)data.rlim_max);
    fflush(stdout);
    _exit(0);
}

static void await_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
}

static size_t read_all(int fd, char output[MAX_OUTPUT])
{
    size_t size = 0;
    ssize_t got = 1;
    while (got != 0) {
        await_readable(fd);
        got = read(fd, output + size, MAX_OUTPUT - 1 - size);
        assert_true(got >= 0);
        size += (size_t)got;
    }
    output[size] = '\0';
    return size;
}

static void close_process(struct command_process *process)
{
    for (unsigned i = 0; i < COMMAND_STREAMS; i++)
        if (process->stream[i] >= 0)
            close(process->stream[i]);
    close(process->pidfd);
}

/* Runs it to its end: what it wrote, and the signal that ended it. */
static int run(const struct command_process_plan *plan, char output[MAX_OUTPUT])
{
    struct command_process process;
    int status, signal_number;
    assert_int_equal(command_process_start(plan, &process), 0);
    read_all(process.stream[1], output);
    await_readable(process.pidfd);
    command_process_reap(&process, &status, &signal_number);
    close_process(&process);
    return signal_number;
}

/* ---- what it finds ---- */

static void test_bounds(void **state)
{
    static char *environment[] = {(char *)(uintptr_t) "WEIR_TEST_BOUNDS=1", NULL};
    char *words[] = {NULL, NULL}, output[MAX_OUTPUT], expected[256];
    const size_t most = (size_t)1 << 50; /* sanitizers map much */
    struct rlimit descriptors;
    (void)state;
    char here[4096];
    ssize_t size = readlink("/proc/self/exe", here, sizeof(here) - 1);
    assert_true(size > 0);
    here[size] = '\0';
    words[0] = here;
    const struct command_process_plan plan = {.arguments = words, .environment = environment, .max_memory = most};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
    assert_true(descriptors.rlim_max >= 1024);
    snprintf(expected, sizeof(expected), "core 0/0 descriptors 1024/%llu data %zu/%zu",
             (unsigned long long)descriptors.rlim_max, most, most);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(run(&plan, output), 0);
        assert_string_equal(output, expected);
    }
}

static void *start_with_signals_blocked(void *plan)
{
    static char output[MAX_OUTPUT];
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    assert_int_equal(run(plan, output), 0);
    return output;
}

/* As on a reactor: all signals blocked, some of them ignored. */
static void test_signals(void **state)
{
    char *words[] = {(char *)(uintptr_t) "grep", (char *)(uintptr_t) "-E", (char *)(uintptr_t) "Sig(Blk|Ign)",
                     (char *)(uintptr_t) "/proc/self/status", NULL};
    struct command_process_plan plan = {.arguments = words, .environment = no_environment};
    pthread_t thread;
    void *output = NULL;
    (void)state;
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pthread_create(&thread, NULL, start_with_signals_blocked, &plan), 0);
    pthread_join(thread, &output);
    signal(SIGINT, SIG_DFL);
    assert_string_equal(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* ---- why it does not begin ---- */

struct folders {
    char root[64], first[96], second[96];
    char path[512], *before;
};

static void make_file(const char *folder, const char *name, const char *text, mode_t mode)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_int_equal(chmod(path, mode), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
}

static void folders_make(struct folders *folders)
{
    snprintf(folders->root, sizeof(folders->root), "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(folders->root));
    snprintf(folders->first, sizeof(folders->first), "%s/first", folders->root);
    snprintf(folders->second, sizeof(folders->second), "%s/second", folders->root);
    assert_int_equal(mkdir(folders->first, 0700), 0);
    assert_int_equal(mkdir(folders->second, 0700), 0);
    make_file(folders->first, "one", "#!/bin/sh\necho first\n", 0600); /* cannot be run */
    make_file(folders->second, "one", "#!/bin/sh\necho second\n", 0700);
    make_file(folders->first, "locked", "#!/bin/sh\n", 0600);
    make_file(folders->second, "text", "echo no program\n", 0700);
    const char *before = getenv("PATH");
    folders->before = strdup(before ? before : "/bin:/usr/bin");
    snprintf(folders->path, sizeof(folders->path), "%s/first/one:%s:%s", folders->root, folders->first,
             folders->second);
    setenv("PATH", folders->path, 1);
}

static void folders_remove(struct folders *folders)
{
    setenv("PATH", folders->before, 1);
    free(folders->before);
    remove_file(folders->first, "one");
    remove_file(folders->second, "one");
    remove_file(folders->first, "locked");
    remove_file(folders->second, "text");
    rmdir(folders->first);
    rmdir(folders->second);
    rmdir(folders->root);
}

static int lowest_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static void test_refusals(void **state)
{
    static const struct {
        const char *program, *directory;
        int result;
        const char *comment;
    } rows[] = {
        {"no-such-program", NULL, -ENOENT, "in no folder of PATH"},
        {"/no/such/program", NULL, -ENOENT, "by its path"},
        {"/etc/passwd/program", NULL, -ENOTDIR, "a file is no folder"},
        {"locked", NULL, -EACCES, "found, and may not be run"},
        {"text", NULL, -ENOEXEC, "is not given to a shell"},
        {"one", "/no/such/folder", -ENOENT, "nowhere to run it in"},
        {"/", NULL, -EACCES, "a folder"},
    };
    struct folders folders;
    (void)state;
    folders_make(&folders);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *words[] = {(char *)(uintptr_t)rows[i].program, NULL};
        const struct command_process_plan plan = {
            .arguments = words, .environment = no_environment, .directory = rows[i].directory, .input = true};
        struct command_process process;
        int before = lowest_descriptor(), result = command_process_start(&plan, &process);
        if (result != rows[i].result)
            fail_msg("%s: %d instead of %d: %s", rows[i].program, result, rows[i].result, rows[i].comment);
        assert_int_equal(lowest_descriptor(), before);
        assert_int_equal(waitpid(-1, NULL, 0), -1);
    }
    folders_remove(&folders);
}

static void test_search(void **state)
{
    char *words[] = {(char *)(uintptr_t) "one", NULL}, output[MAX_OUTPUT];
    const struct command_process_plan plan = {.arguments = words, .environment = no_environment};
    struct folders folders;
    (void)state;
    folders_make(&folders);
    assert_int_equal(run(&plan, output), 0);
    folders_remove(&folders);
    assert_string_equal(output, "second\n");
}

/* A place in the keeper's table is free again, whatever becomes of the program. */
static void test_places(void **state)
{
    char *words[] = {(char *)(uintptr_t) "true", NULL}, *wrong[] = {(char *)(uintptr_t) "/no/such", NULL};
    struct command_process_plan plan = {.arguments = words, .environment = no_environment};
    struct command_process process;
    command_place *place;
    int status, signal_number;
    (void)state;
    assert_int_equal(command_keeper_start(&plan.keeper), 0);
    for (unsigned i = 0; i < COMMAND_KEEPER_GROUPS - 1; i++)
        assert_int_equal(command_keeper_take(plan.keeper, &place), 0);
    for (unsigned i = 0; i < 3; i++) {
        plan.arguments = wrong;
        assert_int_equal(command_process_start(&plan, &process), -ENOENT);
        plan.arguments = words;
        assert_int_equal(command_process_start(&plan, &process), 0);
        assert_int_equal(atomic_load(process.place), process.id);
        await_readable(process.pidfd);
        command_process_reap(&process, &status, &signal_number);
        assert_int_equal(status, 0);
        close_process(&process);
    }
    assert_int_equal(command_keeper_take(plan.keeper, &place), 0);
    assert_int_equal(command_process_start(&plan, &process), -EAGAIN);
    command_keeper_stop(plan.keeper);
}

/* ---- who ends it ---- */

static void *start_and_leave(void *data)
{
    char *words[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000", NULL};
    const struct command_process_plan plan = {.arguments = words, .environment = no_environment};
    assert_int_equal(command_process_start(&plan, data), 0);
    return NULL;
}

static void test_ends_with_its_thread(void **state)
{
    struct command_process process;
    pthread_t thread;
    int status, signal_number;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, start_and_leave, &process), 0);
    pthread_join(thread, NULL);
    await_readable(process.pidfd);
    command_process_reap(&process, &status, &signal_number);
    assert_int_equal(signal_number, SIGKILL);
    close_process(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_signals), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_search), cmocka_unit_test(test_places),  cmocka_unit_test(test_ends_with_its_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/providers/command_keeper.h: gateways that are killed, as processes of the test, which adopts
   what they leave behind and so sees how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/providers/command_keeper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 60 };

/* What the gateway and the test both see: a program and what it has started. */
struct family {
    _Atomic pid_t leader, child;
};

static _Noreturn void sleep_for_ever(void)
{
    for (;;)
        pause();
}

static pid_t start_family(struct family *family)
{
    pid_t leader = fork();
    if (leader != 0)
        return leader;
    setsid();
    (void)close_range(STDERR_FILENO + 1, ~0U, 0); /* as execve() would */
    pid_t child = fork();
    if (child == 0)
        sleep_for_ever();
    atomic_store(&family->child, child);
    atomic_store(&family->leader, getpid());
    sleep_for_ever();
}

/* A gateway: its program enters the table, and leaves it when it `gives` it back. It then says so. */
static _Noreturn void be_gateway(struct family *family, int news, bool gives)
{
    struct command_keeper *keeper = NULL;
    command_place *place = NULL;
    if (command_keeper_start(&keeper) != 0 || command_keeper_take(keeper, &place) != 0)
        _exit(1);
    pid_t leader = start_family(family);
    atomic_store(place, leader);
    while (atomic_load(&family->leader) != leader)
        sched_yield();
    if (gives)
        command_keeper_give(place);
    if (write(news, "up", 2) != 2)
        _exit(1);
    sleep_for_ever();
}

static void await_news(int news)
{
    char bytes[2];
    struct pollfd poll_news = {.fd = news, .events = POLLIN};
    assert_int_equal(poll(&poll_news, 1, WAIT_SECONDS * 1000), 1);
    assert_int_equal(read(news, bytes, sizeof(bytes)), 2);
}

static struct family *kill_a_gateway(bool gives)
{
    int news[2];
    struct family *family = mmap(NULL, sizeof(*family), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(family != MAP_FAILED);
    assert_int_equal(pipe(news), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t gateway = fork();
    if (gateway == 0)
        be_gateway(family, news[1], gives);
    await_news(news[0]);
    kill(gateway, SIGKILL);
    assert_int_equal(waitpid(gateway, NULL, 0), gateway);
    close(news[0]);
    close(news[1]);
    return family;
}

/* The next that ends, of all that was left behind. */
static pid_t await_end(int *ret_status)
{
    pid_t ended = waitpid(-1, ret_status, 0);
    assert_true(ended > 0);
    return ended;
}

static void test_killed_gateway(void **state)
{
    unsigned killed = 0, kept = 0;
    (void)state;
    struct family *family = kill_a_gateway(false);
    for (unsigned i = 0; i < 3; i++) {
        int status;
        pid_t ended = await_end(&status);
        bool program = ended == atomic_load(&family->leader) || ended == atomic_load(&family->child);
        killed += program && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        kept += !program && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    assert_int_equal(killed, 2);
    assert_int_equal(kept, 1); /* the keeper itself */
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    munmap(family, sizeof(*family));
}

/* A number that has left the table may be somebody else's. */
static void test_given_back(void **state)
{
    int status;
    (void)state;
    struct family *family = kill_a_gateway(true);
    pid_t leader = atomic_load(&family->leader), child = atomic_load(&family->child);
    pid_t keeper = await_end(&status);
    assert_true(keeper != leader && keeper != child);
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* both go on */
    kill(-leader, SIGKILL);
    assert_int_equal(waitpid(leader, NULL, 0), leader);
    assert_int_equal(waitpid(child, NULL, 0), child);
    munmap(family, sizeof(*family));
}

static void test_stop(void **state)
{
    struct command_keeper *keeper = NULL;
    command_place *place = NULL;
    int status;
    (void)state;
    assert_int_equal(command_keeper_start(&keeper), 0);
    assert_int_equal(command_keeper_take(keeper, &place), 0);
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        atomic_store(place, getpid());
        sleep_for_ever();
    }
    while (atomic_load(place) != leader)
        sched_yield();
    command_keeper_stop(keeper);
    assert_int_equal(waitpid(-1, &status, 0), leader);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(waitpid(-1, NULL, 0), -1); /* nor is there a keeper */
    command_keeper_stop(NULL);
}

static void test_places(void **state)
{
    struct command_keeper *keeper = NULL;
    command_place *place = NULL, *last = NULL;
    (void)state;
    assert_int_equal(command_keeper_take(NULL, &place), 0);
    assert_null(place);
    command_keeper_give(place);
    assert_int_equal(command_keeper_start(&keeper), 0);
    for (unsigned i = 0; i < COMMAND_KEEPER_GROUPS; i++)
        assert_int_equal(command_keeper_take(keeper, &place), 0);
    assert_int_equal(command_keeper_take(keeper, &last), -EAGAIN);
    assert_null(last);
    command_keeper_give(place);
    assert_int_equal(command_keeper_take(keeper, &last), 0);
    assert_ptr_equal(last, place);
    command_keeper_stop(keeper); /* places without a program yet are nobody's group */
}

static pid_t only_child(void)
{
    char path[64], line[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    return (pid_t)strtol(line, NULL, 10);
}

static unsigned descriptors_of(pid_t process)
{
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)process);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

/* Its own session; /dev/null three times, and its end of the pair. */
static void test_holds_nothing(void **state)
{
    struct command_keeper *keeper = NULL;
    int inherited[2];
    (void)state;
    assert_int_equal(pipe(inherited), 0);
    assert_int_equal(command_keeper_start(&keeper), 0);
    pid_t id = only_child();
    time_t until = time(NULL) + WAIT_SECONDS;
    while ((getsid(id) != id || descriptors_of(id) != 4) && time(NULL) < until)
        sched_yield();
    assert_int_equal(getsid(id), id);
    assert_int_equal(descriptors_of(id), 4);
    command_keeper_stop(keeper);
    close(inherited[0]);
    close(inherited[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_gateway), cmocka_unit_test(test_given_back),    cmocka_unit_test(test_stop),
        cmocka_unit_test(test_places),         cmocka_unit_test(test_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

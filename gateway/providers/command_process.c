/* Starting and ending programs. Not by uv_spawn(): its fork() copies the page tables of the whole gateway on the loop's
   thread (17 ms with 500 MB, where posix_spawn() takes 0.05), its socketpairs cannot be opened again as /dev/stderr,
   and it reaps before it tells, so that the group's number may have a new owner when it is killed. Owns what it has
   opened until it returns. */
#include "gateway/providers/command_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT, OUTPUT, ERRORS, STREAMS = COMMAND_STREAMS };

/* A pipe: the program's end and ours. */
struct pair {
    int theirs, ours;
};

static void close_end(int *end)
{
    if (*end >= 0)
        close(*end);
    *end = -1;
}

static void close_pairs(struct pair pairs[STREAMS])
{
    for (unsigned i = 0; i < STREAMS; i++) {
        close_end(&pairs[i].theirs);
        close_end(&pairs[i].ours);
    }
}

/* The program's ends are put in the places 0, 1 and 2, one after another: none may stand in the place of another. */
static int move_up(int *end)
{
    if (*end >= STREAMS)
        return 0;
    int moved = fcntl(*end, F_DUPFD_CLOEXEC, STREAMS);
    if (moved < 0)
        return -errno;
    close(*end);
    *end = moved;
    return 0;
}

static int open_pair(struct pair *pair, bool ours_writes)
{
    int made[2];
    if (pipe2(made, O_CLOEXEC) < 0)
        return -errno;
    *pair = ours_writes ? (struct pair){made[0], made[1]} : (struct pair){made[1], made[0]};
    return fcntl(pair->ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : move_up(&pair->theirs);
}

static int open_pairs(struct pair pairs[STREAMS], bool input)
{
    int r = input ? open_pair(&pairs[INPUT], true) : 0;
    if (r == 0)
        r = open_pair(&pairs[OUTPUT], false);
    return r < 0 ? r : open_pair(&pairs[ERRORS], false);
}

/* Its standard streams and its working directory. 0 or an errno. */
static int add_actions(posix_spawn_file_actions_t *actions, const struct command_process_plan *plan,
                       const struct pair pairs[STREAMS])
{
    int r = 0;
    for (int i = 0; i < STREAMS && r == 0; i++)
        if (pairs[i].theirs >= 0)
            r = posix_spawn_file_actions_adddup2(actions, pairs[i].theirs, i);
        else
            r = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDONLY, 0);
    if (r == 0 && plan->directory)
        r = posix_spawn_file_actions_addchdir_np(actions, plan->directory);
    return r;
}

/* 0 or an errno. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attributes, &none);
    return r != 0 ? r : posix_spawnattr_setsigdefault(attributes, &all);
}

static int spawn(const struct command_process_plan *plan, const struct pair pairs[STREAMS], pid_t *ret_id)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    int r = add_actions(&actions, plan, pairs);
    if (r == 0)
        r = set_attributes(&attributes);
    if (r == 0)
        r = posix_spawnp(ret_id, plan->arguments[0], &actions, &attributes, plan->arguments, plan->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* posix_spawn() has no attributes for these. What fails is left as it is: the program is there already. */
static void set_bounds(pid_t id, const struct command_process_plan *plan)
{
    enum { DESCRIPTORS = 1024, NICENESS = 10 };
    struct rlimit none = {0, 0}, descriptors, memory = {plan->max_memory, plan->max_memory};
    (void)prlimit(id, RLIMIT_CORE, &none, NULL);
    if (prlimit(id, RLIMIT_NOFILE, NULL, &descriptors) == 0) { /* ours is as high as can be */
        descriptors.rlim_cur = MIN(descriptors.rlim_max, (rlim_t)DESCRIPTORS);
        (void)prlimit(id, RLIMIT_NOFILE, &descriptors, NULL);
    }
    if (plan->max_memory > 0)
        (void)prlimit(id, RLIMIT_DATA, &memory, NULL);
    (void)setpriority(PRIO_PROCESS, (id_t)id, NICENESS);
}

/* Its end must be seen: what cannot be watched is ended here. */
static int open_pidfd(pid_t id, int *ret_pidfd)
{
    int pidfd = pidfd_open(id, 0); /* closes on exec */
    if (pidfd < 0) {
        int r = -errno;
        (void)kill(-id, SIGKILL);
        while (waitpid(id, NULL, 0) < 0 && errno == EINTR)
            ;
        return r;
    }
    *ret_pidfd = pidfd;
    return 0;
}

int command_process_start(const struct command_process_plan *plan, struct command_process *ret_process)
{
    struct pair pairs[STREAMS] = {{-1, -1}, {-1, -1}, {-1, -1}};
    struct command_process process = {.pidfd = -1};
    int r = open_pairs(pairs, plan->input);
    if (r == 0)
        r = spawn(plan, pairs, &process.id);
    if (r == 0)
        set_bounds(process.id, plan);
    if (r == 0)
        r = open_pidfd(process.id, &process.pidfd);
    for (unsigned i = 0; i < STREAMS && r == 0; i++) {
        process.stream[i] = pairs[i].ours;
        pairs[i].ours = -1;
    }
    close_pairs(pairs);
    if (r == 0)
        *ret_process = process;
    return r;
}

/* The group outlives its leader if the program left others behind; it is gone when there are none (ESRCH). */
void command_process_signal(const struct command_process *process, int signal_number)
{
    (void)kill(-process->id, signal_number);
}

void command_process_reap(const struct command_process *process, int *ret_status, int *ret_signal)
{
    siginfo_t info = {.si_code = CLD_EXITED, .si_status = COMMAND_STATUS_LOST};
    while (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    *ret_status = info.si_code == CLD_EXITED ? info.si_status : 0;
    *ret_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
}

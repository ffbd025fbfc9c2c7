/* Starting and ending programs. Not by uv_spawn(): it forks (command_launch.c says what that costs), its socketpairs
   cannot be opened again as /dev/stderr, and it reaps before it tells, so that the group's number may have a new owner
   when it is killed. Owns what it has opened until it returns. */
#include "gateway/providers/command_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/providers/command_launch.h"

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

static int open_pair(struct pair *pair, bool ours_writes)
{
    int made[2];
    if (pipe2(made, O_CLOEXEC) < 0)
        return -errno;
    *pair = ours_writes ? (struct pair){made[0], made[1]} : (struct pair){made[1], made[0]};
    return fcntl(pair->ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int open_pairs(struct pair pairs[STREAMS], bool input)
{
    int r = input ? open_pair(&pairs[INPUT], true) : 0;
    if (r == 0)
        r = open_pair(&pairs[OUTPUT], false);
    return r < 0 ? r : open_pair(&pairs[ERRORS], false);
}

static int launch(const struct command_process_plan *plan, const struct pair pairs[STREAMS],
                  struct command_process *process)
{
    const int stream[STREAMS] = {pairs[INPUT].theirs, pairs[OUTPUT].theirs, pairs[ERRORS].theirs};
    int r = command_keeper_take(plan->keeper, &process->place);
    return r < 0 ? r : command_launch(plan, stream, process->place, &process->id);
}

/* Its end must be seen: what cannot be watched is ended here. */
static int open_pidfd(struct command_process *process)
{
    process->pidfd = pidfd_open(process->id, 0); /* closes on exec */
    if (process->pidfd >= 0)
        return 0;
    int r = -errno;
    command_process_signal(process, SIGKILL);
    command_keeper_give(process->place);
    while (waitpid(process->id, NULL, 0) < 0 && errno == EINTR)
        ;
    return r;
}

int command_process_start(const struct command_process_plan *plan, struct command_process *ret_process)
{
    struct pair pairs[STREAMS] = {{-1, -1}, {-1, -1}, {-1, -1}};
    struct command_process process = {.pidfd = -1};
    int r = open_pairs(pairs, plan->input);
    if (r == 0)
        r = launch(plan, pairs, &process);
    if (r == 0)
        r = open_pidfd(&process);
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
    command_keeper_give(process->place); /* while its number is still its own */
    siginfo_t info = {.si_code = CLD_EXITED, .si_status = COMMAND_STATUS_LOST};
    while (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    *ret_status = info.si_code == CLD_EXITED ? info.si_status : 0;
    *ret_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
}

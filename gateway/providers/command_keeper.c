/* The keeper's process and the table of groups. The table is shared memory, anonymous; the keeper sleeps in read() and
   touches the table once. It leads a session of its own, so that what is sent to the gateway's group or terminal does
   not reach it, and holds nothing of the gateway but its end of a pair of sockets. Owns the table, the pair and the
   process. */
#include "gateway/providers/command_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char NAME[] = "command-keeper"; /* as ps shows it */
enum { RESERVED = -1 };                      /* of a place whose program has not entered its group yet */

struct groups {
    command_place place[COMMAND_KEEPER_GROUPS]; /* 0: free */
};

struct command_keeper {
    struct groups *groups;
    _Atomic unsigned next; /* where to look for a free place */
    int alive;             /* our end of the pair; -1: there is no keeper */
    pid_t id;
};

static void end_groups(struct groups *groups)
{
    for (unsigned i = 0; i < COMMAND_KEEPER_GROUPS; i++) {
        pid_t group = atomic_load_explicit(&groups->place[i], memory_order_acquire);
        if (group > 0)
            (void)kill(-group, SIGKILL);
    }
}

/* ---- the keeper's side ---- */

static void let_go_of_all_but(int kept)
{
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)dup2(nothing, fd);
    if (kept > STDERR_FILENO + 1)
        (void)close_range(STDERR_FILENO + 1, (unsigned)kept - 1, 0);
    (void)close_range((unsigned)kept + 1, ~0U, 0);
    (void)!chdir("/");
}

static _Noreturn void keep(struct groups *groups, int gateway)
{
    char byte;
    (void)setsid();
    (void)prctl(PR_SET_NAME, NAME);
    let_go_of_all_but(gateway);
    (void)!send(gateway, "", 1, MSG_NOSIGNAL); /* it is in its place */
    while (read(gateway, &byte, 1) < 0 && errno == EINTR)
        ;
    end_groups(groups);
    _exit(EXIT_SUCCESS);
}

/* ---- the gateway's side ---- */

/* Until it sees to what is started. */
static int await(int keeper)
{
    char byte;
    ssize_t got;
    do
        got = read(keeper, &byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1 ? 0 : -ECHILD;
}

static int start_process(struct command_keeper *keeper)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    keeper->id = fork();
    if (keeper->id == 0) {
        close(ends[1]);
        keep(keeper->groups, ends[0]);
    }
    int result = keeper->id < 0 ? -errno : 0;
    close(ends[0]);
    keeper->alive = ends[1];
    return result < 0 ? result : await(keeper->alive);
}

static void keeper_free(struct command_keeper *keeper)
{
    if (keeper->alive >= 0)
        close(keeper->alive);
    (void)munmap(keeper->groups, sizeof(*keeper->groups));
    free(keeper);
}

int command_keeper_start(struct command_keeper **ret_keeper)
{
    struct command_keeper *keeper = calloc(1, sizeof(*keeper));
    if (!keeper)
        return -ENOMEM;
    keeper->alive = -1;
    keeper->groups = mmap(NULL, sizeof(*keeper->groups), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (keeper->groups == MAP_FAILED) {
        free(keeper);
        return -ENOMEM;
    }
    int result = getpid() == 1 ? 0 : start_process(keeper);
    if (result < 0)
        keeper_free(keeper);
    else
        *ret_keeper = keeper;
    return result;
}

/* It is not left to see our end closed: a module's own child may hold it open. */
void command_keeper_stop(struct command_keeper *keeper)
{
    if (!keeper)
        return;
    end_groups(keeper->groups);
    if (keeper->id > 0) {
        (void)kill(keeper->id, SIGKILL);
        while (waitpid(keeper->id, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    keeper_free(keeper);
}

static bool reserve(command_place *place)
{
    pid_t unused = 0;
    return atomic_compare_exchange_strong_explicit(place, &unused, RESERVED, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

int command_keeper_take(struct command_keeper *keeper, command_place **ret_place)
{
    if (!keeper) {
        *ret_place = NULL;
        return 0;
    }
    unsigned from = atomic_fetch_add_explicit(&keeper->next, 1, memory_order_relaxed);
    for (unsigned i = 0; i < COMMAND_KEEPER_GROUPS; i++) {
        command_place *place = &keeper->groups->place[(from + i) % COMMAND_KEEPER_GROUPS];
        if (reserve(place)) {
            *ret_place = place;
            return 0;
        }
    }
    return -EAGAIN;
}

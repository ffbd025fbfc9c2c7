/* vfork(), the steps that make a program out of the child, execve(). Not by posix_spawn(), which knows no limits: a
   program would run unbounded until they are set from outside. And not by fork(), which copies the page tables of the
   whole gateway on the loop's thread (17 ms with 500 MB, where vfork() takes 0.05). Until it is loaded the child uses
   the memory of the thread that made it, which waits: the steps make system calls and nothing else, take no memory and
   no lock. Owns nothing that outlives a call. */
#include "gateway/providers/command_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/span.h"

enum {
    MAX_DESCRIPTORS = 1024, /* ours are as many as can be */
    NICENESS = 10,
    EXIT_NOT_LOADED = 127, /* nobody sees it: the pipe says why */
};

struct launch {
    const struct command_process_plan *plan;
    const int *stream;
    command_place *place;
    struct span search; /* PATH */
    pid_t gateway;
    int report;           /* a pipe, for the errno of the step that failed */
    volatile bool shared; /* by the child: so it was vfork() indeed, and is done when our thread goes on */
};

/* ---- the child: 0 or an errno each ---- */

static int lead_a_group(const struct launch *launch)
{
    if (setsid() < 0)
        return errno;
    if (launch->place)
        atomic_store_explicit(launch->place, getpid(), memory_order_release);
    return 0;
}

/* The keeper ends whole groups, but may be killed together with the gateway. */
static int end_with_the_gateway(const struct launch *launch)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return errno;
    return getppid() == launch->gateway ? 0 : ESRCH;
}

static int take_streams(const struct launch *launch)
{
    for (int fd = 0; fd < COMMAND_STREAMS; fd++) {
        int from = launch->stream[fd];
        if (from < 0)
            close(fd); /* what is opened next takes its place */
        if ((from < 0 ? open("/dev/null", O_RDONLY) : dup2(from, fd)) < 0)
            return errno;
    }
    return 0;
}

/* Both the limit and what it could be raised to. */
static int set_bound(int resource, rlim_t most, bool hard)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0)
        return errno;
    limit.rlim_cur = MIN(limit.rlim_max, most);
    if (hard)
        limit.rlim_max = limit.rlim_cur;
    return setrlimit(resource, &limit) < 0 ? errno : 0;
}

static int set_bounds(const struct launch *launch)
{
    size_t memory = launch->plan->max_memory;
    int error = set_bound(RLIMIT_CORE, 0, true);
    if (error == 0)
        error = set_bound(RLIMIT_NOFILE, MAX_DESCRIPTORS, false);
    if (error == 0 && memory > 0)
        error = set_bound(RLIMIT_DATA, memory, true);
    return error;
}

static int enter_directory(const struct launch *launch)
{
    return launch->plan->directory && chdir(launch->plan->directory) < 0 ? errno : 0;
}

/* No handler of the gateway may run here: they are gone before any signal is let in. */
static int reset_signals(const struct launch *launch UNUSED)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? errno : 0;
}

/* Not execve(): a coverage build makes something else of that, which counts. */
static int execute(const struct launch *launch, const char *path)
{
    (void)execveat(AT_FDCWD, path, launch->plan->arguments, launch->plan->environment, 0);
    return errno;
}

static bool join(struct span folder, struct span name, char path[PATH_MAX])
{
    if (folder.size == 0)
        folder = SPAN(".");
    if (folder.size + name.size + 2 > PATH_MAX)
        return false;
    memcpy(path, folder.at, folder.size);
    path[folder.size] = '/';
    memcpy(path + folder.size + 1, name.at, name.size);
    path[folder.size + 1 + name.size] = '\0';
    return true;
}

/* As execvp() looks for it, but that what is no program is not given to a shell. */
static int load(const struct launch *launch)
{
    char path[PATH_MAX];
    struct span name = span_of(launch->plan->arguments[0]), rest = launch->search;
    int found = ENOENT;
    if (memchr(name.at, '/', name.size))
        return execute(launch, name.at);
    while (!span_absent(rest)) {
        if (!join(span_cut(&rest, ':'), name, path))
            continue;
        int error = execute(launch, path);
        if (error == EACCES)
            found = EACCES; /* another folder may have one that can be run */
        else if (error != ENOENT && error != ENOTDIR)
            return error;
    }
    return found;
}

static int (*const steps[])(const struct launch *launch) = {
    lead_a_group, end_with_the_gateway, take_streams, set_bounds, enter_directory, reset_signals, load,
};

static _Noreturn void become_program(struct launch *launch)
{
    int error = 0;
    launch->shared = true;
    for (unsigned i = 0; i < ARRAY_SIZE(steps) && error == 0; i++)
        error = steps[i](launch);
    (void)!write(launch->report, &error, sizeof(error));
    _exit(EXIT_NOT_LOADED);
}

/* ---- the gateway ---- */

/* The analyzer knows vfork() as POSIX has it, after which only execve() may be called. Linux gives the child a table of
   descriptors, signals and limits of its own, and the steps are made for the memory that they share. */
static pid_t make_child(struct launch *launch)
{
    pid_t id = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (id == 0)
        become_program(launch); /* NOLINT(clang-analyzer-unix.Vfork) */
    return id < 0 ? -errno : id;
}

/* 0, or what the child could not do. It has said so by now, and the pipe is not waited for: its end comes later, and
   other programs that are being loaded hold it open, too. But the thread sanitizer makes fork() of vfork(). */
static int read_report(const struct launch *launch, int report)
{
    int error = 0;
    ssize_t got;
    struct pollfd end = {.fd = report, .events = POLLIN};
    while (!launch->shared && poll(&end, 1, -1) < 0 && errno == EINTR)
        ;
    do
        got = read(report, &error, sizeof(error));
    while (got < 0 && errno == EINTR);
    return got == sizeof(error) ? -error : 0;
}

/* Not one of the steps: our thread waits until the program is loaded, and on a busy machine that would take it as long
   as it takes whoever yields to all others. Fails if the gateway yields more than that already. */
static void yield_to_gateway(pid_t id)
{
    (void)setpriority(PRIO_PROCESS, (id_t)id, NICENESS);
}

static void forget(pid_t id)
{
    while (waitpid(id, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Takes `ends`. */
static int launch_and_listen(struct launch *launch, const int ends[2], pid_t *ret_id)
{
    sigset_t all, before;
    sigfillset(&all);
    launch->report = ends[1];
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t id = make_child(launch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    int result = id < 0 ? id : read_report(launch, ends[0]);
    close(ends[0]);
    if (result == 0) {
        yield_to_gateway(id);
        *ret_id = id;
        return 0;
    }
    command_keeper_give(launch->place);
    if (id > 0)
        forget(id);
    return result;
}

int command_launch(const struct command_process_plan *plan, const int stream[COMMAND_STREAMS], command_place *place,
                   pid_t *ret_id)
{
    const char *path = getenv("PATH");
    struct launch launch = {
        .plan = plan,
        .stream = stream,
        .place = place,
        .search = span_of(path ? path : "/bin:/usr/bin"),
        .gateway = getpid(),
    };
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        int result = -errno;
        command_keeper_give(place);
        return result;
    }
    return launch_and_listen(&launch, ends, ret_id);
}

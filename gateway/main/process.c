/* Signals are taken by the main thread when it asks for them, so no handler ever runs. Owns nothing. */
#include "gateway/main/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

/* SIGCHLD would wake the main thread for nothing whenever a program ends: their ends are seen through pidfds. */
static sigset_t blocked_signals(void)
{
    sigset_t set = our_signals();
    sigaddset(&set, SIGCHLD);
    return set;
}

static int raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : -errno;
}

int process_prepare(void)
{
    sigset_t set = blocked_signals();
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return -errno; /* who started us may ignore SIGCHLD: then programs would end without a status */
    int result = -pthread_sigmask(SIG_BLOCK, &set, NULL);
    return result < 0 ? result : raise_descriptors();
}

int process_take_stdio(int *ret_in, int *ret_out)
{
    enum { FIRST = 3 }; /* not in the place of a standard one that is closed */
    int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST);
    int out = in < 0 ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST);
    int nothing = out < 0 ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return -errno;
    close(nothing);
    *ret_in = in;
    *ret_out = out;
    return 0;
}

void process_end(void)
{
    kill(getpid(), SIGTERM);
}

int process_set_workers(uint64_t workers)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)workers);
    return setenv("UV_THREADPOOL_SIZE", number, 1) == 0 ? 0 : -errno;
}

int process_signal(int timeout_ms)
{
    sigset_t set = our_signals();
    uint64_t end_ms = clock_now_ms() + (uint64_t)MAX(timeout_ms, 0);
    int found;
    do {
        uint64_t now_ms = clock_now_ms(), left_ms = end_ms - MIN(end_ms, now_ms);
        struct timespec limit = {(time_t)(left_ms / 1000), (long)(left_ms % 1000) * 1000000};
        found = timeout_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &limit);
    } while (found < 0 && errno == EINTR);
    return MAX(found, 0);
}

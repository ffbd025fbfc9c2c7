/* Connections that end at any moment: each sends the beginning of a file, cut at a byte that the seed decides (or all
   of it), and then closes, resets, or says nothing more until the other side has had enough. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/stress/storm.h"

enum { EVENTS = 512, TICK_MS = 5, WHOLE = 4 /* one in so many is sent whole */ };
enum ending { ENDING_FIN, ENDING_RESET, ENDING_HALF, ENDING_SILENCE, ENDINGS };

struct victim {
    int fd; /* -1: this place is free */
};

static const struct plan *plan;
static struct victim *victims;
static size_t begun, waiting, refused, ended[ENDINGS];
static uint64_t state;
static int epoll_fd;

/* xorshift64: the same seed, the same endings. */
static size_t chance(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % below);
}

static enum ending choose_ending(void)
{
    if (chance(1000) < plan->silent)
        return ENDING_SILENCE;
    size_t other = chance(100);
    return other < 45 ? ENDING_FIN : other < 95 ? ENDING_RESET : ENDING_HALF;
}

static void finish(int fd, enum ending ending)
{
    struct linger hard = {.l_onoff = 1};
    if (ending == ENDING_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    ended[ending]++;
    close(fd);
}

static struct victim *free_place(void)
{
    for (size_t i = 0; i < plan->connections; i++)
        if (victims[i].fd < 0)
            return &victims[i];
    return NULL;
}

/* Half-closed and silent ones wait for the other side's end. */
static void wait_for_end(int fd, enum ending ending)
{
    struct victim *victim = free_place();
    if (!victim) {
        finish(fd, ENDING_RESET);
        return;
    }
    if (ending == ENDING_HALF)
        shutdown(fd, SHUT_WR);
    ended[ending]++;
    victim->fd = fd;
    waiting++;
    generator_watch(epoll_fd, fd, victim);
}

static void begin(void)
{
    const struct template *template = &plan->template[begun % plan->templates];
    size_t cut = chance(WHOLE) == 0 ? template->size : chance(template->size + 1);
    enum ending ending = choose_ending();
    int fd = generator_try_connect((int)plan->port, plan_source(plan, begun));
    begun++;
    if (fd < 0) {
        refused++;
        return;
    }
    if (cut > 0)
        (void)!send(fd, template->bytes, cut, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (ending < ENDING_HALF)
        finish(fd, ending);
    else
        wait_for_end(fd, ending);
}

static void on_event(struct victim *victim)
{
    char sink[65536];
    ssize_t got = read(victim->fd, sink, sizeof(sink));
    if (got > 0 || (got < 0 && errno == EAGAIN))
        return;
    close(victim->fd);
    victim->fd = -1;
    waiting--;
}

static void serve_events(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < ready; i++)
        on_event(events[i].data.ptr);
}

/* Evenly over the time where there is a rate. */
static bool may_begin(uint64_t start_ns)
{
    double spent_s = (double)(generator_now_ns() - start_ns) / 1e9;
    return plan->rate == 0 || (double)begun < (double)plan->rate * spent_s;
}

void storm_churn(const struct plan *chosen)
{
    plan = chosen;
    state = plan->seed * UINT64_C(2654435769) + 88172645463325252;
    victims = calloc(plan->connections, sizeof(*victims));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!victims || epoll_fd < 0)
        generator_fail("set-up");
    for (size_t i = 0; i < plan->connections; i++)
        victims[i].fd = -1;
    uint64_t start_ns = generator_now_ns(), last_ns = start_ns,
             end_ns = start_ns + plan->seconds * UINT64_C(1000000000);
    while (generator_now_ns() < end_ns && (begun < plan->count || waiting > 0)) {
        if (begun == plan->count && plan->patience > 0)
            end_ns = MIN(end_ns, last_ns + plan->patience * UINT64_C(1000000000));
        bool ready = begun < plan->count && may_begin(start_ns);
        if (ready) {
            begin();
            last_ns = generator_now_ns();
        }
        if (!ready || begun % 16 == 0)
            serve_events(ready ? 0 : TICK_MS);
    }
    printf("{\"connections\":%zu,\"unconnected\":%zu,\"fin\":%zu,\"reset\":%zu,\"half_closed\":%zu,\"silent\":%zu,"
           "\"left_open\":%zu,\"seconds\":%.3f}\n",
           begun, refused, ended[ENDING_FIN], ended[ENDING_RESET], ended[ENDING_HALF], ended[ENDING_SILENCE], waiting,
           (double)(generator_now_ns() - start_ns) / 1e9);
}

/* Calls that are checked: each message has a number of its own, and its answer must hold that number and the id that
   was asked with. What is sent, answered, refused, wrong (another's answer) and lost (no answer at all) is counted.

   A caller is idle, or busy with one message; idle ones wait in a ring. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/stress/storm.h"

enum {
    MAX_CALLERS = 20000,
    MAX_STATUSES = 32,
    EVENTS = 512,
    TICK_MS = 10,
    MAX_SAMPLES = 4000000,
    PIECE_BYTES = 64 * 1024
};
#define FIRST_NUMBER UINT64_C(1000000000)
#define FIRST_ID     UINT64_C(5000000000)

struct caller {
    int fd; /* -1: closed, and not to be opened again */
    bool busy;
    bool dismissed; /* the last answer said that the connection ends */
    size_t index, sent;
    uint64_t sent_ns, number, id;
    const struct template *template;
    char head[HEAD_BYTES];
    struct answer answer;
};

static const struct plan *plan;
static struct caller *callers;
static size_t *idle, idle_first, idle_count; /* a ring of indices */
static struct {
    int status;
    size_t count;
} statuses[MAX_STATUSES];
static struct samples good, bad;
static size_t sent, answered, results, wrong, lost, closed, unconnected, open_now, failed_tools, turned_away;
static uint64_t start_ns;
static int epoll_fd;
static volatile sig_atomic_t stopping; /* SIGINT: nothing new is asked, what is under way is finished */

static void on_interrupt(int number UNUSED)
{
    stopping = 1;
}

static void push_idle(struct caller *caller)
{
    idle[(idle_first + idle_count++) % plan->connections] = caller->index;
}

static struct caller *pop_idle(void)
{
    struct caller *caller = &callers[idle[idle_first]];
    idle_first = (idle_first + 1) % plan->connections;
    idle_count--;
    return caller;
}

static void count_status(int status)
{
    for (size_t i = 0; i < MAX_STATUSES; i++) {
        if (statuses[i].count > 0 && statuses[i].status != status)
            continue;
        statuses[i].status = status;
        statuses[i].count++;
        return;
    }
}

/* ---- connections ---- */

/* The prelude's answer is read at once: a set-up, not load. */
static bool greet(struct caller *caller)
{
    const struct template *prelude = plan->prelude;
    if (write(caller->fd, prelude->bytes, prelude->size) != (ssize_t)prelude->size)
        return false;
    do
        if (!answer_read(&caller->answer, caller->fd))
            return false;
    while (!memmem(caller->answer.bytes, caller->answer.have, "\r\n\r\n", 4));
    caller->answer.have = 0;
    return true;
}

static void open_caller(struct caller *caller)
{
    caller->fd = generator_try_connect((int)plan->port, plan_source(plan, caller->index));
    caller->answer.have = 0;
    caller->busy = caller->dismissed = false;
    if (caller->fd >= 0 && plan->prelude && !greet(caller)) {
        close(caller->fd);
        caller->fd = -1;
    }
    if (caller->fd < 0) {
        unconnected++;
        return;
    }
    open_now++;
    generator_watch(epoll_fd, caller->fd, caller);
    push_idle(caller);
}

/* Idle ones stay in the ring; whoever takes them out sees that they are closed. */
static void end_caller(struct caller *caller)
{
    close(caller->fd);
    caller->fd = -1;
    open_now--;
    closed++;
    if (caller->busy) {
        lost++;
        caller->busy = false;
        if (plan->reconnect)
            open_caller(caller);
    }
}

/* ---- a message ---- */

static void write_number(char *at, uint64_t number)
{
    for (size_t i = DIGITS; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
}

static void make_message(struct caller *caller)
{
    const struct template *template = &plan->template[sent % plan->templates];
    caller->template = template;
    caller->sent = 0;
    caller->number = FIRST_NUMBER + sent;
    caller->id = FIRST_ID + (plan->reuse ? sent % plan->reuse : sent);
    memcpy(caller->head, template->bytes, template->head_size);
    for (size_t i = 0; i < template->numbers; i++)
        write_number(caller->head + template->number_at[i], caller->number);
    for (size_t i = 0; i < template->ids; i++)
        write_number(caller->head + template->id_at[i], caller->id);
}

static void watch(struct caller *caller, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = caller};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, caller->fd, &event);
}

/* A piece, so that the answers to others are looked at (and their times taken) between two of them. A connection that
 * is closed meanwhile may still have an answer for us: it is read. */
static void write_more(struct caller *caller)
{
    const struct template *template = caller->template;
    size_t end = MIN(template->size, caller->sent + PIECE_BYTES);
    while (caller->sent < end) {
        bool in_head = caller->sent < template->head_size;
        const char *from = in_head ? caller->head + caller->sent : template->bytes + caller->sent;
        size_t size = MIN(end, in_head ? template->head_size : template->size) - caller->sent;
        ssize_t put = send(caller->fd, from, size, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN)
            break;
        caller->sent = put < 0 ? template->size : caller->sent + (size_t)put;
    }
    watch(caller, caller->sent < template->size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void start_call(struct caller *caller)
{
    make_message(caller);
    caller->busy = true;
    caller->sent_ns = generator_now_ns();
    sent++;
    write_more(caller);
}

/* ---- an answer ---- */

static bool holds(const struct caller *caller, size_t size, uint64_t number)
{
    char digits[DIGITS];
    write_number(digits, number);
    return memmem(caller->answer.bytes, size, digits, DIGITS) != NULL;
}

static bool is_ours(const struct caller *caller, size_t size)
{
    const struct template *template = caller->template;
    return (template->numbers == 0 || holds(caller, size, caller->number)) &&
           (template->ids == 0 || holds(caller, size, caller->id));
}

static bool says_close(const struct caller *caller, size_t size)
{
    const char *end = memmem(caller->answer.bytes, size, "\r\n\r\n", 4);
    const char *field = strcasestr(caller->answer.bytes, "\r\nconnection: close");
    return plan->framing == FRAMING_HTTP && field && field < end;
}

static void judge(struct caller *caller, size_t size, int status)
{
    answered++;
    caller->dismissed = says_close(caller, size);
    caller->busy = false;
    count_status(status);
    samples_add(status == 200 ? &good : &bad, caller->sent_ns);
    if (status != 200)
        return;
    results++;
    wrong += !is_ours(caller, size);
    failed_tools += memmem(caller->answer.bytes, size, "\"isError\":true", 14) != NULL;
}

/* A refusal may come before anything was asked, a notification at any time, an answer never. */
static void judge_unasked(const char *bytes, size_t size, int status)
{
    if (status != 200)
        count_status(status);
    turned_away += status != 200;
    wrong += status == 200 && memmem(bytes, size, "\"method\"", 8) == NULL;
}

static void take_answers(struct caller *caller)
{
    int status = 0;
    struct answer *answer = &caller->answer;
    for (size_t size; (size = answer_whole(answer, plan->framing, &status)) > 0;) {
        bool control = plan->framing == FRAMING_WEBSOCKET && (answer->bytes[0] & 0x0f) > 2;
        if (caller->busy && !control)
            judge(caller, size, status);
        else if (!control)
            judge_unasked(answer->bytes, size, status);
        memmove(answer->bytes, answer->bytes + size, answer->have - size);
        answer->have -= size;
    }
}

/* Until its next message. One that was answered before all was sent was refused, and is at its end, too. */
static void rest(struct caller *caller)
{
    bool ends = caller->dismissed || caller->sent < caller->template->size;
    if (ends)
        end_caller(caller);
    if (!ends || plan->reconnect)
        push_idle(caller);
}

static void on_event(struct caller *caller, uint32_t events)
{
    bool was_busy = caller->busy;
    if (caller->fd < 0)
        return;
    if (events & EPOLLOUT)
        write_more(caller);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    bool alive = answer_read(&caller->answer, caller->fd);
    take_answers(caller);
    if (!alive)
        end_caller(caller);
    else if (was_busy && !caller->busy)
        rest(caller);
}

/* ---- the whole ---- */

static size_t allowed_now(void)
{
    uint64_t spent_ns = generator_now_ns() - start_ns;
    size_t most = stopping ? 0 : plan->count ? plan->count : SIZE_MAX;
    if (plan->count == 0 && spent_ns >= plan->seconds * UINT64_C(1000000000))
        return 0;
    if (plan->rate == 0)
        return most;
    return MIN(most, (size_t)((double)plan->rate * (double)spent_ns / 1e9) + 1);
}

static void start_due(void)
{
    for (size_t most = allowed_now(), tries = idle_count; tries > 0 && idle_count > 0 && sent < most; tries--) {
        struct caller *caller = pop_idle();
        if (caller->fd < 0 && plan->reconnect)
            open_caller(caller);
        else if (caller->fd >= 0)
            start_call(caller);
    }
}

static bool is_over(void)
{
    uint64_t spent_ns = generator_now_ns() - start_ns;
    bool done = stopping || (plan->count ? sent >= plan->count : spent_ns >= plan->seconds * UINT64_C(1000000000));
    if (done && sent == answered + lost)
        return true;
    if (open_now == 0 && !(plan->reconnect && idle_count > 0))
        return true;
    return spent_ns >= (plan->seconds + (plan->count ? 0 : GRACE_SECONDS)) * UINT64_C(1000000000);
}

static void print_statuses(void)
{
    printf("\"statuses\":{");
    for (size_t i = 0; i < MAX_STATUSES && statuses[i].count > 0; i++)
        printf("%s\"%d\":%zu", i ? "," : "", statuses[i].status, statuses[i].count);
    printf("}");
}

static void print_latencies(const char *name, struct samples *samples)
{
    samples_sort(samples);
    printf(",\"%s\":{\"min\":%.3f,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name,
           samples_at(samples, 0) / 1e3, samples_at(samples, 0.5) / 1e3, samples_at(samples, 0.95) / 1e3,
           samples_at(samples, 0.99) / 1e3, samples_at(samples, 1) / 1e3);
}

/* In milliseconds. */
static void print_outcome(void)
{
    double seconds = (double)(generator_now_ns() - start_ns) / 1e9;
    size_t unanswered = sent - answered - lost;
    printf(
        "{\"sent\":%zu,\"answered\":%zu,\"results\":%zu,\"wrong\":%zu,\"lost\":%zu,\"unanswered\":%zu,\"closed\":%zu,"
        "\"unconnected\":%zu,\"turned_away\":%zu,\"failed_tools\":%zu,\"open\":%zu,\"seconds\":%.3f,\"per_second\":%."
        "0f,",
        sent, answered, results, wrong, lost, unanswered, closed, unconnected, turned_away, failed_tools, open_now,
        seconds, (double)answered / seconds);
    print_statuses();
    print_latencies("ms", &good);
    print_latencies("refused_ms", &bad);
    printf("}\n");
}

static void set_up(void)
{
    if (plan->connections > MAX_CALLERS)
        generator_fail("too many connections");
    callers = calloc(plan->connections, sizeof(*callers));
    idle = calloc(plan->connections, sizeof(*idle));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    samples_init(&good, MAX_SAMPLES);
    samples_init(&bad, MAX_SAMPLES);
    if (!callers || !idle || epoll_fd < 0)
        generator_fail("set-up");
    for (size_t i = 0; i < plan->connections; i++) {
        callers[i].index = i;
        open_caller(&callers[i]);
    }
}

void storm_calls(const struct plan *chosen)
{
    struct epoll_event events[EVENTS];
    plan = chosen;
    (void)signal(SIGINT, on_interrupt);
    set_up();
    printf("open\n");
    (void)fflush(stdout);
    start_ns = generator_now_ns();
    for (start_due(); !is_over(); start_due()) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, plan->rate ? 1 : TICK_MS);
        for (int i = 0; i < ready; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    print_outcome();
}

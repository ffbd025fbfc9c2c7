/* A gateway with one reactor and no front, for the tests of providers: a question goes in as the bytes of a modern
   request, its answer comes out as bytes. Waits end with an event or, after a minute, with a failed test. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/core/front.h"
#include "gateway/core/gateway.h"
#include "gateway/mcp/json.h"
#include "gateway/providers/providers.h"

enum { WAIT_SECONDS = 60, SERVED_MAX_ROWS = 8 };

struct served {
    struct settings settings;
    struct module_settings module[SERVED_MAX_ROWS];
    struct command_settings command[SERVED_MAX_ROWS];
    struct gateway *gateway;
    struct providers *providers;
};

/* One question. */
struct asked {
    struct exchange exchange;
    struct served *served;
    struct reactor_post begin, end;
    char *message;
    char *body; /* the answer, NUL-terminated; NULL: none yet */
    int status;
    char *events; /* what was sent before the answer, one line each */
    sem_t answered, released;
};

static inline void await(sem_t *event)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    int r;
    while ((r = sem_timedwait(event, &until)) != 0 && errno == EINTR)
        ;
    assert_int_equal(r, 0);
}

/* ---- a front that is the test ---- */

static inline struct span served_header(struct exchange *exchange, const char *name)
{
    (void)exchange, (void)name;
    return (struct span){0};
}

static inline int served_send(struct exchange *exchange, const struct event *event)
{
    struct asked *asked = CONTAINER_OF(exchange, struct asked, exchange);
    char *before = asked->events;
    if (asprintf(&asked->events, "%s%.*s\n", before ? before : "", SPAN_PRINT(event->message)) < 0)
        abort();
    free(before);
    return 0;
}

static inline void served_reply(struct exchange *exchange, struct reply *reply)
{
    struct asked *asked = CONTAINER_OF(exchange, struct asked, exchange);
    asked->body = reply->body ? strndup(reply->body, reply->size) : strdup("");
    asked->status = reply->status;
    free(reply->body);
    sem_post(&asked->answered);
}

static inline void served_release(struct exchange *exchange)
{
    sem_post(&CONTAINER_OF(exchange, struct asked, exchange)->released);
}

static const struct front_ops served_front = {
    .name = "test", .header = served_header, .send = served_send, .reply = served_reply, .release = served_release};

static inline void asked_dispatch(struct reactor_post *post)
{
    static const struct listener_settings listener;
    struct asked *asked = CONTAINER_OF(post, struct asked, begin);
    exchange_init(&asked->exchange, &served_front, asked->served->gateway->reactor[0]);
    asked->exchange.listener = &listener;
    asked->exchange.message = span_of(asked->message);
    dispatch_message(&asked->exchange);
}

/* Begins a request; `params` are the members of params before _meta, with a comma behind them, or "". */
static inline struct asked *ask(struct served *served, const char *method, const char *params)
{
    struct asked *asked = calloc(1, sizeof(*asked));
    assert_non_null(asked);
    assert_true(asprintf(&asked->message,
                         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{%s\"_meta\":{"
                         "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                         "\"io.modelcontextprotocol/clientCapabilities\":{\"elicitation\":{}},"
                         "\"progressToken\":\"p\"}}}",
                         method, params) > 0);
    asked->served = served;
    sem_init(&asked->answered, 0, 0);
    sem_init(&asked->released, 0, 0);
    reactor_post(served->gateway->reactor[0], &asked->begin, asked_dispatch);
    return asked;
}

static inline struct asked *ask_tool(struct served *served, const char *name, const char *arguments)
{
    char *params = NULL;
    assert_true(asprintf(&params, "\"name\":\"%s\",\"arguments\":%s,", name, arguments) > 0);
    struct asked *asked = ask(served, "tools/call", params);
    free(params);
    return asked;
}

static inline void asked_unref(struct reactor_post *post)
{
    exchange_unref(&CONTAINER_OF(post, struct asked, end)->exchange);
}

static inline void asked_gone(struct reactor_post *post)
{
    exchange_gone(&CONTAINER_OF(post, struct asked, end)->exchange);
    asked_unref(post);
}

/* When the gateway has let go of it. */
static inline void asked_free(struct asked *asked)
{
    await(&asked->released);
    sem_destroy(&asked->answered);
    sem_destroy(&asked->released);
    free(asked->message);
    free(asked->body);
    free(asked->events);
    free(asked);
}

/* The client goes away. */
static inline void hang_up(struct asked *asked)
{
    reactor_post(asked->served->gateway->reactor[0], &asked->end, asked_gone);
}

/* Waits for the answer: the caller frees it. */
static inline char *answer_of(struct asked *asked)
{
    await(&asked->answered);
    char *body = strdup(asked->body);
    reactor_post(asked->served->gateway->reactor[0], &asked->end, asked_unref);
    asked_free(asked);
    return body;
}

static inline char *call_tool(struct served *served, const char *name, const char *arguments)
{
    return answer_of(ask_tool(served, name, arguments));
}

static inline void assert_contains(const char *body, const char *part)
{
    if (!strstr(body, part))
        fail_msg("no %s in %s", part, body);
}

/* One call whose answer holds `part`. */
static inline void assert_tool(struct served *served, const char *name, const char *arguments, const char *part)
{
    char *body = call_tool(served, name, arguments);
    assert_contains(body, part);
    free(body);
}

/* ---- the gateway ---- */

static inline void served_init(struct served *served)
{
    signal(SIGPIPE, SIG_IGN); /* as main does */
    *served = (struct served){.settings = {.threads = 1, .page_size = 100}};
    served->settings.module = served->module;
    served->settings.command = served->command;
    served->settings.limits.max_payload = 16 * MIB;
    served->settings.limits.max_in_flight = 1000;
    served->settings.limits.max_tasks = 10;
    served->settings.limits.max_subscriptions = 10;
    served->settings.limits.max_sessions = 10;
    served->settings.limits.max_streams = 10;
    served->settings.limits.max_send_queue = MIB;
    served->settings.limits.request_timeout_ms = 60000;
    served->settings.limits.input_timeout_ms = 60000;
    served->settings.limits.workers = 4;
    served->settings.limits.max_processes = 8;
}

static inline char *fixture(const char *name)
{
    char here[PATH_MAX], *path = NULL;
    ssize_t size = readlink("/proc/self/exe", here, sizeof(here) - 1);
    assert_true(size > 0);
    here[size] = '\0';
    *strrchr(here, '/') = '\0';
    assert_true(asprintf(&path, "%s/../fixtures/%s.so", here, name) > 0);
    return path;
}

/* `config`: JSON, or NULL. */
static inline void served_add_module(struct served *served, const char *name, const char *config)
{
    served->module[served->settings.modules++] =
        (struct module_settings){.path = fixture(name), .config = config ? strdup(config) : NULL};
}

static inline void release_nothing(struct settings *settings)
{
    (void)settings;
}

/* The first catalogue and the gateway around it, as main makes them. */
static inline void served_start(struct served *served)
{
    struct text problem = TEXT(2048);
    struct providers_change *change = NULL;
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct settings_holder *holder = NULL;
    struct snapshot *snapshot = NULL;
    unsigned changed;
    assert_int_equal(providers_new(&served->providers), 0);
    if (providers_prepare(served->providers, &served->settings, &change, &problem) != 0)
        fail_msg("%.*s", SPAN_PRINT(text_span(&problem)));
    assert_int_equal(catalogue_builder_new(NULL, &builder), 0);
    if (providers_apply(builder, change) != 0)
        fail_msg("%.*s", SPAN_PRINT(providers_problem(change)));
    assert_int_equal(catalogue_builder_finish(builder, &catalogue, &changed), 0);
    catalogue_builder_free(builder);
    assert_int_equal(settings_holder_new(&served->settings, release_nothing, &holder), 0);
    assert_int_equal(snapshot_new(holder, catalogue, &snapshot), 0);
    assert_int_equal(gateway_new(snapshot, &served->gateway), 0);
    providers_commit(change, served->gateway);
    atomic_store(&served->gateway->phase, GATEWAY_READY);
    assert_int_equal(reactor_start(served->gateway->reactor[0]), 0);
    text_done(&problem);
}

/* The sentence with which the settings are refused: the caller frees it. */
static inline char *served_refusal(struct served *served)
{
    struct text problem = TEXT(2048);
    struct providers_change *change = NULL;
    struct catalogue_builder *builder = NULL;
    assert_int_equal(providers_new(&served->providers), 0);
    int r = providers_prepare(served->providers, &served->settings, &change, &problem);
    if (r == 0) {
        assert_int_equal(catalogue_builder_new(NULL, &builder), 0);
        r = providers_apply(builder, change);
        text_add(&problem, providers_problem(change));
        catalogue_builder_free(builder);
        providers_abandon(change);
    }
    assert_true(r < 0);
    char *sentence = strndup(problem.at ? problem.at : "", problem.size);
    text_done(&problem);
    providers_free(TAKE(served->providers));
    return sentence;
}

static inline void served_done(struct served *served)
{
    for (size_t i = 0; i < served->settings.modules; i++) {
        free(served->module[i].path);
        free(served->module[i].config);
    }
}

struct turn {
    struct reactor_post post;
    sem_t taken;
};

static inline void take_turn(struct reactor_post *post)
{
    sem_post(&CONTAINER_OF(post, struct turn, post)->taken);
}

/* Programs that have ended are reaped, and workers that have answered return, within some turns of the loop. */
static inline void served_settle(struct served *served)
{
    time_t until = time(NULL) + WAIT_SECONDS;
    struct quotas *quotas = &served->gateway->quotas;
    while ((quota_used(quotas, QUOTA_PROCESSES) || quota_used(quotas, QUOTA_WORKERS) ||
            !providers_idle(served->providers)) &&
           time(NULL) < until) {
        struct turn turn;
        sem_init(&turn.taken, 0, 0);
        reactor_post(served->gateway->reactor[0], &turn.post, take_turn);
        await(&turn.taken);
        sem_destroy(&turn.taken);
    }
}

/* Every count is back at zero when all has ended. */
static inline void served_stop(struct served *served)
{
    served_settle(served);
    reactor_stop(served->gateway->reactor[0]);
    reactor_join(served->gateway->reactor[0]);
    providers_retire(served->providers);
    assert_true(providers_idle(served->providers));
    assert_int_equal(quota_used(&served->gateway->quotas, QUOTA_WORKERS), 0);
    assert_int_equal(quota_used(&served->gateway->quotas, QUOTA_PROCESSES), 0);
    assert_int_equal(quota_used(&served->gateway->quotas, QUOTA_IN_FLIGHT), 0);
    gateway_free(served->gateway);
    providers_free(served->providers);
    served_done(served);
}

/* ---- a named pipe, through which handlers tell the test what they do ---- */

struct journal {
    char path[64];
    int fd;
    char line[4096];
};

/* `keep_open`: the test holds it open for writing, too, so that it has no end. */
static inline void journal_open(struct journal *journal, bool keep_open)
{
    char folder[] = "/tmp/weir-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(journal->path, sizeof(journal->path), "%s/journal", folder);
    assert_int_equal(mkfifo(journal->path, 0600), 0);
    journal->fd = open(journal->path, (keep_open ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
    assert_true(journal->fd >= 0);
}

static inline void journal_close(struct journal *journal)
{
    close(journal->fd);
    unlink(journal->path);
    *strrchr(journal->path, '/') = '\0';
    rmdir(journal->path);
}

/* The next line without its end, or NULL at the end: nobody has the pipe open for writing any more. */
static inline const char *journal_next(struct journal *journal)
{
    size_t size = 0;
    for (;;) {
        struct pollfd ready = {.fd = journal->fd, .events = POLLIN};
        int found = poll(&ready, 1, WAIT_SECONDS * 1000);
        if (found < 0 && errno == EINTR) /* SIGCHLD comes to any thread */
            continue;
        assert_int_equal(found, 1);
        ssize_t got = read(journal->fd, journal->line + size, 1);
        if (got == 0)
            return NULL;
        if (got < 0)
            continue;
        if (journal->line[size] == '\n')
            break;
        assert_true(++size < sizeof(journal->line));
    }
    journal->line[size] = '\0';
    return journal->line;
}

static inline void assert_next(struct journal *journal, const char *line)
{
    const char *next = journal_next(journal);
    assert_non_null(next);
    assert_string_equal(next, line);
}

/* The life of the gateway's process, phase by phase. Each phase of the table starts what the next ones stand on; the
   end, and a start that fails, stop the started ones in the reverse order. Main thread; owns everything that it starts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/config/options.h"
#include "gateway/core/audit.h"
#include "gateway/core/drain.h"
#include "gateway/main/certificates.h"
#include "gateway/main/commands.h"
#include "gateway/main/handlers.h"
#include "gateway/main/notify.h"
#include "gateway/main/process.h"
#include "gateway/main/server_priv.h"

enum {
    DRAIN_POLL_MS = 20,
    CERTIFICATES_POLL_MS = 1000,
    SHUT_MS = 100,   /* for handshakes under way to end; the last of drain_grace */
    GRACE_MS = 2000, /* for handlers to notice that nobody waits for them any more */
    URL_BYTES = 512,
};

/* 0, or -errno or CONFIG_MISTAKES with server->problem set. */
struct phase {
    const char *name;
    int (*start)(struct server *server);
    void (*stop)(struct server *server);
};

/* ---- process ---- */

static int start_process(struct server *server)
{
    int result = process_prepare();
    if (result == 0 && server->arguments->stdio)
        result = process_take_stdio(&server->stdio_in, &server->stdio_out);
    return result;
}

static void stop_nothing(struct server *server UNUSED)
{
}

/* ---- keeper: before there is anything to copy, in memory and in secrets ---- */

static int start_keeper(struct server *server)
{
    return command_keeper_start(&server->keeper);
}

static void stop_keeper(struct server *server)
{
    command_keeper_stop(server->keeper);
}

/* ---- settings ---- */

static int start_settings(struct server *server)
{
    int result = server_read_settings(server->arguments, &server->settings, &server->problem);
    if (result != 0)
        return result;
    const struct settings *settings = server_settings(server);
    result = certificates_check(server_config_name(server), settings, &server->problem);
    if (result == 0)
        result = server_make_guard(server->settings, NULL);
    if (result != 0) {
        settings_holder_unref(server->settings);
        return result;
    }
    log_set_level(settings->log.level);
    log_set_format(settings->log.format);
    server_log_settings(settings);
    return process_set_workers(settings->limits.workers);
}

static void stop_settings(struct server *server)
{
    settings_holder_unref(server->settings);
}

/* ---- gateway: the first catalogue, the first snapshot, the reactors ---- */

static int make_catalogue(struct providers_change *change, struct catalogue **ret_catalogue)
{
    struct catalogue_builder *builder = NULL;
    unsigned changed;
    int result = catalogue_builder_new(NULL, &builder);
    if (result == 0)
        result = providers_apply(builder, change);
    if (result == 0)
        result = catalogue_builder_finish(builder, ret_catalogue, &changed);
    catalogue_builder_free(builder);
    return result;
}

static int make_snapshot(struct server *server, struct providers_change *change, struct snapshot **ret_snapshot)
{
    struct catalogue *catalogue = NULL;
    int result = make_catalogue(change, &catalogue);
    if (result != 0)
        return result;
    result = snapshot_new(settings_holder_ref(server->settings), catalogue, ret_snapshot);
    if (result != 0) {
        settings_holder_unref(server->settings);
        catalogue_unref(catalogue);
    }
    return result;
}

static int make_gateway(struct server *server, struct providers_change *change)
{
    struct snapshot *snapshot = NULL;
    int result = make_snapshot(server, change, &snapshot);
    if (result != 0)
        return result;
    result = gateway_new(snapshot, &server->gateway);
    if (result != 0)
        snapshot_unref(snapshot);
    return result;
}

static int start_gateway(struct server *server)
{
    CLEANUP(text_done) struct text problem = TEXT(CONFIG_MISTAKES_BYTES);
    struct providers_change *change = NULL;
    int result = providers_prepare(server->providers, server_settings(server), &change, &problem);
    if (result == 0) {
        result = make_gateway(server, change);
        text_add(&problem, providers_problem(change));
    }
    if (result == 0) {
        server->gateway->keeper = server->keeper;
        providers_commit(change, server->gateway);
        return 0;
    }
    providers_abandon(change);
    if (problem.size == 0)
        return result;
    handlers_add_mistake(server_config_name(server), server_settings(server), text_span(&problem), &server->problem);
    return CONFIG_MISTAKES;
}

static void stop_gateway(struct server *server)
{
    providers_retire(server->providers);
    gateway_free(server->gateway);
}

/* ---- audit ---- */

static int start_audit(struct server *server)
{
    const char *target = server_settings(server)->log.audit;
    int result = audit_open(server->gateway->audit, target);
    if (result < 0)
        text_addf(&server->problem, "log.audit: %s cannot be opened: %s", target, strerror(-result));
    return result;
}

static int start_providers(struct server *server)
{
    return providers_new(&server->providers);
}

static void stop_providers(struct server *server)
{
    providers_free(server->providers);
}

/* ---- traces ---- */

static int start_traces(struct server *server)
{
    const struct trace_settings *settings = &server_settings(server)->traces;
    if (!settings->endpoint)
        return 0;
    int result = traces_start(settings, &server->traces);
    if (result == 0)
        server->gateway->trace_sink = traces_sink(server->traces);
    return result;
}

/* What ends later, while the gateway is freed, leaves no spans. */
static void stop_traces(struct server *server)
{
    server->gateway->trace_sink = NULL;
    traces_stop(server->traces);
}

/* ---- reactors ---- */

static void stop_reactors(struct server *server)
{
    struct gateway *gateway = server->gateway;
    for (unsigned i = 0; i < gateway->reactors; i++)
        reactor_stop(gateway->reactor[i]);
    for (unsigned i = 0; i < gateway->reactors; i++)
        reactor_join(gateway->reactor[i]);
}

static int start_reactors(struct server *server)
{
    int result = 0;
    for (unsigned i = 0; i < server->gateway->reactors && result == 0; i++)
        result = reactor_start(server->gateway->reactor[i]);
    if (result != 0)
        stop_reactors(server);
    return result;
}

/* ---- fronts ---- */

static void each_certificate(void *context, void (*each)(void *out, const char *address, int64_t expires_s), void *out)
{
    const struct server *server = context;
    fronts_each_certificate(server->fronts, each, out);
}

static int start_fronts(struct server *server)
{
    server->sources = (struct sources){.gateway = server->gateway,
                                       .traces = server->traces,
                                       .certificates = each_certificate,
                                       .certificates_context = server,
                                       .limits = options_each_limit};
    int result = pages_fill(&server->sources, server->pages);
    if (result < 0)
        return result;
    return fronts_open(server->gateway, server_settings(server), server->pages, PAGES_COUNT, &server->fronts,
                       &server->problem);
}

/* Waits for what `done` says, a second signal, or the time limit. */
static bool wait_until(struct server *server, bool (*done)(struct server *server), uint64_t timeout_ms)
{
    uint64_t end_ms = clock_now_ms() + timeout_ms;
    while (!done(server)) {
        int found = clock_now_ms() < end_ms ? process_signal(DRAIN_POLL_MS) : SIGTERM;
        if (found == SIGTERM || found == SIGINT)
            return false;
    }
    return true;
}

static bool handlers_ended(struct server *server)
{
    return quota_used(&server->gateway->quotas, QUOTA_IN_FLIGHT) == 0 && providers_idle(server->providers);
}

/* Cuts off who is still there. A handler that does not end even then keeps the process from freeing what it uses. */
static void stop_fronts(struct server *server)
{
    fronts_close(server->fronts);
    server->stuck = !wait_until(server, handlers_ended, GRACE_MS);
}

/* ---- service ---- */

/* The fields of the line that says so. */
enum { READY_FIELDS = 2 * SETTINGS_MAX_LISTENERS + 2, READY_KEY_BYTES = 24 };
struct ready {
    struct log_field field[READY_FIELDS];
    char key[READY_FIELDS][READY_KEY_BYTES];
    struct text value[READY_FIELDS];
    size_t count;
};

/* "url", "url2", ... */
static struct text *add_ready(struct ready *ready, const char *name, size_t index)
{
    char number[READY_KEY_BYTES] = "";
    if (index > 0)
        (void)snprintf(number, sizeof(number), "%zu", index + 1);
    (void)snprintf(ready->key[ready->count], READY_KEY_BYTES, "%s%s", name, number);
    ready->value[ready->count] = TEXT(URL_BYTES);
    return &ready->value[ready->count++];
}

static void log_ready(struct server *server)
{
    const struct settings *settings = server_settings(server);
    struct ready ready = {.count = 0};
    for (size_t i = 0; i < settings->listeners; i++) {
        fronts_add_url(server->fronts, settings, i, add_ready(&ready, "url", i));
        if (settings->listener[i].transports & TRANSPORT_WEBSOCKET)
            fronts_add_websocket_url(server->fronts, settings, i, add_ready(&ready, "websocket", i));
    }
    if (settings->admin.address_text)
        fronts_add_admin_url(server->fronts, add_ready(&ready, "admin", 0));
    if (server->stdio_in >= 0)
        text_add_literal(add_ready(&ready, "url", settings->listeners), "stdio:");
    for (size_t i = 0; i < ready.count; i++)
        ready.field[i] = (struct log_field)LOG_SPAN(ready.key[i], text_span(&ready.value[i]));
    log_write(LOG_INFO, "ready", ready.field, ready.count);
    for (size_t i = 0; i < ready.count; i++)
        text_done(&ready.value[i]);
}

static void on_stdio_ended(void *context UNUSED)
{
    process_end();
}

static int start_service(struct server *server)
{
    atomic_store_explicit(&server->gateway->phase, GATEWAY_READY, memory_order_release);
    log_ready(server);
    audit_administered(server->gateway, "audit_start", LOG_TEXT("config", server_config_name(server)),
                       LOG_TEXT("version", WEIR_VERSION));
    int result = 0;
    if (server->stdio_in >= 0)
        result = fronts_serve_stdio(server->fronts, server->stdio_in, server->stdio_out, on_stdio_ended, NULL);
    if (result < 0)
        text_addf(&server->problem, "standard input and output cannot be served: %s", strerror(-result));
    else
        notify_ready();
    return result;
}

static bool drained(struct server *server)
{
    return drain_done(server->gateway) && quota_used(&server->gateway->quotas, QUOTA_CONNECTIONS) == 0 &&
           fronts_idle(server->fronts);
}

static bool never(struct server *server UNUSED)
{
    return false;
}

/* Load balancers learn of the end before it comes: /readyz says no, every answer ends its connection, and whoever still
   comes is served. */
static void leave(struct server *server)
{
    const struct settings *settings = server_settings(server);
    uint64_t grace_ms = settings->limits.drain_grace_ms;
    if (grace_ms == 0 || settings->listeners == 0)
        return;
    atomic_store_explicit(&server->gateway->phase, GATEWAY_LEAVING, memory_order_release);
    log_info("leaving", LOG_NUMBER("grace_ms", grace_ms));
    (void)wait_until(server, never, grace_ms - MIN(grace_ms, (uint64_t)SHUT_MS));
    fronts_shut(server->fronts);
    (void)wait_until(server, never, SHUT_MS);
}

static void stop_service(struct server *server)
{
    struct quotas *quotas = &server->gateway->quotas;
    notify_stopping();
    leave(server);
    drain_begin(server->gateway);
    fronts_drain(server->fronts); /* from here on nobody new gets in */
    log_info("draining", LOG_NUMBER("connections", quota_used(quotas, QUOTA_CONNECTIONS)),
             LOG_NUMBER("in_flight", quota_used(quotas, QUOTA_IN_FLIGHT)),
             LOG_NUMBER("streams", quota_used(quotas, QUOTA_STREAMS)));
    audit_administered(server->gateway, "audit_drain",
                       LOG_NUMBER("connections", quota_used(quotas, QUOTA_CONNECTIONS)));
    bool done = wait_until(server, drained, server_settings(server)->limits.drain_timeout_ms);
    if (!done)
        log_warning("drain_cut_short", LOG_NUMBER("connections", quota_used(quotas, QUOTA_CONNECTIONS)),
                    LOG_NUMBER("in_flight", quota_used(quotas, QUOTA_IN_FLIGHT)),
                    LOG_TEXT("remedy", "limits.drain_timeout"));
    drain_cut(server->gateway); /* tasks run on though nobody's request is in flight */
    (void)wait_until(server, drained, done ? 0 : GRACE_MS);
}

/* ---- the whole ---- */

static const struct phase phases[] = {
    {"process", start_process, stop_nothing},    {"keeper", start_keeper, stop_keeper},
    {"settings", start_settings, stop_settings}, {"providers", start_providers, stop_providers},
    {"gateway", start_gateway, stop_gateway},    {"audit", start_audit, stop_nothing},
    {"traces", start_traces, stop_traces},       {"reactors", start_reactors, stop_reactors},
    {"fronts", start_fronts, stop_fronts},       {"service", start_service, stop_service},
};

static void say_failure(const struct server *server, const struct phase *phase, int result)
{
    struct span problem = text_span(&server->problem);
    if (problem.size > 0 && problem.at[problem.size - 1] == '\n')
        (void)fprintf(stderr, "%.*s", SPAN_PRINT(problem)); /* mistakes, a line each */
    else if (problem.size > 0)
        (void)fprintf(stderr, "weir serve: %.*s\n", SPAN_PRINT(problem));
    else
        (void)fprintf(stderr, "weir serve: %s: %s\n", phase->name, strerror(result < 0 ? -result : EINVAL));
}

/* How many phases started; all, or one of them failed with *ret_result. */
static size_t start(struct server *server, int *ret_result)
{
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        int result = phases[i].start(server);
        if (result == 0)
            continue;
        say_failure(server, &phases[i], result);
        *ret_result = result;
        return i;
    }
    return ARRAY_SIZE(phases);
}

/* False: a handler is stuck, and what it uses must stay until the process has ended. */
static bool stop(struct server *server, size_t started)
{
    while (started > 0 && !server->stuck)
        phases[--started].stop(server);
    return !server->stuck;
}

static void serve(struct server *server)
{
    int found;
    int timeout_ms = fronts_have_certificates(server->fronts) ? CERTIFICATES_POLL_MS : -1;
    while ((found = process_signal(timeout_ms)) == SIGHUP || found == 0) {
        if (found == SIGHUP)
            server_reload(server);
        else
            fronts_watch_certificates(server->fronts);
    }
}

int server_run(const struct server_arguments *arguments)
{
    struct server server = {
        .arguments = arguments, .problem = TEXT(CONFIG_MISTAKES_BYTES), .stdio_in = -1, .stdio_out = -1};
    int result = 0;
    size_t started = start(&server, &result);
    if (started == ARRAY_SIZE(phases))
        serve(&server);
    bool clean = stop(&server, started);
    text_done(&server.problem);
    if (started < ARRAY_SIZE(phases))
        return result == CONFIG_MISTAKES ? EXIT_USAGE : EXIT_FAILED;
    if (!clean)
        log_warning("handlers_still_running", LOG_TEXT("why", "they did not end when they were told to"));
    log_info("stopped");
    if (!clean)
        _exit(EXIT_DONE); /* exit() would wait for their threads */
    return EXIT_DONE;
}

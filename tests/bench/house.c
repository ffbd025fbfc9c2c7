#include "tests/bench/house.h"

#include <time.h>

#include "gateway/core/exchange.h"
#include "gateway/core/guard.h"
#include "gateway/providers/builtin.h"

static int add_builtins(struct catalogue_builder *builder)
{
    struct provider *provider = NULL;
    struct item *items[BUILTIN_ITEMS];
    int r = builtin_new(&provider, items);
    for (unsigned i = 0; i < BUILTIN_ITEMS && r == 0; i++)
        r = catalogue_builder_add(builder, items[i]);
    provider_unref(provider);
    return r;
}

static int make_snapshot(struct settings *settings, struct snapshot **ret_snapshot)
{
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct settings_holder *holder = NULL;
    unsigned changed;
    int r = catalogue_builder_new(NULL, &builder);
    if (r == 0)
        r = add_builtins(builder);
    if (r == 0)
        r = catalogue_builder_finish(builder, &catalogue, &changed);
    catalogue_builder_free(builder);
    if (r == 0)
        r = settings_holder_new(settings, NULL, &holder);
    struct guard *guard = NULL;
    if (r == 0)
        r = guard_new(settings, NULL, &guard);
    if (r == 0)
        settings_holder_set_guard(holder, guard);
    return r == 0 ? snapshot_new(holder, catalogue, ret_snapshot) : r;
}

struct gateway *house_new(const struct auth_settings *auth)
{
    static struct settings settings = {.threads = 1, .page_size = 100};
    struct snapshot *snapshot = NULL;
    struct gateway *gateway = NULL;
    settings.limits.max_in_flight = HOUSE_MAX_IN_FLIGHT;
    settings.limits.max_sessions = HOUSE_MAX_SESSIONS;
    settings.limits.request_timeout_ms = 60000;
    settings.limits.max_buckets = 65536;
    settings.limits.auth_attempts.per_minute = settings.limits.auth_attempts.burst = 10;
    if (auth)
        settings.auth = *auth;
    return make_snapshot(&settings, &snapshot) == 0 && gateway_new(snapshot, &gateway) == 0 ? gateway : NULL;
}

uint64_t house_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- the front ---- */

static const char call[] =
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":"
    "\"hello\"},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"bench\",\"version\":\"1\"},"
    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}";
const struct span house_call = {call, sizeof(call) - 1};

static void (*look_at)(const struct reply *reply);

static struct span header(struct exchange *exchange UNUSED, const char *name)
{
    if (strcasecmp(name, "Mcp-Method") == 0)
        return SPAN("tools/call");
    if (strcasecmp(name, "Mcp-Name") == 0)
        return SPAN("echo");
    return strcasecmp(name, "MCP-Protocol-Version") == 0 ? SPAN("2026-07-28") : (struct span){0};
}

static int send_event(struct exchange *exchange UNUSED, const struct event *event UNUSED)
{
    return FRONT_GONE;
}

static void reply(struct exchange *exchange UNUSED, struct reply *reply)
{
    look_at(reply);
    free(reply->body);
}

static void release(struct exchange *exchange UNUSED)
{
}

static const struct front_ops ops = {
    .name = "bench", .has_headers = true, .header = header, .send = send_event, .reply = reply, .release = release};

void house_exchange(struct exchange *exchange, struct reactor *reactor, void (*look)(const struct reply *reply))
{
    look_at = look;
    exchange_init(exchange, &ops, reactor);
    exchange->message = house_call;
}

/* ---- on the reactor ---- */

struct run {
    struct reactor_post post;
    struct reactor *reactor;
    void (*bench)(struct reactor *reactor);
};

static void run_posted(struct reactor_post *post)
{
    struct run *run = CONTAINER_OF(post, struct run, post);
    run->bench(run->reactor);
    reactor_stop(run->reactor);
}

int house_run(struct reactor *reactor, void (*bench)(struct reactor *reactor))
{
    struct run run = {.reactor = reactor, .bench = bench};
    int result = reactor_start(reactor);
    if (result < 0)
        return result;
    reactor_post(reactor, &run.post, run_posted);
    reactor_join(reactor);
    return 0;
}

/* How many calls of `echo` one core dispatches: from the bytes of a modern tools/call to the bytes of its answer,
   everything but the socket. Runs on a real reactor with a front that throws the answers away. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/core/front.h"
#include "gateway/core/gateway.h"
#include "gateway/providers/builtin.h"

enum { WARM_UP = 20000, CALLS = 500000, ROUNDS = 5 };

static const char message[] =
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/"
    "call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":\"hello\"},"
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":"
    "{\"name\":\"bench\",\"version\":\"1\"},\"io.modelcontextprotocol/clientCapabilities\":{}}}}";

static size_t answers, wrong;

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
    answers++;
    wrong += reply->status != 200 || !reply->body || !memmem(reply->body, reply->size, "hello", 5);
    free(reply->body);
}

static void release(struct exchange *exchange UNUSED)
{
}

static const struct front_ops ops = {
    .name = "bench", .has_headers = true, .header = header, .send = send_event, .reply = reply, .release = release};

/* Of this thread alone: the machine may be busy with others. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double run_calls(struct reactor *reactor, unsigned count)
{
    uint64_t start_ns = cpu_ns();
    for (unsigned i = 0; i < count; i++) {
        struct exchange exchange;
        exchange_init(&exchange, &ops, reactor);
        exchange.message = (struct span){message, sizeof(message) - 1};
        dispatch_message(&exchange);
        exchange_unref(&exchange);
    }
    return (double)(cpu_ns() - start_ns) / count;
}

struct bench {
    struct reactor_post post;
    struct reactor *reactor;
};

static void run_bench(struct reactor_post *post)
{
    struct bench *bench = CONTAINER_OF(post, struct bench, post);
    double best_ns = 1e9;
    run_calls(bench->reactor, WARM_UP);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double ns = run_calls(bench->reactor, CALLS);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    printf("dispatch of echo: %.0f ns per call, %.0f calls/s per core (%zu answers, %zu wrong)\n", best_ns,
           1e9 / best_ns, answers, wrong);
    reactor_stop(bench->reactor);
}

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
    return r == 0 ? snapshot_new(holder, catalogue, ret_snapshot) : r;
}

int main(void)
{
    struct settings settings = {.threads = 1, .page_size = 100};
    struct snapshot *snapshot = NULL;
    struct gateway *gateway = NULL;
    settings.limits.max_in_flight = 1000;
    settings.limits.request_timeout_ms = 60000;
    if (make_snapshot(&settings, &snapshot) < 0 || gateway_new(snapshot, &gateway) < 0)
        return 1;
    struct bench bench = {.reactor = gateway->reactor[0]};
    if (reactor_start(bench.reactor) < 0)
        return 1;
    reactor_post(bench.reactor, &bench.post, run_bench);
    reactor_join(bench.reactor);
    gateway_free(gateway);
    return wrong > 0;
}

/* How many calls of `echo` one core dispatches: from the bytes of a modern tools/call to the bytes of its answer,
   everything but the socket. Runs on a real reactor with a front that throws the answers away. */
#include <stdio.h>
#include <string.h>

#include "gateway/core/front.h"
#include "tests/bench/house.h"

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

static double run_calls(struct reactor *reactor, unsigned count)
{
    uint64_t start_ns = house_cpu_ns();
    for (unsigned i = 0; i < count; i++) {
        struct exchange exchange;
        exchange_init(&exchange, &ops, reactor);
        exchange.message = (struct span){message, sizeof(message) - 1};
        dispatch_message(&exchange);
        exchange_unref(&exchange);
    }
    return (double)(house_cpu_ns() - start_ns) / count;
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
    printf("dispatch of echo: %.0f ns per call, %.0f calls/s per core; ancestor: 372 k/s (%zu answers, %zu wrong)\n",
           best_ns, 1e9 / best_ns, answers, wrong);
    reactor_stop(bench->reactor);
}

int main(void)
{
    struct gateway *gateway = house_new(NULL);
    if (!gateway)
        return 1;
    struct bench bench = {.reactor = gateway->reactor[0]};
    if (reactor_start(bench.reactor) < 0)
        return 1;
    reactor_post(bench.reactor, &bench.post, run_bench);
    reactor_join(bench.reactor);
    gateway_free(gateway);
    return wrong > 0;
}

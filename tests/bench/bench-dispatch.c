/* How many calls of `echo` one core dispatches: from the bytes of a modern tools/call to the bytes of its answer,
   everything but the socket. Runs on a real reactor with a front that throws the answers away. */
#include <stdio.h>
#include <string.h>

#include "gateway/core/front.h"
#include "tests/bench/house.h"

enum { WARM_UP = 20000, CALLS = 500000, ROUNDS = 5 };

static size_t answers, wrong;

static void look(const struct reply *reply)
{
    answers++;
    wrong += reply->status != 200 || !reply->body || !memmem(reply->body, reply->size, "hello", 5);
}

static double run_calls(struct reactor *reactor, unsigned count)
{
    uint64_t start_ns = house_cpu_ns();
    for (unsigned i = 0; i < count; i++) {
        struct exchange exchange;
        house_exchange(&exchange, reactor, look);
        dispatch_message(&exchange);
        exchange_unref(&exchange);
    }
    return (double)(house_cpu_ns() - start_ns) / count;
}

static void run_bench(struct reactor *reactor)
{
    double best_ns = 1e9;
    run_calls(reactor, WARM_UP);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double ns = run_calls(reactor, CALLS);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    printf("dispatch of echo: %.0f ns per call, %.0f calls/s per core; ancestor: 372 k/s (%zu answers, %zu wrong)\n",
           best_ns, 1e9 / best_ns, answers, wrong);
}

int main(void)
{
    struct gateway *gateway = house_new(NULL);
    if (!gateway)
        return 1;
    int result = house_run(gateway->reactor[0], run_bench);
    gateway_free(gateway);
    return result < 0 || wrong > 0;
}

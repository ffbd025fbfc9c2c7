/* How long the envelope scan of a realistic call takes: `bench-envelope [rounds]`. Prints one line per message, with
   the best and the median of the rounds: on a shared machine the best is the cost, the median says how far to trust it.
   One thread. */
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/mcp/envelope.h"

enum { SCANS_PER_ROUND = 20000, ROUNDS_DEFAULT = 51, ROUNDS_MAX = 1001 };

static const struct {
    const char *name;
    const char *message;
} rows[] = {
    {"modern tools/call",
     "{\"jsonrpc\":\"2.0\",\"id\":42,\"method\":\"tools/"
     "call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":"
     "\"hello, "
     "world\"},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/"
     "clientInfo\":{\"name\":\"demo\",\"version\":\"1.0\"},\"io.modelcontextprotocol/clientCapabilities\":{}}}}"},
    {"the same, escaped",
     "{\"jsonrpc\":\"2.0\",\"id\":42,\"method\":\"tools\\/"
     "call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":"
     "\"hello, "
     "world\"},\"_meta\":{\"io.modelcontextprotocol\\/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol"
     "\\/clientInfo\":{\"name\":\"demo\",\"version\":\"1.0\"},\"io.modelcontextprotocol\\/clientCapabilities\":{}}}}"},
    {"legacy tools/call",
     "{\"jsonrpc\":\"2.0\",\"id\":42,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{"
     "\"message\":\"hello, world\"}}}"},
};

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Nanoseconds per scan, or a negative number when a scan fails: a benchmark of refusals would lie. */
static double run_round(struct span message)
{
    uint64_t start = clock_now_ns();
    for (int i = 0; i < SCANS_PER_ROUND; i++) {
        struct envelope envelope;
        int r = envelope_scan(message, NULL, &envelope);
        bool right = r == 0 && span_is(envelope.member[MEMBER_NAME].text, "echo");
        envelope_done(&envelope);
        if (!right)
            return -1;
    }
    return (double)(clock_now_ns() - start) / SCANS_PER_ROUND;
}

static int run_row(const char *name, struct span message, size_t rounds)
{
    double times[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        times[i] = run_round(message);
        if (times[i] < 0)
            return fprintf(stderr, "%s: the scan refused the message\n", name), 1;
    }
    qsort(times, rounds, sizeof(times[0]), compare);
    printf("envelope scan, %s, %zu bytes: best %.0f ns, median %.0f ns\n", name, message.size, times[0],
           times[rounds / 2]);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t rounds = ROUNDS_DEFAULT;
    if (argc > 2 || (argc == 2 && (span_to_uint64(span_of(argv[1]), &rounds) || rounds == 0 || rounds > ROUNDS_MAX))) {
        fprintf(stderr, "usage: bench-envelope [rounds, at most %d]\n", ROUNDS_MAX);
        return 2;
    }
    int failed = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        failed |= run_row(rows[i].name, span_of(rows[i].message), (size_t)rounds);
    return failed;
}

/* What an attempt costs that is refused before any cryptography, beside a call that is served to a known key:
   everything but the socket and HTTP. To be below a quarter. In turns, on a real reactor with a front that throws the
   answers away. */
#include <stdio.h>
#include <string.h>

#include "auth/api_key.h"
#include "gateway/core/audit.h"
#include "gateway/core/exchange.h"
#include "gateway/core/guard.h"
#include "tests/bench/house.h"

#define KEY "weir-bench-key-of-a-known-caller"

enum { CALLS = 100000, ROUNDS = 9, ATTEMPTS = 10 };

static int last_status;
static struct address here;
static size_t wrong;

static void look(const struct reply *reply)
{
    last_status = reply->body ? reply->status : 0;
}

/* As a front does it: who is it, and then an answer of either kind. */
static void attempt(struct reactor *reactor, struct span key)
{
    struct credentials shown = {.api_key = key, .address = &here};
    struct guard_visit visit = {.front = "bench"};
    struct identity *identity = NULL;
    struct guard_refusal refusal;
    struct exchange exchange;
    int result = guard_authenticate(reactor, &shown, &visit, &identity, &refusal);
    house_exchange(&exchange, reactor, look);
    exchange.client = here;
    exchange.identity = identity;
    if (result == GUARD_REFUSED)
        guard_refuse(&exchange, &refusal);
    else
        dispatch_message(&exchange);
    exchange_unref(&exchange);
}

static double run_attempts(struct reactor *reactor, struct span key, int status)
{
    uint64_t start_ns = house_cpu_ns();
    for (unsigned i = 0; i < CALLS; i++) {
        attempt(reactor, key);
        wrong += last_status != status;
    }
    return (double)(house_cpu_ns() - start_ns) / CALLS;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void run_bench(struct reactor *reactor)
{
    const struct span known = SPAN(KEY), guess = SPAN("weir-bench-key-that-is-a-guess-1");
    double served_ns[ROUNDS], refused_ns[ROUNDS], ratio[ROUNDS];
    attempt(reactor, known);
    for (unsigned i = 0; i < ATTEMPTS; i++)
        attempt(reactor, guess);
    for (unsigned i = 0; i < ROUNDS; i++) {
        served_ns[i] = run_attempts(reactor, known, 200);
        refused_ns[i] = run_attempts(reactor, guess, 429);
        ratio[i] = refused_ns[i] / served_ns[i];
    }
    qsort(served_ns, ROUNDS, sizeof(double), compare);
    qsort(refused_ns, ROUNDS, sizeof(double), compare);
    qsort(ratio, ROUNDS, sizeof(double), compare);
    printf("attempt refused with 429: %.0f ns, %.2f of a call that is served to a known key (%.0f ns); %zu wrong\n",
           refused_ns[ROUNDS / 2], ratio[ROUNDS / 2], served_ns[ROUNDS / 2], wrong);
}

int main(void)
{
    static char name[] = "ci", digest[API_KEY_HEX_BYTES + 1];
    static struct api_key_settings key = {.name = name, .sha256 = digest};
    const struct auth_settings auth = {
        .required = true, .api_key = &key, .api_keys = 1, .cache_ms = UINT32_MAX, .max_cached = 1000};
    struct gateway *gateway = api_key_hash(SPAN(KEY), digest) == 0 ? house_new(&auth) : NULL;
    if (!gateway || audit_open(gateway->audit, "/dev/null") != 0 || address_parse(SPAN("192.0.2.1:1"), &here) != 0)
        return 1;
    int result = house_run(gateway->reactor[0], run_bench);
    gateway_free(gateway);
    return result < 0 || wrong > 0;
}

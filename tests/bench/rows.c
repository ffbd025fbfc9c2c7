#include "tests/bench/rows.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "gateway/base/defs.h"

enum { CALLS = 200000, ROUNDS = 7 };

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int measure(const struct bench_row *row)
{
    double best_ns = 1e9;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t start_ns = cpu_ns(), right = 0;
        for (unsigned i = 0; i < CALLS; i++)
            right += row->run();
        best_ns = MIN(best_ns, (double)(cpu_ns() - start_ns) / CALLS);
        if (right != CALLS)
            return fprintf(stderr, "%s: %llu of %d were right\n", row->name, (unsigned long long)right, CALLS), 1;
    }
    printf("%s: %.0f ns\n", row->name, best_ns);
    return 0;
}

int bench_rows(const struct bench_row *rows, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = measure(&rows[i]);
    return failed;
}

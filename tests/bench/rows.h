/* Functions that are measured one after another, in nanoseconds of this thread's CPU: the machine may be busy with
 * others. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct bench_row {
    const char *name;
    bool (*run)(void); /* true: right; so that nothing is measured that does not work */
};

/* Prints the best of some rounds of each row. 0, or 1 as soon as an answer was wrong. */
int bench_rows(const struct bench_row *rows, size_t count);

/* Accounts of the kernel (proc_pid_stat(5)) and a bucket of nanoseconds. Owns nothing. */
#include "gateway/providers/command_cpu.h"

#include <stdio.h>
#include <unistd.h>

#include "gateway/base/kernel_file.h"

enum {
    PATH_BYTES = 64,
    STAT_BYTES = 1024,
    CHILDREN_BYTES = 4096,
    MAX_DEPTH = 16,        /* of descendants */
    MAX_PROCESSES = 128,   /* that one look reads: a program with more is held to a part of what it uses */
    FIRST_TIME_FIELD = 12, /* utime; then stime, cutime and cstime: counted behind the name */
    TIME_FIELDS = 4,
    SHORTEST_MS = 20,
    LONGEST_MS = 500, /* between two looks at a program that uses little */
};
static const uint64_t SECOND_NS = 1000000000, MS_NS = 1000000;

/* The name may hold blanks and brackets: what follows begins behind its last bracket, with the state. */
static uint64_t read_ticks(pid_t process)
{
    char path[PATH_BYTES], bytes[STAT_BYTES];
    uint64_t sum = 0, ticks;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)process);
    struct span rest = kernel_file_read(path, bytes, sizeof(bytes));
    const char *bracket = rest.size > 0 ? memrchr(rest.at, ')', rest.size) : NULL;
    if (!bracket)
        return 0;
    rest = (struct span){bracket + 1, rest.size - (size_t)(bracket + 1 - rest.at)};
    for (unsigned field = 0; field < FIRST_TIME_FIELD + TIME_FIELDS && !span_absent(rest); field++) {
        struct span number = span_cut(&rest, ' ');
        if (field >= FIRST_TIME_FIELD && span_to_uint64(number, &ticks) == 0)
            sum += ticks;
    }
    return sum;
}

static uint64_t walk(pid_t process, unsigned depth, unsigned *processes)
{
    char path[PATH_BYTES], bytes[CHILDREN_BYTES];
    uint64_t sum = read_ticks(process), child;
    if (depth == MAX_DEPTH)
        return sum;
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)process, (int)process);
    struct span rest = kernel_file_read(path, bytes, sizeof(bytes));
    while (rest.size > 0 && *processes < MAX_PROCESSES) {
        if (span_to_uint64(span_cut(&rest, ' '), &child) < 0)
            continue;
        ++*processes;
        sum += walk((pid_t)child, depth + 1, processes);
    }
    return sum;
}

uint64_t command_cpu_used_ns(pid_t process)
{
    unsigned processes = 1;
    return walk(process, 0, &processes) * (SECOND_NS / (uint64_t)MAX(sysconf(_SC_CLK_TCK), 1));
}

void command_cpu_init(struct command_cpu *cpu, uint64_t per_second_ms, uint64_t lasting_ms, uint64_t now_ns)
{
    uint64_t per_second_ns = per_second_ms * MS_NS;
    *cpu = (struct command_cpu){
        .per_second_ns = per_second_ns,
        .most_ns = per_second_ns + per_second_ms * (lasting_ms / 1000 + 1) * MS_NS,
        .left_ns = (int64_t)per_second_ns,
        .looked_ns = now_ns,
    };
}

/* How long it takes to earn so much, in milliseconds, rounded up. */
static uint64_t earning_ms(const struct command_cpu *cpu, uint64_t ns)
{
    uint64_t per_ms = MAX(cpu->per_second_ns / 1000, (uint64_t)1);
    return (ns + per_ms - 1) / per_ms;
}

static void earn(struct command_cpu *cpu, uint64_t now_ns)
{
    uint64_t passed_ns = MIN(now_ns - MIN(cpu->looked_ns, now_ns), 3600 * SECOND_NS);
    int64_t earned = (int64_t)((double)passed_ns / (double)SECOND_NS * (double)cpu->per_second_ns);
    cpu->left_ns = MIN(cpu->left_ns + earned, (int64_t)cpu->per_second_ns);
    cpu->looked_ns = now_ns;
}

enum command_cpu_verdict command_cpu_look(struct command_cpu *cpu, uint64_t used_ns, uint64_t now_ns,
                                          uint64_t *ret_next_ms)
{
    uint64_t more_ns = used_ns - MIN(cpu->used_ns, used_ns);
    earn(cpu, now_ns);
    cpu->used_ns = MAX(cpu->used_ns, used_ns);
    cpu->left_ns -= (int64_t)more_ns;
    if (cpu->used_ns > cpu->most_ns)
        return COMMAND_CPU_END;
    if (cpu->left_ns <= 0) {
        uint64_t wait_ms = earning_ms(cpu, (uint64_t)-cpu->left_ns + SHORTEST_MS * MS_NS);
        *ret_next_ms = MIN(MAX(wait_ms, (uint64_t)SHORTEST_MS), (uint64_t)LONGEST_MS);
        return COMMAND_CPU_STOP;
    }
    uint64_t left_ms = (uint64_t)cpu->left_ns / MS_NS;
    *ret_next_ms = more_ns == 0 ? LONGEST_MS / 2 : MIN(MAX(left_ms, (uint64_t)SHORTEST_MS), (uint64_t)LONGEST_MS);
    return COMMAND_CPU_RUN;
}

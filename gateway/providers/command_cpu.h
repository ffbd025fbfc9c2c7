/* CPU time of a command's programs: how much its process and what it has started have used, and a budget that they are
   held to. Nothing allocates; any thread. */
#pragma once
#include <sys/types.h>

#include "gateway/base/defs.h"

/* Nanoseconds of CPU that the process, its descendants and those that they have waited for have used, as the kernel
   accounts them (in ticks of some milliseconds). What its parent never waited for is lost with its end. */
uint64_t command_cpu_used_ns(pid_t process);

/* A budget per second: a bucket of one second's worth, full at the start. */
struct command_cpu {
    uint64_t per_second_ns; /* 0: no budget */
    uint64_t most_ns;       /* in all; more ends the program */
    uint64_t used_ns;       /* so far */
    int64_t left_ns;        /* in the bucket; negative: owed */
    uint64_t looked_ns;     /* when, on the clock */
};

enum command_cpu_verdict {
    COMMAND_CPU_RUN,  /* it may go on */
    COMMAND_CPU_STOP, /* it has to wait until its next look */
    COMMAND_CPU_END,  /* it has used all that it may use at all */
};

/* `lasting_ms`: as long as the program may run. */
void command_cpu_init(struct command_cpu *cpu, uint64_t per_second_ms, uint64_t lasting_ms, uint64_t now_ns);
/* The program has used so much; when to look again. */
enum command_cpu_verdict command_cpu_look(struct command_cpu *cpu, uint64_t used_ns, uint64_t now_ns,
                                          uint64_t *ret_next_ms);

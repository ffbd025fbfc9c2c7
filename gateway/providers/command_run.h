/* One run of a program for one round of a call: its process, its three standard streams, its time limit. Everything
   happens on the call's reactor and nothing blocks. The program leads a session and process group of
   its own; whatever ends the run ends the whole group. A run frees itself when its process is reaped and its handles
   are closed. */
#pragma once
#include "gateway/core/gateway.h"
#include "gateway/core/provider.h"

enum {
    COMMAND_KILL_GRACE_MS = 2000,   /* between SIGTERM and SIGKILL; at once while the gateway drains */
    COMMAND_MAX_ERROR_BYTES = 4096, /* of standard error, its end: what an error result quotes */
    COMMAND_MAX_ERROR_LINES = 20,
    COMMAND_FIRST_LOOK_MS = 50, /* at the CPU time it has used; then as command_cpu.h says */
};

struct command_run;

/* How to run it; borrowed for command_run_start(), but for `name`, which `provider` keeps. */
struct command_run_plan {
    struct provider *provider; /* a reference is held while the process lives */
    const char *name;
    char **arguments;      /* NULL-terminated, [0] is the program */
    char **environment;    /* NULL-terminated "NAME=value" */
    const char *directory; /* NULL: the gateway's */
    bool json_stdin;
    bool json_output;
    uint64_t timeout_ms;
    size_t max_output;
    uint64_t cpu_per_second_ms; /* 0: no budget */
    size_t max_memory;          /* 0: no limit of its own */
};

/* Charges QUOTA_PROCESSES and starts the program; the round is answered in any case. */
void command_run_start(const struct command_run_plan *plan, struct call *call);
/* The caller gave up: answers (nobody listens) and ends the group. */
void command_run_cancel(struct command_run *run);

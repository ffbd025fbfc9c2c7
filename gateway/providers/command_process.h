/* A program as a child process that leads a session and process group of its own, and the pipes to its standard
   streams. Nothing here waits but for the program to be loaded. Any thread. */
#pragma once
#include <sys/types.h>

#include "gateway/providers/command_keeper.h"

enum { COMMAND_STREAMS = 3 }; /* standard input, output, error */

struct command_process {
    pid_t id;                    /* also of its group and session */
    int pidfd;                   /* readable once the process has ended */
    int stream[COMMAND_STREAMS]; /* our ends, which do not block; -1: none. With pidfd the caller's to close */
    command_place *place;        /* among those that the keeper ends; NULL: there is none */
};

struct command_process_plan {
    char **arguments;              /* NULL-terminated; [0] is looked for in PATH when it has no '/' */
    char **environment;            /* NULL-terminated "NAME=value", all of it */
    const char *directory;         /* NULL: the gateway's */
    bool input;                    /* standard input is a pipe; else it is empty */
    size_t max_memory;             /* private and writable, of each of its processes; 0: no limit of its own */
    struct command_keeper *keeper; /* NULL: nobody ends it in the gateway's stead */
};

/* Loads and starts the program: no signal is blocked or ignored, no descriptor of ours is open in it. From its first
   instruction on it dumps no core, and has no more memory than it may and as many descriptors as programs expect; once
   it is loaded it yields to the gateway where both want the processor. It ends with the thread that started it, and its
   group with the gateway if that has a keeper. The gateway's own standard descriptors are open: main sees to it. 0, or
   -errno with nothing left: -ENOENT, -EACCES, -E2BIG, -EMFILE, -EAGAIN ... */
MUST_USE int command_process_start(const struct command_process_plan *plan, struct command_process *ret_process);
/* To all of the group. Only before it is reaped: until then its number can belong to nobody else. */
void command_process_signal(const struct command_process *process, int signal_number);
/* The process has ended: takes its exit status, or the signal that ended it; one of the two is 0. COMMAND_STATUS_LOST
   if somebody else took it (a process that ignores SIGCHLD has no children to wait for). */
enum { COMMAND_STATUS_LOST = -1 };
void command_process_reap(const struct command_process *process, int *ret_status, int *ret_signal);

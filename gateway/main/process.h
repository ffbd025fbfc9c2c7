/* What belongs to the process as a whole: signals, descriptors, the worker pool. Main thread, before any other exists.
 */
#pragma once
#include "gateway/base/defs.h"

/* SIGTERM, SIGINT and SIGHUP wait for process_signal(), SIGCHLD for nobody, SIGPIPE is ignored, the soft limit of
   descriptors is raised to the hard one. 0 or -errno. */
MUST_USE int process_prepare(void);
/* Takes standard input and output away for one client: its descriptors are returned, and what this process and its
   children would read or write by habit goes to /dev/null and to standard error. 0 or -errno. */
MUST_USE int process_take_stdio(int *ret_in, int *ret_out);
/* Asks the main thread for the end, as SIGTERM does. Any thread. */
void process_end(void);
/* How many threads run blocking work; before the first loop is made. 0 or -errno. */
MUST_USE int process_set_workers(uint64_t workers);
/* The next of the three signals; waits `timeout_ms` in all (-1: for ever), whatever comes in between, then 0. */
int process_signal(int timeout_ms);

/* What belongs to the process as a whole: signals, descriptors, the worker pool. Main thread, before any other exists.
 */
#pragma once
#include "gateway/base/defs.h"

/* SIGTERM, SIGINT and SIGHUP wait for process_signal(), SIGPIPE is ignored, the soft limit of descriptors is raised to
   the hard one. 0 or -errno. */
MUST_USE int process_prepare(void);
/* How many threads run blocking work; before the first loop is made. 0 or -errno. */
MUST_USE int process_set_workers(uint64_t workers);
/* The next of the three signals; waits `timeout_ms` (-1: for ever), then 0. */
int process_signal(int timeout_ms);

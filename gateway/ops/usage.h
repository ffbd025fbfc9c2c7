/* What the process uses of the machine, as the kernel tells it. */
#pragma once
#include "gateway/base/defs.h"

struct usage {
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t threads;
    uint64_t open_descriptors;
    uint64_t max_descriptors; /* RLIMIT_NOFILE; UINT64_MAX: no limit */
    double cpu_seconds;       /* user and system, all threads */
};

/* What cannot be learned is 0. A few system calls, no walk through a directory: tens of microseconds on Linux 6.2 and
   later, where the kernel knows the number of descriptors; before that it is counted, at most USAGE_MAX_COUNTED of
   them. Any thread. */
enum { USAGE_MAX_COUNTED = 65536 };
void usage_read(struct usage *ret_usage);

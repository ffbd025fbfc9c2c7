/* A gateway for benchmarks inside the process: one reactor, the built-in handlers, no front. */
#pragma once
#include "gateway/core/gateway.h"

enum { HOUSE_MAX_SESSIONS = 1000, HOUSE_MAX_IN_FLIGHT = 1000 };

/* NULL: it cannot be made. Ended with gateway_free(). */
MUST_USE struct gateway *house_new(void);
/* CPU time of this thread alone: the machine may be busy with others. */
uint64_t house_cpu_ns(void);

/* A gateway for benchmarks inside the process: one reactor, the built-in handlers, no front. Without
   limits.queue_delay: a benchmark is one long turn of its reactor, in which everything waits. */
#pragma once
#include "gateway/core/gateway.h"

enum { HOUSE_MAX_SESSIONS = 1000, HOUSE_MAX_IN_FLIGHT = 1000 };

/* `auth`: whom it lets in (borrowed, to the end); NULL: everybody. NULL: it cannot be made. Ended with gateway_free().
 */
MUST_USE struct gateway *house_new(const struct auth_settings *auth);
/* CPU time of this thread alone: the machine may be busy with others. */
uint64_t house_cpu_ns(void);

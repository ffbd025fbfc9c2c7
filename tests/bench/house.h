/* A gateway for benchmarks inside the process: one reactor, the built-in handlers, and instead of fronts one that
   throws the answers away. Without limits.queue_delay: a benchmark is one long turn of its reactor, in which everything
   waits.
 */
#pragma once
#include "gateway/core/front.h"
#include "gateway/core/gateway.h"

enum { HOUSE_MAX_SESSIONS = 1000, HOUSE_MAX_IN_FLIGHT = 1000 };

/* A call of echo with the message "hello", of 2026-07-28. */
extern const struct span house_call;

/* `auth`: whom it lets in (borrowed, to the end); NULL: everybody. NULL: it cannot be made. Ended with gateway_free().
 */
MUST_USE struct gateway *house_new(const struct auth_settings *auth);
/* An exchange of house_call and its headers, by a front that shows each answer to `look` and throws it away. */
void house_exchange(struct exchange *exchange, struct reactor *reactor, void (*look)(const struct reply *reply));
/* Runs it on the reactor's own thread, until it returns. 0 or -errno. */
MUST_USE int house_run(struct reactor *reactor, void (*bench)(struct reactor *reactor));
/* CPU time of this thread alone: the machine may be busy with others. */
uint64_t house_cpu_ns(void);

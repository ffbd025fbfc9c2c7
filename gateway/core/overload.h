/* limits.queue_delay, enforced: when what has come waits too long before anybody begins with it, and does so for a
   while (limits/queue_delay.h), what comes then is refused at once. Work waits in two places: in its socket while the
   reactor is busy with others, and behind others for a worker thread. Each reactor measures itself and refuses for
   itself. Programs of commands wait for nothing: they start at once or not at all. */
#pragma once
#include "gateway/core/gateway.h"

struct exchange;

/* After the reactors are made; freed after them. 0 or -ENOMEM. */
MUST_USE int overload_new(struct gateway *gateway);
void overload_free(struct gateway *gateway); /* harmless if there is none */
void overload_apply(struct gateway *gateway, const struct settings *settings);
/* Once a second: the longest wait since the last look is what the limit's row has in use. On the first reactor. */
void overload_look(struct gateway *gateway);

/* True: requests stand in a queue before this reactor, and the exchange has been answered. On the reactor. */
MUST_USE bool overload_refuse(struct exchange *exchange);

/* True: jobs stand in a queue for worker threads. It has been counted; the caller refuses his own with what
   overload_add_message() says. On a reactor. */
MUST_USE bool overload_refuses_worker(struct gateway *gateway);
/* A job for a worker thread is handed over, and begins, or does not come to that: how long it has waited. Any thread.
 */
uint64_t overload_enter_worker(struct gateway *gateway);
uint64_t overload_leave_worker(struct gateway *gateway, uint64_t entered_ns);
void overload_add_message(struct text *out);

/* limits.memory, enforced: what is refused for want of it, and giving back to the kernel what the allocator keeps. */
#pragma once
#include "gateway/core/gateway.h"

struct exchange;

/* The limits of the settings: limits.memory, or the control group's less a tenth, or 16 GiB; and limits.memory_high of
   it. */
void memory_guard_apply(struct gateway *gateway, const struct settings *settings);
/* Looks at the memory several times a second on the first reactor, until memory_guard_free(), which closes a handle of
   its loop. 0 or -ENOMEM. */
MUST_USE int memory_guard_new(struct gateway *gateway);
void memory_guard_free(struct gateway *gateway); /* harmless if there is none */
/* What a message of that size is charged with from its head to its end: itself and all that is made of it. 0 for small
   ones, which are charged with nothing. */
size_t memory_guard_share(size_t message_bytes);
/* Charges the exchange with what working on its message may take, beyond exchange->reserved, until it is released.
   True: there is not enough, and it has been answered. On the reactor. */
MUST_USE bool memory_guard_refuse(struct exchange *exchange);
/* The error for what memory_admit() and memory_charge() say: MEMORY_REFUSED or MEMORY_NEVER. */
enum error_name memory_guard_error(int outcome);

/* The access log: one line per request, and per refusal of what was none. On the exchange's reactor. */
#pragma once
#include "gateway/core/exchange.h"

/* The event `request` at level info, if log.access is on: who asked what over which way in, and what came of it. Names
   of tools and prompts are shown, of resources what redact_uri() leaves; arguments only with log.arguments, and neither
   credentials nor the ids of sessions and tasks ever. */
void access_log_add(const struct exchange *exchange, enum outcome outcome, uint64_t duration_ns);

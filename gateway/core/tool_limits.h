/* limits.tools: how often a caller may call the tools of a pattern, and how many of these calls may be under way at
   once, whoever makes them. The first rule whose pattern the tool's name has is the tool's. On the exchange's
   reactor. */
#pragma once
#include "gateway/core/gateway.h"
#include "limits/limit_key.h"

struct exchange;
struct counted;

/* Charges the caller with a call of the tool. True: there were too many, and the exchange has been answered. */
MUST_USE bool tool_limits_refuse_rate(struct exchange *exchange, struct span tool);
/* Takes a place for a call of the tool, where its rule has a number of them. True: there is none, and the exchange has
   been answered. *ret_place stays NULL where nothing is counted. */
MUST_USE bool tool_limits_refuse_place(struct exchange *exchange, struct span tool, struct counted **ret_place);
/* The call has ended. NULL is fine. Any thread. */
void tool_limits_leave(struct gateway *gateway, struct counted *place);
/* How many calls of the rule are under way. Any thread. */
uint64_t tool_limits_used(struct gateway *gateway, const struct tool_limit_settings *rule);

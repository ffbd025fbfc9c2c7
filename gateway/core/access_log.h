/* The access log: one line per request, and per refusal of what was none. On the exchange's reactor. */
#pragma once
#include "gateway/core/exchange.h"

/* The event `request` at level info, if log.access is on: who asked what over which way in, and what came of it. Names
   of tools and prompts are shown, of resources what redact_uri() leaves; arguments only with log.arguments, and neither
   credentials nor the ids of sessions and tasks ever. */
void access_log_add(const struct exchange *exchange, enum outcome outcome, uint64_t duration_ns);

/* What a front refused where there is no exchange: the head of an upgrade, a body while it came. All borrowed. */
struct access_refusal {
    const char *front;                        /* as front_ops.name */
    const struct listener_settings *listener; /* NULL: gone with a reload */
    const struct address *client;
    const struct peer_facts *facts;  /* may be NULL */
    const struct identity *identity; /* may be NULL */
    const char *error;               /* error_row.label; NULL: none of ours */
    unsigned status;                 /* of HTTP */
    size_t bytes_in;
};
void access_log_add_refusal(struct reactor *reactor, const struct access_refusal *refusal);

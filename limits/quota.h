/* A quota: a thing that there may be only so many of. Every bounded thing of the gateway is charged to one of the rows
   of quotas.def before it is used and given back when it ends; `used`, `limit` and `refused` of each are on the metrics
   page. Any thread; one atomic addition per take. */
#pragma once
#include <stdatomic.h>

#include "gateway/base/defs.h"

enum quota_name {
#define QUOTA(name, ...) QUOTA_##name,
#include "limits/quotas.def"
#undef QUOTA
    QUOTA_COUNT
};

struct quota {
    _Atomic uint64_t used;
    _Atomic uint64_t limit; /* 0: nothing is allowed; UINT64_MAX: no limit of its own */
    _Atomic uint64_t refused;
    _Atomic uint64_t highest; /* most ever in use */
    _Atomic uint64_t evicted; /* made room for others, though there was something to remember */
};

struct quotas {
    struct quota row[QUOTA_COUNT];
};

enum { QUOTA_REFUSED = 1 };

/* 0, or QUOTA_REFUSED (counted): `amount` more would pass the limit. */
MUST_USE int quota_take(struct quotas *quotas, enum quota_name name, uint64_t amount);
/* Gives back what was taken. Giving back more than is in use is a bug; it stops at zero. */
void quota_give(struct quotas *quotas, enum quota_name name, uint64_t amount);
void quota_set_limit(struct quotas *quotas, enum quota_name name, uint64_t limit);
/* Counts what is bounded elsewhere: taken without asking. */
void quota_note(struct quotas *quotas, enum quota_name name, uint64_t amount);
/* For what is measured and not taken: as it stands now. */
void quota_set_used(struct quotas *quotas, enum quota_name name, uint64_t used, uint64_t refused);
/* The same, where each refusal is noted. */
void quota_measure(struct quotas *quotas, enum quota_name name, uint64_t used);
void quota_note_refused(struct quotas *quotas, enum quota_name name);
/* For things that make room for newer ones instead of refusing those: one did, and it was a loss. */
void quota_note_evicted(struct quotas *quotas, enum quota_name name);
uint64_t quota_used(struct quotas *quotas, enum quota_name name);
/* "connections", and one sentence of what it counts: for metrics and refusals. */
const char *quota_label(enum quota_name name);
const char *quota_help(enum quota_name name);
/* The option that sets it: a refusal names it as the remedy. */
const char *quota_option(enum quota_name name);

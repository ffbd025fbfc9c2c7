/* How much memory the process uses, and whether more may be taken. What the kernel says is resident is read now and
   then (it costs a system call); what requests are about to take is charged before it is allocated, so that a flood is
   seen before it is there. Any thread; a check is a few atomic reads.

       nothing ──────── high ─────────────────── limit
        all may      the larger, the sooner      nothing new that allocates; what has begun stops growing
                     it is refused               */
#pragma once
#include <stdatomic.h>

#include "gateway/base/defs.h"

struct memory {
    _Atomic uint64_t limit, high;
    _Atomic uint64_t base;    /* resident, without what is charged */
    _Atomic uint64_t charged; /* bytes */
    _Atomic uint64_t read_ns; /* when the kernel was asked last */
    _Atomic uint64_t refused;
    /* Resident bytes of this process; tests put their own here. */
    uint64_t (*resident)(void);
};

void memory_init(struct memory *memory);
void memory_set_limits(struct memory *memory, uint64_t limit, uint64_t high);
/* Asks the kernel. */
void memory_read(struct memory *memory);

enum {
    MEMORY_REFUSED = 1, /* not now */
    MEMORY_NEVER,       /* more than there may be at all */
};
/* Whether something new of that size may begin. Takes nothing. Before it says no the kernel has been asked a moment
   ago. 0, MEMORY_REFUSED or MEMORY_NEVER (both counted). */
MUST_USE int memory_admit(struct memory *memory, uint64_t bytes);
/* Charges what is about to be allocated for something that was admitted. 0, MEMORY_REFUSED or MEMORY_NEVER. */
MUST_USE int memory_charge(struct memory *memory, uint64_t bytes);
void memory_give(struct memory *memory, uint64_t bytes);

/* Resident and charged. */
uint64_t memory_used(const struct memory *memory);
bool memory_is_high(const struct memory *memory);
bool memory_is_over(const struct memory *memory);

/* What the kernel allows this process's control group, version 2 or 1, the least of it and its parents; UINT64_MAX: it
   does not say. `groups` is as /proc/self/cgroup, `root` as /sys/fs/cgroup. Blocks for a few small files. */
uint64_t memory_group_limit(const char *groups, const char *root);

/* Ends what commands have started when the gateway cannot do so itself any more: killed with SIGKILL, by the kernel for
   want of memory, or by a fault. A small process beside the gateway waits for its end, and kills the process groups
   that are in a table which both share.

       gateway ── groups that run ──▶ table ◀── read once, at the end ── keeper
          └───────── an end each of a pair of sockets ──────────────────────┘

   A program enters its own group before it is loaded, and holds the gateway's end open until then: the keeper cannot
   come too early to see it. The gateway takes a group out before it reaps its leader: the keeper cannot kill a number
   that has a new owner. Costs nothing per program but two stores. */
#pragma once
#include <stdatomic.h>
#include <sys/types.h>

#include "gateway/base/defs.h"

enum { COMMAND_KEEPER_GROUPS = 100 * 1000 }; /* the most that limits.max_processes can be */

struct command_keeper;

/* Where a program enters its group. */
typedef _Atomic pid_t command_place;

/* Forks: while the process is small, has one thread and has read no secrets. As process 1 it needs no keeper, since the
   kernel ends all others with it. 0 or -errno. */
MUST_USE int command_keeper_start(struct command_keeper **ret_keeper);
/* Ends the groups that are still in the table, then the keeper. Main thread; takes NULL. */
void command_keeper_stop(struct command_keeper *keeper);

/* Reserves a place. Without a keeper (NULL) there is none: 0 and NULL. 0, or -EAGAIN: all are taken. Any thread. */
MUST_USE int command_keeper_take(struct command_keeper *keeper, command_place **ret_place);
/* The group has been told to end, and its leader is not reaped yet. Takes NULL. */
static inline void command_keeper_give(command_place *place)
{
    if (place)
        atomic_store_explicit(place, 0, memory_order_release);
}

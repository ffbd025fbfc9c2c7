/* The drain: no new work, long-lived streams ended as the specification wants, what is in flight finished. Main thread.
 */
#pragma once
#include "gateway/core/gateway.h"

/* Phase DRAINING; every reactor ends its listen streams with their completion results and its legacy streams plainly,
   and the calls that wait for an answer which cannot come any more (503). */
void drain_begin(struct gateway *gateway);
/* Phase STOPPED: the time is over, every call is cancelled, and whoever waits for it is told so (503). */
void drain_cut(struct gateway *gateway);
/* Nothing is in flight and no stream is open any more. */
bool drain_done(struct gateway *gateway);

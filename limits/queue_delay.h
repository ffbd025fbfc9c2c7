/* How long things wait in a queue, and whether that is a moment's burst or a standing queue: one in which for a whole
   interval nothing was begun in time (the idea of CoDel, RFC 8289, section 3). A burst is what a queue is for; a
   standing queue makes everybody late and nobody served sooner, so what comes then is better refused at once. Any
   thread; no lock. */
#pragma once
#include <stdatomic.h>

#include "gateway/base/defs.h"

struct queue_delay {
    _Atomic uint64_t waiting;        /* in the queue now */
    _Atomic uint64_t above_since_ns; /* since then all that began had waited too long; 0: the last one had not */
    _Atomic uint64_t known_until_ns; /* what was seen last says nothing about later than this */
    _Atomic bool standing;           /* the last that was seen was above, and so was all of the interval before it */
    _Atomic uint64_t longest_ns;     /* since queue_delay_take_longest() */
};

static const uint64_t QUEUE_DELAY_INTERVAL_NS = 100000000;

/* All zero is an empty queue. What goes in at now_ns, and begins at now_ns after it went in at entered_ns; longer than
   target_ns is too long. */
void queue_delay_enter(struct queue_delay *queue, uint64_t now_ns);
void queue_delay_leave(struct queue_delay *queue, uint64_t entered_ns, uint64_t now_ns, uint64_t target_ns);
/* What still waits has done so for now_ns - entered_ns: if that is too long already, it need not have left to be known.
 */
void queue_delay_look(struct queue_delay *queue, uint64_t entered_ns, uint64_t now_ns, uint64_t target_ns);
/* Whether a queue stands. What was seen counts until as long after as it had waited, and an interval; and for as long
   as something waits. */
MUST_USE bool queue_delay_stands(const struct queue_delay *queue, uint64_t now_ns);
/* The longest wait since this was asked last. */
uint64_t queue_delay_take_longest(struct queue_delay *queue);

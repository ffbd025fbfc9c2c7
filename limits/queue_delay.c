/* Two moments are all that has to be remembered: since when nothing was in time, and until when that is news. Threads
   that leave at once may overwrite one another's; each of them says what is true. Owns nothing. */
#include "limits/queue_delay.h"

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static void forget(struct queue_delay *queue)
{
    store(&queue->above_since_ns, 0);
    atomic_store_explicit(&queue->standing, false, memory_order_relaxed);
}

/* The first one after a pause: what was seen before it says nothing about it. */
void queue_delay_enter(struct queue_delay *queue, uint64_t now_ns)
{
    if (atomic_fetch_add_explicit(&queue->waiting, 1, memory_order_relaxed) == 0 &&
        now_ns >= load(&queue->known_until_ns))
        forget(queue);
}

static void note_longest(struct queue_delay *queue, uint64_t delay_ns)
{
    uint64_t longest = load(&queue->longest_ns);
    while (delay_ns > longest && !atomic_compare_exchange_weak_explicit(&queue->longest_ns, &longest, delay_ns,
                                                                        memory_order_relaxed, memory_order_relaxed))
        ;
}

/* The first of them may be a burst; it is the next one, an interval later, that says more. */
static void note_above(struct queue_delay *queue, uint64_t now_ns)
{
    uint64_t since_ns = 0;
    if (!atomic_compare_exchange_strong_explicit(&queue->above_since_ns, &since_ns, now_ns, memory_order_relaxed,
                                                 memory_order_relaxed) &&
        now_ns >= since_ns && now_ns - since_ns >= QUEUE_DELAY_INTERVAL_NS)
        atomic_store_explicit(&queue->standing, true, memory_order_relaxed);
}

static void note(struct queue_delay *queue, uint64_t delay_ns, uint64_t now_ns, uint64_t target_ns)
{
    note_longest(queue, delay_ns);
    if (delay_ns <= target_ns)
        forget(queue);
    else
        note_above(queue, now_ns);
    store(&queue->known_until_ns, now_ns + delay_ns + QUEUE_DELAY_INTERVAL_NS);
}

void queue_delay_leave(struct queue_delay *queue, uint64_t entered_ns, uint64_t now_ns, uint64_t target_ns)
{
    note(queue, now_ns - MIN(now_ns, entered_ns), now_ns, target_ns); /* threads read the clock one after another */
    atomic_fetch_sub_explicit(&queue->waiting, 1, memory_order_relaxed);
}

void queue_delay_look(struct queue_delay *queue, uint64_t entered_ns, uint64_t now_ns, uint64_t target_ns)
{
    uint64_t delay_ns = now_ns - MIN(now_ns, entered_ns);
    if (delay_ns > target_ns)
        note(queue, delay_ns, now_ns, target_ns);
}

bool queue_delay_stands(const struct queue_delay *queue, uint64_t now_ns)
{
    if (!atomic_load_explicit(&queue->standing, memory_order_relaxed))
        return false;
    return now_ns < load(&queue->known_until_ns) || load(&queue->waiting) > 0;
}

uint64_t queue_delay_take_longest(struct queue_delay *queue)
{
    return atomic_exchange_explicit(&queue->longest_ns, 0, memory_order_relaxed);
}

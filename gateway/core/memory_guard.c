/* Large messages are charged before they are worked on: their tree, what is made of them, the answer. Small ones are
   only asked for: what they take is seen the next time that the kernel is. Owns a timer on the first reactor. */
#include "gateway/core/memory_guard.h"

#include <errno.h>
#include <malloc.h>

#include "gateway/base/clock.h"
#include "gateway/core/exchange.h"
#include "gateway/mcp/json_tree.h"

enum {
    LOOK_MS = 200,
    LARGE = 64 * KIB,
    COPIES = 5,        /* of a message: itself, its tree, the handler's, its result, the answer */
    KEPT_PERCENT = 15, /* beyond the least ever: worth a trim */
    KEPT_BYTES = 4 * MIB,
    QUIET_BYTES = 1 * MIB, /* of messages between two looks */
    LULL_LOOKS = 15,       /* in a row, that are a lull */
    REST = 100,            /* a trim takes at most one part in so many of the time */
    GROUP_TENTHS = 9,
    KEPT_PARTS = 64, /* of the limit: one may lie free at the end of each heap, and there may be a heap per thread */
    KEPT_LEAST = 512 * KIB,
    KEPT_MOST = 8 * MIB,
    BLOCKS_PER_KEPT = 4, /* what is a quarter of that and more comes from the kernel and goes back to it */
};
static const uint64_t FALLBACK = 16ull * 1024 * MIB, SECOND_NS = 1000000000, MILLION = 1000000;

struct memory_guard {
    uv_timer_t timer;
    struct gateway *gateway;
    uint64_t least_bytes; /* that were ever resident */
    uint64_t next_trim_ns;
    uint64_t seen_bytes, seen_connections; /* at the last look: of messages, in and out; and how many */
    unsigned quiet_looks;                  /* one after another: little has come in or gone out */
    bool stirred;                          /* since the last trim */
};

/* ---- limits ---- */

static uint64_t limit_of(const struct settings *settings)
{
    if (settings->limits.memory > 0)
        return settings->limits.memory;
    uint64_t group = memory_group_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    return MIN(group == UINT64_MAX ? FALLBACK : group / 10 * GROUP_TENTHS, FALLBACK);
}

/* Left to itself the allocator raises both bounds to what it has seen freed: one message of 14 MiB, and for ever after
   so much stays resident at the end of each thread's heap, where malloc_trim() does not reach. */
static void bound_heaps(uint64_t limit)
{
    int kept = (int)MAX(KEPT_LEAST, MIN(limit / KEPT_PARTS, KEPT_MOST));
    mallopt(M_TRIM_THRESHOLD, kept);
    mallopt(M_MMAP_THRESHOLD, kept / BLOCKS_PER_KEPT);
}

void memory_guard_apply(struct gateway *gateway, const struct settings *settings)
{
    uint64_t limit = limit_of(settings), high = settings->limits.memory_high;
    bound_heaps(limit);
    memory_set_limits(&gateway->memory, limit, high == 0 ? limit : limit / MILLION * high);
    quota_set_limit(&gateway->quotas, QUOTA_MEMORY, limit);
}

/* ---- refusing ---- */

enum error_name memory_guard_error(int outcome)
{
    return outcome == MEMORY_NEVER ? ERROR_NEVER_FITS : ERROR_MEMORY;
}

size_t memory_guard_share(size_t message_bytes)
{
    return message_bytes >= LARGE ? message_bytes * COPIES : 0;
}

/* Beyond the share of its size: small things that make a large tree. */
static size_t tree_bytes(const struct exchange *exchange)
{
    struct span arguments = exchange_member(exchange, MEMBER_ARGUMENTS)->raw;
    size_t tree = span_absent(arguments) ? 0 : json_tree_bytes(arguments);
    return tree > 2 * arguments.size ? tree - 2 * arguments.size : 0;
}

static int charge(struct exchange *exchange, struct memory *memory)
{
    size_t share = memory_guard_share(exchange->message.size);
    if (share == 0)
        return memory_admit(memory, exchange->message.size);
    size_t bytes = share - MIN(share, exchange->reserved) + tree_bytes(exchange);
    int result = bytes > 0 ? memory_charge(memory, bytes) : 0;
    exchange->memory += result == 0 ? bytes : 0;
    return result;
}

bool memory_guard_refuse(struct exchange *exchange)
{
    int result = charge(exchange, &exchange_gateway(exchange)->memory);
    if (result == 0)
        return false;
    counter_add(exchange_counters(exchange), COUNTER_REFUSED_MEMORY, 1);
    exchange_reply_error(exchange, memory_guard_error(result), NULL);
    return true;
}

/* ---- looking ---- */

/* The allocator keeps what it was given back, for whoever asks next: while there is work that is well, for fresh pages
   cost more than the work itself. It is asked for them when memory runs short; or when there is a lull and something
   has come or gone since it was asked last. That takes time, which grows with the heaps: it is seldom done. */
static bool is_due(const struct memory_guard *guard, uint64_t resident, uint64_t now_ns)
{
    bool kept = resident > guard->least_bytes + guard->least_bytes / 100 * KEPT_PERCENT + KEPT_BYTES;
    if (now_ns < guard->next_trim_ns)
        return false;
    return memory_is_high(&guard->gateway->memory) || (kept && guard->quiet_looks >= LULL_LOOKS && guard->stirred);
}

static void trim(struct memory_guard *guard)
{
    struct gateway *gateway = guard->gateway;
    uint64_t start_ns = clock_now_ns();
    malloc_trim(0);
    counter_add(reactor_counters(gateway->reactor[0]), COUNTER_MEMORY_TRIMS, 1);
    memory_read(&gateway->memory);
    uint64_t end_ns = clock_now_ns();
    guard->stirred = false;
    guard->next_trim_ns = end_ns + MAX(SECOND_NS, (end_ns - start_ns) * REST);
}

/* Whether much came in or went out since the last look, and whether anything has stirred since the last trim. */
static void watch(struct memory_guard *guard)
{
    struct gateway *gateway = guard->gateway;
    uint64_t bytes = 0, connections = quota_used(&gateway->quotas, QUOTA_CONNECTIONS);
    for (unsigned i = 0; i < gateway->reactors; i++) {
        struct counters *counters = reactor_counters(gateway->reactor[i]);
        bytes += atomic_load_explicit(&counters->event[COUNTER_BYTES_IN], memory_order_relaxed);
        bytes += atomic_load_explicit(&counters->event[COUNTER_BYTES_OUT], memory_order_relaxed);
    }
    guard->quiet_looks = bytes - guard->seen_bytes < QUIET_BYTES ? guard->quiet_looks + 1 : 0;
    guard->stirred = guard->stirred || guard->quiet_looks == 0 || connections != guard->seen_connections;
    guard->seen_bytes = bytes;
    guard->seen_connections = connections;
}

static void look(uv_timer_t *timer)
{
    struct memory_guard *guard = timer->data;
    struct gateway *gateway = guard->gateway;
    uint64_t resident = gateway->memory.resident();
    memory_read(&gateway->memory);
    watch(guard);
    guard->least_bytes = MIN(guard->least_bytes, resident);
    if (is_due(guard, resident, clock_now_ns()))
        trim(guard);
    quota_set_used(&gateway->quotas, QUOTA_MEMORY, memory_used(&gateway->memory),
                   atomic_load_explicit(&gateway->memory.refused, memory_order_relaxed));
}

int memory_guard_new(struct gateway *gateway)
{
    struct memory_guard *guard = calloc(1, sizeof(*guard));
    if (!guard)
        return -ENOMEM;
    guard->gateway = gateway;
    uv_timer_init(reactor_loop(gateway->reactor[0]), &guard->timer);
    guard->timer.data = guard;
    gateway->memory_guard = guard;
    memory_read(&gateway->memory);
    guard->least_bytes = gateway->memory.resident();
    return uv_timer_start(&guard->timer, look, LOOK_MS, LOOK_MS);
}

static void free_guard(uv_handle_t *handle)
{
    free(handle->data);
}

void memory_guard_free(struct gateway *gateway)
{
    struct memory_guard *guard = TAKE(gateway->memory_guard);
    if (guard)
        uv_close((uv_handle_t *)&guard->timer, free_guard);
}

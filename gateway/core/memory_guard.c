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
    COPIES = 3,         /* of a message: the handler's, its result, the answer */
    GROWN_PERCENT = 20, /* since the last trim: worth another */
    GROWN_BYTES = 8 * MIB,
    REST = 100, /* a trim takes at most one part in so many of the time */
    GROUP_TENTHS = 9,
};
static const uint64_t FALLBACK = 16ull * 1024 * MIB, SECOND_NS = 1000000000, MILLION = 1000000;

struct memory_guard {
    uv_timer_t timer;
    struct gateway *gateway;
    uint64_t trimmed_bytes; /* resident after the last trim, or the least since */
    uint64_t next_trim_ns;
};

/* ---- limits ---- */

static uint64_t limit_of(const struct settings *settings)
{
    if (settings->limits.memory > 0)
        return settings->limits.memory;
    uint64_t group = memory_group_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    return MIN(group == UINT64_MAX ? FALLBACK : group / 10 * GROUP_TENTHS, FALLBACK);
}

void memory_guard_apply(struct gateway *gateway, const struct settings *settings)
{
    uint64_t limit = limit_of(settings), high = settings->limits.memory_high;
    memory_set_limits(&gateway->memory, limit, high == 0 ? limit : limit / MILLION * high);
    quota_set_limit(&gateway->quotas, QUOTA_MEMORY, limit);
}

/* ---- refusing ---- */

enum error_name memory_guard_error(int outcome)
{
    return outcome == MEMORY_NEVER ? ERROR_NEVER_FITS : ERROR_MEMORY;
}

static size_t working_bytes(const struct exchange *exchange)
{
    struct span arguments = exchange_member(exchange, MEMBER_ARGUMENTS)->raw;
    size_t tree = span_absent(arguments) ? 0 : json_tree_bytes(arguments);
    return exchange->message.size * COPIES + tree;
}

bool memory_guard_refuse(struct exchange *exchange)
{
    struct memory *memory = &exchange_gateway(exchange)->memory;
    size_t bytes = exchange->message.size;
    if (bytes >= LARGE)
        bytes = working_bytes(exchange);
    int result = memory_admit(memory, bytes);
    if (result == 0 && bytes >= LARGE) {
        result = memory_charge(memory, bytes);
        exchange->memory += result == 0 ? bytes : 0;
    }
    if (result == 0)
        return false;
    counter_add(exchange_counters(exchange), COUNTER_REFUSED_MEMORY, 1);
    exchange_reply_error(exchange, memory_guard_error(result), NULL);
    return true;
}

/* ---- looking ---- */

/* The allocator keeps what it was given back in the middle of its heaps. Looking for it takes time that grows with
   them, so it is done when much has come since the last time, and seldom enough. */
static void trim(struct memory_guard *guard, uint64_t resident)
{
    struct gateway *gateway = guard->gateway;
    uint64_t start_ns = clock_now_ns();
    bool grown = resident > guard->trimmed_bytes + guard->trimmed_bytes / 100 * GROWN_PERCENT + GROWN_BYTES;
    if (start_ns < guard->next_trim_ns || !(grown || memory_is_high(&gateway->memory)))
        return;
    malloc_trim(0);
    counter_add(reactor_counters(gateway->reactor[0]), COUNTER_MEMORY_TRIMS, 1);
    memory_read(&gateway->memory);
    guard->trimmed_bytes = gateway->memory.resident();
    uint64_t end_ns = clock_now_ns();
    guard->next_trim_ns = end_ns + MAX(SECOND_NS, (end_ns - start_ns) * REST);
}

static void look(uv_timer_t *timer)
{
    struct memory_guard *guard = timer->data;
    struct gateway *gateway = guard->gateway;
    memory_read(&gateway->memory);
    uint64_t resident = gateway->memory.resident();
    guard->trimmed_bytes = MIN(guard->trimmed_bytes, resident);
    trim(guard, resident);
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
    guard->trimmed_bytes = gateway->memory.resident();
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

/* An estimate that is never too low: what was resident beside the charges, and all charges, whether or not their pages
   have been touched. Any thread; owns nothing. */
#include "limits/memory.h"

#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/kernel_file.h"

enum {
    STATM_BYTES = 128,
    FEW_CHARGES = MIB,      /* so little that resident says what is beside it */
    ALWAYS_FITS = 64 * KIB, /* between high and limit */
    SHARE = 8,              /* of what is left below the limit, for one newcomer */
};
static const uint64_t FRESH_NS = 5000000;

/* The second number of /proc/self/statm, in pages (proc_pid_statm(5)). */
static uint64_t read_resident(void)
{
    char bytes[STATM_BYTES];
    uint64_t pages = 0;
    struct span rest = kernel_file_read("/proc/self/statm", bytes, sizeof(bytes));
    (void)span_cut(&rest, ' ');
    if (span_to_uint64(span_cut(&rest, ' '), &pages) < 0)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void memory_init(struct memory *memory)
{
    *memory = (struct memory){.resident = read_resident};
    memory_set_limits(memory, UINT64_MAX, UINT64_MAX);
}

void memory_set_limits(struct memory *memory, uint64_t limit, uint64_t high)
{
    atomic_store_explicit(&memory->limit, limit, memory_order_relaxed);
    atomic_store_explicit(&memory->high, MIN(high, limit), memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Resident lacks what is charged and not touched yet, so it can only say that there is more beside the charges than we
   thought, or at most that much. */
void memory_read(struct memory *memory)
{
    uint64_t charged = load(&memory->charged), resident = memory->resident(), base = load(&memory->base);
    uint64_t beside = resident - MIN(resident, charged);
    base = charged <= FEW_CHARGES ? beside : MIN(MAX(base, beside), resident);
    atomic_store_explicit(&memory->base, base, memory_order_relaxed);
    atomic_store_explicit(&memory->read_ns, clock_now_ns(), memory_order_relaxed);
}

uint64_t memory_used(const struct memory *memory)
{
    return load(&memory->base) + load(&memory->charged);
}

bool memory_is_high(const struct memory *memory)
{
    return memory_used(memory) >= load(&memory->high);
}

bool memory_is_over(const struct memory *memory)
{
    return memory_used(memory) >= load(&memory->limit);
}

/* The most that something new may be. */
static uint64_t room(const struct memory *memory)
{
    uint64_t used = memory_used(memory), limit = load(&memory->limit);
    if (used >= limit)
        return 0;
    if (used < load(&memory->high))
        return limit - used;
    return MIN(MAX((limit - used) / SHARE, (uint64_t)ALWAYS_FITS), limit - used);
}

/* A no is never said on old news. */
static bool has_read(struct memory *memory)
{
    uint64_t now_ns = clock_now_ns(), read_ns = load(&memory->read_ns);
    if (now_ns - read_ns < FRESH_NS && read_ns != 0)
        return false;
    memory_read(memory);
    return true;
}

static int refuse(struct memory *memory, uint64_t bytes)
{
    atomic_fetch_add_explicit(&memory->refused, 1, memory_order_relaxed);
    return bytes > load(&memory->limit) ? MEMORY_NEVER : MEMORY_REFUSED;
}

int memory_admit(struct memory *memory, uint64_t bytes)
{
    uint64_t least = MAX(bytes, (uint64_t)1);
    if (least <= room(memory) || (has_read(memory) && least <= room(memory)))
        return 0;
    return refuse(memory, bytes);
}

static bool fits(const struct memory *memory)
{
    return memory_used(memory) <= load(&memory->limit);
}

int memory_charge(struct memory *memory, uint64_t bytes)
{
    atomic_fetch_add_explicit(&memory->charged, bytes, memory_order_relaxed);
    if (fits(memory) || (has_read(memory) && fits(memory)))
        return 0;
    memory_give(memory, bytes);
    return refuse(memory, bytes);
}

void memory_give(struct memory *memory, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&memory->charged, bytes, memory_order_relaxed);
}

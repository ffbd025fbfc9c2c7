/* Counting with a bound: an optimistic addition that is taken back when it went too far, so that the granted path is a
   single atomic operation. Any thread; owns nothing. */
#include "limits/quota.h"

static const struct quota_row {
    const char *label;
    const char *option;
    const char *help;
} rows[QUOTA_COUNT] = {
#define QUOTA(name, row_label, row_option, row_help) [QUOTA_##name] = {row_label, row_option, row_help},
#include "limits/quotas.def"
#undef QUOTA
};

static void note_highest(struct quota *quota, uint64_t used)
{
    uint64_t highest = atomic_load_explicit(&quota->highest, memory_order_relaxed);
    while (used > highest && !atomic_compare_exchange_weak_explicit(&quota->highest, &highest, used,
                                                                    memory_order_relaxed, memory_order_relaxed))
        ;
}

int quota_take(struct quotas *quotas, enum quota_name name, uint64_t amount)
{
    struct quota *quota = &quotas->row[name];
    uint64_t limit = atomic_load_explicit(&quota->limit, memory_order_relaxed);
    uint64_t before = atomic_fetch_add_explicit(&quota->used, amount, memory_order_relaxed);
    if (before > limit || amount > limit - before) {
        atomic_fetch_sub_explicit(&quota->used, amount, memory_order_relaxed);
        atomic_fetch_add_explicit(&quota->refused, 1, memory_order_relaxed);
        return QUOTA_REFUSED;
    }
    note_highest(quota, before + amount);
    return 0;
}

void quota_give(struct quotas *quotas, enum quota_name name, uint64_t amount)
{
    struct quota *quota = &quotas->row[name];
    uint64_t used = atomic_load_explicit(&quota->used, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&quota->used, &used, used - MIN(used, amount), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void quota_set_limit(struct quotas *quotas, enum quota_name name, uint64_t limit)
{
    atomic_store_explicit(&quotas->row[name].limit, limit, memory_order_relaxed);
}

void quota_note(struct quotas *quotas, enum quota_name name, uint64_t amount)
{
    struct quota *quota = &quotas->row[name];
    note_highest(quota, atomic_fetch_add_explicit(&quota->used, amount, memory_order_relaxed) + amount);
}

void quota_set_used(struct quotas *quotas, enum quota_name name, uint64_t used, uint64_t refused)
{
    atomic_store_explicit(&quotas->row[name].refused, refused, memory_order_relaxed);
    quota_measure(quotas, name, used);
}

void quota_measure(struct quotas *quotas, enum quota_name name, uint64_t used)
{
    atomic_store_explicit(&quotas->row[name].used, used, memory_order_relaxed);
    note_highest(&quotas->row[name], used);
}

void quota_note_refused(struct quotas *quotas, enum quota_name name)
{
    atomic_fetch_add_explicit(&quotas->row[name].refused, 1, memory_order_relaxed);
}

void quota_note_evicted(struct quotas *quotas, enum quota_name name)
{
    atomic_fetch_add_explicit(&quotas->row[name].evicted, 1, memory_order_relaxed);
}

uint64_t quota_used(struct quotas *quotas, enum quota_name name)
{
    return atomic_load_explicit(&quotas->row[name].used, memory_order_relaxed);
}

const char *quota_label(enum quota_name name)
{
    return rows[name].label;
}

const char *quota_help(enum quota_name name)
{
    return rows[name].help;
}

const char *quota_option(enum quota_name name)
{
    return rows[name].option;
}

/* What the limits cost each request, function by function: to be below 1 µs each. */
#include "limits/memory.h"
#include "limits/queue_delay.h"
#include "limits/quota.h"
#include "limits/rate_table.h"
#include "tests/bench/rows.h"

enum { PLACES = 65536 };
static const uint64_t MINUTE_NS = 60000000000, SECOND_NS = 1000000000;

static struct quotas quotas;
static struct rate_table *table;
static struct memory memory;
static struct queue_delay queue;
static uint64_t now_ns = 1000000000000;
static uint32_t address;

static struct limit_key key_of(uint32_t from)
{
    struct limit_key key = {.realm = 1};
    memcpy(key.bytes, &from, sizeof(from));
    return key;
}

static int take(uint32_t from, const struct token_rate *rate)
{
    struct limit_key key = key_of(from);
    uint64_t retry_ns;
    return rate_table_take(table, &key, rate, now_ns, &retry_ns);
}

static bool bucket_granted(void)
{
    const struct token_rate plenty = {1, TOKEN_RATE_MAX_BURST};
    now_ns += SECOND_NS;
    return take(1, &plenty) == 0;
}

static bool bucket_empty(void)
{
    const struct token_rate never = {MINUTE_NS * MINUTE_NS, 1};
    return take(2, &never) == TOKEN_BUCKET_EMPTY;
}

/* An address spray: each from another network, in a table that has long been full. */
static bool bucket_new(void)
{
    const struct token_rate ten = token_rate_per(10, MINUTE_NS, 10);
    return take(16 + address++, &ten) == 0;
}

static bool memory_admitted(void)
{
    return memory_admit(&memory, 300) == 0;
}

static bool memory_charged(void)
{
    bool right = memory_charge(&memory, MIB) == 0;
    memory_give(&memory, MIB);
    return right;
}

static bool quota(void)
{
    bool right = quota_take(&quotas, QUOTA_IN_FLIGHT, 1) == 0;
    quota_give(&quotas, QUOTA_IN_FLIGHT, 1);
    return right;
}

static bool delay(void)
{
    return !queue_delay_stands(&queue, now_ns);
}

static bool prepare(void)
{
    memory_init(&memory);
    memory_set_limits(&memory, 1024ull * MIB, 800ull * MIB);
    memory_read(&memory);
    quota_set_limit(&quotas, QUOTA_IN_FLIGHT, 6200);
    if (rate_table_new(PLACES, &quotas, QUOTA_ATTEMPT_BUCKETS, &table) != 0)
        return false;
    for (unsigned i = 0; i < 2 * PLACES; i++)
        if (!bucket_new())
            return false;
    (void)bucket_granted();
    const struct token_rate never = {MINUTE_NS * MINUTE_NS, 1};
    return take(2, &never) == 0;
}

int main(void)
{
    static const struct bench_row rows[] = {
        {"bucket check, a token is there", bucket_granted},
        {"bucket check, refused", bucket_empty},
        {"bucket check, a new network each time, full table", bucket_new},
        {"memory check of a small message", memory_admitted},
        {"memory charged and given back", memory_charged},
        {"a place in flight taken and given back", quota},
        {"queue delay check", delay},
    };
    int failed = !prepare() || bench_rows(rows, ARRAY_SIZE(rows));
    rate_table_free(table);
    return failed;
}

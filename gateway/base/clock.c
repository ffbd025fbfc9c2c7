/* The clocks of the kernel, or the two values a test holds them at. Any thread; the fake state is a few atomic words,
   read with one relaxed load on the real path. */
#include "gateway/base/clock.h"

#include <stdatomic.h>
#include <time.h>

enum { NS_PER_MS = 1000000, MS_PER_SECOND = 1000 };
static const uint64_t LAST_MS = 253402300799999; /* 9999-12-31T23:59:59.999Z: four digits hold no later year */

static atomic_bool fake;
static _Atomic uint64_t fake_now_ns;
static _Atomic uint64_t fake_wall_ns;

static uint64_t read_clock(clockid_t id)
{
    struct timespec time = {0};
    (void)clock_gettime(id, &time); /* fails only for clocks that do not exist */
    return (uint64_t)time.tv_sec * MS_PER_SECOND * NS_PER_MS + (uint64_t)time.tv_nsec;
}

static bool is_fake(void)
{
    return __builtin_expect(atomic_load_explicit(&fake, memory_order_relaxed), false);
}

uint64_t clock_now_ns(void)
{
    return is_fake() ? atomic_load(&fake_now_ns) : read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return is_fake() ? atomic_load(&fake_wall_ns) : read_clock(CLOCK_REALTIME);
}

uint64_t clock_wall_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

/* `count` digits. */
static char *put_digits(char *to, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        to[i - 1] = (char)('0' + value % 10);
    return to + count;
}

/* Every line of the log has one: strftime() and snprintf() would cost more than the rest of it. */
void clock_format_iso(uint64_t wall_ms, char *out)
{
    wall_ms = MIN(wall_ms, LAST_MS);
    time_t seconds = (time_t)(wall_ms / MS_PER_SECOND);
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm);
    const struct {
        unsigned value, digits;
        char behind;
    } parts[] = {
        {(unsigned)tm.tm_year + 1900, 4, '-'},
        {(unsigned)tm.tm_mon + 1, 2, '-'},
        {(unsigned)tm.tm_mday, 2, 'T'},
        {(unsigned)tm.tm_hour, 2, ':'},
        {(unsigned)tm.tm_min, 2, ':'},
        {(unsigned)tm.tm_sec, 2, '.'},
        {(unsigned)(wall_ms % MS_PER_SECOND), 3, 'Z'},
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        out = put_digits(out, parts[i].value, parts[i].digits);
        *out++ = parts[i].behind;
    }
    *out = '\0';
}

void clock_format_http(uint64_t wall_ms, char *out)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(MIN(wall_ms, LAST_MS) / MS_PER_SECOND);
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm);
    memcpy(out, "Sun, 00 Jan 0000 00:00:00 GMT", sizeof("Sun, 00 Jan 0000 00:00:00 GMT"));
    memcpy(out, days[tm.tm_wday], 3);
    (void)put_digits(out + 5, (unsigned)tm.tm_mday, 2);
    memcpy(out + 8, months[tm.tm_mon], 3);
    (void)put_digits(out + 12, (unsigned)tm.tm_year + 1900, 4);
    (void)put_digits(out + 17, (unsigned)tm.tm_hour, 2);
    (void)put_digits(out + 20, (unsigned)tm.tm_min, 2);
    (void)put_digits(out + 23, (unsigned)tm.tm_sec, 2);
}

void clock_fake(uint64_t now_ns, uint64_t wall_ms)
{
    atomic_store(&fake_now_ns, now_ns);
    atomic_store(&fake_wall_ns, wall_ms * NS_PER_MS);
    atomic_store(&fake, true);
}

void clock_fake_advance(uint64_t ns)
{
    atomic_fetch_add(&fake_now_ns, ns);
    atomic_fetch_add(&fake_wall_ns, ns);
}

void clock_fake_end(void)
{
    atomic_store(&fake, false);
}

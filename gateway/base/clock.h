/* Time, from one place, so that tests can hold it. Any thread. */
#pragma once
#include "gateway/base/text.h"

/* Monotonic nanoseconds; never goes back. */
uint64_t clock_now_ns(void);
static inline uint64_t clock_now_ms(void)
{
    return clock_now_ns() / 1000000;
}
/* Milliseconds since 1970-01-01T00:00:00Z, and nanoseconds. */
uint64_t clock_wall_ms(void);
uint64_t clock_wall_ns(void);
/* "2026-11-23T02:46:50.123Z" (ISO 8601, UTC). `out` has CLOCK_ISO_BYTES. */
enum { CLOCK_ISO_BYTES = 32 };
void clock_format_iso(uint64_t wall_ms, char *out);
/* "Mon, 23 Nov 2026 02:46:50 GMT" (RFC 9110, 5.6.7). `out` has CLOCK_HTTP_BYTES. */
enum { CLOCK_HTTP_BYTES = 32 };
void clock_format_http(uint64_t wall_ms, char *out);

/* Tests only: from now on both clocks stand at these values; clock_fake_advance() moves both; clock_fake_end()
   goes back. */
void clock_fake(uint64_t now_ns, uint64_t wall_ms);
void clock_fake_advance(uint64_t ns);
void clock_fake_end(void);

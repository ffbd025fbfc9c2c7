/* Scalars of the configuration, from text and back. Pure; any thread. Results: 0, -EINVAL (not of that form) or -ERANGE
   (of that form, but larger than 64 bits). */
#pragma once
#include "gateway/base/text.h"

/* "true" or "false"; nothing else, so that yes, on and 1 never mean different things to two readers. */
MUST_USE int value_bool(struct span text, bool *ret_value);
/* A whole number without sign. */
MUST_USE int value_count(struct span text, uint64_t *ret_value);
/* Bytes: "16MiB", "64KiB", "1GiB", "512B", "512". */
MUST_USE int value_size(struct span text, uint64_t *ret_bytes);
/* Milliseconds: "250ms", "10s", "5m", "1h"; "0" needs no unit. */
MUST_USE int value_duration(struct span text, uint64_t *ret_ms);
/* Millionths of one: "0.25", "1", "0"; at most six decimal places, and no more than 1 (-ERANGE). */
MUST_USE int value_fraction(struct span text, uint64_t *ret_millionths);

/* The shortest exact form that the functions above read. */
void value_add_size(struct text *out, uint64_t bytes);
void value_add_duration(struct text *out, uint64_t ms);
void value_add_fraction(struct text *out, uint64_t millionths);

/* Sizes, durations, counts and booleans of the configuration. Pure; owns nothing. */
#include "gateway/config/value.h"

#include <errno.h>

enum { FRACTION_PLACES = 6, MILLION = 1000000 };

struct unit {
    const char *name;
    uint64_t factor;
};

/* From large to small, so that the first that divides is the shortest. */
static const struct unit size_units[] = {
    {"GiB", 1024ull * 1024 * 1024}, {"MiB", 1024ull * 1024}, {"KiB", 1024}, {"B", 1}, {"", 1}, {NULL, 0},
};
static const struct unit duration_units[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

int value_bool(struct span text, bool *ret_value)
{
    bool value = span_is(text, "true");
    if (!value && !span_is(text, "false"))
        return -EINVAL;
    *ret_value = value;
    return 0;
}

int value_count(struct span text, uint64_t *ret_value)
{
    return span_to_uint64(text, ret_value);
}

static int with_unit(struct span text, const struct unit *unit, uint64_t *ret_value)
{
    uint64_t number;
    size_t digits = 0;
    while (digits < text.size && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    int result = span_to_uint64((struct span){text.at, digits}, &number);
    if (result < 0)
        return result;
    struct span rest = {text.at + digits, text.size - digits};
    while (unit->name && !span_is(rest, unit->name))
        unit++;
    if (!unit->name)
        return -EINVAL;
    if (number > UINT64_MAX / unit->factor)
        return -ERANGE;
    *ret_value = number * unit->factor;
    return 0;
}

int value_size(struct span text, uint64_t *ret_bytes)
{
    return with_unit(text, size_units, ret_bytes);
}

int value_duration(struct span text, uint64_t *ret_ms)
{
    if (span_is(text, "0")) {
        *ret_ms = 0;
        return 0;
    }
    return with_unit(text, duration_units, ret_ms);
}

int value_fraction(struct span text, uint64_t *ret_millionths)
{
    uint64_t whole, part = 0;
    struct span rest = text;
    struct span before = span_cut(&rest, '.');
    if (span_to_uint64(before, &whole) < 0 || (!span_absent(rest) && (rest.size == 0 || rest.size > FRACTION_PLACES)))
        return -EINVAL;
    for (size_t i = 0; i < FRACTION_PLACES && !span_absent(rest); i++) {
        char digit = i < rest.size ? rest.at[i] : '0';
        if (digit < '0' || digit > '9')
            return -EINVAL;
        part = part * 10 + (uint64_t)(digit - '0');
    }
    if (whole > 1 || (whole == 1 && part > 0))
        return -ERANGE;
    *ret_millionths = whole * MILLION + part;
    return 0;
}

static void add_with_unit(struct text *out, uint64_t value, const struct unit *unit)
{
    if (value == 0) {
        text_add_char(out, '0');
        return;
    }
    while (value % unit->factor != 0)
        unit++;
    text_add_uint64(out, value / unit->factor);
    text_add(out, span_of(unit->name));
}

void value_add_size(struct text *out, uint64_t bytes)
{
    add_with_unit(out, bytes, size_units);
}

void value_add_duration(struct text *out, uint64_t ms)
{
    add_with_unit(out, ms, duration_units);
}

void value_add_fraction(struct text *out, uint64_t millionths)
{
    uint64_t part = millionths % MILLION;
    text_add_uint64(out, millionths / MILLION);
    if (part == 0)
        return;
    text_addf(out, ".%06u", (unsigned)part);
    while (out->size > 0 && out->at[out->size - 1] == '0')
        out->size--;
}

/* The numbers of json.h, as decimals of any length: 0.d1d2d3… times a power of ten, whose digits are read where they
   stand. Any thread; owns nothing, allocates nothing. */
#include <math.h>
#include <stdio.h>

#include "gateway/mcp/json.h"

enum {
    MAX_DOUBLE_DIGITS = 780, /* 767 decide any double; one more says whether anything but zeros was left out */
    MAX_DOUBLE_MAGNITUDE = 400,
};
static const int64_t max_exponent = 1000000000000000; /* 10^15 */

/* sign 0.digits * 10^magnitude. The digits run from the first that is not 0 to the last; a '.' may stand among them. */
struct decimal {
    bool negative;
    const char *first;
    const char *last; /* behind it; first == last: zero */
    size_t count;
    int64_t magnitude;
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Behind the 'e'. */
static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = at < end && *at == '-';
    int64_t value = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    for (; at < end && is_digit(*at); at++)
        value = MIN(value * 10 + (*at - '0'), max_exponent);
    return negative ? -value : value;
}

static bool decimal_read(struct span raw, struct decimal *ret_decimal)
{
    if (json_kind(raw) != JSON_NUMBER)
        return false;
    struct decimal decimal = {.negative = raw.at[0] == '-'};
    const char *at = raw.at + decimal.negative, *end = raw.at + raw.size;
    size_t zeros = 0; /* since the last digit that is not 0 */
    bool fraction = false;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        if (decimal.first == NULL && *at == '0') {
            decimal.magnitude -= fraction;
            continue;
        }
        decimal.magnitude += !fraction;
        decimal.first = decimal.first ? decimal.first : at;
        zeros = *at == '0' ? zeros + 1 : 0;
        decimal.count += 1;
        decimal.last = *at == '0' ? decimal.last : at + 1;
    }
    decimal.count -= zeros;
    if (at < end && (*at == 'e' || *at == 'E'))
        decimal.magnitude += read_exponent(at + 1, end);
    *ret_decimal = decimal;
    return true;
}

/* The digit at *at, which moves to the next one. */
static char take_digit(const char **at)
{
    if (**at == '.')
        (*at)++;
    return *(*at)++;
}

/* Without the signs; neither is zero. */
static int compare_absolute(const struct decimal *a, const struct decimal *b)
{
    if (a->magnitude != b->magnitude)
        return a->magnitude < b->magnitude ? -1 : 1;
    const char *at_a = a->first, *at_b = b->first;
    for (size_t i = 0; i < MIN(a->count, b->count); i++) {
        int difference = take_digit(&at_a) - take_digit(&at_b);
        if (difference)
            return difference;
    }
    return a->count == b->count ? 0 : a->count < b->count ? -1 : 1;
}

static int sign(const struct decimal *decimal)
{
    return decimal->count == 0 ? 0 : decimal->negative ? -1 : 1;
}

static int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (sign(a) != sign(b) || sign(a) == 0)
        return sign(a) - sign(b);
    return sign(a) * compare_absolute(a, b);
}

static bool decimal_is_integer(const struct decimal *decimal)
{
    return decimal->count == 0 || (decimal->magnitude > 0 && (uint64_t)decimal->magnitude >= decimal->count);
}

bool json_number_equal(struct span raw_a, struct span raw_b)
{
    struct decimal a, b;
    return decimal_read(raw_a, &a) && decimal_read(raw_b, &b) && decimal_compare(&a, &b) == 0;
}

int json_number_compare(struct span raw_a, struct span raw_b)
{
    struct decimal a, b;
    return decimal_read(raw_a, &a) && decimal_read(raw_b, &b) ? decimal_compare(&a, &b) : 0;
}

bool json_is_integer(struct span raw)
{
    struct decimal decimal;
    return decimal_read(raw, &decimal) && decimal_is_integer(&decimal);
}

int json_to_int64(struct span raw, int64_t *ret_value)
{
    struct decimal decimal;
    uint64_t value = 0;
    if (!decimal_read(raw, &decimal) || !decimal_is_integer(&decimal))
        return JSON_WRONG_TYPE;
    if (decimal.count > 0) {
        if (decimal.magnitude > 19)
            return JSON_RANGE;
        const char *at = decimal.first;
        for (size_t i = 0; i < (size_t)decimal.magnitude; i++)
            value = value * 10 + (i < decimal.count ? (uint64_t)(take_digit(&at) - '0') : 0);
    }
    if (value > (uint64_t)INT64_MAX + decimal.negative)
        return JSON_RANGE;
    *ret_value = decimal.negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

/* The digits as an integer with an exponent: no decimal point, so no locale has a say. */
static double decimal_to_double(const struct decimal *decimal)
{
    char buffer[MAX_DOUBLE_DIGITS + 32];
    size_t size = 0, count = MIN(decimal->count, MAX_DOUBLE_DIGITS - 1);
    const char *at = decimal->first;
    for (; size < count; size++)
        buffer[size] = take_digit(&at);
    if (count < decimal->count)
        buffer[size++] = '1'; /* the last digit is not 0, so something is left: it breaks a tie as the rest would */
    snprintf(buffer + size, sizeof(buffer) - size, "e%d", (int)(decimal->magnitude - (int64_t)size));
    return strtod(buffer, NULL);
}

int json_to_double(struct span raw, double *ret_value)
{
    struct decimal decimal;
    double value = 0;
    if (!decimal_read(raw, &decimal))
        return JSON_WRONG_TYPE;
    if (decimal.count > 0 && decimal.magnitude > MAX_DOUBLE_MAGNITUDE)
        return JSON_RANGE;
    if (decimal.count > 0 && decimal.magnitude > -MAX_DOUBLE_MAGNITUDE)
        value = decimal_to_double(&decimal);
    if (isinf(value))
        return JSON_RANGE;
    *ret_value = decimal.negative ? -value : value;
    return 0;
}

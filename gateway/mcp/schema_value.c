/* JSON values as JSON Schema sees them: types, exact numbers, equality, uniqueness. Any thread; reads json-c objects
   without changing them (json_object_to_json_string() would). */
#include "gateway/mcp/schema_priv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { SCHEMA_MAX_VALUE_DEPTH = 256 }; /* of equality and hashing */

static const double TWO_TO_64 = 18446744073709551616.0;

static unsigned kinds_of_double(double value)
{
    return isfinite(value) && floor(value) == value ? SCHEMA_INTEGER | SCHEMA_NUMBER : SCHEMA_NUMBER;
}

struct schema_value schema_value_of(struct json_object *object)
{
    struct schema_value value = {.object = object};
    switch (json_object_get_type(object)) {
    case json_type_null:
        value.kinds = SCHEMA_NULL;
        break;
    case json_type_boolean:
        value.kinds = SCHEMA_BOOLEAN;
        break;
    case json_type_int:
        value.kinds = SCHEMA_INTEGER | SCHEMA_NUMBER;
        break;
    case json_type_double:
        value.kinds = kinds_of_double(json_object_get_double(object));
        break;
    case json_type_string:
        value.kinds = SCHEMA_STRING;
        value.string = (struct span){json_object_get_string(object), (size_t)json_object_get_string_len(object)};
        break;
    case json_type_array:
        value.kinds = SCHEMA_ARRAY;
        break;
    case json_type_object:
        value.kinds = SCHEMA_OBJECT;
        break;
    }
    return value;
}

struct schema_value schema_value_of_name(struct span name)
{
    return (struct schema_value){.kinds = SCHEMA_STRING, .string = name};
}

static struct schema_number number_of_double(double value)
{
    double size = fabs(value);
    if (size < TWO_TO_64 && floor(size) == size)
        return (struct schema_number){.negative = value < 0, .magnitude = (uint64_t)size};
    return (struct schema_number){.negative = value < 0, .real = true, .value = value};
}

struct schema_number schema_value_number(struct json_object *object)
{
    if (json_object_get_type(object) == json_type_double)
        return number_of_double(json_object_get_double(object));
    int64_t value = json_object_get_int64(object);
    if (value < 0)
        return (struct schema_number){.negative = true, .magnitude = (uint64_t)0 - (uint64_t)value};
    return (struct schema_number){.magnitude = value == INT64_MAX ? json_object_get_uint64(object) : (uint64_t)value};
}

/* By size alone. A real one below 2^64 has a fraction, so its integer part is exact. */
static int compare_sizes(const struct schema_number *a, const struct schema_number *b)
{
    if (a->real && b->real)
        return (fabs(a->value) > fabs(b->value)) - (fabs(a->value) < fabs(b->value));
    if (b->real)
        return -compare_sizes(b, a);
    if (!a->real)
        return (a->magnitude > b->magnitude) - (a->magnitude < b->magnitude);
    double size = fabs(a->value);
    if (!(size < TWO_TO_64))
        return 1;
    return (uint64_t)size >= b->magnitude ? 1 : -1;
}

int schema_value_compare(const struct schema_number *a, const struct schema_number *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? compare_sizes(b, a) : compare_sizes(a, b);
}

static struct schema_decimal decimal_parse(const char *scientific)
{
    struct schema_decimal decimal = {0};
    bool fraction = false;
    const char *at = scientific;
    for (; *at && *at != 'e'; at++) {
        if (*at < '0' || *at > '9') {
            fraction = true;
            continue;
        }
        decimal.digits = decimal.digits * 10 + (uint64_t)(*at - '0');
        decimal.exponent -= fraction;
    }
    if (*at == 'e')
        decimal.exponent += (int)strtol(at + 1, NULL, 10);
    return decimal;
}

struct schema_decimal schema_value_decimal(const struct schema_number *number)
{
    if (!number->real)
        return (struct schema_decimal){.digits = number->magnitude};
    char scientific[32] = "0";
    double size = fabs(number->value);
    for (int digits = 14; isfinite(size) && digits < 17; digits++) {
        snprintf(scientific, sizeof(scientific), "%.*e", digits, size);
        if (strtod(scientific, NULL) == size)
            break;
    }
    struct schema_decimal decimal = decimal_parse(scientific);
    while (decimal.digits && decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    return decimal;
}

/* digits * 10^shift modulo `divisor`; at most a few hundred rounds, since a double's exponent is no larger. */
static uint64_t shifted_modulo(uint64_t digits, int shift, uint64_t divisor)
{
    uint64_t rest = digits % divisor;
    for (; shift > 0 && rest; shift--)
        rest = (uint64_t)((unsigned __int128)rest * 10 % divisor);
    return rest;
}

bool schema_value_is_multiple(const struct schema_decimal *value, const struct schema_decimal *divisor)
{
    if (value->digits == 0)
        return true;
    int shift = value->exponent - divisor->exponent;
    if (shift >= 0)
        return shifted_modulo(value->digits, shift, divisor->digits) == 0;
    uint64_t digits = value->digits;
    for (; shift < 0; shift++) {
        if (digits % 10)
            return false;
        digits /= 10;
    }
    return digits % divisor->digits == 0;
}

void schema_value_add_number(struct text *out, const struct schema_number *number)
{
    if (number->real)
        schema_addf(out, "%.15g", number->value);
    else
        schema_addf(out, "%s%llu", number->negative && number->magnitude ? "-" : "",
                    (unsigned long long)number->magnitude);
}

size_t schema_value_code_points(struct span string)
{
    size_t count = 0;
    for (size_t i = 0; i < string.size; i++)
        count += ((unsigned char)string.at[i] & 0xc0) != 0x80;
    return count;
}

/* ---- equality --------------------------------------------------------------------------------------------- */

static int spend(size_t *steps, size_t count)
{
    if (*steps < count)
        return SCHEMA_TOO_COMPLEX;
    *steps -= count;
    return 0;
}

static int equal_at(const struct schema_value *a, const struct schema_value *b, size_t *steps, unsigned depth,
                    bool *ret_equal);

static int arrays_equal(struct json_object *a, struct json_object *b, size_t *steps, unsigned depth, bool *ret_equal)
{
    size_t count = json_object_array_length(a);
    *ret_equal = count == json_object_array_length(b);
    for (size_t i = 0; *ret_equal && i < count; i++) {
        struct schema_value left = schema_value_of(json_object_array_get_idx(a, i));
        struct schema_value right = schema_value_of(json_object_array_get_idx(b, i));
        int result = equal_at(&left, &right, steps, depth, ret_equal);
        if (result)
            return result;
    }
    return 0;
}

static int objects_equal(struct json_object *a, struct json_object *b, size_t *steps, unsigned depth, bool *ret_equal)
{
    *ret_equal = json_object_object_length(a) == json_object_object_length(b);
    struct lh_entry *entry = json_object_get_object(a)->head;
    for (; *ret_equal && entry; entry = entry->next) {
        struct json_object *other;
        *ret_equal = json_object_object_get_ex(b, entry->k, &other);
        if (!*ret_equal)
            return 0;
        struct schema_value left = schema_value_of((struct json_object *)(uintptr_t)entry->v);
        struct schema_value right = schema_value_of(other);
        int result = equal_at(&left, &right, steps, depth, ret_equal);
        if (result)
            return result;
    }
    return 0;
}

static int equal_at(const struct schema_value *a, const struct schema_value *b, size_t *steps, unsigned depth,
                    bool *ret_equal)
{
    int result = depth < SCHEMA_MAX_VALUE_DEPTH ? spend(steps, 1) : SCHEMA_TOO_COMPLEX;
    if (result)
        return result;
    *ret_equal = a->kinds == b->kinds;
    if (!*ret_equal || a->kinds == SCHEMA_NULL)
        return 0;
    if (a->kinds & SCHEMA_STRING) {
        *ret_equal = span_equal(a->string, b->string);
        return spend(steps, *ret_equal ? a->string.size / 64 : 0);
    }
    if (a->kinds & SCHEMA_NUMBER) {
        struct schema_number left = schema_value_number(a->object), right = schema_value_number(b->object);
        *ret_equal = schema_value_compare(&left, &right) == 0;
        return 0;
    }
    if (a->kinds & SCHEMA_ARRAY)
        return arrays_equal(a->object, b->object, steps, depth + 1, ret_equal);
    if (a->kinds & SCHEMA_OBJECT)
        return objects_equal(a->object, b->object, steps, depth + 1, ret_equal);
    *ret_equal = json_object_get_boolean(a->object) == json_object_get_boolean(b->object);
    return 0;
}

int schema_value_equal(const struct schema_value *a, const struct schema_value *b, size_t *steps, bool *ret_equal)
{
    bool equal = false;
    int result = equal_at(a, b, steps, 0, &equal);
    if (result == 0)
        *ret_equal = equal;
    return result;
}

/* ---- uniqueness ------------------------------------------------------------------------------------------- */

uint64_t schema_value_hash_bytes(uint64_t hash, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ (unsigned char)bytes.at[i]) * 0x100000001b3;
    return hash ^ (hash >> 29);
}

static uint64_t hash_number(struct json_object *object)
{
    struct schema_number number = schema_value_number(object);
    uint64_t bits = number.magnitude;
    if (number.real)
        memcpy(&bits, &number.value, sizeof(bits));
    return (bits + number.negative) * 0x9e3779b97f4a7c15;
}

/* Equal values have equal hashes; members are summed, since their order does not count. */
static int hash_at(struct json_object *object, size_t *steps, unsigned depth, uint64_t *ret_hash)
{
    struct schema_value value = schema_value_of(object);
    int result = depth < SCHEMA_MAX_VALUE_DEPTH ? spend(steps, 1 + value.string.size / 64) : SCHEMA_TOO_COMPLEX;
    uint64_t hash = value.kinds * 0xff51afd7ed558ccd, part = 0;
    if (value.kinds & SCHEMA_STRING)
        hash = schema_value_hash_bytes(hash, value.string);
    if (value.kinds & SCHEMA_NUMBER)
        hash ^= hash_number(object);
    if (value.kinds & SCHEMA_BOOLEAN)
        hash += (uint64_t)json_object_get_boolean(object);
    for (size_t i = 0; !result && value.kinds & SCHEMA_ARRAY && i < json_object_array_length(object); i++) {
        result = hash_at(json_object_array_get_idx(object, i), steps, depth + 1, &part);
        hash = (hash ^ part) * 0x9e3779b97f4a7c15 + 1;
    }
    struct lh_entry *entry = value.kinds & SCHEMA_OBJECT ? json_object_get_object(object)->head : NULL;
    for (; !result && entry; entry = entry->next) {
        result = hash_at((struct json_object *)(uintptr_t)entry->v, steps, depth + 1, &part);
        hash += schema_value_hash_bytes(part * 0x9e3779b97f4a7c15, span_of(entry->k));
    }
    *ret_hash = hash;
    return result;
}

static int unique_pair(struct json_object *array, size_t i, size_t j, size_t *steps, bool *ret_unique,
                       size_t ret_pair[2])
{
    struct schema_value left = schema_value_of(json_object_array_get_idx(array, i));
    struct schema_value right = schema_value_of(json_object_array_get_idx(array, j));
    bool equal;
    int result = schema_value_equal(&left, &right, steps, &equal);
    if (result == 0 && equal) {
        *ret_unique = false;
        ret_pair[0] = MIN(i, j);
        ret_pair[1] = MAX(i, j);
    }
    return result;
}

static int unique_small(struct json_object *array, size_t count, size_t *steps, bool *ret_unique, size_t ret_pair[2])
{
    for (size_t i = 1; *ret_unique && i < count; i++) {
        for (size_t j = 0; *ret_unique && j < i; j++) {
            int result = unique_pair(array, j, i, steps, ret_unique, ret_pair);
            if (result)
                return result;
        }
    }
    return 0;
}

struct hashed_item {
    uint64_t hash;
    size_t index;
};

static int order_by_hash(const void *left, const void *right)
{
    const struct hashed_item *a = left, *b = right;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Items of one hash are compared each with each: whoever forges collisions pays with his steps. */
static int unique_sorted(struct json_object *array, const struct hashed_item *items, size_t count, size_t *steps,
                         bool *ret_unique, size_t ret_pair[2])
{
    for (size_t i = 1; *ret_unique && i < count; i++) {
        for (size_t j = i; *ret_unique && j > 0 && items[j - 1].hash == items[i].hash; j--) {
            int result = unique_pair(array, items[j - 1].index, items[i].index, steps, ret_unique, ret_pair);
            if (result)
                return result;
        }
    }
    return 0;
}

int schema_value_unique(struct json_object *array, size_t *steps, bool *ret_unique, size_t ret_pair[2])
{
    size_t count = json_object_array_length(array);
    *ret_unique = true;
    if (count <= SCHEMA_SMALL_ARRAY)
        return unique_small(array, count, steps, ret_unique, ret_pair);
    int result = spend(steps, 4 * count);
    if (result)
        return result;
    CLEANUP_FREE struct hashed_item *items = malloc(count * sizeof(*items));
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        items[i].index = i;
        result = hash_at(json_object_array_get_idx(array, i), steps, 0, &items[i].hash);
        if (result)
            return result;
    }
    qsort(items, count, sizeof(*items), order_by_hash);
    return unique_sorted(array, items, count, steps, ret_unique, ret_pair);
}

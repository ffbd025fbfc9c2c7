/* Spans: comparing, trimming and cutting bytes that somebody else owns. Pure functions, any thread; only span_copy()
   allocates, and hands what it made to the caller. */
#include "gateway/base/span.h"

#include <errno.h>

static unsigned char fold(char byte)
{
    unsigned char value = (unsigned char)byte;
    return value >= 'A' && value <= 'Z' ? value | 0x20 : value;
}

bool span_equal_nocase(struct span a, struct span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (fold(a.at[i]) != fold(b.at[i]))
            return false;
    return true;
}

bool span_starts(struct span a, struct span prefix)
{
    return a.size >= prefix.size && span_equal((struct span){a.at, prefix.size}, prefix);
}

bool span_ends(struct span a, struct span suffix)
{
    if (suffix.size == 0)
        return true;
    return a.size >= suffix.size && memcmp(a.at + a.size - suffix.size, suffix.at, suffix.size) == 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct span span_trim(struct span a)
{
    while (a.size > 0 && is_blank(a.at[0])) {
        a.at++;
        a.size--;
    }
    while (a.size > 0 && is_blank(a.at[a.size - 1]))
        a.size--;
    return a;
}

struct span span_cut(struct span *rest, char separator)
{
    struct span part = *rest;
    const char *found = part.size > 0 ? memchr(part.at, separator, part.size) : NULL;
    if (!found) {
        *rest = (struct span){NULL, 0};
        return part;
    }
    part.size = (size_t)(found - part.at);
    rest->at = found + 1;
    rest->size -= part.size + 1;
    return part;
}

char *span_copy(struct span a)
{
    char *copy = malloc(a.size + 1);
    if (!copy)
        return NULL;
    if (a.size > 0)
        memcpy(copy, a.at, a.size);
    copy[a.size] = '\0';
    return copy;
}

int span_to_uint64(struct span a, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool overflow = false;
    if (a.size == 0 || (a.size > 1 && a.at[0] == '0'))
        return -EINVAL;
    for (size_t i = 0; i < a.size; i++) {
        unsigned digit = (unsigned char)a.at[i] - (unsigned)'0';
        if (digit > 9)
            return -EINVAL;
        overflow |= __builtin_mul_overflow(value, 10u, &value);
        overflow |= __builtin_add_overflow(value, digit, &value);
    }
    if (overflow)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

/* Eight bytes at a time while they are ASCII, as most texts are throughout. */
bool span_is_utf8(struct span a)
{
    while (a.size > 0) {
        uint64_t word;
        size_t size = 0;
        if (a.size >= sizeof(word)) {
            memcpy(&word, a.at, sizeof(word));
            size = word & 0x8080808080808080U ? 0 : sizeof(word);
        }
        if (size == 0)
            size = span_utf8(a);
        if (size == 0)
            return false;
        a = (struct span){a.at + size, a.size - size};
    }
    return true;
}

/* A span: bytes that somebody else owns, with their length. Never NUL-terminated by contract. An empty span may have
   a NULL start; a span that is absent (a member that was not there) always has. Any thread; nothing allocates. */
#pragma once
#include <string.h>

#include "gateway/base/defs.h"

struct span {
    const char *at;
    size_t size;
};

/* For literals: SPAN("tools/call"). */
#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})
/* For printf: ("%.*s", SPAN_PRINT(span)). The size is cut at INT_MAX by construction of every span we print. */
#define SPAN_PRINT(span) (int)(span).size, ((span).at ? (span).at : "")

static inline struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_of(text));
}

static inline bool span_absent(struct span a)
{
    return a.at == NULL;
}

/* ASCII case folded (RFC 9110 field names, schemes, hosts); bytes above 0x7f compare as they are. */
bool span_equal_nocase(struct span a, struct span b);
bool span_starts(struct span a, struct span prefix);
bool span_ends(struct span a, struct span suffix);
/* Without leading and trailing SP and HTAB (OWS of RFC 9110, 5.6.3). */
struct span span_trim(struct span a);
/* The part before the first `separator`; *rest becomes what follows it. Without one: all of it, and *rest absent.
   Loop: while (!span_absent(rest)) { part = span_cut(&rest, ','); ... } */
struct span span_cut(struct span *rest, char separator);
/* The bytes (1..4) of the well-formed UTF-8 character that `a` begins with, or 0 (Unicode 3.9, table 3-7: no overlong
   form, no surrogate, nothing above U+10FFFF). */
static inline size_t span_utf8(struct span a)
{
    const unsigned char *at = (const unsigned char *)a.at;
    if (a.size == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (a.size < 2 || (at[1] & 0xc0) != 0x80 || at[0] < 0xc2)
        return 0;
    if (at[0] < 0xe0)
        return 2;
    if (a.size < 3 || (at[2] & 0xc0) != 0x80)
        return 0;
    if (at[0] < 0xf0) {
        bool overlong = at[0] == 0xe0 && at[1] < 0xa0;
        bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (a.size < 4 || (at[3] & 0xc0) != 0x80 || at[0] > 0xf4)
        return 0;
    bool overlong = at[0] == 0xf0 && at[1] < 0x90;
    bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
}
/* Whether all of it is. */
bool span_is_utf8(struct span a);

/* A NUL-terminated copy on the heap, or NULL without memory. */
MUST_USE char *span_copy(struct span a);
/* The whole span as a decimal number without sign, blanks or leading zeros beyond "0". 0, -EINVAL or -ERANGE. */
MUST_USE int span_to_uint64(struct span a, uint64_t *ret_value);

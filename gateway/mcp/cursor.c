/* Cursors: base64url of kind, version and ordinal. */
#include "gateway/mcp/cursor.h"

#include <stdio.h>

#include "gateway/base/encoding.h"

enum { CURSOR_MAX_BYTES = 64, CURSOR_VERSION = '1' };

void cursor_add(struct text *out, char kind, uint64_t ordinal)
{
    char plain[CURSOR_MAX_BYTES];
    int size = snprintf(plain, sizeof(plain), "%c%c%llu", CURSOR_VERSION, kind, (unsigned long long)ordinal);
    base64_encode(BASE64_URL, (struct span){plain, (size_t)size}, out);
}

int cursor_read(struct span cursor, char kind, uint64_t *ret_ordinal)
{
    if (cursor.size > CURSOR_MAX_BYTES)
        return CURSOR_INVALID;
    CLEANUP(text_done) struct text plain = TEXT(CURSOR_MAX_BYTES);
    if (base64_decode(BASE64_URL, cursor, &plain) < 0 || plain.size < 3)
        return CURSOR_INVALID;
    if (plain.at[0] != CURSOR_VERSION || plain.at[1] != kind)
        return CURSOR_INVALID;
    if (span_to_uint64((struct span){plain.at + 2, plain.size - 2}, ret_ordinal) < 0)
        return CURSOR_INVALID;
    return 0;
}

/* cursor.h: what is taken for a cursor names an item of that list alone, and the cursor of that item is taken again. */
#include <stdlib.h>

#include "gateway/mcp/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char kinds[] = "trp";
    struct span input = {(const char *)data, size};
    uint64_t ordinal = 0;
    for (size_t i = 0; i < sizeof(kinds) - 1; i++) {
        if (cursor_read(input, kinds[i], &ordinal) != 0)
            continue;
        CLEANUP(text_done) struct text again = TEXT(SIZE_MAX);
        uint64_t found = 0;
        cursor_add(&again, kinds[i], ordinal);
        require(cursor_read(text_span(&again), kinds[i], &found) == 0 && found == ordinal);
        require(cursor_read(input, kinds[(i + 1) % (sizeof(kinds) - 1)], &found) == CURSOR_INVALID);
    }
    return 0;
}

/* Where something is, as a JSON pointer, and sentences that are cut at the room there is for them. Any thread. */
#include <stdarg.h>
#include <stdio.h>

#include "gateway/mcp/schema_priv.h"

enum { SCHEMA_MAX_PLACE_DEPTH = 64 }; /* steps shown */

size_t schema_place_depth(const struct schema_place *place)
{
    size_t depth = 0;
    for (; place; place = place->parent)
        depth++;
    return depth;
}

static struct span cut_utf8(struct span span, size_t max_bytes)
{
    if (span.size <= max_bytes)
        return span;
    while (max_bytes > 0 && ((unsigned char)span.at[max_bytes] & 0xc0) == 0x80)
        max_bytes--;
    return (struct span){span.at, max_bytes};
}

void schema_add_cut(struct text *out, struct span span)
{
    if (out->size < out->max_bytes)
        text_add(out, cut_utf8(span, out->max_bytes - out->size));
}

void schema_addf(struct text *out, const char *format, ...)
{
    char line[SCHEMA_MAX_SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (size > 0)
        schema_add_cut(out, cut_utf8((struct span){line, (size_t)size}, sizeof(line) - 1));
}

static void add_step(struct text *out, const struct schema_place *place)
{
    if (place->is_pointer) {
        schema_add_cut(out, place->name);
        return;
    }
    schema_add_cut(out, SPAN("/"));
    if (place->is_index) {
        schema_addf(out, "%zu", place->index);
        return;
    }
    struct span name = cut_utf8(place->name, SCHEMA_MAX_SHOWN_BYTES);
    bool cut = name.size < place->name.size;
    while (name.size > 0) {
        size_t plain = 0;
        while (plain < name.size && name.at[plain] != '~' && name.at[plain] != '/')
            plain++;
        schema_add_cut(out, (struct span){name.at, plain});
        if (plain < name.size)
            schema_add_cut(out, name.at[plain] == '~' ? SPAN("~0") : SPAN("~1"));
        plain += plain < name.size;
        name = (struct span){name.at + plain, name.size - plain};
    }
    if (cut)
        schema_add_cut(out, SPAN("…"));
}

void schema_place_add(struct text *out, const struct schema_place *place)
{
    const struct schema_place *steps[SCHEMA_MAX_PLACE_DEPTH];
    size_t depth = schema_place_depth(place);
    size_t count = MIN(depth, (size_t)SCHEMA_MAX_PLACE_DEPTH);
    if (count < depth)
        schema_add_cut(out, SPAN("…"));
    for (size_t i = count; i > 0; i--, place = place->parent)
        steps[i - 1] = place;
    for (size_t i = 0; i < count; i++)
        add_step(out, steps[i]);
}

/* Reads and writes the value of an Mcp-Name or Mcp-Param-* field. Pure; any thread. */
#include "gateway/mcp/header_value.h"

#include <errno.h>

#include "gateway/base/encoding.h"

#define PREFIX SPAN("=?base64?")
#define SUFFIX SPAN("?=")

/* Visible ASCII, space and tab. */
static bool is_field_value(struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c != '\t' && (c < 0x20 || c > 0x7e))
            return false;
    }
    return true;
}

static bool is_encoded(struct span value)
{
    return value.size >= PREFIX.size + SUFFIX.size && span_starts(value, PREFIX) && span_ends(value, SUFFIX);
}

int header_value_decode(struct span value, struct text *out)
{
    value = span_trim(value);
    if (!is_field_value(value))
        return -EINVAL;
    if (!is_encoded(value)) {
        text_add(out, value);
        return out->error;
    }
    size_t before = out->size;
    struct span encoded = {value.at + PREFIX.size, value.size - PREFIX.size - SUFFIX.size};
    int result = base64_decode(BASE64_STANDARD, encoded, out);
    if (result == 0 && !span_is_utf8((struct span){out->at + before, out->size - before})) {
        out->size = before;
        result = -EINVAL;
    }
    return result;
}

void header_value_encode(struct span value, struct text *out)
{
    bool looks_encoded = span_starts(value, PREFIX) && span_ends(value, SUFFIX); /* to any reader, overlapping too */
    if (is_field_value(value) && span_trim(value).size == value.size && !looks_encoded) {
        text_add(out, value);
        return;
    }
    text_add(out, PREFIX);
    base64_encode(BASE64_STANDARD, value, out);
    text_add(out, SUFFIX);
}

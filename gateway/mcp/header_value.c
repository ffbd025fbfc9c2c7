/* Reads the value of an Mcp-Name or Mcp-Param-* field. Pure; any thread. */
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

/* How many bytes the character at `at` has; 0 when it is not UTF-8 (RFC 3629, section 4). */
static size_t character_size(const unsigned char *at, size_t left)
{
    unsigned char first = at[0], low = 0x80, high = 0xbf;
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > left)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

static bool is_utf8(struct span text)
{
    for (size_t i = 0, size; i < text.size; i += size) {
        size = character_size((const unsigned char *)text.at + i, text.size - i);
        if (size == 0)
            return false;
    }
    return true;
}

int header_value_decode(struct span value, struct text *out)
{
    value = span_trim(value);
    if (!is_field_value(value))
        return -EINVAL;
    if (value.size < PREFIX.size + SUFFIX.size || !span_starts(value, PREFIX) || !span_ends(value, SUFFIX)) {
        text_add(out, value);
        return out->error;
    }
    size_t before = out->size;
    struct span encoded = {value.at + PREFIX.size, value.size - PREFIX.size - SUFFIX.size};
    int result = base64_decode(BASE64_STANDARD, encoded, out);
    if (result == 0 && !is_utf8((struct span){out->at + before, out->size - before})) {
        out->size = before;
        result = -EINVAL;
    }
    return result;
}

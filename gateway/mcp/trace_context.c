/* Reads and writes W3C trace contexts. Pure; any thread; owns nothing. */
#include "gateway/mcp/trace_context.h"

enum {
    VERSION_AT = 0,
    TRACE_ID_AT = 3,
    SPAN_ID_AT = 36,
    FLAGS_AT = 53,
    SAMPLED = 1, /* bit 0 of the flags */
    KEY_MAX_BYTES = 256,
    VALUE_MAX_BYTES = 256,
};

/* ---- traceparent ---- */

/* -1: no digit; upper case is none. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_bytes(const char *from, uint8_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int high = digit_value(from[2 * i]), low = digit_value(from[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool all_zeros(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool well_formed(struct span text, uint8_t version)
{
    if (version == 0xff || (version == 0 && text.size != TRACE_PARENT_SIZE))
        return false;
    if (text.size > TRACE_PARENT_SIZE && text.at[TRACE_PARENT_SIZE] != '-')
        return false;
    return text.at[TRACE_ID_AT - 1] == '-' && text.at[SPAN_ID_AT - 1] == '-' && text.at[FLAGS_AT - 1] == '-';
}

int trace_context_parse(struct span text, struct trace_context *ret_context)
{
    struct trace_context context;
    uint8_t version, flags;
    if (text.size < TRACE_PARENT_SIZE || !read_bytes(text.at + VERSION_AT, &version, 1) || !well_formed(text, version))
        return TRACE_CONTEXT_BAD;
    if (!read_bytes(text.at + TRACE_ID_AT, context.trace_id, sizeof(context.trace_id)) ||
        !read_bytes(text.at + SPAN_ID_AT, context.span_id, sizeof(context.span_id)) ||
        !read_bytes(text.at + FLAGS_AT, &flags, 1))
        return TRACE_CONTEXT_BAD;
    if (all_zeros(context.trace_id, sizeof(context.trace_id)) || all_zeros(context.span_id, sizeof(context.span_id)))
        return TRACE_CONTEXT_BAD;
    context.sampled = flags & SAMPLED;
    *ret_context = context;
    return 0;
}

static char *write_bytes(char *to, const uint8_t *from, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *to++ = digits[from[i] >> 4];
        *to++ = digits[from[i] & 0xf];
    }
    return to;
}

void trace_context_format(const struct trace_context *context, char out[TRACE_PARENT_SIZE + 1])
{
    uint8_t version = 0, flags = context->sampled ? SAMPLED : 0;
    out = write_bytes(out, &version, 1);
    *out++ = '-';
    out = write_bytes(out, context->trace_id, sizeof(context->trace_id));
    *out++ = '-';
    out = write_bytes(out, context->span_id, sizeof(context->span_id));
    *out++ = '-';
    out = write_bytes(out, &flags, 1);
    *out = '\0';
}

/* ---- tracestate ---- */

static bool key_starts(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Level 2 lets '@' stand anywhere behind the first character; Level 1's keys are among these. */
static bool key_valid(struct span key)
{
    if (key.size == 0 || key.size > KEY_MAX_BYTES || !key_starts(key.at[0]))
        return false;
    for (size_t i = 1; i < key.size; i++)
        if (!key_starts(key.at[i]) && !memchr("_-*/@", key.at[i], 5))
            return false;
    return true;
}

static bool value_valid(struct span value)
{
    if (value.size == 0 || value.size > VALUE_MAX_BYTES || value.at[value.size - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.size; i++)
        if (value.at[i] < ' ' || value.at[i] > '~' || value.at[i] == ',' || value.at[i] == '=')
            return false;
    return true;
}

static bool key_came(const struct span *keys, size_t count, struct span key)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal(keys[i], key))
            return true;
    return false;
}

bool trace_state_valid(struct span text)
{
    struct span keys[TRACE_STATE_MAX_MEMBERS];
    size_t count = 0;
    if (text.size > TRACE_STATE_MAX_BYTES)
        return false;
    while (!span_absent(text)) {
        struct span member = span_trim(span_cut(&text, ','));
        if (member.size == 0)
            continue; /* "Empty list members are allowed" (3.3.1.1) */
        struct span value = member;
        struct span key = span_cut(&value, '=');
        if (span_absent(value) || !key_valid(key) || !value_valid(value) || count == TRACE_STATE_MAX_MEMBERS ||
            key_came(keys, count, key))
            return false;
        keys[count++] = key;
    }
    return true;
}

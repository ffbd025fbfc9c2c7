/* The growing buffer and the JSON string writer. Owns text->at until text_take() or text_done(). No thread of its own;
   a text belongs to whoever made it. The common additions are inline in the header, what grows or escapes is here. */
#include "gateway/base/text.h"

#include <errno.h>
#include <stdio.h>

enum { TEXT_FIRST_ROOM = 63 }; /* with the byte for the NUL: one 64-byte block */

void text_done(struct text *text)
{
    free(text->at);
    *text = TEXT(text->max_bytes);
}

void text_clear(struct text *text)
{
    text->size = 0;
    text->error = 0;
}

void text_clear_to(struct text *text, size_t most)
{
    if (text->room > most)
        text_done(text);
    else
        text_clear(text);
}

/* Room for `bytes` more (and a NUL), at least doubling what is there, never above max_bytes. */
static int grow(struct text *text, size_t bytes)
{
    if (text->error)
        return text->error;
    if (bytes > text->max_bytes - text->size)
        return text->error = -EMSGSIZE;
    size_t room = MAX(text->size + bytes, TEXT_FIRST_ROOM);
    if (text->room <= SIZE_MAX / 2)
        room = MAX(room, text->room * 2);
    room = MIN(room, text->max_bytes);
    if (room == SIZE_MAX)
        return text->error = -ENOMEM;
    char *at = realloc(text->at, room + 1);
    if (!at)
        return text->error = -ENOMEM;
    text->at = at;
    text->room = room;
    return 0;
}

char *text_reserve(struct text *text, size_t bytes)
{
    if (text->error || !text->at || bytes > text->room - text->size)
        if (grow(text, bytes) < 0)
            return NULL;
    return text->at + text->size;
}

void text_add_grow(struct text *text, struct span span)
{
    if (span.size == 0)
        return;
    char *to = text_reserve(text, span.size);
    if (!to)
        return;
    memcpy(to, span.at, span.size);
    text->size += span.size;
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    if (text->error)
        return;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t left = text->at ? text->room - text->size + 1 : 0;
    int length = vsnprintf(left ? text->at + text->size : NULL, left, format, arguments);
    if (length < 0)
        text->error = -EMSGSIZE; /* longer than INT_MAX */
    else if ((size_t)length >= left && text_reserve(text, (size_t)length))
        (void)vsnprintf(text->at + text->size, (size_t)length + 1, format, again);
    if (text->error == 0)
        text->size += (size_t)length;
    va_end(again);
    va_end(arguments);
}

void text_add_uint64(struct text *text, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_add(text, (struct span){digits + first, sizeof(digits) - first});
}

/* Sixteen bytes at once, in whatever vector registers the machine has. */
typedef int8_t block __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* Whether these 16 bytes need no look: as signed numbers, control characters and all that is not ASCII are below ' '.
 */
static bool is_plain_block(const char *at)
{
    block bytes;
    memcpy(&bytes, at, sizeof(bytes));
    halves found = (halves)((bytes < ' ') | (bytes == '"') | (bytes == '\\'));
    return (found[0] | found[1]) == 0;
}

static bool is_plain(char byte)
{
    return (signed char)byte >= ' ' && byte != '"' && byte != '\\';
}

/* The first byte from `at` on that JSON does not let stand as it is: to be escaped, or not UTF-8. */
static const char *skip_clean(const char *at, const char *end)
{
    for (;;) {
        while (end - at >= (ptrdiff_t)sizeof(block) && is_plain_block(at))
            at += sizeof(block);
        while (at < end && is_plain(*at))
            at++;
        if (at == end || (signed char)*at >= 0)
            return at;
        while (at < end && (signed char)*at < 0) {
            size_t length = span_utf8((struct span){at, (size_t)(end - at)});
            if (length == 0)
                return at;
            at += length;
        }
    }
}

static void add_escape(struct text *text, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char short_form[] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };
    if (byte >= 0x80) {
        text_add_literal(text, "\xef\xbf\xbd"); /* U+FFFD */
    } else if (short_form[byte]) {
        text_add(text, (struct span){(char[]){'\\', short_form[byte]}, 2});
    } else {
        char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
        text_add(text, (struct span){escape, sizeof(escape)});
    }
}

void text_add_json_string(struct text *text, struct span value)
{
    const char *at = value.at, *end = value.size ? value.at + value.size : value.at;
    text_add_char(text, '"');
    while (text->error == 0) {
        const char *clean = skip_clean(at, end);
        text_add(text, (struct span){at, (size_t)(clean - at)});
        if (clean == end)
            break;
        add_escape(text, (unsigned char)*clean);
        at = clean + 1;
    }
    text_add_char(text, '"');
}

void text_terminate(struct text *text)
{
    char *end = text_reserve(text, 0);
    if (end)
        *end = '\0';
}

int text_take(struct text *text, char **ret_bytes, size_t *ret_size)
{
    int result = text->error;
    if (result == 0) {
        *ret_bytes = TAKE(text->at);
        *ret_size = text->size;
    }
    text_done(text);
    return result;
}

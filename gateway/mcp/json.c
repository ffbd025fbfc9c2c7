/* The reading half of json.h: iterates over text that was validated before, and decodes strings. What it is given is
   trusted to be JSON but not to be complete: nothing reads past the span. Any thread; owns nothing. */
#include "gateway/mcp/json.h"

#include <errno.h>

enum json_kind json_kind(struct span raw)
{
    if (raw.size == 0)
        return JSON_NONE;
    switch (raw.at[0]) {
    case '"':
        return JSON_STRING;
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case 'n':
        return JSON_NULL;
    case 't':
    case 'f':
        return JSON_BOOLEAN;
    default:
        return raw.at[0] == '-' || (raw.at[0] >= '0' && raw.at[0] <= '9') ? JSON_NUMBER : JSON_NONE;
    }
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Past blanks and the comma or colon among them, which validated text has in the right places. */
static const char *skip_separators(const char *at, const char *end)
{
    while (at < end && (is_blank(*at) || *at == ',' || *at == ':'))
        at++;
    return at;
}

/* From the opening quote to behind the closing one: the first quote with an even number of backslashes before it. */
static const char *skip_string(const char *at, const char *end)
{
    const char *start = at + 1;
    for (const char *quote = start; quote < end && (quote = memchr(quote, '"', (size_t)(end - quote))) != NULL;
         quote++) {
        const char *escape = quote;
        while (escape > start && escape[-1] == '\\')
            escape--;
        if ((quote - escape) % 2 == 0)
            return quote + 1;
    }
    return end;
}

static const char *skip_container(const char *at, const char *end)
{
    size_t open = 0;
    while (at < end) {
        char byte = *at;
        if (byte == '"') {
            at = skip_string(at, end);
            continue;
        }
        at++;
        if (byte == '{' || byte == '[')
            open++;
        else if ((byte == '}' || byte == ']') && --open == 0)
            break;
    }
    return at;
}

static const char *skip_scalar(const char *at, const char *end)
{
    while (at < end && !is_blank(*at) && *at != ',' && *at != ']' && *at != '}')
        at++;
    return at;
}

/* The value that begins at it->at, if one does. */
static bool take_value(struct json_iterator *it, struct span *ret_raw)
{
    const char *start = skip_separators(it->at, it->end), *after;
    if (start >= it->end || *start == ']' || *start == '}')
        return false;
    if (*start == '"')
        after = skip_string(start, it->end);
    else if (*start == '{' || *start == '[')
        after = skip_container(start, it->end);
    else
        after = skip_scalar(start, it->end);
    it->at = after;
    *ret_raw = (struct span){start, (size_t)(after - start)};
    return true;
}

static void begin(struct json_iterator *it, struct span raw, enum json_kind type)
{
    bool fits = json_kind(raw) == type;
    it->at = fits ? raw.at + 1 : NULL;
    it->end = fits ? raw.at + raw.size : NULL;
}

void json_object_begin(struct json_iterator *it, struct span raw)
{
    begin(it, raw, JSON_OBJECT);
}

bool json_object_next(struct json_iterator *it, struct span *ret_raw_key, struct span *ret_raw)
{
    return take_value(it, ret_raw_key) && take_value(it, ret_raw);
}

void json_array_begin(struct json_iterator *it, struct span raw)
{
    begin(it, raw, JSON_ARRAY);
}

bool json_array_next(struct json_iterator *it, struct span *ret_raw)
{
    return take_value(it, ret_raw);
}

struct span json_find_span(struct span raw_object, struct span key)
{
    struct json_iterator it;
    struct span name, value, found = {NULL, 0};
    json_object_begin(&it, raw_object);
    while (json_object_next(&it, &name, &value)) {
        if (json_string_equal(name, key))
            found = value;
    }
    return found;
}

struct span json_find(struct span raw_object, const char *key)
{
    return json_find_span(raw_object, span_of(key));
}

/* ---- strings ---- */

/* The bytes between the quotes. */
static bool string_inside(struct span raw, struct span *ret_inside)
{
    if (raw.size < 2 || raw.at[0] != '"')
        return false;
    *ret_inside = (struct span){raw.at + 1, raw.size - 2};
    return true;
}

static unsigned hex4(const char *at)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (unsigned)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
    return unit;
}

static size_t utf8_encode(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static char unescape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

/* Decodes the escape that *rest begins with, and moves past it. Returns how many bytes of `out` it became. */
static size_t take_escape(struct span *rest, char out[4])
{
    size_t used = MIN(rest->size, 2), made = 1;
    out[0] = used == 2 ? unescape(rest->at[1]) : '\\';
    if (rest->size >= 6 && rest->at[1] == 'u') {
        unsigned code = hex4(rest->at + 2);
        used = 6;
        if (code >= 0xd800 && code <= 0xdbff && rest->size >= 12) {
            code = 0x10000 + ((code & 0x3ff) << 10 | (hex4(rest->at + 8) & 0x3ff));
            used = 12;
        }
        made = utf8_encode(code & 0x1fffff, out);
    }
    *rest = (struct span){rest->at + used, rest->size - used};
    return made;
}

/* The next piece of decoded text, NULL-sized at the end: a stretch without escapes, or one decoded escape in `buffer`.
 */
static struct span take_piece(struct span *rest, char buffer[4])
{
    if (rest->size > 0 && rest->at[0] == '\\')
        return (struct span){buffer, take_escape(rest, buffer)};
    const char *escape = rest->size ? memchr(rest->at, '\\', rest->size) : NULL;
    struct span piece = {rest->at, escape ? (size_t)(escape - rest->at) : rest->size};
    *rest = (struct span){rest->at + piece.size, rest->size - piece.size};
    return piece;
}

bool json_string_plain(struct span raw, struct span *ret_text)
{
    struct span inside;
    if (!string_inside(raw, &inside) || memchr(inside.at, '\\', inside.size))
        return false;
    *ret_text = inside;
    return true;
}

bool json_string_equal(struct span raw, struct span text)
{
    struct span rest;
    char buffer[4];
    if (!string_inside(raw, &rest) || text.size > rest.size)
        return false;
    while (rest.size > 0) {
        struct span piece = take_piece(&rest, buffer);
        if (piece.size > text.size || memcmp(piece.at, text.at, piece.size) != 0)
            return false;
        text = (struct span){text.at + piece.size, text.size - piece.size};
    }
    return text.size == 0;
}

bool json_string_same(struct span raw_a, struct span raw_b)
{
    struct span rest_a, rest_b, a = {NULL, 0}, b = {NULL, 0};
    char buffer_a[4], buffer_b[4];
    if (!string_inside(raw_a, &rest_a) || !string_inside(raw_b, &rest_b))
        return false;
    for (;;) {
        if (a.size == 0)
            a = take_piece(&rest_a, buffer_a);
        if (b.size == 0)
            b = take_piece(&rest_b, buffer_b);
        size_t size = MIN(a.size, b.size);
        if (size == 0)
            return a.size == b.size;
        if (memcmp(a.at, b.at, size) != 0)
            return false;
        a = (struct span){a.at + size, a.size - size};
        b = (struct span){b.at + size, b.size - size};
    }
}

size_t json_string_decode_into(struct span raw, char *out)
{
    struct span rest;
    char buffer[4];
    size_t size = 0;
    if (!string_inside(raw, &rest))
        return 0;
    while (rest.size > 0) {
        struct span piece = take_piece(&rest, buffer);
        memcpy(out + size, piece.at, piece.size);
        size += piece.size;
    }
    return size;
}

int json_string_decode(struct span raw, struct text *out)
{
    struct span rest;
    char buffer[4];
    if (!string_inside(raw, &rest))
        return JSON_WRONG_TYPE;
    while (rest.size > 0 && out->error == 0)
        text_add(out, take_piece(&rest, buffer));
    return out->error;
}

int json_to_bool(struct span raw, bool *ret_value)
{
    if (json_kind(raw) != JSON_BOOLEAN)
        return JSON_WRONG_TYPE;
    *ret_value = raw.at[0] == 't';
    return 0;
}

/* ---- layout ---- */

void json_compact(struct span raw, struct text *out)
{
    bool in_string = false;
    size_t from = 0;
    for (size_t i = 0; i < raw.size; i++) {
        char c = raw.at[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
            text_add(out, (struct span){raw.at + from, i - from});
            from = i + 1;
        }
    }
    text_add(out, (struct span){raw.at + from, raw.size - from});
}

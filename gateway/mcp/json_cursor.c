/* The validating half of json.h: reads a text once, byte by byte where it must and eight at a time inside of strings.
   Nesting is a stack of bits (object or array), so depth costs no recursion. Any thread; owns nothing. */
#include <endian.h>

#include "gateway/mcp/json.h"

#define EACH_BYTE(value) (UINT64_MAX / 255 * (value))

/* Whether each container open since `base` is an object. */
struct nesting {
    unsigned base;
    uint64_t objects[JSON_DEPTH_MAX / 64];
};

static const char *const reasons[] = {
    [0] = "valid",
    [JSON_SYNTAX] = "malformed JSON",
    [JSON_EMPTY] = "no JSON value",
    [JSON_TRUNCATED] = "the JSON text ends too early",
    [JSON_BOM] = "the JSON text begins with a byte order mark",
    [JSON_UTF8] = "a JSON string is not valid UTF-8",
    [JSON_SURROGATE] = "a JSON string escapes half of a surrogate pair",
    [JSON_DEPTH] = "the JSON text is nested too deeply",
    [JSON_TRAILING] = "something follows the JSON value",
    [JSON_WRONG_TYPE] = "the JSON value has another type",
    [JSON_RANGE] = "the JSON number is out of range",
};

const char *json_reason(int outcome)
{
    return outcome >= 0 && (size_t)outcome < ARRAY_SIZE(reasons) ? reasons[outcome] : "unknown";
}

static inline const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static inline bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Gives up at `at`: whoever ran into the end of the text saw a correct beginning. */
static int stop(struct json_cursor *cursor, const char *at, int outcome)
{
    cursor->at = at;
    return at < cursor->end ? outcome : JSON_TRUNCATED;
}

/* The first byte in at..end that needs a look: a quote, a backslash, a control character, or one that is not ASCII. */
static inline const char *find_special(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof(bytes));
        bytes = le64toh(bytes);
        /* A borrow may mark a byte above a special one, never one below: the lowest mark is exact. */
        uint64_t marks = (bytes - EACH_BYTE(0x20)) | ((bytes ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
                         ((bytes ^ EACH_BYTE('\\')) - EACH_BYTE(1)) | bytes;
        marks &= EACH_BYTE(0x80);
        if (marks)
            return at + __builtin_ctzll(marks) / 8;
        at += 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The length of the UTF-8 sequence at `at`, whose first byte is not ASCII; 0 when it is none (RFC 3629, section 4). */
static inline size_t utf8_sequence(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    size_t size = byte[0] < 0xc2 ? 0 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;
    if (size == 0 || left < size)
        return 0;
    if (byte[0] == 0xe0)
        low = 0xa0; /* below: overlong */
    else if (byte[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (byte[0] == 0xf0)
        low = 0x90; /* below: overlong */
    else if (byte[0] == 0xf4)
        high = 0x8f; /* above: beyond U+10FFFF */
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

/* Four hexadecimal digits; `at` moves past them. 0 or JSON_SYNTAX with `at` on what is none. */
static int read_hex4(const char **at, const char *end, unsigned *ret_unit)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++, (*at)++) {
        char byte = *at < end ? **at : '\0';
        char lower = (char)(byte | 0x20);
        if (is_digit(byte))
            unit = unit << 4 | (unsigned)(byte - '0');
        else if (lower >= 'a' && lower <= 'f')
            unit = unit << 4 | (unsigned)(lower - 'a' + 10);
        else
            return JSON_SYNTAX;
    }
    *ret_unit = unit;
    return 0;
}

/* The rest of an escape after "\u": a pair of surrogates is two of them. */
static int scan_unicode_escape(struct json_cursor *cursor, const char *at)
{
    unsigned unit;
    if (read_hex4(&at, cursor->end, &unit))
        return stop(cursor, at, JSON_SYNTAX);
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return stop(cursor, at, JSON_SURROGATE);
    if (unit >= 0xd800 && unit <= 0xdbff) {
        for (const char *expected = "\\u"; *expected; expected++, at++) {
            if (at >= cursor->end || *at != *expected)
                return stop(cursor, at, JSON_SURROGATE);
        }
        if (read_hex4(&at, cursor->end, &unit))
            return stop(cursor, at, JSON_SYNTAX);
        if (unit < 0xdc00 || unit > 0xdfff)
            return stop(cursor, at, JSON_SURROGATE);
    }
    cursor->at = at;
    return 0;
}

/* On the backslash. */
static int scan_escape(struct json_cursor *cursor, const char *at)
{
    at++;
    if (at >= cursor->end)
        return stop(cursor, at, JSON_SYNTAX);
    switch (*at) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        cursor->at = at + 1;
        return 0;
    case 'u':
        return scan_unicode_escape(cursor, at + 1);
    default:
        return stop(cursor, at, JSON_SYNTAX);
    }
}

/* On the opening quote. */
static int scan_string(struct json_cursor *cursor)
{
    const char *at = cursor->at + 1, *end = cursor->end;
    for (;;) {
        at = find_special(at, end);
        if (at >= end)
            return stop(cursor, at, JSON_SYNTAX);
        if (*at == '"') {
            cursor->at = at + 1;
            return 0;
        }
        if (*at == '\\') {
            int r = scan_escape(cursor, at);
            if (r)
                return r;
            at = cursor->at;
        } else if ((unsigned char)*at < 0x20) {
            return stop(cursor, at, JSON_SYNTAX);
        } else {
            size_t size;
            do {
                size = utf8_sequence(at, end);
                if (size == 0)
                    return stop(cursor, at, JSON_UTF8);
                at += size;
            } while (at < end && (unsigned char)*at >= 0x80);
        }
    }
}

/* At least one digit; NULL without. */
static const char *skip_digits(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && is_digit(*at))
        at++;
    return at > start ? at : NULL;
}

/* On the sign or the first digit. RFC 8259, section 6. What follows the number is the caller's to judge. */
static int scan_number(struct json_cursor *cursor)
{
    const char *at = cursor->at, *end = cursor->end, *next;
    if (*at == '-')
        at++;
    if (at < end && *at == '0')
        at++;
    else if ((next = skip_digits(at, end)) != NULL)
        at = next;
    else
        return stop(cursor, at, JSON_SYNTAX);
    if (at < end && *at == '.') {
        at++;
        if ((next = skip_digits(at, end)) == NULL)
            return stop(cursor, at, JSON_SYNTAX);
        at = next;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        if ((next = skip_digits(at, end)) == NULL)
            return stop(cursor, at, JSON_SYNTAX);
        at = next;
    }
    cursor->at = at;
    return 0;
}

static int scan_literal(struct json_cursor *cursor, const char *literal)
{
    const char *at = cursor->at;
    for (; *literal; literal++, at++) {
        if (at >= cursor->end || *at != *literal)
            return stop(cursor, at, JSON_SYNTAX);
    }
    cursor->at = at;
    return 0;
}

/* On the byte where a key should begin; ends on its value. */
static int scan_key(struct json_cursor *cursor, struct span *ret_raw_key)
{
    const char *start = cursor->at;
    if (start >= cursor->end || *start != '"')
        return stop(cursor, start, JSON_SYNTAX);
    int r = scan_string(cursor);
    if (r)
        return r;
    const char *after = skip_blanks(cursor->at, cursor->end);
    if (after >= cursor->end || *after != ':')
        return stop(cursor, after, JSON_SYNTAX);
    *ret_raw_key = (struct span){start, (size_t)(cursor->at - start)};
    cursor->at = skip_blanks(after + 1, cursor->end);
    return 0;
}

/* On '{' or '['. */
static int open_container(struct json_cursor *cursor)
{
    if (cursor->depth >= cursor->max_depth)
        return JSON_DEPTH;
    cursor->depth++;
    cursor->at = skip_blanks(cursor->at + 1, cursor->end);
    return 0;
}

static void close_container(struct json_cursor *cursor)
{
    cursor->depth--;
    cursor->at++;
}

static inline bool innermost_is_object(const struct nesting *nesting, const struct json_cursor *cursor)
{
    unsigned index = cursor->depth - nesting->base - 1;
    return nesting->objects[index / 64] >> index % 64 & 1;
}

/* Enters a container; *ret_entered: it has an element, and the cursor stands on its value. */
static int scan_opening(struct json_cursor *cursor, struct nesting *nesting, bool *ret_entered)
{
    bool object = *cursor->at == '{';
    int r = open_container(cursor);
    if (r)
        return r;
    if (cursor->at < cursor->end && *cursor->at == (object ? '}' : ']')) {
        close_container(cursor);
        return 0;
    }
    unsigned index = cursor->depth - nesting->base - 1;
    uint64_t bit = UINT64_C(1) << index % 64;
    if (index % 64 == 0)
        nesting->objects[index / 64] = 0;
    if (object)
        nesting->objects[index / 64] |= bit;
    else
        nesting->objects[index / 64] &= ~bit;
    *ret_entered = true;
    struct span key;
    return object ? scan_key(cursor, &key) : 0;
}

/* A scalar, an empty container, or the opening of another one. */
static int scan_beginning(struct json_cursor *cursor, struct nesting *nesting, bool *ret_entered)
{
    switch (json_cursor_peek(cursor)) {
    case JSON_STRING:
        return scan_string(cursor);
    case JSON_NUMBER:
        return scan_number(cursor);
    case JSON_OBJECT:
    case JSON_ARRAY:
        return scan_opening(cursor, nesting, ret_entered);
    case JSON_NULL:
        return scan_literal(cursor, "null");
    case JSON_BOOLEAN:
        return scan_literal(cursor, *cursor->at == 't' ? "true" : "false");
    default:
        return stop(cursor, cursor->at, JSON_SYNTAX);
    }
}

/* Behind a value: closes what ends here. Stops on the next element's value, or when nothing is open any more. */
static int scan_continuation(struct json_cursor *cursor, const struct nesting *nesting)
{
    while (cursor->depth > nesting->base) {
        bool object = innermost_is_object(nesting, cursor);
        cursor->at = skip_blanks(cursor->at, cursor->end);
        if (cursor->at < cursor->end && *cursor->at == (object ? '}' : ']')) {
            close_container(cursor);
            continue;
        }
        if (cursor->at >= cursor->end || *cursor->at != ',')
            return stop(cursor, cursor->at, JSON_SYNTAX);
        cursor->at = skip_blanks(cursor->at + 1, cursor->end);
        struct span key;
        return object ? scan_key(cursor, &key) : 0;
    }
    return 0;
}

int json_cursor_init(struct json_cursor *cursor, struct span text, unsigned max_depth)
{
    *cursor = (struct json_cursor){.start = text.at, .at = text.at, .max_depth = MIN(max_depth, JSON_DEPTH_MAX)};
    if (text.size == 0)
        return JSON_EMPTY;
    cursor->end = text.at + text.size;
    if (text.size >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
        return JSON_BOM;
    cursor->at = skip_blanks(text.at, cursor->end);
    return cursor->at < cursor->end ? 0 : JSON_EMPTY;
}

enum json_kind json_cursor_peek(const struct json_cursor *cursor)
{
    return json_kind((struct span){cursor->at, (size_t)(cursor->end - cursor->at)});
}

int json_cursor_value(struct json_cursor *cursor, struct span *ret_raw)
{
    struct nesting nesting; /* only bits that were set are read */
    nesting.base = cursor->depth;
    const char *start = cursor->at;
    do {
        bool entered = false;
        int r = scan_beginning(cursor, &nesting, &entered);
        if (r == 0 && !entered)
            r = scan_continuation(cursor, &nesting);
        if (r)
            return r;
    } while (cursor->depth > nesting.base);
    *ret_raw = (struct span){start, (size_t)(cursor->at - start)};
    return 0;
}

int json_cursor_enter(struct json_cursor *cursor)
{
    if (cursor->at >= cursor->end || *cursor->at != '{')
        return stop(cursor, cursor->at, JSON_SYNTAX);
    return open_container(cursor);
}

int json_cursor_member(struct json_cursor *cursor, bool first, struct span *ret_raw_key, bool *ret_more)
{
    cursor->at = skip_blanks(cursor->at, cursor->end);
    if (cursor->at < cursor->end && *cursor->at == '}') {
        close_container(cursor);
        *ret_more = false;
        return 0;
    }
    if (!first) {
        if (cursor->at >= cursor->end || *cursor->at != ',')
            return stop(cursor, cursor->at, JSON_SYNTAX);
        cursor->at = skip_blanks(cursor->at + 1, cursor->end);
    }
    int r = scan_key(cursor, ret_raw_key);
    if (r == 0)
        *ret_more = true;
    return r;
}

int json_cursor_finish(struct json_cursor *cursor)
{
    cursor->at = skip_blanks(cursor->at, cursor->end);
    return cursor->at < cursor->end ? JSON_TRAILING : 0;
}

int json_check(struct span text, unsigned max_depth)
{
    struct json_cursor cursor;
    struct span raw;
    int r = json_cursor_init(&cursor, text, max_depth);
    if (r == 0)
        r = json_cursor_value(&cursor, &raw);
    return r ? r : json_cursor_finish(&cursor);
}

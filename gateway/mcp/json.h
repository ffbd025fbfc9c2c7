/* JSON (RFC 8259, strict) in UTF-8 (RFC 3629) over bytes that stay where they are: no tree, no allocation, no
   recursion. One function validates; all others read text that was validated once and hand out spans into it. Any
   thread.

   A *raw value* is the span of one value as it stands in the text, without blanks around it; a raw string keeps its
   quotes. Functions named below that take a raw value want one out of validated text (json_check, json_cursor_*,
   envelope_scan); they never read outside of it, whatever it holds, but what they say about invalid text means nothing.
 */
#pragma once
#include "gateway/base/text.h"

enum {
    JSON_DEPTH_DEFAULT = 64, /* arrays and objects open at once */
    JSON_DEPTH_MAX = 1024,   /* a larger max_depth counts as this one */
};

/* Outcomes. Escapes of a lone surrogate are refused: the RFC's grammar has them, but they name no character and cannot
   be written as UTF-8, so no two readers agree on them (RFC 8259, 8.2). \u0000 is legal: decoded text may hold NUL
   bytes. */
enum {
    JSON_SYNTAX = 1, /* not the grammar; so is a byte above 0x7f outside of a string */
    JSON_EMPTY,      /* nothing but blanks */
    JSON_TRUNCATED,  /* a correct beginning that ends too early */
    JSON_BOM,        /* begins with a byte order mark (RFC 8259, 8.1) */
    JSON_UTF8,       /* a string with overlong forms, surrogates, values above U+10FFFF, truncated or stray bytes */
    JSON_SURROGATE,  /* \ud800..\udfff not in a pair */
    JSON_DEPTH,      /* nested deeper than allowed; what follows was not looked at */
    JSON_TRAILING,   /* a second value, or anything else, after the first */
    JSON_WRONG_TYPE, /* json_to_*: the value is of another type, or a number with a fraction where an integer is asked
                        for */
    JSON_RANGE,      /* json_to_*: the number does not fit */
};

/* A short static phrase for an outcome, fit for an error message. */
const char *json_reason(int outcome);

/* Validates one whole text: one value with blanks around it. 0 or JSON_SYNTAX … JSON_TRAILING. */
MUST_USE int json_check(struct span text, unsigned max_depth);

enum json_kind {
    JSON_NONE, /* an absent or empty span */
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};
/* By the first byte. */
enum json_kind json_kind(struct span raw);

/* ---- validating while reading -------------------------------------------------------------------------------------
 */

/* Reads text that nobody has validated yet, in one pass: what it has moved past is valid. After an outcome `at` is
   where the reader gave up and the cursor is of no more use. */
struct json_cursor {
    const char *start;
    const char *at;
    const char *end;
    unsigned depth; /* open now */
    unsigned max_depth;
};
/* Stands on the first byte of the value, blanks skipped. 0, JSON_EMPTY or JSON_BOM. */
MUST_USE int json_cursor_init(struct json_cursor *cursor, struct span text, unsigned max_depth);
/* The type of the value the cursor stands on, by its first byte: JSON_NONE when no value begins there. */
enum json_kind json_cursor_peek(const struct json_cursor *cursor);
/* Validates one value with everything in it and moves past it. 0 or an outcome. */
MUST_USE int json_cursor_value(struct json_cursor *cursor, struct span *ret_raw);
/* Enters the object the cursor stands on. Then json_cursor_member() until *ret_more is false: with true the cursor
   stands on the member's value, which the caller reads with json_cursor_value() or enters; with false it stands behind
   the object. */
MUST_USE int json_cursor_enter(struct json_cursor *cursor);
MUST_USE int json_cursor_member(struct json_cursor *cursor, bool first, struct span *ret_raw_key, bool *ret_more);
/* Nothing but blanks may follow. 0 or JSON_TRAILING. */
MUST_USE int json_cursor_finish(struct json_cursor *cursor);

/* ---- validated text -----------------------------------------------------------------------------------------------
 */

struct json_iterator {
    const char *at;
    const char *end;
};
/* `raw` is an object (an array); of anything else there is nothing to iterate. The order is the text's.
     struct json_iterator it;
     struct span key, value;
     json_object_begin(&it, object);
     while (json_object_next(&it, &key, &value)) …       key is a raw string: see json_string_equal() */
void json_object_begin(struct json_iterator *it, struct span raw);
bool json_object_next(struct json_iterator *it, struct span *ret_raw_key, struct span *ret_raw);
void json_array_begin(struct json_iterator *it, struct span raw);
bool json_array_next(struct json_iterator *it, struct span *ret_raw);

/* The raw value of a member, or an absent span. Of several with the same key the last counts, as in json-c, JavaScript
   and Python: two readers of one text must not see two values. Keys match decoded: "nam\u0065" is name. */
struct span json_find(struct span raw_object, const char *key);
struct span json_find_span(struct span raw_object, struct span key);

/* Appends the text without the blanks between its tokens: one line, whatever its layout was. Its error is out's. */
void json_compact(struct span raw, struct text *out);

/* Strings. `raw` has its quotes; of a value that is no string nothing is equal or plain, and decoding adds nothing. */
bool json_string_equal(struct span raw, struct span text);
/* Both by their decoded characters. */
bool json_string_same(struct span raw_a, struct span raw_b);
/* True, and the bytes between the quotes, when there is no escape among them. */
bool json_string_plain(struct span raw, struct span *ret_text);
/* Appends the decoded UTF-8. 0, JSON_WRONG_TYPE, or out's error. Never longer than `raw`. */
MUST_USE int json_string_decode(struct span raw, struct text *out);
/* The same into `out`, which has room for raw.size bytes; returns how many were written. */
size_t json_string_decode_into(struct span raw, char *out);

/* Numbers are compared and judged as decimals, so no digit is lost: 42, 42.0 and 4.2e1 are one number, and
   9007199254740993 is not 9007199254740992. An exponent beyond 10^15 either way counts as that bound. What is no number
   equals nothing. */
bool json_number_equal(struct span raw_a, struct span raw_b);
/* <0, 0, >0. Both must be numbers. */
int json_number_compare(struct span raw_a, struct span raw_b);
/* Without a fractional part, as JSON Schema has it: 42.0 and 1e3 are integers. False for what is no number. */
bool json_is_integer(struct span raw);
/* 0, JSON_WRONG_TYPE (also: not an integer in the sense above) or JSON_RANGE. */
MUST_USE int json_to_int64(struct span raw, int64_t *ret_value);
/* The nearest double. 0, JSON_WRONG_TYPE or JSON_RANGE (beyond DBL_MAX; what is too small becomes 0). */
MUST_USE int json_to_double(struct span raw, double *ret_value);
/* 0 or JSON_WRONG_TYPE. */
MUST_USE int json_to_bool(struct span raw, bool *ret_value);

/* json.h: any bytes are judged, and of what was judged valid every reader says the same. The readers also run on what
   is not JSON: they promise to stay inside of it. */
#include <stdlib.h>

#include "gateway/mcp/json.h"

enum { MAX_DEPTH = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Decodes, writes what came out as JSON, and finds the same string in it. */
static void check_string(struct span raw)
{
    CLEANUP(text_done) struct text decoded = TEXT(raw.size), again = TEXT(6 * raw.size + 2);
    CLEANUP_FREE char *into = malloc(raw.size);
    struct span plain;
    require(into != NULL);
    require(json_string_decode(raw, &decoded) == 0);
    require(span_equal(text_span(&decoded), (struct span){into, json_string_decode_into(raw, into)}));
    require(json_string_equal(raw, text_span(&decoded)));
    require(!json_string_plain(raw, &plain) || span_equal(plain, text_span(&decoded)));
    text_add_json_string(&again, text_span(&decoded));
    require(again.error == 0);
    require(json_check(text_span(&again), 0) == 0);
    require(json_string_same(raw, text_span(&again)));
}

static void check_number(struct span raw)
{
    int64_t integer;
    double number;
    require(json_number_equal(raw, raw));
    int r = json_to_int64(raw, &integer);
    require(json_is_integer(raw) == (r != JSON_WRONG_TYPE));
    require(json_to_double(raw, &number) != JSON_WRONG_TYPE);
    if (r == 0) {
        CLEANUP(text_done) struct text again = TEXT(32);
        text_addf(&again, "%lld", (long long)integer);
        require(json_number_equal(raw, text_span(&again)));
        require(number == (double)integer);
    }
}

static void check_value(struct span raw);

static void check_object(struct span raw)
{
    struct json_iterator it;
    struct span key, value;
    json_object_begin(&it, raw);
    while (json_object_next(&it, &key, &value)) {
        require(json_kind(key) == JSON_STRING);
        check_string(key);
        check_value(value);
    }
}

static void check_array(struct span raw)
{
    struct json_iterator it;
    struct span value;
    json_array_begin(&it, raw);
    while (json_array_next(&it, &value))
        check_value(value);
}

/* Part of a valid text is valid. Recursion is bounded by MAX_DEPTH. */
static void check_value(struct span raw)
{
    bool boolean;
    require(json_check(raw, MAX_DEPTH) == 0);
    switch (json_kind(raw)) {
    case JSON_STRING:
        check_string(raw);
        break;
    case JSON_NUMBER:
        check_number(raw);
        break;
    case JSON_OBJECT:
        check_object(raw);
        break;
    case JSON_ARRAY:
        check_array(raw);
        break;
    case JSON_BOOLEAN:
        require(json_to_bool(raw, &boolean) == 0);
        break;
    default:
        require(json_kind(raw) == JSON_NULL);
        break;
    }
}

/* Whatever they say: no byte outside of the span. */
static void read_anything(struct span raw)
{
    CLEANUP_FREE char *into = malloc(raw.size + 1);
    struct json_iterator it;
    struct span value;
    int64_t integer;
    double number;
    require(into != NULL);
    (void)json_find(raw, "key");
    json_array_begin(&it, raw);
    while (json_array_next(&it, &value))
        require(value.size > 0);
    require(json_string_decode_into(raw, into) <= raw.size);
    (void)json_string_same(raw, raw);
    (void)json_number_compare(raw, raw);
    require(json_to_int64(raw, &integer) != 0 || json_kind(raw) == JSON_NUMBER);
    require(json_to_double(raw, &number) != 0 || json_kind(raw) == JSON_NUMBER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, value;
    struct json_cursor cursor;
    int r = json_check(text, MAX_DEPTH);
    if (size > 0)
        read_anything(text);
    if (r || json_cursor_init(&cursor, text, MAX_DEPTH))
        return 0;
    require(json_cursor_value(&cursor, &value) == 0);
    require(cursor.depth == 0);
    check_value(value);
    return 0;
}

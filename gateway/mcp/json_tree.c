/* Builds a tree by recursion; the depth is that of the validated text, so it is bounded by JSON_DEPTH_MAX. Owns
 * nothing. */
#include "gateway/mcp/json_tree.h"

#include <errno.h>

enum { NUMBER_BYTES = 64, STRING_BYTES = 512 };
/* What json-c 0.16 and later takes for each, with the allocator's share: a table has room for 16 members from the
   beginning, an array for 32 items. */
enum { TREE_OBJECT = 832, TREE_ARRAY = 384, TREE_MEMBER = 192, TREE_VALUE = 80 };

static int made(struct json_object *value, struct json_object **ret_tree)
{
    if (!value)
        return -ENOMEM;
    *ret_tree = value;
    return 0;
}

static int read_string(struct span raw, struct json_object **ret_tree)
{
    struct span plain;
    char small[STRING_BYTES];
    if (json_string_plain(raw, &plain))
        return made(json_object_new_string_len(plain.at, (int)plain.size), ret_tree);
    char *out = raw.size > sizeof(small) ? malloc(raw.size) : small;
    if (!out)
        return -ENOMEM;
    size_t size = json_string_decode_into(raw, out);
    int r = made(json_object_new_string_len(out, (int)size), ret_tree);
    if (out != small)
        free(out);
    return r;
}

static bool has_fraction(struct span raw)
{
    for (size_t i = 0; i < raw.size; i++)
        if (strchr(".eE", raw.at[i]))
            return true;
    return false;
}

static int read_double(struct span raw, struct json_object **ret_tree)
{
    double value = 0;
    char small[NUMBER_BYTES];
    int r = json_to_double(raw, &value);
    if (r == JSON_RANGE)
        value = raw.at[0] == '-' ? -__builtin_inf() : __builtin_inf();
    if (raw.size >= sizeof(small)) {
        char *copy = span_copy(raw);
        r = copy ? made(json_object_new_double_s(value, copy), ret_tree) : -ENOMEM;
        free(copy);
        return r;
    }
    memcpy(small, raw.at, raw.size);
    small[raw.size] = '\0';
    return made(json_object_new_double_s(value, small), ret_tree);
}

static int read_number(struct span raw, struct json_object **ret_tree)
{
    int64_t integer;
    uint64_t positive;
    if (has_fraction(raw))
        return read_double(raw, ret_tree);
    if (json_to_int64(raw, &integer) == 0)
        return made(json_object_new_int64(integer), ret_tree);
    if (span_to_uint64(raw, &positive) == 0)
        return made(json_object_new_uint64(positive), ret_tree);
    return read_double(raw, ret_tree);
}

static int add_member(struct json_object *object, struct span raw_key, struct span raw)
{
    struct json_object *value = NULL;
    CLEANUP(text_done) struct text key = TEXT(raw_key.size + 1);
    struct span plain;
    int r = json_tree(raw, &value);
    if (r != 0)
        return r;
    if (json_string_plain(raw_key, &plain))
        text_add(&key, plain);
    else
        (void)!json_string_decode(raw_key, &key); /* its error is the text's */
    text_terminate(&key);
    if (!key.error && memchr(key.at, '\0', key.size)) {
        json_object_put(value);
        return JSON_TREE_NUL; /* json-c would cut the name there and so see another one */
    }
    if (key.error || json_object_object_add(object, key.at, value) < 0) {
        json_object_put(value);
        return -ENOMEM;
    }
    return 0;
}

static int read_object(struct span raw, struct json_object **ret_tree)
{
    struct json_object *object = json_object_new_object();
    struct json_iterator members;
    struct span key, value;
    int r = object ? 0 : -ENOMEM;
    json_object_begin(&members, raw);
    while (r == 0 && json_object_next(&members, &key, &value))
        r = add_member(object, key, value);
    if (r != 0)
        json_object_put(object);
    else
        *ret_tree = object;
    return r;
}

static int read_array(struct span raw, struct json_object **ret_tree)
{
    struct json_object *array = json_object_new_array();
    struct json_iterator items;
    struct span item;
    int r = array ? 0 : -ENOMEM;
    json_array_begin(&items, raw);
    while (r == 0 && json_array_next(&items, &item)) {
        struct json_object *value = NULL;
        r = json_tree(item, &value);
        if (r == 0 && json_object_array_add(array, value) < 0) {
            json_object_put(value);
            r = -ENOMEM;
        }
    }
    if (r != 0)
        json_object_put(array);
    else
        *ret_tree = array;
    return r;
}

int json_tree(struct span raw, struct json_object **ret_tree)
{
    switch (json_kind(raw)) {
    case JSON_OBJECT:
        return read_object(raw, ret_tree);
    case JSON_ARRAY:
        return read_array(raw, ret_tree);
    case JSON_STRING:
        return read_string(raw, ret_tree);
    case JSON_NUMBER:
        return read_number(raw, ret_tree);
    case JSON_BOOLEAN:
        return made(json_object_new_boolean(raw.at[0] == 't'), ret_tree);
    default:
        *ret_tree = NULL;
        return 0;
    }
}

/* Whether an odd number of backslashes stands before `at`. */
static bool is_escaped(const char *at)
{
    const char *start = at;
    while (start[-1] == '\\')
        start--;
    return (at - start) % 2 != 0;
}

/* The end of the string that begins at `i`. The text is valid: it has one, and what begins it is no backslash. */
static size_t skip_string(struct span raw, size_t i)
{
    const char *end = raw.at + i;
    do
        end = memchr(end + 1, '"', raw.size - (size_t)(end + 1 - raw.at));
    while (end && is_escaped(end));
    return end ? (size_t)(end - raw.at) : raw.size;
}

size_t json_tree_bytes(struct span raw)
{
    size_t bytes = TREE_VALUE;
    for (size_t i = 0; i < raw.size; i++) {
        size_t start = i;
        switch (raw.at[i]) {
        case '"':
            i = skip_string(raw, i);
            bytes += TREE_VALUE + i - start;
            break;
        case '{':
            bytes += TREE_OBJECT;
            break;
        case '[':
            bytes += TREE_ARRAY;
            break;
        case ':':
            bytes += TREE_MEMBER;
            break;
        case ',':
            bytes += TREE_VALUE;
            break;
        default:
            break;
        }
    }
    return bytes;
}

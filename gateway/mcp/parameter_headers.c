/* Finds the `x-mcp-header` annotations of an input schema and holds them to the rules. Runs where tools are registered;
   the list owns its names and paths. */
#include "gateway/mcp/parameter_headers_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "gateway/mcp/schema_priv.h"

#define ANNOTATION "x-mcp-header"
#define FIELD      "Mcp-Param-"

struct collector {
    struct parameter_headers *headers;
    struct text *problem;
    size_t depth;
};

PRINTF(3, 4)
static int refuse(struct collector *collector, const struct schema_place *place, const char *format, ...)
{
    char sentence[SCHEMA_MAX_SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    if (collector->problem) {
        schema_add_cut(collector->problem, SPAN("#"));
        schema_place_add(collector->problem, place);
        schema_addf(collector->problem, ": %s (" ANNOTATION ")", sentence);
    }
    return PARAMETER_HEADERS_INVALID;
}

/* ---- one annotation --------------------------------------------------------------------------------------- */

/* tchar of RFC 9110, 5.6.2. */
static bool is_token(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.at[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', digit = c >= '0' && c <= '9';
        if (!letter && !digit && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return name.size > 0;
}

static const struct {
    const char *name;
    enum parameter_header_type type;
} TYPES[] = {
    {"string", PARAMETER_HEADER_STRING},
    {"integer", PARAMETER_HEADER_INTEGER},
    {"boolean", PARAMETER_HEADER_BOOLEAN},
};

static bool is_named(struct json_object *type, const char *name)
{
    return json_object_get_type(type) == json_type_string && strcmp(json_object_get_string(type), name) == 0;
}

static bool type_of_name(struct json_object *name, enum parameter_header_type *ret_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(TYPES); i++) {
        if (is_named(name, TYPES[i].name)) {
            *ret_type = TYPES[i].type;
            return true;
        }
    }
    return false;
}

/* One primitive type; ["string", "null"] is one too, since a null has no field. */
static bool type_of(struct json_object *schema, enum parameter_header_type *ret_type)
{
    struct json_object *type;
    if (!json_object_object_get_ex(schema, "type", &type))
        return false;
    if (json_object_get_type(type) != json_type_array)
        return type_of_name(type, ret_type);
    if (json_object_array_length(type) != 2)
        return false;
    struct json_object *first = json_object_array_get_idx(type, 0), *second = json_object_array_get_idx(type, 1);
    return (is_named(second, "null") && type_of_name(first, ret_type)) ||
           (is_named(first, "null") && type_of_name(second, ret_type));
}

static int judge_name(struct collector *collector, struct json_object *annotation, const struct schema_place *place,
                      struct span *ret_name)
{
    if (json_object_get_type(annotation) != json_type_string)
        return refuse(collector, place, "the name of a header field must be a string");
    struct span name = {json_object_get_string(annotation), (size_t)json_object_get_string_len(annotation)};
    if (!is_token(name))
        return refuse(collector, place,
                      "the name of a header field must be one or more of A-Z a-z 0-9 !#$%%&'*+-.^_`|~");
    if (name.size > PARAMETER_HEADERS_MAX_NAME_BYTES)
        return refuse(collector, place, "the name is longer than %d bytes", PARAMETER_HEADERS_MAX_NAME_BYTES);
    for (size_t i = 0; i < collector->headers->count; i++) {
        struct span field = collector->headers->headers[i].field;
        struct span other = {field.at + strlen(FIELD), field.size - strlen(FIELD)};
        if (span_equal_nocase(other, name))
            return refuse(collector, place, "two parameters have the header field " FIELD "%.*s", SPAN_PRINT(name));
    }
    *ret_name = name;
    return 0;
}

static int copy_span(struct span source, struct span *ret_copy)
{
    char *copy = span_copy(source);
    if (!copy)
        return -ENOMEM;
    *ret_copy = (struct span){copy, source.size};
    return 0;
}

/* The place is a chain of properties/NAME; the names are the path. */
static int copy_path(const struct schema_place *place, struct parameter_header *header)
{
    size_t length = schema_place_depth(place) / 2;
    struct span *path = calloc(length, sizeof(*path));
    if (!path)
        return -ENOMEM;
    header->path = path;
    header->path_length = length;
    int result = 0;
    for (size_t i = length; result == 0 && i > 0; i--, place = place->parent->parent)
        result = copy_span(place->name, &path[i - 1]);
    return result;
}

static int add_header(struct collector *collector, struct json_object *schema, struct json_object *annotation,
                      const struct schema_place *place)
{
    struct span name = {0};
    struct parameter_header header = {.path_length = 0};
    int result = judge_name(collector, annotation, place, &name);
    if (result)
        return result;
    if (!type_of(schema, &header.type))
        return refuse(collector, place, "only a parameter of type string, integer or boolean may have a header field");
    if (collector->headers->count == PARAMETER_HEADERS_MAX)
        return refuse(collector, place, "more than %d parameters have a header field", PARAMETER_HEADERS_MAX);
    CLEANUP(text_done) struct text field = TEXT(sizeof(FIELD) + PARAMETER_HEADERS_MAX_NAME_BYTES);
    text_add_literal(&field, FIELD);
    text_add(&field, name);
    if (field.error)
        return field.error;
    struct parameter_header *slot = &collector->headers->headers[collector->headers->count++];
    *slot = header;
    result = copy_span(text_span(&field), &slot->field);
    return result ? result : copy_path(place, slot);
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

/* `reachable`: by `properties` alone, and not the root. */
static int walk(struct collector *collector, struct json_object *schema, const struct schema_place *place,
                bool reachable);

static int walk_map(struct collector *collector, struct json_object *map, const struct schema_place *place,
                    bool reachable)
{
    if (json_object_get_type(map) != json_type_object)
        return 0;
    for (struct lh_entry *entry = json_object_get_object(map)->head; entry; entry = entry->next) {
        struct schema_place here = {.parent = place, .name = span_of(entry->k)};
        int result = walk(collector, (struct json_object *)(uintptr_t)entry->v, &here, reachable);
        if (result)
            return result;
    }
    return 0;
}

static int walk_list(struct collector *collector, struct json_object *list, const struct schema_place *place)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct schema_place here = {.parent = place, .index = i, .is_index = true};
        int result = walk(collector, json_object_array_get_idx(list, i), &here, false);
        if (result)
            return result;
    }
    return 0;
}

static int walk_keyword(struct collector *collector, const char *keyword, struct json_object *value,
                        const struct schema_place *place, bool chain)
{
    struct schema_place here = {.parent = place, .name = span_of(keyword)};
    bool properties = strcmp(keyword, "properties") == 0;
    switch (schema_keywords_holds(keyword)) {
    case SCHEMA_HOLDS_MAP:
        return walk_map(collector, value, &here, chain && properties);
    case SCHEMA_HOLDS_SCHEMA:
    case SCHEMA_HOLDS_LIST:
        if (json_object_get_type(value) == json_type_array)
            return walk_list(collector, value, &here);
        return walk(collector, value, &here, false);
    case SCHEMA_HOLDS_NONE:
        break;
    }
    return 0;
}

static int walk_members(struct collector *collector, struct json_object *schema, const struct schema_place *place,
                        bool reachable)
{
    struct json_object *annotation;
    if (json_object_object_get_ex(schema, ANNOTATION, &annotation)) {
        if (!reachable)
            return refuse(collector, place,
                          "only a parameter that is reached by `properties` alone may have a header field");
        if (schema_place_depth(place) > 2 * PARAMETER_HEADERS_MAX_DEPTH)
            return refuse(collector, place, "is more than %d properties deep", PARAMETER_HEADERS_MAX_DEPTH);
        int result = add_header(collector, schema, annotation, place);
        if (result)
            return result;
    }
    for (struct lh_entry *entry = json_object_get_object(schema)->head; entry; entry = entry->next) {
        struct json_object *value = (struct json_object *)(uintptr_t)entry->v;
        int result = walk_keyword(collector, entry->k, value, place, reachable || !place);
        if (result)
            return result;
    }
    return 0;
}

static int walk(struct collector *collector, struct json_object *schema, const struct schema_place *place,
                bool reachable)
{
    if (json_object_get_type(schema) != json_type_object)
        return 0;
    if (collector->depth >= SCHEMA_MAX_DEPTH)
        return refuse(collector, NULL, "the schema is nested deeper than %d", SCHEMA_MAX_DEPTH);
    collector->depth++;
    int result = walk_members(collector, schema, place, reachable);
    collector->depth--;
    return result;
}

static void cleanup_headers(struct parameter_headers **headers)
{
    parameter_headers_free(*headers);
}

int parameter_headers_compile(struct json_object *input_schema, struct parameter_headers **ret_headers,
                              struct text *problem)
{
    CLEANUP(cleanup_headers) struct parameter_headers *headers = calloc(1, sizeof(*headers));
    if (!headers)
        return -ENOMEM;
    struct collector collector = {.headers = headers, .problem = problem};
    int result = walk(&collector, input_schema, NULL, false);
    if (result)
        return result;
    *ret_headers = headers->count ? TAKE(headers) : NULL;
    return 0;
}

/* The list owns what its spans show; they are const for everybody else. */
static void free_span(struct span owned)
{
    free((void *)(uintptr_t)owned.at);
}

void parameter_headers_free(struct parameter_headers *headers)
{
    for (size_t i = 0; headers && i < headers->count; i++) {
        struct parameter_header *header = &headers->headers[i];
        for (size_t step = 0; step < header->path_length; step++)
            free_span(header->path[step]);
        free((void *)(uintptr_t)header->path);
        free_span(header->field);
    }
    free(headers);
}

size_t parameter_headers_count(const struct parameter_headers *headers)
{
    return headers ? headers->count : 0;
}

struct parameter_header parameter_headers_at(const struct parameter_headers *headers, size_t index)
{
    return headers->headers[index];
}

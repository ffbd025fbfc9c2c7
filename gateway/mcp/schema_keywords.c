/* The keywords of JSON Schema: one table row each, with the dialects that know it, and the function that compiles its
   value into the node. Runs in the thread that compiles; what it makes belongs to the schema. */
#include <errno.h>

#include "gateway/mcp/schema_site_priv.h"

enum {
    FROM_06 = SCHEMA_DRAFT_06 | SCHEMA_DRAFT_07 | SCHEMA_2019_09 | SCHEMA_2020_12,
    FROM_07 = SCHEMA_DRAFT_07 | SCHEMA_2019_09 | SCHEMA_2020_12,
    FROM_2019 = SCHEMA_2019_09 | SCHEMA_2020_12,
    UNTIL_07 = SCHEMA_DRAFT_06 | SCHEMA_DRAFT_07,
    UNTIL_2019 = UNTIL_07 | SCHEMA_2019_09,
};

struct keyword {
    const char *name;
    unsigned dialects;
    enum schema_holds holds;
    int (*compile)(struct schema_site *site, const struct keyword *keyword);
    void *(*rules)(struct schema_site *site); /* NULL: the function knows itself where the result goes */
    size_t offset;                            /* in the rules */
};

/* ---- the rules of a node, made when the first keyword needs them ------------------------------------------ */

static void *number_rules(struct schema_site *site)
{
    if (!site->node->number)
        site->node->number = schema_site_allocate(site, sizeof(*site->node->number));
    return site->node->number;
}

static void *string_rules(struct schema_site *site)
{
    struct schema_string_rules *rules = site->node->string;
    if (!rules && (rules = site->node->string = schema_site_allocate(site, sizeof(*rules))))
        rules->max_length = SIZE_MAX;
    return rules;
}

static void *array_rules(struct schema_site *site)
{
    struct schema_array_rules *rules = site->node->array;
    if (rules || !(rules = site->node->array = schema_site_allocate(site, sizeof(*rules))))
        return rules;
    rules->max_items = rules->max_contains = SIZE_MAX;
    rules->min_contains = 1;
    rules->contains_evaluates = site->resource->dialect == SCHEMA_2020_12;
    return rules;
}

void *schema_site_object(struct schema_site *site)
{
    struct schema_object_rules *rules = site->node->object;
    if (!rules && (rules = site->node->object = schema_site_allocate(site, sizeof(*rules))))
        rules->max_properties = SIZE_MAX;
    return rules;
}

static void *logic_rules(struct schema_site *site)
{
    struct schema_logic *rules = site->node->logic;
    if (!rules && (rules = site->node->logic = schema_site_allocate(site, sizeof(*rules))))
        rules->dynamic_name = SCHEMA_NO_NAME;
    return rules;
}

static void *rest_rules(struct schema_site *site)
{
    if (!site->node->rest)
        site->node->rest = schema_site_allocate(site, sizeof(*site->node->rest));
    return site->node->rest;
}

static void *target_of(struct schema_site *site, const struct keyword *keyword)
{
    char *rules = keyword->rules(site);
    return rules ? rules + keyword->offset : NULL;
}

/* ---- values of plain kinds -------------------------------------------------------------------------------- */

int schema_site_must_be(struct schema_site *site, const char *what)
{
    return schema_refuse(site->compiler, site->place, "must be %s", what);
}

static int compile_count(struct schema_site *site, const struct keyword *keyword)
{
    struct schema_value value = schema_value_of(site->value);
    struct schema_number number = {0};
    if (value.kinds & SCHEMA_NUMBER)
        number = schema_value_number(site->value);
    if (!(value.kinds & SCHEMA_INTEGER) || (number.negative && (number.real || number.magnitude)))
        return schema_site_must_be(site, "an integer that is not negative");
    size_t *target = target_of(site, keyword);
    if (!target)
        return -ENOMEM;
    *target = number.real ? SIZE_MAX : (size_t)number.magnitude;
    return 0;
}

static int compile_number(struct schema_site *site, const struct keyword *keyword)
{
    if (!(schema_value_of(site->value).kinds & SCHEMA_NUMBER))
        return schema_site_must_be(site, "a number");
    const struct schema_number **target = target_of(site, keyword);
    struct schema_number *number = schema_site_allocate(site, sizeof(*number));
    if (!target || !number)
        return -ENOMEM;
    *number = schema_value_number(site->value);
    *target = number;
    return 0;
}

static int compile_multiple_of(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    struct schema_number number = {0};
    if (schema_value_of(site->value).kinds & SCHEMA_NUMBER)
        number = schema_value_number(site->value);
    struct schema_decimal decimal = schema_value_decimal(&number);
    if (number.negative || decimal.digits == 0)
        return schema_site_must_be(site, "a number above 0");
    struct schema_number_rules *rules = number_rules(site);
    struct schema_decimal *divisor = schema_site_allocate(site, sizeof(*divisor));
    CLEANUP(text_done) struct text shown = TEXT(SCHEMA_MAX_SHOWN_BYTES);
    schema_value_add_number(&shown, &number);
    struct span copy = schema_copy(site->compiler->schema, text_span(&shown));
    if (!rules || !divisor || shown.error == -ENOMEM || span_absent(copy))
        return -ENOMEM;
    *divisor = decimal;
    rules->multiple_of = divisor;
    rules->multiple_of_shown = copy.at;
    return 0;
}

static int compile_unique(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    if (!schema_site_is(site->value, json_type_boolean))
        return schema_site_must_be(site, "true or false");
    struct schema_array_rules *rules = array_rules(site);
    if (!rules)
        return -ENOMEM;
    rules->unique = json_object_get_boolean(site->value);
    return 0;
}

int schema_site_pattern(struct schema_site *site, struct span source, const struct schema_place *place,
                        struct schema_pattern **ret_pattern)
{
    struct schema *schema = site->compiler->schema;
    struct schema_owned_pattern *owned = schema_allocate(schema, sizeof(*owned));
    if (!owned)
        return -ENOMEM;
    CLEANUP(text_done) struct text reason = TEXT(SCHEMA_MAX_SHOWN_BYTES);
    int result = schema_pattern_compile(source, &schema->limits, &owned->pattern, &reason);
    if (result == SCHEMA_INVALID)
        return schema_refuse(site->compiler, place, "is not a regular expression that can be used: %.*s",
                             SPAN_PRINT(text_span(&reason)));
    if (result)
        return result;
    owned->next = schema->patterns;
    schema->patterns = owned;
    *ret_pattern = owned->pattern;
    return 0;
}

static int compile_pattern(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    if (!schema_site_is(site->value, json_type_string))
        return schema_site_must_be(site, "a string");
    struct schema_string_rules *rules = string_rules(site);
    if (!rules)
        return -ENOMEM;
    struct schema_pattern *pattern = NULL;
    int result = schema_site_pattern(site, schema_site_string(site->value), site->place, &pattern);
    rules->pattern = pattern;
    return result;
}

/* ---- type, enum, const ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    unsigned kind;
} TYPES[] = {
    {"null", SCHEMA_NULL},     {"boolean", SCHEMA_BOOLEAN}, {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER},
    {"string", SCHEMA_STRING}, {"array", SCHEMA_ARRAY},     {"object", SCHEMA_OBJECT},
};

static unsigned type_of_name(struct json_object *name)
{
    for (size_t i = 0; schema_site_is(name, json_type_string) && i < ARRAY_SIZE(TYPES); i++) {
        if (span_is(schema_site_string(name), TYPES[i].name))
            return TYPES[i].kind;
    }
    return 0;
}

static int compile_type(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    static const char *expected = "one of \"null\", \"boolean\", \"integer\", \"number\", \"string\", \"array\", "
                                  "\"object\", or an array of these";
    bool list = schema_site_is(site->value, json_type_array);
    size_t count = list ? json_object_array_length(site->value) : 1;
    unsigned types = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned type = type_of_name(list ? json_object_array_get_idx(site->value, i) : site->value);
        if (!type)
            return schema_site_must_be(site, expected);
        types |= type;
    }
    if (!types)
        return schema_site_must_be(site, expected);
    site->node->types = (uint8_t)types;
    return 0;
}

static int show_constant(struct text *shown, struct json_object *value)
{
    const char *json = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!json)
        return -ENOMEM;
    if (shown->size)
        schema_add_cut(shown, SPAN(", "));
    schema_add_cut(shown, span_of(json));
    return shown->error == -ENOMEM ? -ENOMEM : 0;
}

/* Keeps a copy of its own, so that the definition may go. */
static int add_constant(struct schema_site *site, struct schema_constants *constants, struct schema_value *values,
                        struct json_object *value, struct text *shown)
{
    struct json_object *copy = NULL;
    if (value && json_object_deep_copy(value, &copy, NULL) < 0)
        return -ENOMEM;
    if (json_object_array_add(site->compiler->schema->constants, copy) < 0) {
        json_object_put(copy);
        return -ENOMEM;
    }
    values[constants->count++] = schema_value_of(copy);
    return shown->size < shown->max_bytes ? show_constant(shown, copy) : 0;
}

static int compile_constants(struct schema_site *site, bool list, struct schema_constants **target)
{
    size_t count = list ? json_object_array_length(site->value) : 1;
    struct schema_constants *constants = schema_site_allocate(site, sizeof(*constants));
    struct schema_value *values = schema_site_allocate(site, count * sizeof(*values));
    if (!constants || !values)
        return -ENOMEM;
    CLEANUP(text_done) struct text shown = TEXT(SCHEMA_MAX_SHOWN_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct json_object *value = list ? json_object_array_get_idx(site->value, i) : site->value;
        int result = add_constant(site, constants, values, value, &shown);
        if (result)
            return result;
    }
    if (shown.size == shown.max_bytes)
        memcpy(shown.at + shown.size - 3, "...", 3);
    constants->values = values;
    constants->shown = schema_copy(site->compiler->schema, text_span(&shown)).at;
    *target = constants;
    return constants->shown ? 0 : -ENOMEM;
}

static int compile_enum(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    if (!schema_site_is(site->value, json_type_array))
        return schema_site_must_be(site, "an array");
    return compile_constants(site, true, &site->node->one_of_values);
}

static int compile_const(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    return compile_constants(site, false, &site->node->one_value);
}

/* ---- schemas in schemas ----------------------------------------------------------------------------------- */

int schema_site_child(struct schema_site *site, struct json_object *definition, const struct schema_place *place,
                      const struct schema_node **ret_node)
{
    return schema_keywords_compile(site->compiler, definition, site->resource, place, ret_node);
}

static int compile_schema(struct schema_site *site, const struct keyword *keyword)
{
    const struct schema_node **target = target_of(site, keyword);
    return target ? schema_site_child(site, site->value, site->place, target) : -ENOMEM;
}

static int compile_list_into(struct schema_site *site, struct schema_list *list)
{
    if (!schema_site_is(site->value, json_type_array))
        return schema_site_must_be(site, "an array of schemas");
    size_t count = json_object_array_length(site->value);
    list->nodes = schema_site_allocate(site, count * sizeof(*list->nodes));
    if (!list->nodes)
        return -ENOMEM;
    for (list->count = 0; list->count < count; list->count++) {
        struct schema_place place = {.parent = site->place, .index = list->count, .is_index = true};
        int result = schema_site_child(site, json_object_array_get_idx(site->value, list->count), &place,
                                       &list->nodes[list->count]);
        if (result)
            return result;
    }
    return 0;
}

static int compile_list(struct schema_site *site, const struct keyword *keyword)
{
    struct schema_list *list = target_of(site, keyword);
    return list ? compile_list_into(site, list) : -ENOMEM;
}

/* $defs: nothing to apply, but its schemas may have names, and must be good. */
static int compile_definitions(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    if (!schema_site_is(site->value, json_type_object))
        return schema_site_must_be(site, "an object");
    for (struct lh_entry *entry = json_object_get_object(site->value)->head; entry; entry = entry->next) {
        struct schema_place place = {.parent = site->place, .name = span_of(entry->k)};
        const struct schema_node *node;
        int result = schema_site_child(site, (struct json_object *)(uintptr_t)entry->v, &place, &node);
        if (result)
            return result;
    }
    return 0;
}

static int compile_items(struct schema_site *site, const struct keyword *keyword)
{
    bool list = schema_site_is(site->value, json_type_array);
    if (list && site->resource->dialect == SCHEMA_2020_12)
        return schema_site_must_be(site, "a schema (an array of schemas is prefixItems in 2020-12)");
    if (!list)
        return compile_schema(site, keyword);
    struct schema_array_rules *rules = array_rules(site);
    return rules ? compile_list_into(site, &rules->prefix) : -ENOMEM;
}

/* Only beside an array of items; alone it says nothing. */
static int compile_additional_items(struct schema_site *site, const struct keyword *keyword)
{
    struct json_object *items;
    if (json_object_object_get_ex(site->definition, "items", &items) && schema_site_is(items, json_type_array))
        return compile_schema(site, keyword);
    const struct schema_node *node;
    return schema_site_child(site, site->value, site->place, &node);
}

/* ---- members: schema_members.c ---------------------------------------------------------------------------- */

static int compile_properties(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    return schema_members_properties(site);
}

static int compile_pattern_properties(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    return schema_members_pattern_properties(site);
}

static int compile_dependent_required(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    return schema_members_dependent_required(site);
}

static int compile_dependent_schemas(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    return schema_members_dependent_schemas(site);
}

static int compile_dependencies(struct schema_site *site, const struct keyword *keyword UNUSED)
{
    return schema_members_dependencies(site);
}

/* ---- references ------------------------------------------------------------------------------------------- */

static int compile_reference(struct schema_site *site, const struct keyword *keyword)
{
    if (!schema_site_is(site->value, json_type_string))
        return schema_site_must_be(site, "a string");
    struct schema_logic *logic = logic_rules(site);
    if (!logic)
        return -ENOMEM;
    bool dynamic = keyword->offset == offsetof(struct schema_logic, dynamic_reference);
    return schema_reference_add(site->compiler, site->resource, schema_site_string(site->value), site->place,
                                target_of(site, keyword), dynamic ? &logic->dynamic_name : NULL);
}

/* ---- the table -------------------------------------------------------------------------------------------- */

#define IN_NUMBER(field) number_rules, offsetof(struct schema_number_rules, field)
#define IN_STRING(field) string_rules, offsetof(struct schema_string_rules, field)
#define IN_ARRAY(field)  array_rules, offsetof(struct schema_array_rules, field)
#define IN_OBJECT(field) schema_site_object, offsetof(struct schema_object_rules, field)
#define IN_LOGIC(field)  logic_rules, offsetof(struct schema_logic, field)
#define IN_REST(field)   rest_rules, offsetof(struct schema_rest, field)
#define SCHEMA_ROW       SCHEMA_HOLDS_SCHEMA, compile_schema
#define LIST_ROW         SCHEMA_HOLDS_LIST, compile_list
#define MAP_ROW          SCHEMA_HOLDS_MAP
#define PLAIN_ROW        SCHEMA_HOLDS_NONE

/* In the order of bytes. */
static const struct keyword KEYWORDS[] = {
    {"$defs", FROM_2019, MAP_ROW, compile_definitions},
    {"$dynamicRef", SCHEMA_2020_12, PLAIN_ROW, compile_reference, IN_LOGIC(dynamic_reference)},
    {"$recursiveRef", SCHEMA_2019_09, PLAIN_ROW, compile_reference, IN_LOGIC(dynamic_reference)},
    {"$ref", FROM_06, PLAIN_ROW, compile_reference, IN_LOGIC(reference)},
    {"additionalItems", UNTIL_2019, SCHEMA_HOLDS_SCHEMA, compile_additional_items, IN_ARRAY(items)},
    {"additionalProperties", FROM_06, SCHEMA_ROW, IN_OBJECT(additional)},
    {"allOf", FROM_06, LIST_ROW, IN_LOGIC(all_of)},
    {"anyOf", FROM_06, LIST_ROW, IN_LOGIC(any_of)},
    {"const", FROM_06, PLAIN_ROW, compile_const},
    {"contains", FROM_06, SCHEMA_ROW, IN_ARRAY(contains)},
    {"definitions", FROM_06, MAP_ROW, compile_definitions},
    {"dependencies", FROM_06, MAP_ROW, compile_dependencies},
    {"dependentRequired", FROM_2019, PLAIN_ROW, compile_dependent_required},
    {"dependentSchemas", FROM_2019, MAP_ROW, compile_dependent_schemas},
    {"else", FROM_07, SCHEMA_ROW, IN_LOGIC(else_schema)},
    {"enum", FROM_06, PLAIN_ROW, compile_enum},
    {"exclusiveMaximum", FROM_06, PLAIN_ROW, compile_number, IN_NUMBER(exclusive_maximum)},
    {"exclusiveMinimum", FROM_06, PLAIN_ROW, compile_number, IN_NUMBER(exclusive_minimum)},
    {"if", FROM_07, SCHEMA_ROW, IN_LOGIC(if_schema)},
    {"items", FROM_06, SCHEMA_HOLDS_SCHEMA, compile_items, IN_ARRAY(items)},
    {"maxContains", FROM_2019, PLAIN_ROW, compile_count, IN_ARRAY(max_contains)},
    {"maxItems", FROM_06, PLAIN_ROW, compile_count, IN_ARRAY(max_items)},
    {"maxLength", FROM_06, PLAIN_ROW, compile_count, IN_STRING(max_length)},
    {"maxProperties", FROM_06, PLAIN_ROW, compile_count, IN_OBJECT(max_properties)},
    {"maximum", FROM_06, PLAIN_ROW, compile_number, IN_NUMBER(maximum)},
    {"minContains", FROM_2019, PLAIN_ROW, compile_count, IN_ARRAY(min_contains)},
    {"minItems", FROM_06, PLAIN_ROW, compile_count, IN_ARRAY(min_items)},
    {"minLength", FROM_06, PLAIN_ROW, compile_count, IN_STRING(min_length)},
    {"minProperties", FROM_06, PLAIN_ROW, compile_count, IN_OBJECT(min_properties)},
    {"minimum", FROM_06, PLAIN_ROW, compile_number, IN_NUMBER(minimum)},
    {"multipleOf", FROM_06, PLAIN_ROW, compile_multiple_of},
    {"not", FROM_06, SCHEMA_ROW, IN_LOGIC(not_schema)},
    {"oneOf", FROM_06, LIST_ROW, IN_LOGIC(one_of)},
    {"pattern", FROM_06, PLAIN_ROW, compile_pattern},
    {"patternProperties", FROM_06, MAP_ROW, compile_pattern_properties},
    {"prefixItems", SCHEMA_2020_12, LIST_ROW, IN_ARRAY(prefix)},
    {"properties", FROM_06, MAP_ROW, compile_properties},
    {"propertyNames", FROM_06, SCHEMA_ROW, IN_OBJECT(names)},
    {"required", FROM_06, PLAIN_ROW, compile_properties},
    {"then", FROM_07, SCHEMA_ROW, IN_LOGIC(then_schema)},
    {"type", FROM_06, PLAIN_ROW, compile_type},
    {"unevaluatedItems", FROM_2019, SCHEMA_ROW, IN_REST(items)},
    {"unevaluatedProperties", FROM_2019, SCHEMA_ROW, IN_REST(properties)},
    {"uniqueItems", FROM_06, PLAIN_ROW, compile_unique},
};

static int compare_keyword(const void *name, const void *row)
{
    return strcmp(name, ((const struct keyword *)row)->name);
}

static const struct keyword *find_keyword(const char *name)
{
    return bsearch(name, KEYWORDS, ARRAY_SIZE(KEYWORDS), sizeof(KEYWORDS[0]), compare_keyword);
}

enum schema_holds schema_keywords_holds(const char *name)
{
    const struct keyword *keyword = find_keyword(name);
    return keyword ? keyword->holds : SCHEMA_HOLDS_NONE;
}

/* Until draft-07 nothing counts beside `$ref`. */
static bool is_masked(const struct schema_site *site, const char *name)
{
    return site->resource->dialect & UNTIL_07 && json_object_object_get_ex(site->definition, "$ref", NULL) &&
           strcmp(name, "$ref") != 0 && strcmp(name, "definitions") != 0;
}

static int compile_members(struct schema_site *site, const struct schema_place *place)
{
    for (struct lh_entry *entry = json_object_get_object(site->definition)->head; entry; entry = entry->next) {
        const struct keyword *keyword = find_keyword(entry->k);
        if (!keyword || !(keyword->dialects & site->resource->dialect) || is_masked(site, entry->k))
            continue;
        struct schema_place here = {.parent = place, .name = span_of(entry->k)};
        site->value = (struct json_object *)(uintptr_t)entry->v;
        site->place = &here;
        int result = keyword->compile(site, keyword);
        if (result)
            return result;
    }
    return 0;
}

int schema_keywords_compile(struct schema_compiler *compiler, struct json_object *definition,
                            struct schema_resource *resource, const struct schema_place *place,
                            const struct schema_node **ret_node)
{
    struct schema_node *node = schema_seen_find(compiler, definition);
    if (node) {
        *ret_node = node;
        return 0;
    }
    if (!schema_site_is(definition, json_type_object) && !schema_site_is(definition, json_type_boolean))
        return schema_refuse(compiler, place, "must be a schema: an object, true or false");
    node = schema_allocate(compiler->schema, sizeof(*node));
    if (!node)
        return -ENOMEM;
    node->next = compiler->schema->nodes;
    compiler->schema->nodes = node;
    int result = schema_seen_add(compiler, definition, node);
    if (result == 0 && schema_site_is(definition, json_type_boolean))
        node->never = !json_object_get_boolean(definition);
    else if (result == 0)
        result = schema_reference_identify(compiler, definition, node, &resource, place);
    node->resource = resource;
    struct schema_site site = {.compiler = compiler, .node = node, .resource = resource, .definition = definition};
    if (result == 0 && schema_site_is(definition, json_type_object))
        result = compile_members(&site, place);
    if (result == 0)
        *ret_node = node;
    return result;
}

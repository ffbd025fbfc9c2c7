/* The JSON Schema of the configuration file (2020-12), for editors, from the table alone. It describes what the file
   may look like; what entries say together, and what files they name hold, only `weir check` knows. Built as a json-c
   tree, because rows arrive flat ("limits.workers") and leave nested. Pure; owns the tree while it is made. */
#include <errno.h>
#include <json-c/json.h>

#include "gateway/config/types.h"

#define SCHEMA_DIALECT "https://json-schema.org/draft/2020-12/schema"

static void put_json(struct json_object **object)
{
    (void)json_object_put(*object);
}

/* ---- members of an object that may not exist; json-c takes the value in any case ---- */

static int set(struct json_object *object, const char *key, struct json_object *value)
{
    if (value && object && json_object_object_add(object, key, value) == 0)
        return 0;
    (void)json_object_put(value);
    return -ENOMEM;
}

static int set_text(struct json_object *object, const char *key, const char *text)
{
    return set(object, key, json_object_new_string(text));
}

static int set_number(struct json_object *object, const char *key, uint64_t number)
{
    return set(object, key, json_object_new_uint64(number));
}

static int set_bool(struct json_object *object, const char *key, bool value)
{
    return set(object, key, json_object_new_boolean(value));
}

/* The object or array under `key`, made if it is not there; NULL without memory. Borrowed. */
static struct json_object *child(struct json_object *object, const char *key, struct json_object *(*make)(void))
{
    struct json_object *found = NULL;
    if (!object || json_object_object_get_ex(object, key, &found))
        return found;
    found = make();
    return set(object, key, found) == 0 ? found : NULL;
}

static int append(struct json_object *array, struct json_object *value)
{
    if (value && array && json_object_array_add(array, value) == 0)
        return 0;
    (void)json_object_put(value);
    return -ENOMEM;
}

/* ---- types: how a value of one may be written ---- */

static int say_type(struct json_object *schema, const char *type)
{
    return set_text(schema, "type", type);
}

static int add_boolean(const struct option *option UNUSED, struct json_object *schema)
{
    return say_type(schema, "boolean");
}

static int add_count(const struct option *option, struct json_object *schema)
{
    int result = say_type(schema, "integer");
    if (result == 0)
        result = set_number(schema, "minimum", option->minimum);
    return result == 0 ? set_number(schema, "maximum", option->maximum) : result;
}

/* Two forms: `schema` becomes anyOf, the first is returned to be filled. */
static struct json_object *first_form(struct json_object *schema)
{
    struct json_object *forms = child(schema, "anyOf", json_object_new_array);
    struct json_object *form = json_object_new_object();
    return append(forms, form) == 0 ? form : NULL;
}

static struct json_object *next_form(struct json_object *schema)
{
    return first_form(schema);
}

static int add_count_or_auto(const struct option *option, struct json_object *schema)
{
    struct option counted = *option;
    counted.minimum = MAX(option->minimum, (uint64_t)1);
    int result = add_count(&counted, first_form(schema));
    return result == 0 ? set_text(next_form(schema), "const", "auto") : result;
}

static int add_pattern(struct json_object *schema, const char *pattern)
{
    int result = say_type(schema, "string");
    return result == 0 ? set_text(schema, "pattern", pattern) : result;
}

static int add_size(const struct option *option, struct json_object *schema)
{
    int result = add_count(option, first_form(schema));
    return result == 0 ? add_pattern(next_form(schema), "^[0-9]+(KiB|MiB|GiB)?$") : result;
}

static int add_duration(const struct option *option, struct json_object *schema)
{
    int result = add_pattern(first_form(schema), "^[0-9]+(ms|s|m|h)$");
    return result == 0 && option->minimum == 0 ? set_number(next_form(schema), "const", 0) : result;
}

static int add_fraction(const struct option *option UNUSED, struct json_object *schema)
{
    int result = say_type(schema, "number");
    if (result == 0)
        result = set_number(schema, "minimum", 0);
    return result == 0 ? set_number(schema, "maximum", 1) : result;
}

static int add_string(const struct option *option, struct json_object *schema)
{
    int result = say_type(schema, "string");
    return result == 0 && option->minimum > 0 ? set_number(schema, "minLength", 1) : result;
}

/* A choice that looks like a number ("1.2") is one in YAML, unless it is quoted: both are taken. */
static int add_choice_names(const struct option *option, struct json_object *names)
{
    int result = 0;
    for (const struct option_choice *choice = option->choices; choice->name && result == 0; choice++) {
        char *end = NULL;
        double number = strtod(choice->name, &end);
        result = append(names, json_object_new_string(choice->name));
        if (result == 0 && *end == '\0')
            result = append(names, json_object_new_double_s(number, choice->name));
    }
    return result;
}

static int add_choice(const struct option *option, struct json_object *schema)
{
    return add_choice_names(option, child(schema, "enum", json_object_new_array));
}

static int add_array(const struct option *option, struct json_object *schema)
{
    int result = say_type(schema, "array");
    if (result == 0 && option->minimum > 0)
        result = set_number(schema, "minItems", option->minimum);
    return result == 0 ? set_number(schema, "maxItems", option->maximum) : result;
}

static int add_names(const struct option *option, struct json_object *schema)
{
    int result = add_array(option, schema);
    return result == 0 ? say_type(child(schema, "items", json_object_new_object), "string") : result;
}

static int add_flags(const struct option *option, struct json_object *schema)
{
    int result = add_array(option, schema);
    if (result == 0)
        result = set_bool(schema, "uniqueItems", true);
    return result == 0 ? add_choice(option, child(schema, "items", json_object_new_object)) : result;
}

static int add_object(const struct option *option UNUSED, struct json_object *schema)
{
    return say_type(schema, "object");
}

static int add_anything(const struct option *option UNUSED, struct json_object *schema UNUSED)
{
    return 0;
}

static const struct type_schema {
    const struct option_type *type;
    int (*add)(const struct option *option, struct json_object *schema);
} types[] = {
    {&option_type_BOOL, add_boolean},    {&option_type_COUNT, add_count},
    {&option_type_SIZE, add_size},       {&option_type_COUNT_OR_AUTO, add_count_or_auto},
    {&option_type_TEXT, add_string},     {&option_type_DURATION, add_duration},
    {&option_type_SECRET, add_string},   {&option_type_PATH, add_string},
    {&option_type_LOCATION, add_string}, {&option_type_ADDRESS, add_string},
    {&option_type_CHOICE, add_choice},   {&option_type_FLAGS, add_flags},
    {&option_type_NAMES, add_names},     {&option_type_JSON, add_anything},
    {&option_type_PREFIXES, add_names},  {&option_type_FRACTION, add_fraction},
    {&option_type_SCHEMA, add_object},   {&option_type_JSON_OBJECT, add_object},
};

static int add_type(const struct option *option, struct json_object *schema)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].type == option->type)
            return types[i].add(option, schema);
    return -ENOTSUP; /* a type without a row here: the unit test finds it */
}

/* ---- rows ---- */

/* The whole text as one JSON value: true, 100, {"a":1}. NULL: it is none ("16MiB", "[http, sse]"). */
static struct json_object *read_whole(const char *text)
{
    CLEANUP(put_json) struct json_object *value = NULL;
    json_tokener *tokener = json_tokener_new();
    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    value = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
    bool whole = json_tokener_get_error(tokener) == json_tokener_success;
    json_tokener_free(tokener);
    return whole ? TAKE(value) : NULL;
}

/* A default that is YAML and no JSON stands in the help of the list that has it. */
static int add_default(const struct option *option, struct json_object *schema)
{
    struct json_object *value = option->fallback ? read_whole(option->fallback) : NULL;
    if (value)
        return set(schema, "default", value);
    return option->fallback && option->type->read ? set_text(schema, "default", option->fallback) : 0;
}

static int describe(const struct option *option, struct json_object *schema)
{
    int result = set_text(schema, "description", option->help);
    if (result == 0)
        result = add_type(option, schema);
    return result == 0 ? add_default(option, schema) : result;
}

static struct json_object *make_section(void)
{
    CLEANUP(put_json) struct json_object *section = json_object_new_object();
    if (say_type(section, "object") != 0 || set_bool(section, "additionalProperties", false) != 0 ||
        !child(section, "properties", json_object_new_object))
        return NULL;
    return TAKE(section);
}

/* Where the last name of a path belongs: "tls.sni" in the section tls of `table`, made if need be. Borrowed. */
static struct json_object *find_section(struct json_object *table, struct span *path)
{
    while (table && path->size > 0 && memchr(path->at, '.', path->size)) {
        CLEANUP_FREE char *name = span_copy(span_cut(path, '.'));
        table = name ? child(child(table, "properties", json_object_new_object), name, make_section) : NULL;
    }
    return table;
}

static int place(struct json_object *table, const char *path, struct json_object *schema, bool required)
{
    struct span name = span_of(path);
    struct json_object *section = find_section(table, &name);
    int result = set(child(section, "properties", json_object_new_object), name.at, schema);
    if (result == 0 && required)
        result = append(child(section, "required", json_object_new_array), json_object_new_string(name.at));
    return result;
}

static int add_rows(const struct option_table *rows, struct json_object *table)
{
    int result = 0;
    for (size_t i = 0; i < rows->rows && result == 0; i++) {
        CLEANUP(put_json) struct json_object *schema = json_object_new_object();
        result = describe(&rows->row[i], schema);
        if (result == 0)
            result = place(table, rows->row[i].path, TAKE(schema), rows->row[i].flags & OPTION_REQUIRED);
    }
    return result;
}

static int add_table(const struct option_table *rows, struct json_object *table);

static int add_list(const struct option_list *list, struct json_object *owner)
{
    CLEANUP(put_json) struct json_object *schema = json_object_new_object();
    struct json_object *entry = child(schema, "items", make_section);
    int result = set_text(schema, "description", list->help);
    if (result == 0)
        result = say_type(schema, "array");
    if (result == 0)
        result = set_number(schema, "maxItems", list->maximum);
    if (result == 0)
        result = add_table(&list->table, entry);
    return result == 0 ? place(owner, list->path, TAKE(schema), false) : result;
}

/* As deep as lists are in lists: two levels. */
static int add_table(const struct option_table *rows, struct json_object *table)
{
    size_t count;
    const struct option_list *lists = options_lists(&count);
    int result = table ? add_rows(rows, table) : -ENOMEM;
    for (size_t i = 0; i < count && result == 0; i++)
        if (strcmp(lists[i].owner, rows->name) == 0)
            result = add_list(&lists[i], table);
    return result;
}

int options_schema(struct text *out)
{
    CLEANUP(put_json) struct json_object *schema = make_section();
    int result = set_text(schema, "$schema", SCHEMA_DIALECT);
    if (result == 0)
        result = set_text(schema, "title", "The configuration of weir " WEIR_VERSION);
    if (result == 0)
        result = add_table(options_top(), schema);
    if (result != 0)
        return result;
    text_add(out, span_of(json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)));
    text_add_char(out, '\n');
    return out->error;
}

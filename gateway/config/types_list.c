/* Options that take lists or whole trees: names, flags, JSON and schemas. The fields own what they hold. */
#include <errno.h>
#include <json-c/json.h>

#include "gateway/config/node_json.h"
#include "gateway/config/types.h"
#include "gateway/mcp/schema.h"

/* "listen[0].path: " */
static struct text *begin(struct mistakes *mistakes, struct position at, const char *label)
{
    struct text *sentence = mistake(mistakes, at);
    text_addf(sentence, "%s: ", label);
    return sentence;
}

/* The items of a list, which must be so many scalars; a null is an empty list. */
static int check_items(const struct option *option, const struct node *node, const char *label,
                       struct mistakes *mistakes)
{
    bool absent = node_is_null(node);
    if (node->kind != NODE_SEQUENCE && !absent) {
        text_add_literal(begin(mistakes, node->at, label), "must be a list: [one, two]");
        return OPTION_WRONG;
    }
    if (node->children < option->minimum || node->children > option->maximum) {
        bool few = node->children < option->minimum;
        text_addf(begin(mistakes, node->at, label), "has %zu entries: %llu at %s", node->children,
                  (unsigned long long)(few ? option->minimum : option->maximum), few ? "least" : "most");
        return OPTION_WRONG;
    }
    int result = 0;
    for (const struct node *item = node->first; item; item = item->next)
        if (item->kind != NODE_SCALAR || node_is_null(item)) {
            text_add_literal(begin(mistakes, item->at, label), "an entry must be a text (an empty one: \"\")");
            result = OPTION_WRONG;
        }
    return result;
}

/* ---- names ---- */

static void release_names(const struct option *option, void *record)
{
    struct name_list *list = option_field(option, record);
    for (size_t i = 0; i < list->count; i++)
        free(list->name[i]);
    free(list->name);
    *list = (struct name_list){0};
}

static int check_name(const struct option *option, const struct node *item, const char *label,
                      struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    if (item->text.size > 0 && memchr(item->text.at, '\0', item->text.size))
        text_add_literal(&problem, "must not hold a NUL character");
    else if (!option->check || option->check(item->text, &problem))
        return 0;
    text_add(begin(mistakes, item->at, label), text_span(&problem));
    return OPTION_WRONG;
}

static int read_names(const struct option *option, void *record, const struct node *node, const char *label,
                      struct mistakes *mistakes)
{
    struct name_list *list = option_field(option, record);
    int result = check_items(option, node, label, mistakes);
    if (result != 0)
        return result;
    release_names(option, record);
    list->name = calloc(node->children + 1, sizeof(char *));
    if (!list->name)
        return -ENOMEM;
    for (const struct node *item = node->first; item; item = item->next) {
        result |= check_name(option, item, label, mistakes);
        list->name[list->count] = span_copy(item->text);
        if (!list->name[list->count++])
            return -ENOMEM;
    }
    return result;
}

static void show_names(const struct option *option, const void *record, struct text *out)
{
    const struct name_list *list = option_field_const(option, record);
    text_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        text_add(out, i > 0 ? SPAN(", ") : SPAN(""));
        text_add_json_string(out, span_of(list->name[i]));
    }
    text_add_char(out, ']');
}

const struct option_type option_type_NAMES = {
    .name = "list", .read_node = read_names, .show = show_names, .release = release_names};

/* ---- prefixes ---- */

static void release_prefixes(const struct option *option, void *record)
{
    struct prefix_list *list = option_field(option, record);
    free(list->prefix);
    *list = (struct prefix_list){.count = 0};
}

static int read_prefix(const struct node *item, const char *label, struct mistakes *mistakes, struct prefix_list *list)
{
    if (span_is(item->text, "unix")) {
        list->local = true;
        return 0;
    }
    if (prefix_parse(item->text, &list->prefix[list->count]) == 0) {
        list->count++;
        return 0;
    }
    struct text *sentence = begin(mistakes, item->at, label);
    mistake_add_value(sentence, item->text);
    text_add_literal(sentence,
                     " is no address or prefix: write 192.0.2.1, 10.0.0.0/8 (the bits behind the prefix are 0), "
                     "2001:db8::/32 or unix");
    return OPTION_WRONG;
}

static int read_prefixes(const struct option *option, void *record, const struct node *node, const char *label,
                         struct mistakes *mistakes)
{
    struct prefix_list *list = option_field(option, record);
    int result = check_items(option, node, label, mistakes);
    if (result != 0)
        return result;
    release_prefixes(option, record);
    list->prefix = calloc(node->children + 1, sizeof(*list->prefix));
    if (!list->prefix)
        return -ENOMEM;
    for (const struct node *item = node->first; item; item = item->next)
        result |= read_prefix(item, label, mistakes, list);
    return result;
}

static void show_prefixes(const struct option *option, const void *record, struct text *out)
{
    const struct prefix_list *list = option_field_const(option, record);
    char text[ADDRESS_BYTES];
    text_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        prefix_format(&list->prefix[i], text);
        text_addf(out, "%s%s", i > 0 ? ", " : "", text);
    }
    text_addf(out, "%s]", !list->local ? "" : list->count > 0 ? ", unix" : "unix");
}

const struct option_type option_type_PREFIXES = {
    .name = "list", .read_node = read_prefixes, .show = show_prefixes, .release = release_prefixes};

/* ---- flags ---- */

static int read_flag(const struct option *option, const struct node *item, const char *label, struct mistakes *mistakes,
                     unsigned *flags)
{
    for (const struct option_choice *choice = option->choices; choice->name; choice++)
        if (span_is(item->text, choice->name)) {
            *flags |= choice->value;
            return 0;
        }
    struct text *sentence = begin(mistakes, item->at, label);
    mistake_add_value(sentence, item->text);
    text_add_literal(sentence, " is none of ");
    for (const struct option_choice *choice = option->choices; choice->name; choice++)
        text_addf(sentence, "%s%s", choice == option->choices ? "" : ", ", choice->name);
    return OPTION_WRONG;
}

static int read_flags(const struct option *option, void *record, const struct node *node, const char *label,
                      struct mistakes *mistakes)
{
    unsigned flags = 0;
    int result = check_items(option, node, label, mistakes);
    if (result != 0)
        return result;
    for (const struct node *item = node->first; item; item = item->next)
        result |= read_flag(option, item, label, mistakes, &flags);
    if (result == 0)
        option_set_number(option, record, flags);
    return result;
}

static void show_flags(const struct option *option, const void *record, struct text *out)
{
    uint64_t flags = option_number(option, record);
    const char *separator = "";
    text_add_char(out, '[');
    for (const struct option_choice *choice = option->choices; choice->name; choice++)
        if (flags & choice->value) {
            text_addf(out, "%s%s", separator, choice->name);
            separator = ", ";
        }
    text_add_char(out, ']');
}

const struct option_type option_type_FLAGS = {.name = "list", .read_node = read_flags, .show = show_flags};

/* ---- JSON ---- */

static int read_json(const struct option *option, void *record, const struct node *node, const char *label,
                     struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text json = TEXT(option->maximum);
    char *value;
    size_t size;
    int result = node_json(node, mistakes, &json);
    if (result != 0)
        return OPTION_WRONG;
    text_terminate(&json);
    result = text_take(&json, &value, &size);
    if (result == -EMSGSIZE) {
        text_addf(begin(mistakes, node->at, label), "is too long: %llu bytes of JSON at most",
                  (unsigned long long)option->maximum);
        return OPTION_WRONG;
    }
    if (result < 0)
        return result;
    option_release_text(option, record);
    *(char **)option_field(option, record) = value;
    return 0;
}

static void show_json(const struct option *option, const void *record, struct text *out)
{
    text_add(out, span_of(*(char *const *)option_field_const(option, record)));
}

const struct option_type option_type_JSON = {
    .name = "any value", .read_node = read_json, .show = show_json, .release = option_release_text};

static int read_json_object(const struct option *option, void *record, const struct node *node, const char *label,
                            struct mistakes *mistakes)
{
    if (node->kind == NODE_MAPPING)
        return read_json(option, record, node, label, mistakes);
    text_add_literal(begin(mistakes, node->at, label), "must be a mapping: {name: value}");
    return OPTION_WRONG;
}

const struct option_type option_type_JSON_OBJECT = {
    .name = "mapping", .read_node = read_json_object, .show = show_json, .release = option_release_text};

/* ---- schemas ---- */

static void put_json(struct json_object **object)
{
    (void)json_object_put(*object);
}

/* "#/properties/age: ...": the mistake stands where the pointer leads. */
static void report_schema(const struct node *node, struct span problem, const char *label, struct mistakes *mistakes)
{
    const char *colon = problem.size > 0 ? memmem(problem.at, problem.size, ": ", 2) : NULL;
    struct span pointer = {problem.at, colon ? (size_t)(colon - problem.at) : 0};
    const struct node *place = pointer.size > 0 && pointer.at[0] == '#' ? node_at_pointer(node, pointer) : node;
    text_add(begin(mistakes, place->at, label), problem);
}

/* json_tokener_parse() stops at 32 levels, a document may have more. */
static struct json_object *parse_json(const char *json)
{
    json_tokener *tokener = json_tokener_new_ex(DOCUMENT_MAX_DEPTH + 1);
    if (!tokener)
        return NULL;
    struct json_object *object = json_tokener_parse_ex(tokener, json, -1);
    json_tokener_free(tokener);
    return object;
}

static int compile(const struct node *node, const char *json, const char *label, struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(put_json) struct json_object *definition = parse_json(json);
    if (!definition)
        return -ENOMEM;
    int result = schema_compile(definition, NULL, &schema, &problem);
    if (result != SCHEMA_INVALID)
        return result;
    report_schema(node, text_span(&problem), label, mistakes);
    return OPTION_WRONG;
}

/* MCP, server/tools: inputSchema is an object schema whose root has type "object". */
static int check_root(const struct node *node, const char *label, struct mistakes *mistakes)
{
    const struct node *type = node_find(node, SPAN("type"));
    if (type && type->kind == NODE_SCALAR && span_is(type->text, "object"))
        return 0;
    text_add_literal(begin(mistakes, type ? type->at : node->at, label),
                     "the type of the whole must be object: arguments have names");
    return OPTION_WRONG;
}

static int read_schema(const struct option *option, void *record, const struct node *node, const char *label,
                       struct mistakes *mistakes)
{
    int result = read_json_object(option, record, node, label, mistakes);
    if (result != 0)
        return result;
    result = compile(node, *(char **)option_field(option, record), label, mistakes);
    return result != 0 ? result : check_root(node, label, mistakes);
}

const struct option_type option_type_SCHEMA = {
    .name = "JSON Schema", .read_node = read_schema, .show = show_json, .release = option_release_text};

/* Items of the catalogue: what a provider offers is checked once, here, so that what runs later need not ask again.
   Items are immutable after item_new(); any thread; the last reference frees. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "gateway/core/catalogue.h"
#include "gateway/core/provider.h"

struct counted_item {
    struct item seen; /* first */
    _Atomic unsigned references;
    struct item_use use;
    char *json_bytes;
};

static struct counted_item *counted(struct item *item)
{
    return CONTAINER_OF(item, struct counted_item, seen);
}

static PRINTF(2, 3) int refuse(struct text *problem, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    text_add(problem, span_of(sentence));
    return -EINVAL;
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

/* server/tools, "Tool Names". */
static int check_name(const char *name, struct text *problem)
{
    size_t size = strlen(name);
    if (size == 0 || size > CATALOGUE_MAX_NAME_BYTES)
        return refuse(problem, "the name \"%.140s\" must have 1 to 128 characters", name);
    for (size_t i = 0; i < size; i++)
        if (!name_byte(name[i]))
            return refuse(problem, "the name \"%s\" may hold only letters, digits, '_', '-' and '.'", name);
    return 0;
}

/* RFC 3986, 3: a scheme, then anything; deeper checks are the provider's. */
static int check_uri(const char *uri, struct text *problem)
{
    size_t size = strlen(uri);
    const char *colon = strchr(uri, ':');
    if (size == 0 || size > CATALOGUE_MAX_URI_BYTES)
        return refuse(problem, "the URI \"%.60s\" must have 1 to 4096 bytes", uri);
    if (!colon || colon == uri)
        return refuse(problem, "\"%s\" is no URI: it needs a scheme, as in note://today", uri);
    return 0;
}

static struct json_object *member(struct json_object *definition, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(definition, key, &value) ? value : NULL;
}

static int need_string(struct json_object *definition, const char *key, struct text *problem)
{
    struct json_object *value = member(definition, key);
    if (value && json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0)
        return 0;
    return refuse(problem, "the definition needs a \"%s\"", key);
}

static int compile_schema(struct json_object *definition, const char *key, struct schema **ret_schema,
                          struct text *problem)
{
    CLEANUP(text_done) struct text reason = TEXT(1024);
    int r = schema_compile(definition, NULL, ret_schema, &reason);
    if (r == SCHEMA_INVALID) {
        text_addf(problem, "its %s is no good: %.*s", key, SPAN_PRINT(text_span(&reason)));
        return -EINVAL;
    }
    return r;
}

static int check_tool(struct item *item, struct json_object *definition, struct text *problem)
{
    struct json_object *input = member(definition, "inputSchema");
    struct json_object *output = member(definition, "outputSchema");
    struct json_object *type = input ? member(input, "type") : NULL;
    int r = check_name(item->key, problem);
    if (r < 0)
        return r;
    if (!type || strcmp(json_object_get_string(type), "object") != 0)
        return refuse(problem, "its inputSchema must say \"type\": \"%s\"", "object");
    r = compile_schema(input, "inputSchema", &item->schema, problem);
    if (r < 0)
        return r;
    if (output) {
        CLEANUP(schema_freep) struct schema *checked = NULL;
        r = compile_schema(output, "outputSchema", &checked, problem);
        if (r < 0)
            return r;
    }
    r = parameter_headers_compile(input, &item->headers, problem);
    return r == PARAMETER_HEADERS_INVALID ? -EINVAL : r;
}

static int check_prompt_argument(struct item *item, struct json_object *argument, struct text *problem)
{
    if (!json_object_is_type(argument, json_type_object))
        return refuse(problem, "each of its arguments must be an object with a \"%s\"", "name");
    int r = need_string(argument, "name", problem);
    if (r < 0)
        return r;
    char *name = strdup(json_object_get_string(member(argument, "name")));
    if (!name)
        return -ENOMEM;
    item->argument[item->arguments++] = (struct name_flags){
        .name = name,
        .required = json_object_get_boolean(member(argument, "required")),
    };
    return 0;
}

static int check_prompt(struct item *item, struct json_object *definition, struct text *problem)
{
    struct json_object *arguments = member(definition, "arguments");
    int r = check_name(item->key, problem);
    if (r < 0 || !arguments)
        return r;
    if (!json_object_is_type(arguments, json_type_array))
        return refuse(problem, "its \"%s\" must be an array", "arguments");
    size_t count = json_object_array_length(arguments);
    item->argument = calloc(count ? count : 1, sizeof(*item->argument));
    if (!item->argument)
        return -ENOMEM;
    for (size_t i = 0; i < count && r == 0; i++)
        r = check_prompt_argument(item, json_object_array_get_idx(arguments, i), problem);
    return r;
}

static int check_resource(struct item *item, struct json_object *definition, struct text *problem)
{
    int r = need_string(definition, "name", problem);
    return r < 0 ? r : check_uri(item->key, problem);
}

static int check_template(struct item *item, struct json_object *definition, struct text *problem)
{
    int r = check_resource(item, definition, problem);
    if (r < 0)
        return r;
    r = uri_template_compile(span_of(item->key), &item->uri_template, problem);
    return r == URI_TEMPLATE_INVALID ? -EINVAL : r;
}

static int check_definition(struct item *item, struct json_object *definition, struct text *problem)
{
    static int (*const checks[ITEM_KINDS])(struct item *, struct json_object *, struct text *) = {
        [ITEM_TOOL] = check_tool,
        [ITEM_RESOURCE] = check_resource,
        [ITEM_TEMPLATE] = check_template,
        [ITEM_PROMPT] = check_prompt,
    };
    if (!json_object_is_type(definition, json_type_object))
        return refuse(problem, "its definition must be a JSON %s", "object");
    return checks[item->kind](item, definition, problem);
}

static int copy_definition(struct counted_item *item, struct json_object *definition, struct text *problem)
{
    size_t size = 0;
    const char *json =
        json_object_to_json_string_length(definition, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
    if (!json)
        return -ENOMEM;
    if (size > CATALOGUE_MAX_DEFINITION_BYTES)
        return refuse(problem, "its definition is longer than %s", "1 MiB");
    item->json_bytes = span_copy((struct span){json, size});
    item->seen.json = (struct span){item->json_bytes, size};
    return item->json_bytes ? 0 : -ENOMEM;
}

int item_new(const struct item_definition *definition, struct item **ret_item, struct text *problem)
{
    struct counted_item *item = calloc(1, sizeof(*item));
    if (!item)
        return -ENOMEM;
    item->references = 1;
    item->seen.kind = definition->kind;
    item->seen.flags = definition->flags;
    item->seen.key = strdup(definition->key ? definition->key : "");
    int r = item->seen.key ? check_definition(&item->seen, definition->definition, problem) : -ENOMEM;
    if (r == 0)
        r = copy_definition(item, definition->definition, problem);
    if (r < 0) {
        item_unref(&item->seen);
        return r;
    }
    item->seen.provider = provider_ref(definition->provider);
    item->seen.handler = definition->handler;
    item->seen.handler_free = definition->handler_free;
    *ret_item = &item->seen;
    return 0;
}

void item_count(struct item *item, enum outcome outcome, uint64_t duration_ns)
{
    struct item_use *use = &counted(item)->use;
    atomic_fetch_add_explicit(&use->requests[outcome], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&use->duration_ns, duration_ns, memory_order_relaxed);
}

const struct item_use *item_use(const struct item *item)
{
    return &((const struct counted_item *)(const void *)item)->use; /* `seen` is its first member */
}

const char *item_kind_name(enum item_kind kind)
{
    static const char *const names[ITEM_KINDS] = {
        [ITEM_TOOL] = "tool",
        [ITEM_RESOURCE] = "resource",
        [ITEM_TEMPLATE] = "template",
        [ITEM_PROMPT] = "prompt",
    };
    return names[kind];
}

struct item *item_ref(struct item *item)
{
    atomic_fetch_add_explicit(&counted(item)->references, 1, memory_order_relaxed);
    return item;
}

void item_unref(struct item *item)
{
    if (!item || atomic_fetch_sub_explicit(&counted(item)->references, 1, memory_order_acq_rel) != 1)
        return;
    if (item->handler_free)
        item->handler_free(item->handler);
    if (item->provider)
        provider_unref(item->provider);
    for (size_t i = 0; i < item->arguments; i++)
        free(item->argument[i].name);
    free(item->argument);
    uri_template_free(item->uri_template);
    parameter_headers_free(item->headers);
    schema_free(item->schema);
    free(item->key);
    free(counted(item)->json_bytes);
    free(counted(item));
}

/* Names and references: which schema has which URI and anchor, and what `$ref` and `$dynamicRef` lead to. Runs while
   compiling; afterwards a reference is a pointer to a node. */
#include <errno.h>

#include "gateway/base/encoding.h"
#include "gateway/mcp/schema_priv.h"

struct schema_anchor {
    struct span name;
    const struct schema_node *node;
    struct schema_anchor *next;
};

struct schema_pending {
    struct schema_resource *resource;
    struct span reference, place;
    const struct schema_node **target;
    unsigned *dynamic;
    struct schema_pending *next;
};

/* `$recursiveAnchor` of 2019-09 is a dynamic anchor with a name that `$dynamicAnchor` cannot have. */
#define RECURSIVE "#"

static bool is_string(struct json_object *value)
{
    return json_object_get_type(value) == json_type_string;
}

static struct span string_span(struct json_object *value)
{
    return (struct span){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *uri;
    enum schema_dialect dialect;
} DIALECTS[] = {
    {"https://json-schema.org/draft/2020-12/schema", SCHEMA_2020_12},
    {"https://json-schema.org/draft/2019-09/schema", SCHEMA_2019_09},
    {"http://json-schema.org/draft-07/schema", SCHEMA_DRAFT_07},
    {"https://json-schema.org/draft-07/schema", SCHEMA_DRAFT_07},
    {"http://json-schema.org/draft-06/schema", SCHEMA_DRAFT_06},
    {"https://json-schema.org/draft-06/schema", SCHEMA_DRAFT_06},
};

static int find_dialect(struct schema_compiler *compiler, struct json_object *name, const struct schema_place *place,
                        enum schema_dialect *ret_dialect)
{
    struct span fragment, uri = {NULL, 0};
    if (is_string(name))
        uri = schema_uri_split(string_span(name), &fragment);
    for (size_t i = 0; !span_absent(uri) && fragment.size == 0 && i < ARRAY_SIZE(DIALECTS); i++) {
        if (span_is(uri, DIALECTS[i].uri)) {
            *ret_dialect = DIALECTS[i].dialect;
            return 0;
        }
    }
    struct schema_place here = {.parent = place, .name = SPAN("$schema")};
    return schema_refuse(
        compiler, &here,
        "names a dialect that is not supported: %.*s (supported: 2020-12, 2019-09, draft-07, draft-06)",
        (int)MIN(uri.size, (size_t)SCHEMA_MAX_SHOWN_BYTES), uri.at ? uri.at : "");
}

static struct schema_resource *find_resource(const struct schema_compiler *compiler, struct span uri)
{
    struct schema_resource *resource = compiler->schema->resources;
    while (resource && !span_equal(resource->uri, uri))
        resource = resource->next;
    return resource;
}

static int add_anchor(struct schema_compiler *compiler, struct schema_resource *resource, struct span name,
                      const struct schema_node *node)
{
    struct schema_anchor *anchor = schema_allocate(compiler->schema, sizeof(*anchor));
    if (!anchor)
        return -ENOMEM;
    *anchor = (struct schema_anchor){name, node, resource->anchors};
    resource->anchors = anchor;
    return 0;
}

/* The number of a dynamic anchor's name: where it stands in compiler->names, each with a NUL behind it. */
static int number_of_name(struct schema_compiler *compiler, struct span name, unsigned *ret_number)
{
    struct span rest = text_span(&compiler->names);
    while (rest.size > 0) {
        struct span known = span_of(rest.at);
        if (span_equal(known, name)) {
            *ret_number = (unsigned)(rest.at - compiler->names.at);
            return 0;
        }
        rest = (struct span){rest.at + known.size + 1, rest.size - known.size - 1};
    }
    size_t number = compiler->names.size;
    text_add(&compiler->names, name);
    text_add_char(&compiler->names, '\0');
    *ret_number = (unsigned)number;
    return compiler->names.error == -EMSGSIZE ? SCHEMA_INVALID : compiler->names.error;
}

static int add_dynamic_anchor(struct schema_compiler *compiler, struct schema_resource *resource, struct span name,
                              const struct schema_node *node, const struct schema_place *place)
{
    struct schema_dynamic_anchor *anchor = schema_allocate(compiler->schema, sizeof(*anchor));
    if (!anchor)
        return -ENOMEM;
    int result = number_of_name(compiler, name, &anchor->name);
    if (result == SCHEMA_INVALID)
        return schema_refuse(compiler, place, "has one dynamic anchor too many");
    anchor->node = node;
    anchor->next = resource->dynamic_anchors;
    resource->dynamic_anchors = anchor;
    return result;
}

static int add_resource(struct schema_compiler *compiler, struct span uri, struct json_object *definition,
                        struct schema_resource **resource)
{
    struct schema_resource *added = schema_allocate(compiler->schema, sizeof(*added));
    if (!added)
        return -ENOMEM;
    added->uri = schema_copy(compiler->schema, uri);
    added->dialect = (*resource)->dialect;
    added->root = definition;
    added->next = compiler->schema->resources;
    compiler->schema->resources = added;
    *resource = added;
    return span_absent(added->uri) ? -ENOMEM : 0;
}

static int identify_id(struct schema_compiler *compiler, struct json_object *definition, struct schema_node *node,
                       struct schema_resource **resource, const struct schema_place *place)
{
    struct schema_place here = {.parent = place, .name = SPAN("$id")};
    struct json_object *id;
    bool until_07 = (*resource)->dialect <= SCHEMA_DRAFT_07;
    if (!json_object_object_get_ex(definition, "$id", &id) ||
        (until_07 && json_object_object_get_ex(definition, "$ref", NULL)))
        return 0;
    struct span fragment = {NULL, 0};
    struct span uri = is_string(id) ? schema_uri_split(string_span(id), &fragment) : (struct span){NULL, 0};
    bool anchor = until_07 && uri.size == 0 && fragment.size > 0;
    if (span_absent(uri) || (fragment.size > 0 && !anchor))
        return schema_refuse(compiler, &here, "must be a URI reference without fragment");
    if (anchor)
        return add_anchor(compiler, *resource, fragment, node);
    CLEANUP(text_done) struct text full = TEXT(SCHEMA_MAX_URI_BYTES);
    int result = schema_uri_resolve((*resource)->uri, uri, &full);
    if (result == -EMSGSIZE)
        return schema_refuse(compiler, &here, "is longer than %d bytes", SCHEMA_MAX_URI_BYTES);
    if (result == 0)
        result = add_resource(compiler, text_span(&full), definition, resource);
    if (result == 0)
        (*resource)->node = node;
    return result;
}

static bool is_plain_name(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i], letter = (char)(c | 0x20);
        bool first = (letter >= 'a' && letter <= 'z') || c == '_';
        bool later = (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!first && (i == 0 || !later))
            return false;
    }
    return name.size > 0;
}

static int identify_anchor(struct schema_compiler *compiler, struct json_object *definition, const char *keyword,
                           struct schema_node *node, struct schema_resource *resource, const struct schema_place *place)
{
    struct json_object *name;
    if (!json_object_object_get_ex(definition, keyword, &name))
        return 0;
    struct schema_place here = {.parent = place, .name = span_of(keyword)};
    if (!is_string(name) || !is_plain_name(string_span(name)))
        return schema_refuse(compiler, &here, "must be a name: a letter or '_', then letters, digits, '-', '_' or '.'");
    int result = add_anchor(compiler, resource, string_span(name), node);
    if (result || strcmp(keyword, "$anchor") == 0)
        return result;
    return add_dynamic_anchor(compiler, resource, string_span(name), node, &here);
}

static int identify_recursive(struct schema_compiler *compiler, struct json_object *definition,
                              struct schema_node *node, struct schema_resource *resource,
                              const struct schema_place *place)
{
    struct json_object *anchor;
    if (!json_object_object_get_ex(definition, "$recursiveAnchor", &anchor) || !json_object_get_boolean(anchor))
        return 0;
    return add_dynamic_anchor(compiler, resource, SPAN(RECURSIVE), node, place);
}

int schema_reference_identify(struct schema_compiler *compiler, struct json_object *definition,
                              struct schema_node *node, struct schema_resource **resource,
                              const struct schema_place *place)
{
    struct json_object *dialect;
    enum schema_dialect named = (*resource)->dialect;
    bool names_dialect = json_object_object_get_ex(definition, "$schema", &dialect);
    int result = names_dialect ? find_dialect(compiler, dialect, place, &named) : 0;
    if (result)
        return result;
    if (definition == (*resource)->root) {
        (*resource)->node = node;
        (*resource)->dialect = named;
    }
    struct schema_resource *around = *resource;
    result = identify_id(compiler, definition, node, resource, place);
    if (*resource != around)
        (*resource)->dialect = named;
    if (result == 0 && (*resource)->dialect >= SCHEMA_2019_09)
        result = identify_anchor(compiler, definition, "$anchor", node, *resource, place);
    if (result == 0 && (*resource)->dialect == SCHEMA_2020_12)
        result = identify_anchor(compiler, definition, "$dynamicAnchor", node, *resource, place);
    if (result == 0 && (*resource)->dialect == SCHEMA_2019_09)
        result = identify_recursive(compiler, definition, node, *resource, place);
    return result;
}

/* ---- references ------------------------------------------------------------------------------------------- */

int schema_reference_add(struct schema_compiler *compiler, struct schema_resource *resource, struct span reference,
                         const struct schema_place *place, const struct schema_node **target, unsigned *dynamic)
{
    struct schema_pending *pending = schema_allocate(compiler->schema, sizeof(*pending));
    CLEANUP(text_done) struct text shown = TEXT(SCHEMA_MAX_SENTENCE_BYTES);
    schema_place_add(&shown, place);
    struct span copy = schema_copy(compiler->schema, text_span(&shown));
    if (!pending || shown.error == -ENOMEM || span_absent(copy))
        return -ENOMEM;
    *pending = (struct schema_pending){resource, reference, copy, target, NULL, compiler->pending};
    pending->dynamic = dynamic;
    compiler->pending = pending;
    return 0;
}

static int refuse_reference(struct schema_compiler *compiler, const struct schema_pending *pending, const char *why)
{
    if (!compiler->problem)
        return SCHEMA_INVALID;
    schema_addf(compiler->problem, "#%.*s: refers to \"%.*s\", ", SPAN_PRINT(pending->place),
                (int)MIN(pending->reference.size, (size_t)SCHEMA_MAX_SHOWN_BYTES), pending->reference.at);
    schema_add_cut(compiler->problem, span_of(why));
    return SCHEMA_INVALID;
}

/* One step of a JSON pointer. */
static bool step_into(struct json_object **value, const char *token)
{
    enum json_type type = json_object_get_type(*value);
    if (type == json_type_object)
        return json_object_object_get_ex(*value, token, value);
    uint64_t index;
    if (type != json_type_array || span_to_uint64(span_of(token), &index) < 0 ||
        index >= json_object_array_length(*value))
        return false;
    *value = json_object_array_get_idx(*value, (size_t)index);
    return true;
}

/* RFC 6901, section 4: "~1" and "~0". In place. */
static void unescape_token(char *token)
{
    char *out = token;
    for (const char *at = token; *at; at++, out++) {
        *out = *at;
        if (at[0] == '~' && (at[1] == '0' || at[1] == '1'))
            *out = *++at == '0' ? '~' : '/';
    }
    *out = '\0';
}

/* Follows the pointer; *resource becomes the one that the place belongs to. */
static int follow_pointer(struct schema_compiler *compiler, struct span pointer, struct schema_resource **resource,
                          struct json_object **ret_value, struct schema_place *place)
{
    struct json_object *value = (*resource)->root;
    struct span rest = pointer;
    span_cut(&rest, '/');
    while (!span_absent(rest)) {
        CLEANUP_FREE char *token = span_copy(span_cut(&rest, '/'));
        if (!token)
            return -ENOMEM;
        unescape_token(token);
        if (!step_into(&value, token))
            return SCHEMA_INVALID;
        const struct schema_node *node = schema_seen_find(compiler, value);
        struct schema_resource *known = compiler->schema->resources;
        while (known && (!node || known != node->resource))
            known = known->next;
        if (known)
            *resource = known;
    }
    *place = (struct schema_place){.name = pointer, .is_pointer = true};
    *ret_value = value;
    return 0;
}

static int resolve_pointer(struct schema_compiler *compiler, const struct schema_pending *pending,
                           struct schema_resource *resource, struct span pointer, const struct schema_node **ret_node)
{
    struct json_object *value;
    struct schema_place place = {0};
    int result = follow_pointer(compiler, pointer, &resource, &value, &place);
    if (result == SCHEMA_INVALID)
        return refuse_reference(compiler, pending, "where there is nothing");
    return result ? result : schema_keywords_compile(compiler, value, resource, &place, ret_node);
}

static const struct schema_node *find_anchor(const struct schema_resource *resource, struct span name)
{
    const struct schema_anchor *found = NULL;
    for (const struct schema_anchor *anchor = resource->anchors; anchor; anchor = anchor->next) {
        if (span_equal(anchor->name, name))
            found = anchor; /* the first that was added */
    }
    return found ? found->node : NULL;
}

/* `$dynamicRef` is dynamic only where it first finds a `$dynamicAnchor` (2020-12 core, 8.2.3.2). */
static int resolve_dynamic(struct schema_compiler *compiler, const struct schema_pending *pending,
                           const struct schema_resource *resource, struct span name)
{
    if (!pending->dynamic)
        return 0;
    unsigned number;
    if (resource->dialect == SCHEMA_2019_09)
        name = SPAN(RECURSIVE); /* whatever the fragment: only "#" is allowed */
    int result = number_of_name(compiler, name, &number);
    if (result)
        return result;
    const struct schema_dynamic_anchor *anchor = resource->dynamic_anchors;
    while (anchor && (anchor->name != number || anchor->node != *pending->target))
        anchor = anchor->next;
    if (anchor) {
        *pending->dynamic = number;
        compiler->schema->dynamic = true;
    }
    return 0;
}

static int resolve_in(struct schema_compiler *compiler, const struct schema_pending *pending,
                      struct schema_resource *resource, struct span encoded)
{
    CLEANUP(text_done) struct text fragment = TEXT(SCHEMA_MAX_URI_BYTES);
    int result = percent_decode(encoded, &fragment);
    struct span name = text_span(&fragment);
    if (result == -ENOMEM)
        return result;
    if (result || (name.size && memchr(name.at, '\0', name.size)))
        return refuse_reference(compiler, pending, "which is not a URI reference");
    if (name.size && name.at[0] == '/') {
        result = resolve_pointer(compiler, pending, resource, name, pending->target);
    } else {
        *pending->target = name.size ? find_anchor(resource, name) : resource->node;
        if (!*pending->target)
            return refuse_reference(compiler, pending, "an anchor that the document does not have");
    }
    return result ? result : resolve_dynamic(compiler, pending, resource, name);
}

static int resolve(struct schema_compiler *compiler, const struct schema_pending *pending)
{
    CLEANUP(text_done) struct text full = TEXT(SCHEMA_MAX_URI_BYTES);
    int result = schema_uri_resolve(pending->resource->uri, pending->reference, &full);
    if (result == -EMSGSIZE)
        return refuse_reference(compiler, pending, "which is too long");
    if (result)
        return result;
    struct span fragment;
    struct span uri = full.size ? schema_uri_split(text_span(&full), &fragment) : (fragment = SPAN(""));
    struct schema_resource *resource = find_resource(compiler, uri);
    if (!resource)
        return refuse_reference(compiler, pending, "which is outside of the document; nothing is fetched");
    return resolve_in(compiler, pending, resource, fragment);
}

/* A pointer may lead to a place that was not known as a schema; compiling that may add references. */
int schema_reference_resolve(struct schema_compiler *compiler)
{
    while (compiler->pending) {
        const struct schema_pending *pending = compiler->pending;
        compiler->pending = pending->next;
        int result = resolve(compiler, pending);
        if (result)
            return result;
    }
    return 0;
}

/* ---- endless references ----------------------------------------------------------------------------------- */

enum { CHAIN_OPEN = UINT16_MAX, CHAIN_ENDLESS = -1 };

static int chain_of(const struct schema_node *constant, int most);

static int longer(int length, const struct schema_node *next, int most)
{
    if (!next || length == CHAIN_ENDLESS)
        return length;
    int chain = chain_of(next, most);
    return chain == CHAIN_ENDLESS ? chain : MAX(length, chain);
}

static int longest_of(int length, const struct schema_list *list, int most)
{
    for (size_t i = 0; i < list->count; i++)
        length = longer(length, list->nodes[i], most);
    return length;
}

/* The most schemas that apply to one instance, one inside the other, from here on. */
static int chain_of(const struct schema_node *constant, int most)
{
    struct schema_node *node = (struct schema_node *)(uintptr_t)constant;
    if (most == 0 || node->chain == CHAIN_OPEN)
        return CHAIN_ENDLESS;
    if (node->chain)
        return node->chain > most ? CHAIN_ENDLESS : node->chain;
    node->chain = CHAIN_OPEN;
    int length = 0;
    const struct schema_logic *logic = node->logic;
    for (size_t i = 0; node->object && i < node->object->dependency_count; i++)
        length = longer(length, node->object->dependencies[i].node, most - 1);
    const struct schema_node *single[] = {
        logic ? logic->reference : NULL, logic ? logic->dynamic_reference : NULL, logic ? logic->not_schema : NULL,
        logic ? logic->if_schema : NULL, logic ? logic->then_schema : NULL,       logic ? logic->else_schema : NULL,
    };
    for (size_t i = 0; i < ARRAY_SIZE(single); i++)
        length = longer(length, single[i], most - 1);
    if (logic) {
        length = longest_of(length, &logic->all_of, most - 1);
        length = longest_of(length, &logic->any_of, most - 1);
        length = longest_of(length, &logic->one_of, most - 1);
    }
    node->chain = length == CHAIN_ENDLESS ? 0 : (uint16_t)(length + 1);
    return length == CHAIN_ENDLESS ? CHAIN_ENDLESS : length + 1;
}

int schema_reference_check_chains(struct schema_compiler *compiler)
{
    int most = (int)MIN(compiler->schema->limits.max_evaluation_depth, (size_t)1000);
    for (const struct schema_node *node = compiler->schema->nodes; node; node = node->next) {
        if (chain_of(node, most) == CHAIN_ENDLESS)
            return schema_refuse(compiler, NULL,
                                 "has references that lead back to where they started without looking into the value, "
                                 "or a chain of more than %d of them",
                                 most);
    }
    return 0;
}

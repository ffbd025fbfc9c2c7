/* Compiles a definition into the tree that schema_check() walks: bounds first, then keywords, then references. Runs in
   the caller's thread; the schema owns all of its memory (chunks, patterns, constants) and does not keep the
   definition. */
#include "gateway/mcp/schema_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { SCHEMA_CHUNK_BYTES = 4000, SCHEMA_ALIGNMENT = 16 };

/* ---- memory ----------------------------------------------------------------------------------------------- */

struct schema_chunk {
    struct schema_chunk *next;
    size_t used, room;
    _Alignas(SCHEMA_ALIGNMENT) char bytes[];
};

static struct schema_chunk *add_chunk(struct schema *schema, size_t room)
{
    struct schema_chunk *chunk = calloc(1, sizeof(*chunk) + room);
    if (!chunk)
        return NULL;
    chunk->room = room;
    chunk->next = schema->chunks;
    schema->chunks = chunk;
    return chunk;
}

void *schema_allocate(struct schema *schema, size_t size)
{
    size = (size + SCHEMA_ALIGNMENT - 1) / SCHEMA_ALIGNMENT * SCHEMA_ALIGNMENT;
    size = MAX(size, (size_t)SCHEMA_ALIGNMENT);
    struct schema_chunk *chunk = schema->chunks;
    if (!chunk || chunk->room - chunk->used < size)
        chunk = add_chunk(schema, MAX(size, (size_t)(chunk ? SCHEMA_CHUNK_BYTES : SCHEMA_CHUNK_BYTES / 4)));
    if (!chunk)
        return NULL;
    chunk->used += size;
    return chunk->bytes + chunk->used - size;
}

struct span schema_copy(struct schema *schema, struct span span)
{
    char *copy = schema_allocate(schema, span.size + 1);
    if (!copy)
        return (struct span){NULL, 0};
    if (span.size)
        memcpy(copy, span.at, span.size);
    return (struct span){copy, span.size};
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (struct schema_owned_pattern *owned = schema->patterns; owned; owned = owned->next)
        schema_pattern_free(owned->pattern);
    json_object_put(schema->constants);
    for (struct schema_chunk *chunk = schema->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(schema);
}

/* ---- refusals --------------------------------------------------------------------------------------------- */

int schema_refuse(struct schema_compiler *compiler, const struct schema_place *place, const char *format, ...)
{
    if (!compiler->problem)
        return SCHEMA_INVALID;
    char sentence[SCHEMA_MAX_SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    schema_add_cut(compiler->problem, SPAN("#"));
    schema_place_add(compiler->problem, place);
    schema_add_cut(compiler->problem, SPAN(": "));
    schema_add_cut(compiler->problem, span_of(sentence));
    return SCHEMA_INVALID;
}

/* ---- which definition became which node ------------------------------------------------------------------- */

struct schema_seen {
    struct json_object *definition;
    struct schema_node *node;
};

static size_t seen_slot(const struct schema_compiler *compiler, const struct json_object *definition)
{
    return (size_t)(((uintptr_t)definition >> 4) * 0x9e3779b97f4a7c15 >> 16) & (compiler->seen_room - 1);
}

struct schema_node *schema_seen_find(const struct schema_compiler *compiler, struct json_object *definition)
{
    if (!definition || !compiler->seen_room)
        return NULL;
    size_t slot = seen_slot(compiler, definition);
    for (; compiler->seen[slot].definition; slot = (slot + 1) & (compiler->seen_room - 1)) {
        if (compiler->seen[slot].definition == definition)
            return compiler->seen[slot].node;
    }
    return NULL;
}

static void seen_put(struct schema_compiler *compiler, struct schema_seen seen)
{
    size_t slot = seen_slot(compiler, seen.definition);
    while (compiler->seen[slot].definition)
        slot = (slot + 1) & (compiler->seen_room - 1);
    compiler->seen[slot] = seen;
}

static int seen_grow(struct schema_compiler *compiler)
{
    struct schema_seen *old = compiler->seen;
    size_t old_room = compiler->seen_room, room = old_room ? 2 * old_room : 64;
    struct schema_seen *seen = calloc(room, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    compiler->seen = seen;
    compiler->seen_room = room;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].definition)
            seen_put(compiler, old[i]);
    }
    free(old);
    return 0;
}

int schema_seen_add(struct schema_compiler *compiler, struct json_object *definition, struct schema_node *node)
{
    if (2 * compiler->seen_count >= compiler->seen_room && seen_grow(compiler) < 0)
        return -ENOMEM;
    seen_put(compiler, (struct schema_seen){definition, node});
    compiler->seen_count++;
    return 0;
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

#define LIMIT(field, fallback) .field = limits->field ? limits->field : (fallback)

static struct schema_limits with_defaults(const struct schema_limits *limits)
{
    static const struct schema_limits none;
    limits = limits ? limits : &none;
    return (struct schema_limits){
        LIMIT(max_values, SCHEMA_MAX_VALUES),
        LIMIT(max_depth, SCHEMA_MAX_DEPTH),
        LIMIT(max_evaluation_depth, SCHEMA_MAX_EVALUATION_DEPTH),
        LIMIT(max_steps, SCHEMA_MAX_STEPS),
        LIMIT(max_pattern_bytes, SCHEMA_MAX_PATTERN_BYTES),
        LIMIT(max_pattern_steps, SCHEMA_MAX_PATTERN_STEPS),
        LIMIT(max_pattern_memory, SCHEMA_MAX_PATTERN_MEMORY),
    };
}

/* Counts all values and looks how deep they go, before anything else walks over them. */
static int measure(struct schema_compiler *compiler, struct json_object *value, size_t depth, size_t *count)
{
    const struct schema_limits *limits = &compiler->schema->limits;
    if (++*count > limits->max_values)
        return schema_refuse(compiler, NULL, "has more than %zu values", limits->max_values);
    if (depth > limits->max_depth)
        return schema_refuse(compiler, NULL, "is nested deeper than %zu", limits->max_depth);
    enum json_type type = json_object_get_type(value);
    int result = 0;
    for (size_t i = 0; result == 0 && type == json_type_array && i < json_object_array_length(value); i++)
        result = measure(compiler, json_object_array_get_idx(value, i), depth + 1, count);
    struct lh_entry *entry = type == json_type_object ? json_object_get_object(value)->head : NULL;
    for (; result == 0 && entry; entry = entry->next)
        result = measure(compiler, (struct json_object *)(uintptr_t)entry->v, depth + 1, count);
    return result;
}

/* The document itself is a resource, whatever its `$id`. */
static int compile_root(struct schema_compiler *compiler, struct json_object *definition)
{
    struct schema_resource *document = schema_allocate(compiler->schema, sizeof(*document));
    if (!document)
        return -ENOMEM;
    *document = (struct schema_resource){.uri = SPAN(""), .dialect = SCHEMA_2020_12, .root = definition};
    compiler->schema->resources = document;
    int result = schema_keywords_compile(compiler, definition, document, NULL, &compiler->schema->root);
    if (result == 0)
        result = schema_reference_resolve(compiler);
    return result ? result : schema_reference_check_chains(compiler);
}

static void forget_definition(struct schema *schema)
{
    for (struct schema_resource *resource = schema->resources; resource; resource = resource->next) {
        resource->root = NULL;
        resource->anchors = NULL;
    }
}

int schema_compile(struct json_object *definition, const struct schema_limits *limits, struct schema **ret_schema,
                   struct text *problem)
{
    CLEANUP(schema_freep) struct schema *schema = calloc(1, sizeof(*schema));
    if (!schema)
        return -ENOMEM;
    schema->limits = with_defaults(limits);
    schema->constants = json_object_new_array();
    if (!schema->constants)
        return -ENOMEM;
    struct schema_compiler compiler = {.schema = schema, .problem = problem};
    compiler.names = TEXT(SCHEMA_MAX_NAMES_BYTES);
    size_t count = 0;
    int result = measure(&compiler, definition, 0, &count);
    if (result == 0)
        result = compile_root(&compiler, definition);
    free(compiler.seen);
    text_done(&compiler.names);
    if (result)
        return result;
    forget_definition(schema);
    *ret_schema = TAKE(schema);
    return 0;
}

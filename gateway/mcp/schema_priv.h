/* What the files of the schema module share: the compiled tree, the compiler's state, and the pieces that both the
   compiler (schema.c, schema_keywords.c, schema_reference.c) and the check (schema_check*.c) stand on. */
#pragma once
#include <json-c/json.h>

#include "gateway/mcp/schema.h"

enum {
    SCHEMA_MAX_URI_BYTES = 4096,      /* `$id` and `$ref`, resolved */
    SCHEMA_MAX_SENTENCE_BYTES = 1024, /* one problem */
    SCHEMA_MAX_SHOWN_BYTES = 160,     /* of one value or name in a problem */
    SCHEMA_MAX_NAMES_BYTES = 65536,   /* of all dynamic anchors */
    SCHEMA_SMALL_ARRAY = 32,          /* uniqueItems compares each with each up to here */
    SCHEMA_SMALL_OBJECT = 8,          /* properties are searched one by one up to here */
};

/* ---- values: schema_value.c ------------------------------------------------------------------------------- */

/* The JSON types as bits. A value has one, an integer has two. */
enum schema_kind {
    SCHEMA_NULL = 1,
    SCHEMA_BOOLEAN = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_STRING = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_OBJECT = 64,
};

/* A value under check. The name of a member is a string without an object of its own. */
struct schema_value {
    unsigned kinds;
    struct json_object *object;
    struct span string; /* kinds & SCHEMA_STRING */
};
struct schema_value schema_value_of(struct json_object *object);
struct schema_value schema_value_of_name(struct span name);

/* Every number json-c holds, exactly: an integer below 2^64 by sign and magnitude, however it was written; all others
   (fractions and what is larger) as the double they are. */
struct schema_number {
    bool negative;
    bool real;
    uint64_t magnitude;
    double value; /* real */
};
struct schema_number schema_value_number(struct json_object *object);
int schema_value_compare(const struct schema_number *a, const struct schema_number *b);
/* In decimal: the shortest digits that give the same double, so that 0.0075 is a multiple of 0.0001. */
struct schema_decimal {
    uint64_t digits;
    int exponent;
};
struct schema_decimal schema_value_decimal(const struct schema_number *number);
bool schema_value_is_multiple(const struct schema_decimal *value, const struct schema_decimal *divisor);
void schema_value_add_number(struct text *out, const struct schema_number *number);

/* Deep equality as JSON Schema has it (1 equals 1.0). Takes its work from *steps; 0 with the verdict, or
   SCHEMA_TOO_COMPLEX. */
MUST_USE int schema_value_equal(const struct schema_value *a, const struct schema_value *b, size_t *steps,
                                bool *ret_equal);
/* Whether no two items are equal; else which two. 0, SCHEMA_TOO_COMPLEX or -ENOMEM. */
MUST_USE int schema_value_unique(struct json_object *array, size_t *steps, bool *ret_unique, size_t ret_pair[2]);
size_t schema_value_code_points(struct span string);

/* ---- regular expressions: schema_pattern.c ---------------------------------------------------------------- */

struct schema_pattern;
/* 0; SCHEMA_INVALID with the reason appended to `reason`; -ENOMEM. */
MUST_USE int schema_pattern_compile(struct span source, const struct schema_limits *limits,
                                    struct schema_pattern **ret_pattern, struct text *reason);
void schema_pattern_free(struct schema_pattern *pattern);
struct span schema_pattern_source(const struct schema_pattern *pattern);

/* What one check needs to match; made when the first pattern is met. Zero-initialised; one thread. */
struct schema_matcher {
    void *data;
    void *context;
};
void schema_matcher_done(struct schema_matcher *matcher);
enum { SCHEMA_PATTERN_LIMIT = 3, SCHEMA_PATTERN_NOT_UTF8 = 4 };
/* 0 with the verdict; SCHEMA_TOO_COMPLEX when *steps does not last; SCHEMA_PATTERN_LIMIT; SCHEMA_PATTERN_NOT_UTF8;
   -ENOMEM. */
MUST_USE int schema_pattern_match(const struct schema_pattern *pattern, const struct schema_limits *limits,
                                  struct schema_matcher *matcher, struct span subject, size_t *steps,
                                  bool *ret_matches);

/* ---- the compiled tree ------------------------------------------------------------------------------------ */

struct schema_node;
struct schema_list {
    size_t count;
    const struct schema_node **nodes;
};
struct schema_property {
    struct span name;
    bool required;
    const struct schema_node *node; /* NULL: only required */
};
struct schema_pattern_property {
    struct schema_pattern *pattern;
    const struct schema_node *node;
};
/* dependentRequired and dependentSchemas: when `name` is there, so must be `names`, and `node` must hold. */
struct schema_dependency {
    struct span name; /* NUL-terminated, as are `names` */
    size_t name_count;
    const struct span *names;
    const struct schema_node *node;
};

struct schema_number_rules {
    const struct schema_number *minimum, *maximum, *exclusive_minimum, *exclusive_maximum;
    const struct schema_decimal *multiple_of;
    const char *multiple_of_shown;
};
struct schema_string_rules {
    size_t min_length, max_length;
    const struct schema_pattern *pattern;
};
struct schema_array_rules {
    size_t min_items, max_items, min_contains, max_contains;
    bool unique;
    bool contains_evaluates; /* not before 2020-12 */
    struct schema_list prefix;
    const struct schema_node *items, *contains;
};
struct schema_object_rules {
    size_t min_properties, max_properties;
    size_t property_count, required_count;
    const struct schema_property *properties;
    uint32_t *slots; /* above SCHEMA_SMALL_OBJECT: index + 1 by hash; a power of two, at least twice the count */
    size_t slot_mask;
    size_t pattern_count;
    const struct schema_pattern_property *patterns;
    const struct schema_node *additional, *names;
    size_t dependency_count;
    const struct schema_dependency *dependencies;
};
struct schema_constants {
    size_t count;
    const struct schema_value *values;
    const char *shown; /* as JSON, cut */
};
/* Applied to the same instance, and therefore evaluating it. */
struct schema_logic {
    const struct schema_node *reference, *dynamic_reference;
    unsigned dynamic_name; /* of dynamic_reference; SCHEMA_NO_NAME: it behaves like `$ref` */
    struct schema_list all_of, any_of, one_of;
    const struct schema_node *not_schema, *if_schema, *then_schema, *else_schema;
};
struct schema_rest { /* unevaluated* */
    const struct schema_node *properties, *items;
};

struct schema_dynamic_anchor {
    unsigned name;
    const struct schema_node *node;
    struct schema_dynamic_anchor *next;
};
enum schema_dialect {
    SCHEMA_DRAFT_06 = 1,
    SCHEMA_DRAFT_07 = 2,
    SCHEMA_2019_09 = 4,
    SCHEMA_2020_12 = 8,
};
/* A schema with a base URI of its own. */
struct schema_resource {
    struct span uri; /* without fragment */
    enum schema_dialect dialect;
    struct json_object *root; /* only while compiling */
    struct schema_node *node;
    struct schema_anchor *anchors; /* only while compiling */
    struct schema_dynamic_anchor *dynamic_anchors;
    struct schema_resource *next;
};

struct schema_node {
    uint8_t types;  /* schema_kind bits; 0: any */
    bool never;     /* the schema `false` */
    uint16_t chain; /* only while compiling: longest way from here that does not consume input, + 1 */
    const struct schema_resource *resource;
    struct schema_number_rules *number;
    struct schema_string_rules *string;
    struct schema_array_rules *array;
    struct schema_object_rules *object;
    struct schema_constants *one_of_values; /* enum */
    struct schema_constants *one_value;     /* const */
    struct schema_logic *logic;
    struct schema_rest *rest;
    struct schema_node *next; /* all nodes of the schema */
};

/* Patterns live outside of the schema's memory. */
struct schema_owned_pattern {
    struct schema_pattern *pattern;
    struct schema_owned_pattern *next;
};

#define SCHEMA_NO_NAME UINT32_MAX
struct schema {
    struct schema_limits limits;
    const struct schema_node *root;
    struct schema_node *nodes;
    struct schema_resource *resources;
    bool dynamic;                  /* has a `$dynamicRef` that looks at the dynamic scope */
    struct json_object *constants; /* an array: own copies of what enum and const hold */
    struct schema_chunk *chunks;
    struct schema_owned_pattern *patterns;
};
/* Zeroed memory that lives as long as the schema. NULL without memory. */
void *schema_allocate(struct schema *schema, size_t size);
/* A NUL-terminated copy that lives as long as the schema; absent without memory. */
struct span schema_copy(struct schema *schema, struct span span);
const struct schema_property *schema_property_find(const struct schema_object_rules *rules, struct span name);
uint64_t schema_value_hash_bytes(uint64_t hash, struct span bytes);

/* ---- places and sentences: schema_place.c ----------------------------------------------------------------- */

/* A step of a JSON pointer; the chain lives on the stack. NULL is the root. */
struct schema_place {
    const struct schema_place *parent;
    struct span name;
    size_t index;
    bool is_index;
    bool is_pointer; /* the name is a whole pointer, written out */
};
size_t schema_place_depth(const struct schema_place *place);
/* RFC 6901, cut at about SCHEMA_MAX_SHOWN_BYTES a step. */
void schema_place_add(struct text *out, const struct schema_place *place);
/* As much of it as fits, on a character's border; never an error for want of room. */
void schema_add_cut(struct text *out, struct span span);
void schema_addf(struct text *out, const char *format, ...) PRINTF(2, 3);

/* ---- the compiler ----------------------------------------------------------------------------------------- */

struct schema_compiler {
    struct schema *schema;
    struct text *problem;
    struct schema_seen *seen; /* hash table: definition object → node */
    size_t seen_room, seen_count;
    struct schema_pending *pending; /* references to resolve */
    struct text names;              /* dynamic anchor names; a name's number is its offset */
    size_t depth;
};

/* schema.c: says where and why, and returns SCHEMA_INVALID. */
MUST_USE int schema_refuse(struct schema_compiler *compiler, const struct schema_place *place, const char *format, ...)
    PRINTF(3, 4);
struct schema_node *schema_seen_find(const struct schema_compiler *compiler, struct json_object *definition);
MUST_USE int schema_seen_add(struct schema_compiler *compiler, struct json_object *definition,
                             struct schema_node *node);

/* schema_keywords.c: compiles one schema and all that it holds. `resource` is NULL for the root. */
MUST_USE int schema_keywords_compile(struct schema_compiler *compiler, struct json_object *definition,
                                     struct schema_resource *resource, const struct schema_place *place,
                                     const struct schema_node **ret_node);
/* How a keyword holds schemas, in any dialect: for walks over definitions. */
enum schema_holds { SCHEMA_HOLDS_NONE, SCHEMA_HOLDS_SCHEMA, SCHEMA_HOLDS_LIST, SCHEMA_HOLDS_MAP };
enum schema_holds schema_keywords_holds(const char *name);

/* schema_reference.c. */
MUST_USE int schema_reference_identify(struct schema_compiler *compiler, struct json_object *definition,
                                       struct schema_node *node, struct schema_resource **resource,
                                       const struct schema_place *place);
/* Remembers a reference; *target is set when all are resolved. `dynamic` may be NULL. */
MUST_USE int schema_reference_add(struct schema_compiler *compiler, struct schema_resource *resource,
                                  struct span reference, const struct schema_place *place,
                                  const struct schema_node **target, unsigned *dynamic);
MUST_USE int schema_reference_resolve(struct schema_compiler *compiler);
/* Refuses schemas that lead back to themselves on the same instance. */
MUST_USE int schema_reference_check_chains(struct schema_compiler *compiler);
/* schema_uri.c: RFC 3986, 5.2. 0 or out's error. */
MUST_USE int schema_uri_resolve(struct span base, struct span reference, struct text *out);
/* The part before '#', and what follows it (absent without one). */
struct span schema_uri_split(struct span uri, struct span *ret_fragment);

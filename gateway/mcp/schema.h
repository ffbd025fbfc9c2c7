/* JSON Schema over json-c: compiled once, when a tool is registered, into an immutable tree that any number of threads
   check instances against at the same time. The default dialect is 2020-12 (MCP, basic/index, "JSON Schema Usage");
   `$schema` may also name 2019-09, draft-07 or draft-06. Known: the core, applicator, unevaluated and validation
   vocabularies; `format`, the content vocabulary and unknown keywords are annotations and never fail. References stay
   inside the document; nothing is ever fetched. Patterns are ECMA-262 as far as PCRE2 can express it. */
#pragma once
#include "gateway/base/text.h"

struct json_object;
struct schema;

/* All bounds; a zero member means its default. */
struct schema_limits {
    size_t max_values;           /* JSON values in the definition, of any kind */
    size_t max_depth;            /* nesting of the definition */
    size_t max_evaluation_depth; /* schemas inside schemas while checking: instance nesting and `$ref` together */
    size_t max_steps;            /* work of one check: schemas entered, members and items visited, values compared */
    size_t max_pattern_bytes;    /* one regular expression */
    size_t max_pattern_steps;    /* PCRE2 match limit of one pattern on one string */
    size_t max_pattern_memory;   /* bytes PCRE2 may use to backtrack in one match */
};
enum {
    SCHEMA_MAX_VALUES = 50000,
    SCHEMA_MAX_DEPTH = 128,
    SCHEMA_MAX_EVALUATION_DEPTH = 256,
    SCHEMA_MAX_STEPS = 2000000,
    SCHEMA_MAX_PATTERN_BYTES = 4096,
    SCHEMA_MAX_PATTERN_STEPS = 200000,
    SCHEMA_MAX_PATTERN_MEMORY = 1024 * 1024,
};

/* Outcome of schema_compile(). */
enum { SCHEMA_INVALID = 1 };
/* Outcomes of schema_check(). */
enum {
    SCHEMA_VIOLATION = 1,   /* the instance breaks a rule */
    SCHEMA_TOO_COMPLEX = 2, /* a bound of the limits was reached before there was a verdict */
};

/* Compiles `definition` (an object or a boolean; borrowed, not kept). `limits` may be NULL: the defaults. 0;
   SCHEMA_INVALID and one sentence in `problem` that begins with the JSON pointer of the place in the definition
   ("#/properties/age: ...": a malformed keyword, an unsupported dialect, a reference that leads out of the document or
   nowhere, a pattern that is no regular expression, a bound, a schema that refers to itself without end); or -ENOMEM.
 */
MUST_USE int schema_compile(struct json_object *definition, const struct schema_limits *limits,
                            struct schema **ret_schema, struct text *problem);

/* Checks `instance` (borrowed; NULL is JSON null, as in json-c). 0, SCHEMA_VIOLATION, SCHEMA_TOO_COMPLEX or -ENOMEM.
   With an outcome, `problem` gets one sentence: the JSON pointer of the place in the instance, then the rule with its
   keyword: "/message: is required", "/age: must be >= 0 (minimum)"; of the alternatives of anyOf and oneOf the one that
   came nearest. It is cut, never failed, at problem's maximum. `problem` may be NULL. Any thread; does not allocate
   when the instance is good, save for patterns, for uniqueItems on more than 32 items, and for unevaluated* on objects
   and arrays of more than some hundred members. The instance must not be changed by another thread meanwhile. */
MUST_USE int schema_check(const struct schema *schema, struct json_object *instance, struct text *problem);

void schema_free(struct schema *schema);
static inline void schema_freep(struct schema **schema)
{
    schema_free(*schema);
}

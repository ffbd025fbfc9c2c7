/* Puts together the JSON definition of an item from the pieces that providers have: C strings and JSON texts. Any
 * thread. */
#pragma once
#include "gateway/core/catalogue.h"

enum {
    DEFINITION_MAX_DEPTH = 128,          /* nesting of one JSON text */
    DEFINITION_MAX_PROBLEM_BYTES = 1024, /* what a sentence about a definition may need */
};

/* An empty definition, to be freed with json_object_put(). NULL without memory. */
struct json_object *definition_new(void);
static inline void definition_freep(struct json_object **definition)
{
    json_object_put(*definition);
}

enum definition_shape { DEFINITION_OBJECT, DEFINITION_ARRAY };

/* Adds a string member. NULL: nothing. 0, -EINVAL and a sentence in `problem` (not UTF-8), -ENOMEM. */
MUST_USE int definition_add_text(struct json_object *definition, const char *key, const char *value,
                                 struct text *problem);
/* Adds a member from a JSON text of that shape. NULL: nothing. 0, -EINVAL and a sentence in `problem`, -ENOMEM. */
MUST_USE int definition_add_json(struct json_object *definition, const char *key, const char *json,
                                 enum definition_shape shape, struct text *problem);
/* Adds the members of a JSON object behind those that are there. A member that is there already is refused. NULL:
   nothing. 0, -EINVAL and a sentence in `problem`, -ENOMEM. */
MUST_USE int definition_add_members(struct json_object *definition, const char *json, struct text *problem);

/* Between schema_keywords.c, which compiles one keyword after the other, and schema_members.c, which compiles those
   that are about the members of objects. */
#pragma once
#include "gateway/mcp/schema_priv.h"

/* One keyword of one definition, while it is compiled. */
struct schema_site {
    struct schema_compiler *compiler;
    struct schema_node *node;
    struct schema_resource *resource;
    struct json_object *definition; /* the schema around the keyword */
    struct json_object *value;
    const struct schema_place *place; /* of the keyword */
};

static inline void *schema_site_allocate(struct schema_site *site, size_t size)
{
    return schema_allocate(site->compiler->schema, size);
}

static inline bool schema_site_is(struct json_object *value, enum json_type type)
{
    return json_object_get_type(value) == type;
}

static inline struct span schema_site_string(struct json_object *value)
{
    return (struct span){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
}

/* schema_keywords.c */
MUST_USE int schema_site_must_be(struct schema_site *site, const char *what);
MUST_USE int schema_site_child(struct schema_site *site, struct json_object *definition,
                               const struct schema_place *place, const struct schema_node **ret_node);
MUST_USE int schema_site_pattern(struct schema_site *site, struct span source, const struct schema_place *place,
                                 struct schema_pattern **ret_pattern);
/* The struct schema_object_rules of the node, made when the first keyword needs them; NULL without memory. */
void *schema_site_object(struct schema_site *site);

/* schema_members.c: each compiles the keyword of its name. */
MUST_USE int schema_members_properties(struct schema_site *site);
MUST_USE int schema_members_pattern_properties(struct schema_site *site);
MUST_USE int schema_members_dependent_required(struct schema_site *site);
MUST_USE int schema_members_dependent_schemas(struct schema_site *site);
MUST_USE int schema_members_dependencies(struct schema_site *site);

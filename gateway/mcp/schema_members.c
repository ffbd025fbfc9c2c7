/* Keywords about the members of objects: properties, required, patternProperties, dependencies. Runs in the thread that
   compiles; the tables belong to the schema. */
#include <errno.h>

#include "gateway/mcp/schema_site_priv.h"

static size_t slot_of(const struct schema_object_rules *rules, struct span name)
{
    return (size_t)schema_value_hash_bytes(0xcbf29ce484222325, name) & rules->slot_mask;
}

const struct schema_property *schema_property_find(const struct schema_object_rules *rules, struct span name)
{
    if (!rules->slots) {
        for (size_t i = 0; i < rules->property_count; i++) {
            if (span_equal(rules->properties[i].name, name))
                return &rules->properties[i];
        }
        return NULL;
    }
    for (size_t slot = slot_of(rules, name); rules->slots[slot]; slot = (slot + 1) & rules->slot_mask) {
        const struct schema_property *property = &rules->properties[rules->slots[slot] - 1];
        if (span_equal(property->name, name))
            return property;
    }
    return NULL;
}

static int make_slots(struct schema_site *site, struct schema_object_rules *rules, size_t most)
{
    size_t room = 16;
    while (room < 2 * most)
        room *= 2;
    rules->slots = schema_site_allocate(site, room * sizeof(*rules->slots));
    rules->slot_mask = room - 1;
    return rules->slots ? 0 : -ENOMEM;
}

static int add_property(struct schema_site *site, struct schema_object_rules *rules, struct schema_property *properties,
                        struct span name, struct schema_property **ret_property)
{
    struct schema_property *property = &properties[rules->property_count];
    property->name = schema_copy(site->compiler->schema, name);
    if (span_absent(property->name))
        return -ENOMEM;
    rules->property_count++;
    if (rules->slots) {
        size_t slot = slot_of(rules, name);
        while (rules->slots[slot])
            slot = (slot + 1) & rules->slot_mask;
        rules->slots[slot] = (uint32_t)rules->property_count;
    }
    *ret_property = property;
    return 0;
}

static int add_properties(struct schema_site *site, struct schema_object_rules *rules,
                          struct schema_property *properties, struct json_object *map)
{
    struct schema_place around = {.parent = site->place->parent, .name = SPAN("properties")};
    for (struct lh_entry *entry = map ? json_object_get_object(map)->head : NULL; entry; entry = entry->next) {
        struct schema_place place = {.parent = &around, .name = span_of(entry->k)};
        struct schema_property *property;
        int result = add_property(site, rules, properties, place.name, &property);
        if (result == 0)
            result = schema_site_child(site, (struct json_object *)(uintptr_t)entry->v, &place, &property->node);
        if (result)
            return result;
    }
    return 0;
}

static int add_required(struct schema_site *site, struct schema_object_rules *rules, struct schema_property *properties,
                        struct json_object *required)
{
    struct schema_place place = {.parent = site->place->parent, .name = SPAN("required")};
    for (size_t i = 0; required && i < json_object_array_length(required); i++) {
        struct json_object *name = json_object_array_get_idx(required, i);
        if (!schema_site_is(name, json_type_string))
            return schema_refuse(site->compiler, &place, "must be an array of strings");
        const struct schema_property *known = schema_property_find(rules, schema_site_string(name));
        struct schema_property *property = known ? properties + (known - properties) : NULL;
        int result = known ? 0 : add_property(site, rules, properties, schema_site_string(name), &property);
        if (result)
            return result;
        rules->required_count += !property->required;
        property->required = true;
    }
    return 0;
}

/* `properties` and `required` together make one table; whichever comes first makes it. */
int schema_members_properties(struct schema_site *site)
{
    struct json_object *map = NULL, *required = NULL;
    bool has_map = json_object_object_get_ex(site->definition, "properties", &map);
    bool has_required = json_object_object_get_ex(site->definition, "required", &required);
    if (has_map && !schema_site_is(map, json_type_object))
        return schema_refuse(site->compiler, site->place->parent, "has properties that are not an object");
    if (has_required && !schema_site_is(required, json_type_array))
        return schema_refuse(site->compiler, site->place->parent,
                             "has a `required` that is not an array (in JSON Schema it lists the names of members)");
    struct schema_object_rules *rules = schema_site_object(site);
    if (!rules)
        return -ENOMEM;
    if (rules->properties)
        return 0;
    size_t most =
        (map ? (size_t)json_object_object_length(map) : 0) + (required ? json_object_array_length(required) : 0);
    struct schema_property *properties = schema_site_allocate(site, most * sizeof(*properties));
    rules->properties = properties;
    int result = properties ? 0 : -ENOMEM;
    if (result == 0 && most > SCHEMA_SMALL_OBJECT)
        result = make_slots(site, rules, most);
    if (result == 0)
        result = add_properties(site, rules, properties, map);
    return result ? result : add_required(site, rules, properties, required);
}

int schema_members_pattern_properties(struct schema_site *site)
{
    if (!schema_site_is(site->value, json_type_object))
        return schema_site_must_be(site, "an object");
    struct schema_object_rules *rules = schema_site_object(site);
    size_t count = (size_t)json_object_object_length(site->value);
    struct schema_pattern_property *patterns = schema_site_allocate(site, count * sizeof(*patterns));
    if (!rules || !patterns)
        return -ENOMEM;
    rules->patterns = patterns;
    for (struct lh_entry *entry = json_object_get_object(site->value)->head; entry; entry = entry->next) {
        struct schema_place place = {.parent = site->place, .name = span_of(entry->k)};
        struct schema_pattern_property *property = &patterns[rules->pattern_count++];
        int result = schema_site_pattern(site, place.name, &place, &property->pattern);
        if (result == 0)
            result = schema_site_child(site, (struct json_object *)(uintptr_t)entry->v, &place, &property->node);
        if (result)
            return result;
    }
    return 0;
}

/* The names that must be there too. */
static int compile_names(struct schema_site *site, struct json_object *list, const struct schema_place *place,
                         struct schema_dependency *dependency)
{
    size_t count = json_object_array_length(list);
    struct span *names = schema_site_allocate(site, count * sizeof(*names));
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct json_object *name = json_object_array_get_idx(list, i);
        if (!schema_site_is(name, json_type_string))
            return schema_refuse(site->compiler, place, "must be an array of strings");
        names[i] = schema_copy(site->compiler->schema, schema_site_string(name));
        if (span_absent(names[i]))
            return -ENOMEM;
    }
    dependency->names = names;
    dependency->name_count = count;
    return 0;
}

enum dependency_form { DEPENDENCY_NAMES = 1, DEPENDENCY_SCHEMA = 2 };

static int compile_dependency(struct schema_site *site, struct lh_entry *entry, unsigned forms,
                              struct schema_dependency *dependency)
{
    struct schema_place place = {.parent = site->place, .name = span_of(entry->k)};
    struct json_object *value = (struct json_object *)(uintptr_t)entry->v;
    dependency->name = schema_copy(site->compiler->schema, place.name);
    if (span_absent(dependency->name))
        return -ENOMEM;
    bool list = schema_site_is(value, json_type_array);
    if (list && forms & DEPENDENCY_NAMES)
        return compile_names(site, value, &place, dependency);
    if (!(forms & DEPENDENCY_SCHEMA))
        return schema_refuse(site->compiler, &place, "must be an array of strings");
    return schema_site_child(site, value, &place, &dependency->node);
}

/* Rules may come from two keywords, so the new ones are put behind those that are there. */
static int compile_dependency_map(struct schema_site *site, unsigned forms)
{
    if (!schema_site_is(site->value, json_type_object))
        return schema_site_must_be(site, "an object");
    struct schema_object_rules *rules = schema_site_object(site);
    if (!rules)
        return -ENOMEM;
    size_t count = (size_t)json_object_object_length(site->value), before = rules->dependency_count;
    struct schema_dependency *dependencies = schema_site_allocate(site, (before + count) * sizeof(*dependencies));
    if (!dependencies)
        return -ENOMEM;
    if (before)
        memcpy(dependencies, rules->dependencies, before * sizeof(*dependencies));
    rules->dependencies = dependencies;
    for (struct lh_entry *entry = json_object_get_object(site->value)->head; entry; entry = entry->next) {
        int result = compile_dependency(site, entry, forms, &dependencies[rules->dependency_count++]);
        if (result)
            return result;
    }
    return 0;
}

int schema_members_dependent_required(struct schema_site *site)
{
    return compile_dependency_map(site, DEPENDENCY_NAMES);
}

int schema_members_dependent_schemas(struct schema_site *site)
{
    return compile_dependency_map(site, DEPENDENCY_SCHEMA);
}

int schema_members_dependencies(struct schema_site *site)
{
    return compile_dependency_map(site, DEPENDENCY_NAMES | DEPENDENCY_SCHEMA);
}

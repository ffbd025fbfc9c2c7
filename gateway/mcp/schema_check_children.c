/* Members of objects and items of arrays, with what counts them. Runs in the thread of the check. */
#include "gateway/mcp/schema_check_priv.h"

/* ---- objects ---------------------------------------------------------------------------------------------- */

static int check_patterns(struct schema_check *check, const struct schema_object_rules *rules,
                          const struct schema_value *member, const struct schema_place *place, bool *handled)
{
    for (size_t i = 0; i < rules->pattern_count; i++) {
        bool matches = false;
        int result = schema_check_pattern(check, rules->patterns[i].pattern, place->name, place, &matches);
        check->keyword = "patternProperties";
        if (result == 0 && matches)
            result = schema_check_node(check, rules->patterns[i].node, member, place, NULL);
        if (result)
            return result;
        *handled = *handled || matches;
    }
    return 0;
}

static int check_name(struct schema_check *check, const struct schema_node *node, const struct schema_place *place)
{
    struct schema_value name = schema_value_of_name(place->name);
    check->keyword = "propertyNames";
    int result = schema_check_node(check, node, &name, place, NULL);
    if (result == SCHEMA_VIOLATION && check->finding)
        schema_add_cut(check->finding->sentence, SPAN("; the rule is for the member's name (propertyNames)"));
    return result;
}

/* One member; *handled says whether a schema other than `additionalProperties` was for it. */
static int check_member(struct schema_check *check, const struct schema_object_rules *rules,
                        const struct schema_property *property, struct lh_entry *entry,
                        const struct schema_place *place, bool *evaluated)
{
    struct schema_value member = schema_value_of((struct json_object *)(uintptr_t)entry->v);
    bool handled = property && property->node;
    int result = 0;
    check->keyword = "properties";
    if (handled)
        result = schema_check_node(check, property->node, &member, place, NULL);
    if (result == 0 && rules->pattern_count)
        result = check_patterns(check, rules, &member, place, &handled);
    check->keyword = "additionalProperties";
    if (result == 0 && !handled && rules->additional)
        result = schema_check_node(check, rules->additional, &member, place, NULL);
    if (result == 0 && rules->names)
        result = check_name(check, rules->names, place);
    *evaluated = handled || rules->additional;
    return result;
}

static int check_members(struct schema_check *check, const struct schema_object_rules *rules,
                         const struct lh_table *table, const struct schema_place *place, struct schema_marks *marks,
                         size_t *required)
{
    for (struct lh_entry *entry = table->head; entry; entry = entry->next) {
        struct schema_place here = {.parent = place, .name = span_of(entry->k)};
        if (!schema_spend(check, 1 + here.name.size / 64))
            return SCHEMA_TOO_COMPLEX;
        const struct schema_property *property = schema_property_find(rules, here.name);
        *required += property && property->required;
        bool evaluated = false;
        int result = check_member(check, rules, property, entry, &here, &evaluated);
        if (result)
            return result;
        if (evaluated && marks)
            schema_marks_set(marks, schema_marks_slot(table, entry));
    }
    return 0;
}

static int violate_required(struct schema_check *check, const struct schema_object_rules *rules,
                            struct json_object *object, const struct schema_place *place)
{
    for (size_t i = 0; check->finding && i < rules->property_count; i++) {
        const struct schema_property *property = &rules->properties[i];
        if (property->required && !json_object_object_get_ex(object, property->name.at, NULL)) {
            struct schema_place missing = {.parent = place, .name = property->name};
            return schema_violate(check, &missing, "is required");
        }
    }
    return SCHEMA_VIOLATION;
}

static int check_dependency(struct schema_check *check, const struct schema_dependency *dependency,
                            const struct schema_value *value, const struct schema_place *place,
                            struct schema_marks *marks)
{
    if (!json_object_object_get_ex(value->object, dependency->name.at, NULL))
        return 0;
    for (size_t i = 0; i < dependency->name_count; i++) {
        struct schema_place missing = {.parent = place, .name = dependency->names[i]};
        if (!json_object_object_get_ex(value->object, dependency->names[i].at, NULL))
            return schema_violate(check, &missing, "is required beside %.*s (dependentRequired)",
                                  (int)MIN(dependency->name.size, (size_t)SCHEMA_MAX_SHOWN_BYTES), dependency->name.at);
    }
    check->keyword = "dependentSchemas";
    return dependency->node ? schema_check_node(check, dependency->node, value, place, marks) : 0;
}

static int check_member_count(struct schema_check *check, const struct schema_object_rules *rules, size_t count,
                              const struct schema_place *place)
{
    if (count < rules->min_properties)
        return schema_violate(check, place, "must have at least %zu members (minProperties)", rules->min_properties);
    if (count > rules->max_properties)
        return schema_violate(check, place, "must have at most %zu members (maxProperties)", rules->max_properties);
    return 0;
}

int schema_check_object(struct schema_check *check, const struct schema_object_rules *rules,
                        const struct schema_value *value, const struct schema_place *place, struct schema_marks *marks)
{
    const struct lh_table *table = json_object_get_object(value->object);
    int result = check_member_count(check, rules, (size_t)table->count, place);
    size_t required = 0;
    if (result == 0 && (rules->property_count || rules->pattern_count || rules->additional || rules->names))
        result = check_members(check, rules, table, place, marks, &required);
    if (result == 0 && required < rules->required_count)
        result = violate_required(check, rules, value->object, place);
    if (result == 0 && !schema_spend(check, rules->dependency_count))
        result = SCHEMA_TOO_COMPLEX;
    for (size_t i = 0; result == 0 && i < rules->dependency_count; i++)
        result = check_dependency(check, &rules->dependencies[i], value, place, marks);
    return result;
}

/* ---- arrays ----------------------------------------------------------------------------------------------- */

static int check_item(struct schema_check *check, const struct schema_node *node, const struct schema_value *array,
                      size_t index, const struct schema_place *parent)
{
    struct schema_value item = schema_value_of(json_object_array_get_idx(array->object, index));
    struct schema_place place = {.parent = parent, .index = index, .is_index = true};
    return schema_check_node(check, node, &item, &place, NULL);
}

static int check_items(struct schema_check *check, const struct schema_array_rules *rules,
                       const struct schema_value *array, const struct schema_place *place, struct schema_marks *marks)
{
    size_t length = json_object_array_length(array->object);
    if (!rules->items)
        length = MIN(length, rules->prefix.count);
    for (size_t i = 0; i < length; i++) {
        bool prefix = i < rules->prefix.count;
        check->keyword = prefix ? "prefixItems" : "items";
        int result = check_item(check, prefix ? rules->prefix.nodes[i] : rules->items, array, i, place);
        if (result)
            return result;
        schema_marks_set(marks, i);
    }
    return 0;
}

static int violate_contains(struct schema_check *check, const struct schema_array_rules *rules, size_t found,
                            const struct schema_place *place)
{
    if (found > rules->max_contains)
        return schema_violate(check, place, "must hold at most %zu items of the asked-for kind (maxContains)",
                              rules->max_contains);
    return schema_violate(check, place, "must hold at least %zu item%s of the asked-for kind, holds %zu (%s)",
                          rules->min_contains, rules->min_contains == 1 ? "" : "s", found,
                          rules->min_contains == 1 ? "contains" : "minContains");
}

static int check_contains(struct schema_check *check, const struct schema_array_rules *rules,
                          const struct schema_value *array, const struct schema_place *place,
                          struct schema_marks *marks)
{
    size_t length = json_object_array_length(array->object), found = 0;
    bool enough = rules->min_contains == 0 && rules->max_contains == SIZE_MAX && !marks;
    struct schema_finding *finding = check->finding;
    check->finding = NULL;
    int result = 0;
    for (size_t i = 0; !enough && i < length; i++) {
        result = check_item(check, rules->contains, array, i, place);
        if (result != 0 && result != SCHEMA_VIOLATION)
            break;
        if (result == 0 && rules->contains_evaluates)
            schema_marks_set(marks, i);
        found += result == 0;
        enough =
            found > rules->max_contains || (!marks && rules->max_contains == SIZE_MAX && found >= rules->min_contains);
        result = 0;
    }
    check->finding = finding;
    if (result)
        return result;
    if (found > rules->max_contains || found < rules->min_contains)
        return violate_contains(check, rules, found, place);
    return 0;
}

static int check_unique(struct schema_check *check, const struct schema_value *array, const struct schema_place *place)
{
    bool unique;
    size_t pair[2];
    int result = schema_value_unique(array->object, &check->steps, &unique, pair);
    if (result || unique)
        return result;
    return schema_violate(check, place, "must not hold equal items, but %zu and %zu are (uniqueItems)", pair[0],
                          pair[1]);
}

int schema_check_array(struct schema_check *check, const struct schema_array_rules *rules,
                       const struct schema_value *value, const struct schema_place *place, struct schema_marks *marks)
{
    size_t length = json_object_array_length(value->object);
    if (length < rules->min_items)
        return schema_violate(check, place, "must hold at least %zu items (minItems)", rules->min_items);
    if (length > rules->max_items)
        return schema_violate(check, place, "must hold at most %zu items (maxItems)", rules->max_items);
    int result = 0;
    if (rules->items || rules->prefix.count)
        result = check_items(check, rules, value, place, marks);
    if (result == 0 && rules->contains)
        result = check_contains(check, rules, value, place, marks);
    if (result == 0 && rules->unique)
        result = check_unique(check, value, place);
    return result;
}

/* ---- unevaluated* ----------------------------------------------------------------------------------------- */

static int check_rest_of_object(struct schema_check *check, const struct schema_node *node, struct json_object *object,
                                const struct schema_place *place, const struct schema_marks *marks)
{
    const struct lh_table *table = json_object_get_object(object);
    for (struct lh_entry *entry = table->head; entry; entry = entry->next) {
        if (schema_marks_has(marks, schema_marks_slot(table, entry)))
            continue;
        struct schema_place here = {.parent = place, .name = span_of(entry->k)};
        struct schema_value member = schema_value_of((struct json_object *)(uintptr_t)entry->v);
        check->keyword = "unevaluatedProperties";
        int result = schema_check_node(check, node, &member, &here, NULL);
        if (result)
            return result;
    }
    return 0;
}

int schema_check_rest(struct schema_check *check, const struct schema_rest *rest, const struct schema_value *value,
                      const struct schema_place *place, const struct schema_marks *marks)
{
    if (!schema_spend(check, marks->words))
        return SCHEMA_TOO_COMPLEX;
    if (value->kinds & SCHEMA_OBJECT)
        return check_rest_of_object(check, rest->properties, value->object, place, marks);
    size_t length = json_object_array_length(value->object);
    for (size_t i = 0; i < length; i++) {
        check->keyword = "unevaluatedItems";
        int result = schema_marks_has(marks, i) ? 0 : check_item(check, rest->items, value, i, place);
        if (result)
            return result;
    }
    return 0;
}

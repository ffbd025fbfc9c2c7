/* schema_check(): one quiet walk for the verdict, which touches nothing but the stack; only when the instance is bad a
   second one, which knows what to write. Any thread: a schema is never changed after it was compiled. */
#include "gateway/mcp/schema_check_priv.h"

#include <errno.h>

/* ---- scalars ---------------------------------------------------------------------------------------------- */

static int violate_bound(struct schema_check *check, const struct schema_place *place, const char *relation,
                         const struct schema_number *bound, const char *keyword)
{
    if (!check->finding)
        return SCHEMA_VIOLATION;
    CLEANUP(text_done) struct text shown = TEXT(SCHEMA_MAX_SHOWN_BYTES);
    schema_value_add_number(&shown, bound);
    return schema_violate(check, place, "must be %s %.*s (%s)", relation, SPAN_PRINT(text_span(&shown)), keyword);
}

static int check_number(struct schema_check *check, const struct schema_number_rules *rules,
                        const struct schema_value *value, const struct schema_place *place)
{
    struct schema_number number = schema_value_number(value->object);
    if (rules->minimum && schema_value_compare(&number, rules->minimum) < 0)
        return violate_bound(check, place, ">=", rules->minimum, "minimum");
    if (rules->maximum && schema_value_compare(&number, rules->maximum) > 0)
        return violate_bound(check, place, "<=", rules->maximum, "maximum");
    if (rules->exclusive_minimum && schema_value_compare(&number, rules->exclusive_minimum) <= 0)
        return violate_bound(check, place, ">", rules->exclusive_minimum, "exclusiveMinimum");
    if (rules->exclusive_maximum && schema_value_compare(&number, rules->exclusive_maximum) >= 0)
        return violate_bound(check, place, "<", rules->exclusive_maximum, "exclusiveMaximum");
    if (!rules->multiple_of)
        return 0;
    struct schema_decimal decimal = schema_value_decimal(&number);
    if (schema_value_is_multiple(&decimal, rules->multiple_of))
        return 0;
    return schema_violate(check, place, "must be a multiple of %s (multipleOf)", rules->multiple_of_shown);
}

int schema_check_pattern(struct schema_check *check, const struct schema_pattern *pattern, struct span subject,
                         const struct schema_place *place, bool *ret_matches)
{
    int result =
        schema_pattern_match(pattern, &check->schema->limits, &check->matcher, subject, &check->steps, ret_matches);
    if (result != SCHEMA_PATTERN_LIMIT && result != SCHEMA_PATTERN_NOT_UTF8)
        return result;
    struct span source = schema_pattern_source(pattern);
    int violation = schema_violate(check, place, "%s %.*s (pattern)",
                                   result == SCHEMA_PATTERN_LIMIT ? "takes too many steps to match"
                                                                  : "is not UTF-8, so it cannot match",
                                   (int)MIN(source.size, (size_t)SCHEMA_MAX_SHOWN_BYTES), source.at);
    return violation == SCHEMA_VIOLATION ? result : violation;
}

static int check_string(struct schema_check *check, const struct schema_string_rules *rules,
                        const struct schema_value *value, const struct schema_place *place)
{
    struct span string = value->string;
    if (!schema_spend(check, string.size / 64))
        return SCHEMA_TOO_COMPLEX;
    if (rules->min_length > 0 || rules->max_length < string.size) {
        size_t length = schema_value_code_points(string);
        if (length < rules->min_length)
            return schema_violate(check, place, "must have at least %zu characters (minLength)", rules->min_length);
        if (length > rules->max_length)
            return schema_violate(check, place, "must have at most %zu characters (maxLength)", rules->max_length);
    }
    if (!rules->pattern)
        return 0;
    bool matches = false;
    int result = schema_check_pattern(check, rules->pattern, string, place, &matches);
    if (result || matches)
        return result;
    struct span source = schema_pattern_source(rules->pattern);
    return schema_violate(check, place, "must match the regular expression %.*s (pattern)",
                          (int)MIN(source.size, (size_t)SCHEMA_MAX_SHOWN_BYTES), source.at);
}

static int is_among(struct schema_check *check, const struct schema_constants *constants,
                    const struct schema_value *value, bool *ret_found)
{
    *ret_found = false;
    if (!schema_spend(check, constants->count / 16 + value->string.size / 64))
        return SCHEMA_TOO_COMPLEX;
    for (size_t i = 0; !*ret_found && i < constants->count; i++) {
        if (value->kinds & SCHEMA_STRING) {
            *ret_found =
                constants->values[i].kinds & SCHEMA_STRING && span_equal(constants->values[i].string, value->string);
            continue;
        }
        if (constants->values[i].kinds != value->kinds)
            continue;
        int result = schema_value_equal(&constants->values[i], value, &check->steps, ret_found);
        if (result)
            return result;
    }
    return 0;
}

static int check_constants(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                           const struct schema_place *place)
{
    bool found = true;
    int result = node->one_value ? is_among(check, node->one_value, value, &found) : 0;
    if (result)
        return result;
    if (!found)
        return schema_violate(check, place, "must be %s (const)", node->one_value->shown);
    result = node->one_of_values ? is_among(check, node->one_of_values, value, &found) : 0;
    if (result || found)
        return result;
    return schema_violate(check, place, "must be one of %s (enum)", node->one_of_values->shown);
}

/* ---- one schema ------------------------------------------------------------------------------------------- */

static int check_by_kind(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                         const struct schema_place *place, struct schema_marks *marks)
{
    if (node->string && value->kinds & SCHEMA_STRING)
        return check_string(check, node->string, value, place);
    if (node->number && value->kinds & SCHEMA_NUMBER)
        return check_number(check, node->number, value, place);
    if (node->array && value->kinds & SCHEMA_ARRAY)
        return schema_check_array(check, node->array, value, place, marks);
    if (node->object && value->kinds & SCHEMA_OBJECT)
        return schema_check_object(check, node->object, value, place, marks);
    return 0;
}

static int check_rules(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                       const struct schema_place *place, struct schema_marks *marks)
{
    if (node->never)
        return schema_violate(check, place, "is not allowed (%s)", check->keyword);
    if (node->types && !(node->types & value->kinds))
        return schema_violate_type(check, place, node->types, value);
    int result = 0;
    if (node->one_value || node->one_of_values)
        result = check_constants(check, node, value, place);
    if (result == 0)
        result = check_by_kind(check, node, value, place, marks);
    if (result == 0 && node->logic)
        result = schema_check_logic(check, node->logic, value, place, marks);
    return result;
}

/* A schema with unevaluated* keeps the marks itself; afterwards all there is has been evaluated. */
static int check_with_rest(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                           const struct schema_place *place, struct schema_marks *marks)
{
    CLEANUP(schema_marks_done) struct schema_marks own;
    int result = schema_marks_init(&own, value, &check->steps);
    if (result == 0)
        result = check_rules(check, node, value, place, &own);
    if (result == 0)
        result = schema_check_rest(check, node->rest, value, place, &own);
    if (result == 0 && marks)
        memset(marks->bits, 0xff, marks->words * sizeof(*marks->bits));
    return result;
}

static bool has_rest_for(const struct schema_node *node, const struct schema_value *value)
{
    return node->rest && ((node->rest->properties && value->kinds & SCHEMA_OBJECT) ||
                          (node->rest->items && value->kinds & SCHEMA_ARRAY));
}

static int check_in_scope(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                          const struct schema_place *place, struct schema_marks *marks)
{
    if (has_rest_for(node, value))
        return check_with_rest(check, node, value, place, marks);
    return check_rules(check, node, value, place, marks);
}

int schema_check_node(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                      const struct schema_place *place, struct schema_marks *marks)
{
    if (check->steps == 0 || check->depth >= check->schema->limits.max_evaluation_depth)
        return SCHEMA_TOO_COMPLEX;
    check->steps--;
    check->depth++;
    int result;
    if (check->schema->dynamic && (!check->scope || check->scope->resource != node->resource)) {
        struct schema_scope scope = {check->scope, node->resource};
        check->scope = &scope;
        result = check_in_scope(check, node, value, place, marks);
        check->scope = scope.parent;
    } else {
        result = check_in_scope(check, node, value, place, marks);
    }
    check->depth--;
    return result;
}

int schema_check_quietly(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                         const struct schema_place *place, struct schema_marks *marks)
{
    struct schema_finding *finding = check->finding;
    check->finding = NULL;
    int result = schema_check_node(check, node, value, place, marks);
    check->finding = finding;
    return result;
}

/* ---- the two walks ---------------------------------------------------------------------------------------- */

static int walk(const struct schema *schema, struct json_object *instance, struct schema_finding *finding)
{
    struct schema_check check = {
        .schema = schema, .steps = schema->limits.max_steps, .keyword = "false schema", .finding = finding};
    struct schema_value value = schema_value_of(instance);
    int result = schema_check_node(&check, schema->root, &value, NULL, NULL);
    schema_matcher_done(&check.matcher);
    return result;
}

static void explain_bound(const struct schema *schema, struct text *problem)
{
    schema_addf(problem,
                "the value is too large or too deeply nested to be checked within %zu steps and a depth of %zu",
                schema->limits.max_steps, schema->limits.max_evaluation_depth);
}

int schema_check(const struct schema *schema, struct json_object *instance, struct text *problem)
{
    int result = walk(schema, instance, NULL);
    if (result == SCHEMA_TOO_COMPLEX && problem)
        explain_bound(schema, problem);
    if (result <= 0 || result == SCHEMA_TOO_COMPLEX)
        return result;
    if (problem) {
        struct schema_finding finding = {.sentence = problem};
        size_t before = problem->size;
        int again = walk(schema, instance, &finding);
        if (again < 0)
            return again;
        if (problem->size == before)
            schema_add_cut(problem, result == SCHEMA_VIOLATION
                                        ? SPAN("the value does not match the schema")
                                        : SPAN("a string in the value takes too many steps to match a pattern"));
    }
    return SCHEMA_VIOLATION;
}

/* Keywords whose schemas apply to the same instance: references, allOf, anyOf, oneOf, not, if. What a failing branch
   has marked does not count. Runs in the thread of the check. */
#include <errno.h>

#include "gateway/mcp/schema_check_priv.h"

/* ---- marks ------------------------------------------------------------------------------------------------ */

static size_t mark_count(const struct schema_value *value)
{
    if (value->kinds & SCHEMA_OBJECT)
        return (size_t)json_object_get_object(value->object)->size;
    return value->kinds & SCHEMA_ARRAY ? json_object_array_length(value->object) : 0;
}

int schema_marks_init(struct schema_marks *marks, const struct schema_value *value, size_t *steps)
{
    *marks = (struct schema_marks){.words = mark_count(value) / 64 + 1};
    marks->bits = marks->small;
    if (marks->words <= SCHEMA_MARK_WORDS)
        return 0;
    if (marks->words > *steps)
        return SCHEMA_TOO_COMPLEX;
    *steps -= marks->words;
    uint64_t *bits = calloc(marks->words, sizeof(*bits));
    if (!bits)
        return -ENOMEM;
    marks->bits = bits;
    return 0;
}

void schema_marks_done(struct schema_marks *marks)
{
    if (marks->bits != marks->small)
        free(marks->bits);
}

void schema_marks_add(struct schema_marks *marks, const struct schema_marks *added)
{
    for (size_t i = 0; i < marks->words; i++)
        marks->bits[i] |= added->bits[i];
}

/* A schema that may fail without the whole failing: its marks count only when it does not. */
static int check_branch(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                        const struct schema_place *place, struct schema_marks *marks)
{
    if (!marks)
        return schema_check_node(check, node, value, place, NULL);
    CLEANUP(schema_marks_done) struct schema_marks own;
    int result = schema_marks_init(&own, value, &check->steps);
    if (result == 0)
        result = schema_check_node(check, node, value, place, &own);
    if (result == 0)
        schema_marks_add(marks, &own);
    return result;
}

static int check_branch_quietly(struct schema_check *check, const struct schema_node *node,
                                const struct schema_value *value, const struct schema_place *place,
                                struct schema_marks *marks)
{
    struct schema_finding *finding = check->finding;
    check->finding = NULL;
    int result = check_branch(check, node, value, place, marks);
    check->finding = finding;
    return result;
}

/* ---- alternatives ----------------------------------------------------------------------------------------- */

/* What the branches of anyOf or oneOf said; the nearest is kept. */
struct nearest {
    struct text sentence;
    size_t rank;
    unsigned types; /* allowed by all branches together, as long as all failed for the type */
    bool only_types;
};

static int explain_branch(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                          const struct schema_place *place, struct nearest *nearest, const char *keyword)
{
    CLEANUP(text_done) struct text sentence = TEXT(SCHEMA_MAX_SENTENCE_BYTES);
    struct schema_finding own = {.sentence = &sentence}, *outer = check->finding;
    check->finding = &own;
    check->keyword = keyword;
    int result = schema_check_node(check, node, value, place, NULL);
    check->finding = outer;
    if (result != SCHEMA_VIOLATION)
        return result;
    nearest->only_types = nearest->only_types && own.types && own.rank == 2 * schema_place_depth(place);
    nearest->types |= own.types;
    if (nearest->sentence.size == 0 || own.rank > nearest->rank) {
        text_done(&nearest->sentence);
        nearest->sentence = sentence;
        sentence = TEXT(0);
        nearest->rank = own.rank;
    }
    return result;
}

static int violate_none(struct schema_check *check, const struct schema_list *list, const struct schema_value *value,
                        const struct schema_place *place, const char *keyword)
{
    if (!check->finding)
        return SCHEMA_VIOLATION;
    struct nearest nearest = {.sentence = TEXT(SCHEMA_MAX_SENTENCE_BYTES), .only_types = true};
    int result = SCHEMA_VIOLATION;
    for (size_t i = 0; result == SCHEMA_VIOLATION && i < list->count; i++)
        result = explain_branch(check, list->nodes[i], value, place, &nearest, keyword);
    if (result == SCHEMA_VIOLATION && nearest.only_types && nearest.types) {
        result = schema_violate_type(check, place, nearest.types, value);
    } else if (result == SCHEMA_VIOLATION && nearest.sentence.size) {
        check->finding->rank = nearest.rank;
        schema_add_cut(check->finding->sentence, text_span(&nearest.sentence));
        schema_addf(check->finding->sentence, "; none of the %zu alternatives matches, this is the nearest (%s)",
                    list->count, keyword);
    } else if (result == SCHEMA_VIOLATION) {
        result = schema_violate(check, place, "must match an alternative, of which there is none (%s)", keyword);
    }
    text_done(&nearest.sentence);
    return result;
}

static int check_any_of(struct schema_check *check, const struct schema_list *list, const struct schema_value *value,
                        const struct schema_place *place, struct schema_marks *marks)
{
    bool matched = false;
    for (size_t i = 0; i < list->count && (!matched || marks); i++) {
        check->keyword = "anyOf";
        int result = check_branch_quietly(check, list->nodes[i], value, place, marks);
        if (result != 0 && result != SCHEMA_VIOLATION)
            return result;
        matched = matched || result == 0;
    }
    return matched ? 0 : violate_none(check, list, value, place, "anyOf");
}

static int check_one_of(struct schema_check *check, const struct schema_list *list, const struct schema_value *value,
                        const struct schema_place *place, struct schema_marks *marks)
{
    size_t matched = 0, first = 0;
    for (size_t i = 0; i < list->count; i++) {
        check->keyword = "oneOf";
        int result = check_branch_quietly(check, list->nodes[i], value, place, marks);
        if (result != 0 && result != SCHEMA_VIOLATION)
            return result;
        if (result == SCHEMA_VIOLATION)
            continue;
        if (matched++)
            return schema_violate(check, place,
                                  "must match exactly one alternative, but matches number %zu and %zu (oneOf)",
                                  first + 1, i + 1);
        first = i;
    }
    return matched ? 0 : violate_none(check, list, value, place, "oneOf");
}

/* ---- the others ------------------------------------------------------------------------------------------- */

static int check_not(struct schema_check *check, const struct schema_node *node, const struct schema_value *value,
                     const struct schema_place *place)
{
    int result = schema_check_quietly(check, node, value, place, NULL);
    if (result == 0)
        return schema_violate(check, place, "must not match what is excluded (not)");
    return result == SCHEMA_VIOLATION ? 0 : result;
}

static int check_if(struct schema_check *check, const struct schema_logic *logic, const struct schema_value *value,
                    const struct schema_place *place, struct schema_marks *marks)
{
    if (!marks && !logic->then_schema && !logic->else_schema)
        return 0;
    int result = check_branch_quietly(check, logic->if_schema, value, place, marks);
    if (result != 0 && result != SCHEMA_VIOLATION)
        return result;
    const struct schema_node *next = result == 0 ? logic->then_schema : logic->else_schema;
    check->keyword = result == 0 ? "then" : "else";
    return next ? schema_check_node(check, next, value, place, marks) : 0;
}

/* The outermost resource that has the name decides (2020-12 core, 8.2.3.2). */
static const struct schema_node *dynamic_target(struct schema_check *check, const struct schema_logic *logic)
{
    const struct schema_node *target = logic->dynamic_reference;
    if (logic->dynamic_name == SCHEMA_NO_NAME)
        return target;
    for (const struct schema_scope *scope = check->scope; scope; scope = scope->parent) {
        const struct schema_dynamic_anchor *anchor = scope->resource->dynamic_anchors;
        for (; anchor; anchor = anchor->next) {
            check->steps -= check->steps > 0;
            if (anchor->name == logic->dynamic_name)
                target = anchor->node;
        }
    }
    return target;
}

static int check_references(struct schema_check *check, const struct schema_logic *logic,
                            const struct schema_value *value, const struct schema_place *place,
                            struct schema_marks *marks)
{
    check->keyword = "$ref";
    int result = logic->reference ? schema_check_node(check, logic->reference, value, place, marks) : 0;
    if (result == 0 && logic->dynamic_reference)
        result = schema_check_node(check, dynamic_target(check, logic), value, place, marks);
    return result;
}

int schema_check_logic(struct schema_check *check, const struct schema_logic *logic, const struct schema_value *value,
                       const struct schema_place *place, struct schema_marks *marks)
{
    int result = check_references(check, logic, value, place, marks);
    for (size_t i = 0; result == 0 && i < logic->all_of.count; i++) {
        check->keyword = "allOf";
        result = schema_check_node(check, logic->all_of.nodes[i], value, place, marks);
    }
    if (result == 0 && logic->any_of.nodes)
        result = check_any_of(check, &logic->any_of, value, place, marks);
    if (result == 0 && logic->one_of.nodes)
        result = check_one_of(check, &logic->one_of, value, place, marks);
    if (result == 0 && logic->not_schema)
        result = check_not(check, logic->not_schema, value, place);
    if (result == 0 && logic->if_schema)
        result = check_if(check, logic, value, place, marks);
    return result;
}

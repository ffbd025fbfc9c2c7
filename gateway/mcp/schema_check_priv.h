/* What the files of the check share: the state of one check, its findings, and the marks of what was evaluated. */
#pragma once
#include "gateway/mcp/schema_priv.h"

/* The sentence of a violation; of several alternatives, the one with the highest rank came nearest. */
struct schema_finding {
    struct text *sentence;
    size_t rank;    /* twice the depth of the place, and one more when it is not about the kind of value */
    unsigned types; /* the types that were allowed, when that was the rule */
};

/* The schema resources entered on the way here, innermost first. */
struct schema_scope {
    const struct schema_scope *parent;
    const struct schema_resource *resource;
};

struct schema_check {
    const struct schema *schema;
    size_t steps; /* left */
    size_t depth;
    const struct schema_scope *scope;
    const char *keyword;            /* whose schema is entered; named when that is `false` */
    struct schema_finding *finding; /* NULL: only the verdict counts */
    struct schema_matcher matcher;
};

/* Pays for work that a schema does beyond being entered. */
static inline bool schema_spend(struct schema_check *check, size_t steps)
{
    if (check->steps < steps)
        return false;
    check->steps -= steps;
    return true;
}

/* Which members (by slot of json-c's table) or items (by index) some schema has evaluated. */
enum { SCHEMA_MARK_WORDS = 4 };
struct schema_marks {
    size_t words;
    uint64_t *bits;
    uint64_t small[SCHEMA_MARK_WORDS];
};
/* 0, SCHEMA_TOO_COMPLEX or -ENOMEM. */
MUST_USE int schema_marks_init(struct schema_marks *marks, const struct schema_value *value, size_t *steps);
void schema_marks_done(struct schema_marks *marks);
void schema_marks_add(struct schema_marks *marks, const struct schema_marks *added);
static inline void schema_marks_set(struct schema_marks *marks, size_t index)
{
    if (marks)
        marks->bits[index / 64] |= (uint64_t)1 << index % 64;
}
static inline bool schema_marks_has(const struct schema_marks *marks, size_t index)
{
    return marks->bits[index / 64] >> index % 64 & 1;
}
static inline size_t schema_marks_slot(const struct lh_table *table, const struct lh_entry *entry)
{
    return (size_t)(entry - table->table);
}

/* schema_finding.c: returns SCHEMA_VIOLATION, and writes the sentence when there is somebody to read it. */
MUST_USE int schema_violate(struct schema_check *check, const struct schema_place *place, const char *format, ...)
    PRINTF(3, 4);
MUST_USE int schema_violate_type(struct schema_check *check, const struct schema_place *place, unsigned types,
                                 const struct schema_value *value);

/* schema_check.c: `marks` may be NULL: nobody asks what was evaluated. */
MUST_USE int schema_check_node(struct schema_check *check, const struct schema_node *node,
                               const struct schema_value *value, const struct schema_place *place,
                               struct schema_marks *marks);
/* Only the verdict: no finding. */
MUST_USE int schema_check_quietly(struct schema_check *check, const struct schema_node *node,
                                  const struct schema_value *value, const struct schema_place *place,
                                  struct schema_marks *marks);
MUST_USE int schema_check_pattern(struct schema_check *check, const struct schema_pattern *pattern, struct span subject,
                                  const struct schema_place *place, bool *ret_matches);
/* schema_check_logic.c: what applies to the same instance. */
MUST_USE int schema_check_logic(struct schema_check *check, const struct schema_logic *logic,
                                const struct schema_value *value, const struct schema_place *place,
                                struct schema_marks *marks);
/* schema_check_children.c: members and items. */
MUST_USE int schema_check_object(struct schema_check *check, const struct schema_object_rules *rules,
                                 const struct schema_value *value, const struct schema_place *place,
                                 struct schema_marks *marks);
MUST_USE int schema_check_array(struct schema_check *check, const struct schema_array_rules *rules,
                                const struct schema_value *value, const struct schema_place *place,
                                struct schema_marks *marks);
MUST_USE int schema_check_rest(struct schema_check *check, const struct schema_rest *rest,
                               const struct schema_value *value, const struct schema_place *place,
                               const struct schema_marks *marks);

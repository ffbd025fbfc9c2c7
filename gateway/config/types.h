/* The types of options: how a field is read, shown and freed. */
#pragma once
#include "gateway/config/document.h"
#include "gateway/config/options.h"

struct option_type {
    const char *name; /* as `weir options` says it */
    bool secret;
    /* From one scalar, as a file, the environment or the default has it. 0; OPTION_WRONG, and `problem` goes on from
       "limits.max_payload: "; or -ENOMEM. NULL: takes a list or a mapping, from files only. */
    int (*read)(const struct option *option, void *record, struct span text, const char *directory,
                struct text *problem);
    /* From a node; NULL: a scalar, by read(). 0, OPTION_WRONG with a mistake reported (`label` names the option), or
     * -ENOMEM. */
    int (*read_node)(const struct option *option, void *record, const struct node *node, const char *label,
                     struct mistakes *mistakes);
    void (*show)(const struct option *option, const void *record, struct text *out);
    void (*release)(const struct option *option, void *record); /* NULL: owns nothing */
};
enum { OPTION_WRONG = 1 };

#define OPTION_TYPES(TYPE)                                                                                             \
    TYPE(BOOL)                                                                                                         \
    TYPE(COUNT)                                                                                                        \
    TYPE(COUNT_OR_AUTO)                                                                                                \
    TYPE(FRACTION)                                                                                                     \
    TYPE(SIZE)                                                                                                         \
    TYPE(DURATION)                                                                                                     \
    TYPE(TEXT)                                                                                                         \
    TYPE(SECRET)                                                                                                       \
    TYPE(PATH)                                                                                                         \
    TYPE(LOCATION)                                                                                                     \
    TYPE(ADDRESS)                                                                                                      \
    TYPE(CHOICE)                                                                                                       \
    TYPE(FLAGS)                                                                                                        \
    TYPE(NAMES)                                                                                                        \
    TYPE(PREFIXES)                                                                                                     \
    TYPE(JSON)                                                                                                         \
    TYPE(JSON_OBJECT)                                                                                                  \
    TYPE(SCHEMA)
#define DECLARE(name) extern const struct option_type option_type_##name;
OPTION_TYPES(DECLARE)
#undef DECLARE

/* The field of an option in a record. */
static inline void *option_field(const struct option *option, void *record)
{
    return (char *)record + option->offset;
}
static inline const void *option_field_const(const struct option *option, const void *record)
{
    return (const char *)record + option->offset;
}
/* A number field of 1, 4 or 8 bytes. */
uint64_t option_number(const struct option *option, const void *record);
void option_set_number(const struct option *option, void *record, uint64_t value);
void option_release_text(const struct option *option, void *record);

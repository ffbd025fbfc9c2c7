/* The sentence of a violation: place, rule, keyword, and how near the value came. Runs in the thread of the check. */
#include <stdarg.h>
#include <stdio.h>

#include "gateway/mcp/schema_check_priv.h"

static void begin_sentence(struct text *out, const struct schema_place *place)
{
    if (place)
        schema_place_add(out, place);
    else
        schema_add_cut(out, SPAN("the whole value"));
    schema_add_cut(out, SPAN(": "));
}

int schema_violate(struct schema_check *check, const struct schema_place *place, const char *format, ...)
{
    struct schema_finding *finding = check->finding;
    if (!finding)
        return SCHEMA_VIOLATION;
    char rule[SCHEMA_MAX_SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rule, sizeof(rule), format, arguments);
    va_end(arguments);
    begin_sentence(finding->sentence, place);
    schema_add_cut(finding->sentence, span_of(rule));
    bool kind_of_value = span_ends(span_of(rule), SPAN("(const)")) || span_ends(span_of(rule), SPAN("(enum)"));
    finding->rank = 2 * schema_place_depth(place) + !kind_of_value;
    return SCHEMA_VIOLATION;
}

static void add_types(struct text *out, unsigned types)
{
    static const char *names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    if (types & SCHEMA_NUMBER)
        types &= ~(unsigned)SCHEMA_INTEGER;
    const char *before = "";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (types >> i & 1) {
            schema_addf(out, "%s%s", before, names[i]);
            before = " or ";
        }
    }
}

int schema_violate_type(struct schema_check *check, const struct schema_place *place, unsigned types,
                        const struct schema_value *value)
{
    struct schema_finding *finding = check->finding;
    if (!finding)
        return SCHEMA_VIOLATION;
    begin_sentence(finding->sentence, place);
    schema_add_cut(finding->sentence, SPAN("must be "));
    add_types(finding->sentence, types);
    schema_add_cut(finding->sentence, SPAN(", not "));
    add_types(finding->sentence, value->kinds);
    schema_add_cut(finding->sentence, SPAN(" (type)"));
    finding->rank = 2 * schema_place_depth(place);
    finding->types = types;
    return SCHEMA_VIOLATION;
}

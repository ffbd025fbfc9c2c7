/* Looks methods up. The table is short and names differ early, so a walk that compares sizes first is as fast as a
 * hash. */
#include "gateway/mcp/methods.h"

enum { REQUEST, NOTIFICATION };
enum { LEGACY = 1 << ERA_LEGACY, MODERN = 1 << ERA_MODERN, BOTH = LEGACY | MODERN };

static const struct method_row {
    struct span name;
    const char *mirrored;
    uint8_t kind;
    uint8_t eras;
} rows[METHOD_COUNT] = {
#define METHOD(name, text, kind, eras, mirrored) [METHOD_##name] = {{text, sizeof(text) - 1}, mirrored, kind, eras},
#include "gateway/mcp/methods.def"
#undef METHOD
    [METHOD_UNKNOWN] = {{"unknown", 7}, NULL, REQUEST, 0},
};

enum method method_find(struct span name, enum era era)
{
    for (unsigned i = 0; i < METHOD_UNKNOWN; i++)
        if (rows[i].name.size == name.size && (rows[i].eras & 1 << era) && span_equal(rows[i].name, name))
            return (enum method)i;
    return METHOD_UNKNOWN;
}

const char *method_name(enum method method)
{
    return rows[method].name.at;
}

bool method_is_notification(enum method method)
{
    return rows[method].kind == NOTIFICATION;
}

const char *method_mirrored_member(enum method method)
{
    return rows[method].mirrored;
}

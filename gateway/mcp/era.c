/* The table of revisions. */
#include "gateway/mcp/era.h"

static const struct revision_row {
    const char *name;
    enum era era;
} rows[REVISION_COUNT] = {
    [REVISION_2024_11_05] = {"2024-11-05", ERA_LEGACY}, [REVISION_2025_03_26] = {"2025-03-26", ERA_LEGACY},
    [REVISION_2025_06_18] = {"2025-06-18", ERA_LEGACY}, [REVISION_2025_11_25] = {"2025-11-25", ERA_LEGACY},
    [REVISION_2026_07_28] = {"2026-07-28", ERA_MODERN},
};

int revision_find(struct span version, enum revision *ret_revision)
{
    for (unsigned i = REVISION_COUNT; i-- > 0;)
        if (span_is(version, rows[i].name)) {
            *ret_revision = (enum revision)i;
            return 0;
        }
    return REVISION_UNKNOWN;
}

const char *revision_name(enum revision revision)
{
    return rows[revision].name;
}

enum era revision_era(enum revision revision)
{
    return rows[revision].era;
}

const char *era_name(enum era era)
{
    return era == ERA_MODERN ? "modern" : "legacy";
}

void revision_add_supported(struct text *out)
{
    text_add_char(out, '[');
    for (unsigned i = REVISION_COUNT; i-- > 0;)
        text_addf(out, "\"%s\"%s", rows[i].name, i > 0 ? "," : "");
    text_add_char(out, ']');
}

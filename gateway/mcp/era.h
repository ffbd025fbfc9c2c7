/* Protocol revisions and their two eras. Legacy revisions begin with `initialize` and have sessions; modern ones carry
   everything in each request's _meta (MCP 2026-07-28, basic/versioning). Pure data. */
#pragma once
#include "gateway/base/text.h"

enum era { ERA_LEGACY, ERA_MODERN, ERA_COUNT };

enum revision { /* in the order of their dates: compare with < */
                REVISION_2024_11_05,
                REVISION_2025_03_26,
                REVISION_2025_06_18,
                REVISION_2025_11_25,
                REVISION_2026_07_28,
                REVISION_COUNT
};
enum { REVISION_NEWEST_LEGACY = REVISION_2025_11_25 };

/* 0, or REVISION_UNKNOWN for a version that is not served. */
enum { REVISION_UNKNOWN = 1 };
MUST_USE int revision_find(struct span version, enum revision *ret_revision);
const char *revision_name(enum revision revision);
enum era revision_era(enum revision revision);
const char *era_name(enum era era);
/* JSON array of the served versions, newest first: `supported`, `supportedVersions`. */
void revision_add_supported(struct text *out);

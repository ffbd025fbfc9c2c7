/* Opaque pagination cursors (MCP server/utilities/pagination). A cursor names the last item that was seen by its
   ordinal, which an item keeps for life: a page that follows a change of the catalogue neither repeats nor skips what
   stayed. Pure data. */
#pragma once
#include "gateway/base/text.h"

/* `kind` keeps a cursor of one list from being used on another. */
void cursor_add(struct text *out, char kind, uint64_t ordinal);
/* 0, or CURSOR_INVALID. */
enum { CURSOR_INVALID = 1 };
MUST_USE int cursor_read(struct span cursor, char kind, uint64_t *ret_ordinal);

/* Text for manual pages, in troff's man macros. Pure; any thread. */
#pragma once
#include "gateway/base/text.h"

/* Adds text so that troff takes none of it for its own: backslashes, hyphens (it would make them typographic), and a
   dot or quote that begins a line. A line feed becomes a line break. */
void troff_add(struct text *out, struct span text);

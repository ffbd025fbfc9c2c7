/* What only making the handlers of a configuration can tell: whether modules load, programs are there, names differ. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

/* Appends a line "FILE:LINE:COLUMN: problem" to `mistakes`. `problem` is what gateway/providers said, beginning with
   the row ("modules[0] ..."), which gives the place. */
void handlers_add_mistake(const char *file, const struct settings *settings, struct span problem,
                          struct text *mistakes);
/* Makes all handlers and throws them away. 0, CONFIG_MISTAKES with a line for every row that is refused, or -ENOMEM. */
MUST_USE int handlers_check(const char *file, const struct settings *settings, struct text *mistakes);

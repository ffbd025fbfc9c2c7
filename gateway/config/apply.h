/* A document into settings: every member finds its row, every mistake its place. */
#pragma once
#include "gateway/config/document.h"
#include "gateway/core/settings.h"

/* Sets what the document names; `settings` holds the defaults. Relative paths are relative to `directory` (NULL: as
   they are). Mistakes are reported and the rest goes on. 0 or -ENOMEM. */
MUST_USE int apply_document(const struct document *document, const char *directory, struct settings *settings,
                            struct mistakes *mistakes);
/* Sets what the variables ("WEIR_LIMITS_MAX_PAYLOAD=1MiB", NULL at the end) name. A name that begins with WEIR_ and is
   near to an option's is a mistake, others are not ours. 0 or -ENOMEM. */
MUST_USE int apply_environment(char *const *environment, const char *directory, struct settings *settings,
                               struct mistakes *mistakes);

/* The certificates of a configuration, judged without serving anything. Blocking; main thread. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

/* Reads every listener's. 0; CONFIG_MISTAKES, and a line in `mistakes` for each row of the configuration whose files
   cannot be used; or -errno. `file` is the configuration's name. */
MUST_USE int certificates_check(const char *file, const struct settings *settings, struct text *mistakes);

/* The configuration: a file, the environment and the command line become settings, or a list of every mistake.
   Blocking; at start and on reload. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

/* Outcome of all below: `mistakes` has one line each, FILE:LINE:COLUMN: sentence. */
enum { CONFIG_MISTAKES = 1, CONFIG_MISTAKES_BYTES = 512 * 1024 };

/* What stands above the file. May be empty. */
struct config_arguments {
    const char *const *listen; /* weir serve's --listen, each an address */
    size_t listens;
    bool no_listeners; /* without those there are none, and no admin address (weir serve --stdio) */
};

/* Reads the file (NULL: the built-in demo), then the environment, which beats it, then the arguments, which beat both:
   --listen replaces all listeners and keeps the first one's other settings. The result is config_free()'s. 0,
   CONFIG_MISTAKES (also for a file that cannot be read) or -ENOMEM. */
MUST_USE int config_load(const char *path, const struct config_arguments *arguments, struct settings **ret_settings,
                         struct text *mistakes);
/* The same from bytes. `name` goes before each mistake, relative paths are relative to `directory` (NULL: the current
   one), `environment` is "NAME=value" up to a NULL. */
MUST_USE int config_parse(struct span yaml, const char *name, const char *directory, char *const *environment,
                          const struct config_arguments *arguments, struct settings **ret_settings,
                          struct text *mistakes);
void config_free(struct settings *settings); /* NULL is fine */

/* Whether running settings can become `next` without a restart: 0, or CONFIG_MISTAKES with a line for each option that
   is fixed while the gateway runs and differs. */
MUST_USE int config_can_replace(const struct settings *running, const struct settings *next, struct text *mistakes);
/* Calls `each` with every top option that is not at its default, as the file would have it; secrets as "(secret)". */
void config_differences(const struct settings *settings, void (*each)(const char *path, struct span value));

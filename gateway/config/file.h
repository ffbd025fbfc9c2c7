/* Reading a file whole, within a bound, and paths relative to a configuration. Blocking; used at start and reload only.
 */
#pragma once
#include "gateway/base/text.h"

/* Appends the file's bytes. 0, -errno, or -EMSGSIZE: larger than out->max_bytes. */
MUST_USE int file_read(const char *path, struct text *out);
/* `path` itself if it is absolute or `directory` is NULL, else DIRECTORY/PATH. NULL without memory. */
MUST_USE char *file_path(const char *directory, struct span path);
/* The directory part of a path, "." if it has none. NULL without memory. */
MUST_USE char *file_directory(const char *path);

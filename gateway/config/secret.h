/* Secrets stand elsewhere: "file:PATH" (relative to `directory`; one trailing newline is not part of it) or "env:NAME".
   Any other text is the secret itself. */
#pragma once
#include "gateway/base/text.h"

enum { SECRET_MAX_BYTES = 64 * 1024 };

/* 0; SECRET_MISSING and in `problem` a sentence that never holds the secret; or -ENOMEM. `directory` may be NULL: the
   current one. The result is NUL-terminated, without NUL bytes in it. */
enum { SECRET_MISSING = 1 };
MUST_USE int secret_read(struct span reference, const char *directory, struct text *problem, char **ret_secret);

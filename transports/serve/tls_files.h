/* The files that a listener's TLS is made of: reads them, and tells whether they have changed since. A change is a
   different time, size or inode, so that a file that is written to, replaced, or behind a link that is switched counts
   as changed. Not shared between threads. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

struct tls_files;

/* Notes how the files of `settings` are now (also those that are missing). 0 or -ENOMEM. */
MUST_USE int tls_files_new(const struct tls_settings *settings, struct tls_files **ret_files);
void tls_files_free(struct tls_files *files); /* takes NULL */
/* Whether any is not as it was noted. A few system calls on local files. */
bool tls_files_changed(const struct tls_files *files);

/* The whole of a regular file, added to `out`. 0; -errno; -EISDIR or -EINVAL: it is no regular file; -EFBIG: longer
   than `out` may be. */
MUST_USE int tls_files_read(const char *path, struct text *out);

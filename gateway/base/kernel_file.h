/* Small files that the kernel makes up as they are read: /proc, /sys/fs/cgroup. Any thread; nothing allocates. */
#pragma once
#include "gateway/base/span.h"

/* What one read(2) gives of it, which is all of such a file as far as there is room; empty when it cannot be read. The
   bytes are in `room`. */
struct span kernel_file_read(const char *path, char *room, size_t size);

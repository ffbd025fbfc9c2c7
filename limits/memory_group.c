/* The control group's limit: the group's path from /proc/self/cgroup, then its files and those of its parents. In a
   container the path may lead outside of what is mounted there; then the root's own file is the limit. Any thread; owns
   nothing. */
#include <limits.h>
#include <stdio.h>

#include "gateway/base/kernel_file.h"
#include "limits/memory.h"

enum { GROUPS_BYTES = 8192, NUMBER_BYTES = 64 };
static const uint64_t NO_LIMIT = UINT64_C(1) << 60; /* version 1 says so by a number near 2^63 */

static uint64_t read_limit(const char *root, const char *mount, struct span group, const char *file)
{
    char path[PATH_MAX], bytes[NUMBER_BYTES];
    uint64_t limit;
    int size = snprintf(path, sizeof(path), "%s%s%.*s/%s", root, mount, SPAN_PRINT(group), file);
    if (size < 0 || (size_t)size >= sizeof(path))
        return UINT64_MAX;
    struct span text = kernel_file_read(path, bytes, sizeof(bytes));
    if (span_to_uint64(span_cut(&text, '\n'), &limit) < 0 || limit >= NO_LIMIT)
        return UINT64_MAX;
    return limit;
}

/* The least of the group and those above it: "/a/b", "/a", "". */
static uint64_t least_limit(const char *root, const char *mount, struct span group, const char *file)
{
    uint64_t least = UINT64_MAX;
    if (span_is(group, "/"))
        group.size = 0;
    for (;;) {
        uint64_t limit = read_limit(root, mount, group, file);
        least = MIN(least, limit);
        if (group.size == 0)
            return least;
        while (group.size > 0 && group.at[group.size - 1] != '/')
            group.size--;
        if (group.size > 0)
            group.size--;
    }
}

static bool names_memory(struct span controllers)
{
    while (!span_absent(controllers))
        if (span_is(span_cut(&controllers, ','), "memory"))
            return true;
    return false;
}

/* "0::/system.slice/weir.service" (2), "9:memory:/docker/1f0c" (1). */
static uint64_t limit_of_line(struct span line, const char *root)
{
    struct span number = span_cut(&line, ':'), controllers = span_cut(&line, ':');
    if (span_is(number, "0") && controllers.size == 0 && !span_absent(line))
        return least_limit(root, "", line, "memory.max");
    if (names_memory(controllers))
        return least_limit(root, "/memory", line, "memory.limit_in_bytes");
    return UINT64_MAX;
}

uint64_t memory_group_limit(const char *groups, const char *root)
{
    char bytes[GROUPS_BYTES];
    uint64_t least = UINT64_MAX;
    struct span rest = kernel_file_read(groups, bytes, sizeof(bytes));
    while (rest.size > 0) {
        uint64_t limit = limit_of_line(span_cut(&rest, '\n'), root);
        least = MIN(least, limit);
    }
    return least;
}

/* The table of severities. */
#include "gateway/mcp/log_level.h"

static const char *const names[LOG_LEVEL_COUNT] = {
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
};

unsigned log_level_find(struct span name)
{
    unsigned level = 0;
    while (level < LOG_LEVEL_COUNT && !span_is(name, names[level]))
        level++;
    return level;
}

const char *log_level_name(unsigned level)
{
    return names[level];
}

/* The severities of log messages (RFC 5424, as MCP names them: server/utilities/logging), in ascending order. Pure
 * data. */
#pragma once
#include "gateway/base/span.h"

enum { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_COUNT = 8, LOG_LEVEL_NONE = LOG_LEVEL_COUNT };

/* LOG_LEVEL_NONE for what is no level. */
unsigned log_level_find(struct span name);
const char *log_level_name(unsigned level);

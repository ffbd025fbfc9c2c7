/* The methods that a client may send: one row each, in methods.def. Pure data. */
#pragma once
#include "gateway/mcp/era.h"

enum method {
#define METHOD(name, ...) METHOD_##name,
#include "gateway/mcp/methods.def"
#undef METHOD
    METHOD_UNKNOWN,
    METHOD_COUNT
};

/* METHOD_UNKNOWN if there is no such method in that era. */
enum method method_find(struct span name, enum era era);
/* "tools/call"; "unknown". */
const char *method_name(enum method method);
bool method_is_notification(enum method method);
/* The member of params that the header Mcp-Name mirrors (basic/transports/streamable-http, "Standard Request Headers"),
 * or NULL. */
const char *method_mirrored_member(enum method method);

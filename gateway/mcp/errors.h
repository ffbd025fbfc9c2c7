/* Outcomes that a client sees as JSON-RPC errors: one row each, in errors.def. Pure data. */
#pragma once
#include "gateway/mcp/era.h"

enum error_name {
#define ERROR(name, ...) ERROR_##name,
#include "gateway/mcp/errors.def"
#undef ERROR
    ERROR_COUNT
};

struct error_row {
    const char *label; /* "INVALID_PARAMS", for logs */
    const char *text;
    int code[ERA_COUNT];
    int status[ERA_COUNT]; /* HTTP */
};
const struct error_row *error_row(enum error_name name);

/* One JSON-RPC error response (JSON-RPC 2.0, section 5.1; MCP basic/index "Error Responses"). Without an id the member
   is left out, as the MCP schemas want it (JSON-RPC's null is not a RequestId). `data` is JSON or absent. */
void error_add_response(struct text *out, struct span id, int code, struct span message, struct span data);

/* How results are written: the JSON-RPC response around a result object, in the form of each era. Pure: bytes in, bytes
 * out. */
#pragma once
#include "gateway/mcp/era.h"

#define RESULT_COMPLETE       "complete"
#define RESULT_INPUT_REQUIRED "input_required"
#define RESULT_TASK           "task"

/* {"jsonrpc":"2.0","id":ID,"result":RESULT}. In the modern era RESULT gets resultType and
   _meta["io.modelcontextprotocol/serverInfo"]; its own _meta members stay, a resultType of its own gives way. `result`
   is a valid JSON object. */
void result_add_response(struct text *out, struct span id, enum era era, const char *result_type, struct span result);
/* The same, without the response around it: for results inside of results (tasks/get). */
void result_add_object(struct text *out, enum era era, const char *result_type, struct span result);
/* {"name":"weir","version":"..."} */
#define RESULT_SERVER_INFO "{\"name\":\"weir\",\"title\":\"weir MCP gateway\",\"version\":\"" WEIR_VERSION "\"}"

/* The Mcp-Param-* fields of a call: what a tool's schema asks to be mirrored (2026-07-28,
   basic/transports/streamable-http, "Custom Headers from Tool Parameters"). */
#pragma once
#include <json-c/json.h>

#include "gateway/main/client_http.h"

/* Adds the fields that `arguments` (a valid JSON object) give values for. No schema: none. 0; CLIENT_FAILED: the
   annotations break a rule, so the tool must not be used; or -ENOMEM. */
MUST_USE int client_parameters_add(struct json_object *schema, struct span arguments, struct curl_slist **fields,
                                   struct text *problem);
/* 0 when the tool may be offered; CLIENT_FAILED with the rule that its schema breaks; or -ENOMEM. */
MUST_USE int client_parameters_check(struct json_object *schema, struct text *problem);

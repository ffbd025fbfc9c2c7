/* An MCP client for tools, in both eras (2024-11-05 … 2025-11-25 with initialize and sessions; 2026-07-28 without).
   It declares no capabilities, so servers ask nothing of it. Main thread. */
#pragma once
#include "gateway/main/client_wire.h"
#include "gateway/mcp/era.h"

struct client_mcp;

enum client_era { CLIENT_ERA_AUTO, CLIENT_ERA_LEGACY, CLIENT_ERA_MODERN };

struct client_mcp_settings {
    struct client_http_settings http;
    enum client_era era;
    /* A notification that came with an answer: progress, a log message. */
    void (*notice)(void *context, const char *method, struct json_object *params);
    void *context;
};

/* Finds out what the server speaks, as the era asks: auto tries server/discover, and initialize when that is refused
   as a server without it would (basic/transports/streamable-http, "Backward Compatibility"). In all that follows:
   0, CLIENT_FAILED with a sentence in `problem`, or -ENOMEM. */
MUST_USE int client_mcp_open(const struct client_mcp_settings *settings, struct client_mcp **ret_mcp,
                             struct text *problem);
/* Ends the session. Takes NULL. */
void client_mcp_close(struct client_mcp *mcp);
enum era client_mcp_era(const struct client_mcp *mcp);

/* Shows `visit` each tool of tools/list, page after page, until it returns false. The tools are borrowed. */
enum { CLIENT_MCP_MAX_PAGES = 1000, CLIENT_MCP_MAX_TOOLS = 100000 };
MUST_USE int client_mcp_list(struct client_mcp *mcp, bool (*visit)(void *context, struct json_object *tool),
                             void *context, struct text *problem);

/* Calls a tool with a JSON object. In the modern era the list of tools is read first, for parameters that want header
   fields. *ret_result is the caller's. */
MUST_USE int client_mcp_call(struct client_mcp *mcp, const char *tool, struct span arguments,
                             struct json_object **ret_result, struct text *problem);

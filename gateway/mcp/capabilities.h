/* What a client says it can do, as a set of bits. MCP 2026-07-28 schema, ClientCapabilities; the legacy revisions use
   the same members. Pure data. */
#pragma once
#include "gateway/base/text.h"

enum capability {
    CAPABILITY_SAMPLING = 1 << 0,
    CAPABILITY_SAMPLING_TOOLS = 1 << 1,
    CAPABILITY_ELICITATION = 1 << 2,     /* forms */
    CAPABILITY_ELICITATION_URL = 1 << 3, /* 2025-11-25 and later */
    CAPABILITY_ROOTS = 1 << 4,
    CAPABILITY_TASKS = 1 << 5, /* extension io.modelcontextprotocol/tasks (SEP-2663) */
};

/* Reads a validated ClientCapabilities object (JSON). Unknown members are ignored; anything but an object gives 0. */
unsigned capabilities_read(struct span json);
/* The object that declares exactly these: data.requiredCapabilities of error -32021. */
void capabilities_add(struct text *out, unsigned capabilities);
/* {"requiredCapabilities":{...}}: the data of error -32021. */
void capabilities_add_required(struct text *out, unsigned capabilities);
/* What an input request needs: its method, and for elicitation/create its mode. 0 and the bits, or CAPABILITY_UNKNOWN
   for a request that no client can be sent (basic/patterns/mrtr, "Core Types"). */
enum { CAPABILITY_UNKNOWN = 1 };
MUST_USE int capability_of_request(struct span method, struct span params, unsigned *ret_needed);

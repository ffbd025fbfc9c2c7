/* One JSON-RPC message of a client, and what comes back for it, in either era: over Streamable HTTP (basic/transports)
   a JSON body, or a stream of events with the answer among them; over WebSocket a message of its own. Main thread. */
#pragma once
#include <json-c/json.h>

#include "gateway/main/client_websocket.h"

enum {
    CLIENT_WIRE_MAX_ANSWER_BYTES = 64 * 1024 * 1024, /* a body, a line of a stream, an event */
    CLIENT_WIRE_MAX_RESUMES = 1000,
};

/* The one value in a JSON text, without the blanks around it: 0, or an outcome of json.h. */
MUST_USE int client_wire_value(struct span json, struct span *ret_raw);

struct client_wire {
    struct client_http *http;           /* borrowed; one of the two */
    struct client_websocket *websocket; /* has no fields, no statuses, and nothing to resume */
    uint64_t timeout_ms;
    const char *version;                   /* for MCP-Protocol-Version; NULL: none yet */
    char session[CLIENT_HTTP_VALUE_BYTES]; /* for Mcp-Session-Id; "": none */
    bool resumes; /* legacy: a stream that ends too early is taken up again with Last-Event-ID */
    /* A notification that came with an answer. */
    void (*notice)(void *context, const char *method, struct json_object *params);
    void *context;
};

struct client_reply {
    struct client_http_answer http;
    struct json_object *message; /* the JSON-RPC response, the caller's; NULL: none came */
};

/* Posts a request with this id (0: a notification) and waits for its response. `fields` has those that only this
   request wants, the others are added. Requests that the server makes meanwhile
   are answered: ping as it must be, others with "method not found". 0, whatever HTTP status and message came;
   CLIENT_FAILED, or -ENOMEM. */
MUST_USE int client_wire_send(struct client_wire *wire, struct span message, int64_t id, struct curl_slist **fields,
                              struct client_reply *ret_reply, struct text *problem);
/* Ends the session, if there is one (2025-11-25, basic/transports, "Session Management"). */
void client_wire_end(struct client_wire *wire);

/* WebSocket as a client (libwebsockets): ws and wss, one connection with subprotocol `mcp`, a JSON-RPC message per text
   message. Main thread. */
#pragma once
#include "gateway/main/client_http.h"

struct client_websocket;

enum { CLIENT_WEBSOCKET_MAX_MESSAGE_BYTES = 64 * 1024 * 1024, CLIENT_WEBSOCKET_CLOSE_MS = 1000 };

/* Whether the URL, which has been checked, is one of WebSocket. */
bool client_websocket_is(const char *url);

/* Connects. 0, CLIENT_FAILED with the reason, or -ENOMEM. */
MUST_USE int client_websocket_new(const struct client_http_settings *settings, struct client_websocket **ret_websocket,
                                  struct text *problem);
/* Says goodbye first. Takes NULL. */
void client_websocket_free(struct client_websocket *websocket);

/* Puts a message behind those that wait to be sent; copied. 0 or -ENOMEM. */
MUST_USE int client_websocket_send(struct client_websocket *websocket, struct span message);
/* Sends what waits, and gives `take` each message that comes, until it returns something other than 0, which is the
   result. It may send. Without it: until all is sent. Fails with CLIENT_FAILED when the connection or the time of
   settings->timeout_ms has ended, or with -ENOMEM. */
MUST_USE int client_websocket_wait(struct client_websocket *websocket, int (*take)(void *context, struct span message),
                                   void *context, struct text *problem);

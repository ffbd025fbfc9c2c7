/* The WebSocket front: MCP over WebSocket (RFC 6455), one JSON-RPC message per text message, subprotocol "mcp", both
   eras. libwebsockets is on the inner end of a pump, whose filter is the frame gate
   (transports/wire/websocket_frame.h): it reassembles messages that come in pieces, and writes to peers that do not
   keep up; the upgrade is judged here (transports/wire/websocket_head.h), control frames are answered here, and closing
   codes are given here. A legacy session belongs to its connection; requests are cancelled by notifications/cancelled.
   One front per reactor; all functions run on its thread. */
#pragma once
#include "gateway/core/reactor.h"
#include "transports/serve/pump.h"
#include "transports/serve/upgrade.h"

struct websocket_front;

enum {
    WEBSOCKET_PING_MS = 30 * 1000,     /* of silence before we ask whether somebody is there; limits.idle_timeout after
                                          the last sign of life the connection ends (half of it, if that is less) */
    WEBSOCKET_CLOSE_TIMEOUT_MS = 5000, /* for the peer to take what is before its close frame */
    WEBSOCKET_RETRY_AFTER_S = 1,
};

/* `pumps` are borrowed until the front is free. 0 or -errno; -ENOTSUP: libwebsockets lacks its libuv plugin. */
MUST_USE int websocket_front_new(struct reactor *reactor, struct pumps *pumps, struct websocket_front **ret_front);
/* For whoever reads heads. */
struct upgrade_front websocket_front_upgrades(struct websocket_front *front);

/* New upgrades are refused; connections close with 1001 when what they owe is answered. */
void websocket_front_drain(struct websocket_front *front);
bool websocket_front_idle(const struct websocket_front *front);
/* Cuts off what is left. The memory goes when the loop has turned to close the handles. Takes NULL. */
void websocket_front_free(struct websocket_front *front);

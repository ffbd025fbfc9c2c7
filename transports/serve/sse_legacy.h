/* HTTP with SSE, the transport of 2024-11-05 (basic/transports): GET of one path opens a stream, whose first event
   tells the client where to POST its messages; each of these is answered 202 at once, and what there is to say comes on
   the stream. The stream is the client's connection: its session lives as long as it does, in either era. Part of the
   HTTP front, for listeners whose transports name `sse`; private to transports/serve/http_*.c. One reactor's thread. */
#pragma once
#include "transports/serve/http_parts.h"

#define SSE_LEGACY_STREAM_PATH   "/sse"
#define SSE_LEGACY_MESSAGES_PATH "/messages"

enum {
    SSE_LEGACY_MAX_OUTSTANDING = 256, /* messages of one client under way: a request beyond gets 503 */
    SSE_LEGACY_MAX_OTHERS = 256,      /* so many more that are no requests: what they wait for may be just these */
    SSE_LEGACY_PAYLOADS = 2,          /* times limits.max_payload, the bytes of all of them together */
};

struct sse_legacy;

/* Of the exchange of the GET. */
extern const struct front_ops sse_legacy_ops;

/* GET: the exchange is made, nothing has been answered. */
void sse_legacy_open(struct http_request *request);
/* POST: the same, and the body is whole. */
void sse_legacy_post(struct http_request *request);
/* The stream is over, whoever ended it: so are its calls and its session. Takes NULL. Not from inside the core. */
void sse_legacy_close(struct sse_legacy *sse);
/* Ends streams with nothing under way, the others when they have their answers. */
void sse_legacy_drain(struct http_front *front);
/* Ends streams that nobody has sent a message to for so long since they opened. */
void sse_legacy_sweep(struct http_front *front, uint64_t idle_ms);

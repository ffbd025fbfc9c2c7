/* The frame gate: judges the frame headers of RFC 6455 on the bytes that a WebSocket client sends, before the library
   that serves it sees them, and takes the control frames out: the library answers only the first of many pings, and
   closes without a code. What passes is frames of text, in a legal order. Incremental: bytes may be cut anywhere; at
   most one header or one control frame is held back. Pure; the owner's thread. */
#pragma once
#include "gateway/base/span.h"

enum {
    WEBSOCKET_MAX_CONTROL = 125, /* RFC 6455, 5.5 */
    WEBSOCKET_MAX_REASON = WEBSOCKET_MAX_CONTROL - 2,
    WEBSOCKET_GATE_ROOM = 2 + 4 + WEBSOCKET_MAX_CONTROL, /* what may be held back: a masked control frame */
};

/* RFC 6455, 7.4.1, and the IANA registry "WebSocket Close Code Number". */
enum websocket_close {
    WEBSOCKET_CLOSE_NONE = 0,
    WEBSOCKET_CLOSE_NORMAL = 1000,
    WEBSOCKET_CLOSE_GOING_AWAY = 1001,
    WEBSOCKET_CLOSE_PROTOCOL = 1002,
    WEBSOCKET_CLOSE_UNSUPPORTED = 1003,
    WEBSOCKET_CLOSE_NO_CODE = 1005, /* never sent: a close frame without one */
    WEBSOCKET_CLOSE_LOST = 1006,    /* never sent: the connection ended without one */
    WEBSOCKET_CLOSE_INVALID_DATA = 1007,
    WEBSOCKET_CLOSE_POLICY = 1008,
    WEBSOCKET_CLOSE_TOO_LARGE = 1009,
    WEBSOCKET_CLOSE_INTERNAL = 1011,
    WEBSOCKET_CLOSE_TRY_LATER = 1013,
};

/* All zero but for max_message: nothing has come yet. */
struct websocket_gate {
    uint64_t max_message; /* bytes of one message, all its fragments together */
    uint64_t message;     /* of the one under way, announced so far */
    uint64_t left;        /* of the payload of the frame under way */
    uint64_t messages;    /* so many have passed, the last one at least up to its last frame's header */
    bool in_message;      /* fragments of a message have come, its last has not */
    bool closed;          /* a close frame has come, or a verdict was given: the rest is dropped */
    uint8_t held;
    char hold[WEBSOCKET_GATE_ROOM];
};

/* What a portion of bytes has brought. */
struct websocket_verdict {
    enum websocket_close close;       /* not NONE: the connection has to end with this code, and `reason` */
    const char *reason;               /* static, at most WEBSOCKET_MAX_REASON bytes */
    enum websocket_close peer_closed; /* not NONE: a well-formed close frame has come, with this code */
    bool pinged;                      /* and has to be answered with these bytes: those of the last ping, which */
    bool ponged;                      /* is enough (RFC 6455, 5.5.3) */
    uint8_t ping_size;
    char ping[WEBSOCKET_MAX_CONTROL];
};

/* Judges the next `size` bytes; there is room for WEBSOCKET_GATE_ROOM more behind them. Rewrites them in place; returns
   how many go on to the library, at most size + WEBSOCKET_GATE_ROOM. After a verdict with a close code nothing passes
   any more. *verdict is set from scratch. */
size_t websocket_gate_pass(struct websocket_gate *gate, char *bytes, size_t size, struct websocket_verdict *verdict);

/* Whether what has passed by now ends with the end of a message. */
static inline bool websocket_gate_between(const struct websocket_gate *gate)
{
    return !gate->in_message && gate->left == 0;
}
/* The first message of what has passed, whole from the beginning of its first frame to the end of its last: unmasked
   and put together in place. *ret_size is how long its frames were. */
struct span websocket_gate_join(char *frames, size_t *ret_size);

/* The header of a server's frame, whole and unmasked, written so that it ends at `end`. Returns its size. */
enum { WEBSOCKET_HEADER_BYTES = 10, WEBSOCKET_TEXT = 0x1, WEBSOCKET_PING = 0x9, WEBSOCKET_PONG = 0xa };
size_t websocket_frame_header(uint8_t opcode, size_t size, char *end);

/* A close frame as a server sends it: `code` NO_CODE without a body; the reason is cut to what fits, between
   characters. Returns its size. */
enum { WEBSOCKET_CLOSE_FRAME_BYTES = 2 + WEBSOCKET_MAX_CONTROL };
size_t websocket_close_frame(enum websocket_close code, struct span reason, char out[WEBSOCKET_CLOSE_FRAME_BYTES]);

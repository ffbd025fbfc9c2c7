/* Judges frames. A frame is looked at from its first byte whenever more of it has come, so there is no state inside of
   a header: what is not complete is kept as it came. Headers are judged byte by byte, so that a refusal does not wait
   for the bytes behind the one that earns it. */
#include "transports/wire/websocket_frame.h"

enum {
    FIN = 0x80,
    RESERVED = 0x70,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    MASK_BYTES = 4,
    CONTROL = 0x08, /* of an opcode */
};

enum opcode {
    CONTINUATION = 0x0,
    TEXT_FRAME = 0x1,
    BINARY_FRAME = 0x2,
    CLOSE = 0x8,
    PING = 0x9,
    PONG = 0xa,
};

struct frame {
    bool fin;
    uint8_t opcode;
    uint8_t header; /* bytes of it */
    uint64_t length;
};

enum { INCOMPLETE = 1, REFUSED = 2 };

static int refuse(struct websocket_verdict *verdict, enum websocket_close code, const char *reason)
{
    verdict->close = code;
    verdict->reason = reason;
    return REFUSED;
}

static int refuse_protocol(struct websocket_verdict *verdict, const char *reason)
{
    return refuse(verdict, WEBSOCKET_CLOSE_PROTOCOL, reason);
}

/* ---- headers ---- */

/* RFC 6455, 5.2 and 5.4: reserved bits, opcode, and its place in the sequence. */
static int judge_first_byte(const struct websocket_gate *gate, uint8_t byte, struct websocket_verdict *verdict)
{
    bool fin = byte & FIN;
    if (byte & RESERVED)
        return refuse_protocol(verdict, "a reserved bit is set, and no extension was agreed on");
    switch (byte & OPCODE) {
    case CONTINUATION:
        return gate->in_message ? 0 : refuse_protocol(verdict, "there is no message to continue");
    case TEXT_FRAME:
    case BINARY_FRAME:
        if (gate->in_message)
            return refuse_protocol(verdict, "a new message began before the last one's end");
        if ((byte & OPCODE) == BINARY_FRAME)
            return refuse(verdict, WEBSOCKET_CLOSE_UNSUPPORTED, "messages are text");
        return 0;
    case CLOSE:
    case PING:
    case PONG:
        return fin ? 0 : refuse_protocol(verdict, "a control frame is fragmented");
    default:
        return refuse_protocol(verdict, "the opcode is reserved");
    }
}

static int judge_second_byte(uint8_t opcode, uint8_t byte, struct websocket_verdict *verdict)
{
    if (!(byte & MASKED))
        return refuse_protocol(verdict, "a client's frame is not masked");
    if ((opcode & CONTROL) && (byte & LENGTH) > WEBSOCKET_MAX_CONTROL)
        return refuse_protocol(verdict, "a control frame is longer than 125 bytes");
    return 0;
}

/* "the minimal number of bytes MUST be used to encode the length" (RFC 6455, 5.2). `at` is what follows the second
   byte. */
static int read_length(struct frame *frame, uint8_t form, const uint8_t *at, size_t size,
                       struct websocket_verdict *verdict)
{
    size_t bytes = form == LENGTH_64 ? 8 : form == LENGTH_16 ? 2 : 0;
    uint64_t least = form == LENGTH_64 ? 0x10000 : form == LENGTH_16 ? LENGTH_16 : 0;
    frame->length = bytes ? 0 : form;
    frame->header = (uint8_t)(2 + bytes + MASK_BYTES);
    if (form == LENGTH_64 && size > 0 && (at[0] & 0x80))
        return refuse_protocol(verdict, "a length has its highest bit set");
    if (size < bytes)
        return INCOMPLETE;
    for (size_t i = 0; i < bytes; i++)
        frame->length = frame->length << 8 | at[i];
    return frame->length >= least ? 0 : refuse_protocol(verdict, "a length is not in its shortest form");
}

static int judge_size(const struct websocket_gate *gate, const struct frame *frame, struct websocket_verdict *verdict)
{
    uint64_t before = gate->in_message ? gate->message : 0;
    if (frame->length > gate->max_message || before > gate->max_message - frame->length)
        return refuse(verdict, WEBSOCKET_CLOSE_TOO_LARGE, "the message is larger than limits.max_payload");
    return 0;
}

/* 0: *frame is its header; INCOMPLETE; or REFUSED, with a verdict. */
static int read_header(const struct websocket_gate *gate, struct span bytes, struct frame *frame,
                       struct websocket_verdict *verdict)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    int result = judge_first_byte(gate, at[0], verdict);
    if (result != 0)
        return result;
    *frame = (struct frame){.fin = at[0] & FIN, .opcode = at[0] & OPCODE};
    if (bytes.size < 2)
        return INCOMPLETE;
    result = judge_second_byte(frame->opcode, at[1], verdict);
    if (result == 0)
        result = read_length(frame, at[1] & LENGTH, at + 2, bytes.size - 2, verdict);
    if (result == 0 && !(frame->opcode & CONTROL))
        result = judge_size(gate, frame, verdict);
    if (result == 0 && bytes.size < frame->header)
        result = INCOMPLETE;
    return result;
}

/* ---- control frames ---- */

/* The mask is in front of the payload; `out` may be in front of that, or its place. */
static void unmask(const char *payload, size_t size, char *out)
{
    char masks[2 * MASK_BYTES];
    uint64_t mask, word;
    size_t i = 0;
    memcpy(masks, payload - MASK_BYTES, MASK_BYTES);
    memcpy(masks + MASK_BYTES, masks, MASK_BYTES);
    memcpy(&mask, masks, sizeof(mask));
    for (; size - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, payload + i, sizeof(word));
        word ^= mask;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < size; i++)
        out[i] = (char)(payload[i] ^ masks[i % MASK_BYTES]);
}

/* RFC 6455, 7.4: what an endpoint may send. 1004 to 1006 and 1015 never travel; the rest below 3000 is unassigned. */
static bool is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static int judge_close(struct span body, struct websocket_verdict *verdict)
{
    if (body.size == 0) {
        verdict->peer_closed = WEBSOCKET_CLOSE_NO_CODE;
        return 0;
    }
    if (body.size == 1)
        return refuse_protocol(verdict, "a close frame has half a code");
    unsigned code = (unsigned)(uint8_t)body.at[0] << 8 | (uint8_t)body.at[1];
    if (!is_close_code(code))
        return refuse_protocol(verdict, "a close frame has a code that is not for sending");
    if (!span_is_utf8((struct span){body.at + 2, body.size - 2}))
        return refuse(verdict, WEBSOCKET_CLOSE_INVALID_DATA, "the reason of a close frame is not UTF-8");
    verdict->peer_closed = (enum websocket_close)code;
    return 0;
}

/* A whole control frame. */
static int judge_control(const char *frame, const struct frame *header, struct websocket_verdict *verdict)
{
    char body[WEBSOCKET_MAX_CONTROL];
    switch (header->opcode) {
    case PONG:
        verdict->ponged = true;
        return 0;
    case PING:
        unmask(frame + header->header, header->length, verdict->ping);
        verdict->ping_size = (uint8_t)header->length;
        verdict->pinged = true;
        return 0;
    default:
        unmask(frame + header->header, header->length, body);
        return judge_close((struct span){body, (size_t)header->length}, verdict);
    }
}

/* ---- the stream ---- */

static void begin_payload(struct websocket_gate *gate, const struct frame *frame)
{
    gate->message = (frame->opcode == CONTINUATION ? gate->message : 0) + frame->length;
    gate->in_message = !frame->fin;
    gate->left = frame->length;
    gate->messages += frame->fin;
}

/* Where the bytes are read and written; out <= in. */
struct cursor {
    char *base;
    size_t in, out, size;
};

static void keep(struct cursor *cursor, size_t bytes)
{
    if (cursor->in != cursor->out)
        memmove(cursor->base + cursor->out, cursor->base + cursor->in, bytes);
    cursor->in += bytes;
    cursor->out += bytes;
}

/* The frame that begins at cursor->in: as much of it as can be judged. 0, INCOMPLETE or REFUSED. */
static int pass_frame(struct websocket_gate *gate, struct cursor *cursor, struct websocket_verdict *verdict)
{
    struct frame frame;
    struct span bytes = {cursor->base + cursor->in, cursor->size - cursor->in};
    int result = read_header(gate, bytes, &frame, verdict);
    if (result != 0)
        return result;
    if (!(frame.opcode & CONTROL)) {
        begin_payload(gate, &frame);
        keep(cursor, frame.header);
        return 0;
    }
    if (bytes.size < frame.header + frame.length)
        return INCOMPLETE;
    result = judge_control(bytes.at, &frame, verdict);
    cursor->in += (size_t)(frame.header + frame.length);
    gate->closed = verdict->peer_closed != WEBSOCKET_CLOSE_NONE;
    return result;
}

static void put_back_held(struct websocket_gate *gate, struct cursor *cursor)
{
    if (gate->held == 0)
        return;
    memmove(cursor->base + gate->held, cursor->base, cursor->size);
    memcpy(cursor->base, gate->hold, gate->held);
    cursor->size += gate->held;
    gate->held = 0;
}

static void hold_back(struct websocket_gate *gate, const struct cursor *cursor)
{
    gate->held = (uint8_t)(cursor->size - cursor->in);
    memcpy(gate->hold, cursor->base + cursor->in, gate->held);
}

size_t websocket_gate_pass(struct websocket_gate *gate, char *bytes, size_t size, struct websocket_verdict *verdict)
{
    struct cursor cursor = {.base = bytes, .size = size};
    int result = 0;
    *verdict = (struct websocket_verdict){.close = WEBSOCKET_CLOSE_NONE};
    put_back_held(gate, &cursor);
    while (result == 0 && !gate->closed && cursor.in < cursor.size) {
        size_t payload = MIN(gate->left, cursor.size - cursor.in);
        gate->left -= payload;
        keep(&cursor, payload);
        if (cursor.in < cursor.size)
            result = pass_frame(gate, &cursor, verdict);
    }
    if (result == INCOMPLETE)
        hold_back(gate, &cursor);
    if (result == REFUSED)
        gate->closed = true;
    return cursor.out;
}

/* ---- what has passed ---- */

struct span websocket_gate_join(char *frames, size_t *ret_size)
{
    struct websocket_verdict good;
    struct frame frame = {.fin = false};
    size_t in = 0, out = 0;
    while (!frame.fin) {
        const uint8_t *at = (const uint8_t *)frames + in;
        frame.fin = at[0] & FIN;
        (void)read_length(&frame, at[1] & LENGTH, at + 2, sizeof(frame.length), &good);
        in += frame.header;
        unmask(frames + in, (size_t)frame.length, frames + out);
        in += (size_t)frame.length;
        out += (size_t)frame.length;
    }
    *ret_size = in;
    return (struct span){frames, out};
}

/* ---- headers of ours ---- */

size_t websocket_frame_header(uint8_t opcode, size_t size, char *end)
{
    size_t bytes = size > UINT16_MAX ? 8 : size >= LENGTH_16 ? 2 : 0;
    char *at = end;
    for (size_t i = 0; i < bytes; i++)
        *--at = (char)(size >> 8 * i & 0xff);
    *--at = (char)(bytes == 8 ? LENGTH_64 : bytes == 2 ? LENGTH_16 : size);
    *--at = (char)(FIN | opcode);
    return 2 + bytes;
}

static size_t cut_reason(struct span reason)
{
    size_t size = MIN(reason.size, (size_t)WEBSOCKET_MAX_REASON);
    while (size > 0 && size < reason.size && ((uint8_t)reason.at[size] & 0xc0) == 0x80)
        size--;
    return size;
}

size_t websocket_close_frame(enum websocket_close code, struct span reason, char out[WEBSOCKET_CLOSE_FRAME_BYTES])
{
    size_t size = code == WEBSOCKET_CLOSE_NO_CODE ? 0 : 2 + cut_reason(reason);
    out[0] = (char)(FIN | CLOSE);
    out[1] = (char)size;
    if (size == 0)
        return 2;
    out[2] = (char)(code >> 8);
    out[3] = (char)(code & 0xff);
    if (size > 2)
        memcpy(out + 4, reason.at, size - 2);
    return 2 + size;
}

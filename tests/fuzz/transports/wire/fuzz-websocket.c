/* Fuzz target of the WebSocket codecs: the gate on arbitrary bytes, whole and cut; the upgrade. What must hold: cuts
   change nothing, what passes is what a strict reader accepts, and nothing passes after the end. */
#include "transports/wire/websocket_frame.h"
#include "transports/wire/websocket_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES = 4096, MAX_MESSAGE = 300 };

struct run {
    char out[INPUT_BYTES + WEBSOCKET_GATE_ROOM];
    size_t size;
    enum websocket_close close, peer_closed;
    char ping[WEBSOCKET_MAX_CONTROL];
    size_t ping_size;
};

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void pass(struct websocket_gate *gate, const uint8_t *data, size_t size, struct run *run)
{
    char buffer[INPUT_BYTES + WEBSOCKET_GATE_ROOM];
    struct websocket_verdict verdict;
    bool over = gate->closed;
    if (size)
        memcpy(buffer, data, size);
    size_t passed = websocket_gate_pass(gate, buffer, size, &verdict);
    check(passed <= size + WEBSOCKET_GATE_ROOM && run->size + passed <= sizeof(run->out));
    check(!over || (passed == 0 && verdict.close == WEBSOCKET_CLOSE_NONE && !verdict.pinged));
    check((verdict.close != WEBSOCKET_CLOSE_NONE) == (verdict.reason != NULL));
    check(verdict.close == WEBSOCKET_CLOSE_NONE || verdict.peer_closed == WEBSOCKET_CLOSE_NONE);
    memcpy(run->out + run->size, buffer, passed);
    run->size += passed;
    run->close = verdict.close ? verdict.close : run->close;
    run->peer_closed = verdict.peer_closed ? verdict.peer_closed : run->peer_closed;
    if (verdict.pinged) {
        run->ping_size = verdict.ping_size;
        memcpy(run->ping, verdict.ping, verdict.ping_size);
    }
}

/* The bytes that passed, read by a reader of its own: masked text frames in order, within the cap. How many messages.
 */
static uint64_t check_passed(const struct run *run)
{
    bool in_message = false;
    uint64_t message = 0, messages = 0;
    for (size_t at = 0; at < run->size;) {
        const uint8_t *frame = (const uint8_t *)run->out + at;
        check(run->size - at >= 6);
        check((frame[0] & 0x7f) == (in_message ? 0 : 1) && (frame[1] & 0x80));
        size_t header = 6;
        uint64_t length = frame[1] & 0x7f;
        check(length != 127);
        if (length == 126) {
            check(run->size - at >= 8);
            length = (uint64_t)(frame[2] << 8 | frame[3]);
            header = 8;
        }
        message = (in_message ? message : 0) + length;
        check(message <= MAX_MESSAGE);
        in_message = !(frame[0] & 0x80);
        at += MIN((uint64_t)(run->size - at), header + length);
        messages += !in_message;
    }
    return messages;
}

/* As many whole messages as were counted, and nothing else. */
static void check_messages(struct run *run, uint64_t messages)
{
    size_t at = 0, size;
    for (; messages > 0; messages--, at += size) {
        struct span message = websocket_gate_join(run->out + at, &size);
        check(size <= run->size - at && message.size <= MIN(size, (size_t)MAX_MESSAGE) && message.at == run->out + at);
    }
    check(at == run->size);
}

static void check_gate(const uint8_t *data, size_t size)
{
    struct websocket_gate whole = {.max_message = MAX_MESSAGE}, cut = whole;
    struct run one = {.size = 0}, many = {.size = 0};
    size_t step = size > 0 ? 1 + data[0] % 7 : 1;
    pass(&whole, data, size, &one);
    for (size_t at = 0; at < size; at += step)
        pass(&cut, data + at, MIN(step, size - at), &many);
    check(one.close == many.close && one.peer_closed == many.peer_closed);
    check(one.size == many.size && memcmp(one.out, many.out, one.size) == 0);
    check(one.ping_size == many.ping_size && memcmp(one.ping, many.ping, one.ping_size) == 0);
    check(check_passed(&one) == whole.messages && whole.messages == cut.messages);
    check(websocket_gate_between(&whole) == websocket_gate_between(&cut));
    if (websocket_gate_between(&whole))
        check_messages(&one, whole.messages);
}

static void check_head(struct span input)
{
    static const struct websocket_rules rules = {.path = "/mcp"};
    CLEANUP(text_done) struct text small = TEXT(1024);
    struct websocket_head head, again;
    struct websocket_refusal refusal;
    int outcome = websocket_head_read(input, &head);
    check(outcome != 0 || (head.size > 0 && head.size <= input.size));
    if (websocket_head_judge(&head, outcome, &rules, &refusal) != 0) {
        check(refusal.status >= 400 && refusal.message);
        return;
    }
    websocket_head_rewrite(&head, &small);
    check(small.error == 0 && websocket_head_read(text_span(&small), &again) == 0 && again.mcp == head.mcp);
    check(span_is_utf8(head.key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_BYTES)
        return 0;
    check_gate(data, size);
    check_head((struct span){(const char *)data, size});
    return 0;
}

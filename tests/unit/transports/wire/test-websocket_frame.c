/* Unit tests of transports/wire/websocket_frame.h. Every row runs whole, and chopped at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/websocket_frame.h"

enum { MAX_MESSAGE = 1000, INPUT_BYTES = 1200 };

#define MASK "\x01\x02\x03\x04"

struct row {
    struct span input;
    struct span passes;
    enum websocket_close close, peer_closed;
    const char *pong; /* the last ping's bytes; NULL: none */
    const char *comment;
};
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }
#define PASSES(literal, comment)                                                                                       \
    {                                                                                                                  \
        BYTES(literal), BYTES(literal), 0, 0, NULL, comment                                                            \
    }
#define CLOSES(code, literal, comment)                                                                                 \
    {                                                                                                                  \
        BYTES(literal), BYTES(""), WEBSOCKET_CLOSE_##code, 0, NULL, comment                                            \
    }
#define PEER(code, literal, comment)                                                                                   \
    {                                                                                                                  \
        BYTES(literal), BYTES(""), 0, (enum websocket_close)(code), NULL, comment                                      \
    }
#define PINGED(text, literal, comment)                                                                                 \
    {                                                                                                                  \
        BYTES(literal), BYTES(""), 0, 0, text, comment                                                                 \
    }

static const struct row rows[] = {
    PASSES("", "nothing"),
    PASSES("\x81\x80" MASK, "an empty message"),
    PASSES("\x81\x82" MASK "ab", "a message"),
    PASSES("\x81\x81" MASK "a\x81\x81" MASK "b", "two messages"),
    PASSES("\x01\x81" MASK "a\x80\x81" MASK "b", "two fragments"),
    PASSES("\x01\x80" MASK "\x00\x80" MASK "\x80\x80" MASK, "empty fragments"),
    PASSES("\x81\xfe\x00\x7e" MASK, "the header of 126 bytes"),
    PASSES("\x81\xfe\x03\xe8" MASK, "the header of a message of the cap"),
    PASSES("\x01\xfe\x03\xe7" MASK, "the header of one byte less"),
    CLOSES(TOO_LARGE, "\x81\xfe\x03\xe9", "one byte over the cap"),
    CLOSES(TOO_LARGE, "\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00", "far over the cap"),
    CLOSES(TOO_LARGE, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "the greatest length"),
    CLOSES(PROTOCOL, "\x81\xff\x80", "a length with its highest bit"),
    CLOSES(PROTOCOL, "\x81\xfe\x00\x7d", "125 in 16 bits"),
    CLOSES(PROTOCOL, "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", "65,535 in 64 bits"),
    CLOSES(PROTOCOL, "\x81\x01", "not masked"),
    CLOSES(PROTOCOL, "\xc1", "the first reserved bit"),
    CLOSES(PROTOCOL, "\xa1", "the second"),
    CLOSES(PROTOCOL, "\x91", "the third"),
    CLOSES(PROTOCOL, "\x83", "opcode 3"),
    CLOSES(PROTOCOL, "\x87", "opcode 7"),
    CLOSES(PROTOCOL, "\x8b", "opcode 11"),
    CLOSES(PROTOCOL, "\x8f", "opcode 15"),
    CLOSES(UNSUPPORTED, "\x82", "binary"),
    CLOSES(UNSUPPORTED, "\x02", "binary, to be continued"),
    CLOSES(PROTOCOL, "\x80", "a continuation of nothing"),
    CLOSES(PROTOCOL, "\x00", "the same, unfinished"),
    CLOSES(PROTOCOL, "\x09", "a fragmented ping"),
    CLOSES(PROTOCOL, "\x0a", "a fragmented pong"),
    CLOSES(PROTOCOL, "\x08", "a fragmented close"),
    CLOSES(PROTOCOL, "\x89\xfe", "a long ping"),
    CLOSES(PROTOCOL, "\x8a\xff", "a longer pong"),
    CLOSES(PROTOCOL, "\x89\x00", "an unmasked ping"),
    PINGED("", "\x89\x80" MASK, "an empty ping"),
    PINGED("ab", "\x89\x82" MASK "``", "a ping"),
    PINGED("b", "\x89\x81" MASK "`\x89\x81" MASK "c", "two pings: the last one"),
    PASSES("\x81\x80" MASK, "between"),
    PEER(WEBSOCKET_CLOSE_NO_CODE, "\x88\x80" MASK, "a close without a code"),
    PEER(1000, "\x88\x82" MASK "\x02\xea", "a close with 1000"),
    PEER(4999, "\x88\x82" MASK "\x12\x85", "a close with 4999"),
    PEER(1000,
         "\x88\x83" MASK "\x02\xea"
         "a",
         "a close with a reason"),
    PEER(1000,
         "\x88\x82" MASK "\x02\xea"
         "\xff\xff\xff",
         "garbage behind a close"),
    CLOSES(PROTOCOL, "\x88\x81" MASK "\x02", "a close with half a code"),
    CLOSES(PROTOCOL, "\x88\x82" MASK "\x02\xef", "a close with 1005"),
    CLOSES(PROTOCOL, "\x88\x82" MASK "\x02\xec", "a close with 1006"),
    CLOSES(PROTOCOL, "\x88\x82" MASK "\x06\xd2", "a close with 2000"),
    CLOSES(PROTOCOL, "\x88\x82" MASK "\x12\x8a", "a close with 5000"),
    CLOSES(INVALID_DATA, "\x88\x83" MASK "\x02\xea\xfc", "a close with a reason that is no UTF-8"),
    {BYTES("\x01\x81" MASK "a\x89\x81" MASK "`\x80\x81" MASK "b"), BYTES("\x01\x81" MASK "a\x80\x81" MASK "b"), 0, 0,
     "a", "a ping between fragments"},
    {BYTES("\x8a\x81" MASK "x\x81\x81" MASK "a"), BYTES("\x81\x81" MASK "a"), 0, 0, NULL, "a pong, then a message"},
    {BYTES("\x81\x81" MASK "a\x82"), BYTES("\x81\x81" MASK "a"), WEBSOCKET_CLOSE_UNSUPPORTED, 0, NULL,
     "what came before still passes"},
    {BYTES("\x01\x81" MASK "a\x01"), BYTES("\x01\x81" MASK "a"), WEBSOCKET_CLOSE_PROTOCOL, 0, NULL,
     "a message inside of a message"},
    {BYTES("\x01\x81" MASK "a\x80\xfe\x03\xe8"), BYTES("\x01\x81" MASK "a"), WEBSOCKET_CLOSE_TOO_LARGE, 0, NULL,
     "over the cap with the second fragment"},
    {BYTES("\x81\x81" MASK "a\x80"), BYTES("\x81\x81" MASK "a"), WEBSOCKET_CLOSE_PROTOCOL, 0, NULL,
     "a continuation after the end"},
};

struct run {
    char out[INPUT_BYTES];
    size_t size;
    enum websocket_close close, peer_closed;
    bool pinged;
    char ping[WEBSOCKET_MAX_CONTROL + 1];
};

static void pass(struct websocket_gate *gate, struct span piece, struct run *run)
{
    char buffer[INPUT_BYTES + WEBSOCKET_GATE_ROOM];
    struct websocket_verdict verdict;
    if (piece.size)
        memcpy(buffer, piece.at, piece.size);
    size_t size = websocket_gate_pass(gate, buffer, piece.size, &verdict);
    assert_true(size <= piece.size + WEBSOCKET_GATE_ROOM && run->size + size <= sizeof(run->out));
    memcpy(run->out + run->size, buffer, size);
    run->size += size;
    if (run->close == 0)
        run->close = verdict.close;
    assert_true((verdict.close != 0) == (verdict.reason != NULL));
    if (run->peer_closed == 0)
        run->peer_closed = verdict.peer_closed;
    if (verdict.pinged) {
        run->pinged = true;
        memcpy(run->ping, verdict.ping, verdict.ping_size);
        run->ping[verdict.ping_size] = '\0';
    }
}

static void check(const struct row *row, const struct run *run)
{
    assert_int_equal(run->close, row->close);
    assert_int_equal(run->peer_closed, row->peer_closed);
    assert_int_equal(run->size, row->passes.size);
    assert_memory_equal(run->out, row->passes.at, row->passes.size);
    assert_int_equal(run->pinged, row->pong != NULL);
    if (row->pong)
        assert_string_equal(run->ping, row->pong);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        for (size_t cut = 0; cut <= rows[i].input.size; cut++) {
            struct websocket_gate gate = {.max_message = MAX_MESSAGE};
            struct run run = {.size = 0};
            pass(&gate, (struct span){rows[i].input.at, cut}, &run);
            pass(&gate, (struct span){rows[i].input.at + cut, rows[i].input.size - cut}, &run);
            check(&rows[i], &run);
        }
        struct websocket_gate gate = {.max_message = MAX_MESSAGE};
        struct run run = {.size = 0};
        for (size_t at = 0; at < rows[i].input.size; at++)
            pass(&gate, (struct span){rows[i].input.at + at, 1}, &run);
        check(&rows[i], &run);
    }
}

static void test_nothing_passes_after_the_end(void **state)
{
    struct websocket_gate gate = {.max_message = MAX_MESSAGE};
    struct run run = {.size = 0};
    (void)state;
    pass(&gate, SPAN("\x82"), &run);
    assert_int_equal(run.close, WEBSOCKET_CLOSE_UNSUPPORTED);
    run.close = WEBSOCKET_CLOSE_NONE;
    pass(&gate, SPAN("\x81\x81" MASK "a\xff\xff\x89\x80" MASK), &run);
    assert_int_equal(run.size, 0);
    assert_int_equal(run.close, WEBSOCKET_CLOSE_NONE);
    assert_false(run.pinged);
}

static void test_messages_of_what_has_passed(void **state)
{
    static const struct {
        struct span frames;
        struct span messages[2];
        const char *comment;
    } passed[] = {
        {BYTES("\x81\x80" MASK), {BYTES("")}, "empty"},
        {BYTES("\x81\x83" MASK "``c"), {BYTES("ab`")}, "shorter than a mask"},
        {BYTES("\x81\x8b" MASK "bbbbbbbbbbb"), {BYTES("c`afc`afc`a")}, "longer than a word"},
        {BYTES("\x81\x81" MASK "`\x81\x81" MASK "c"), {BYTES("a"), BYTES("b")}, "two messages"},
        {BYTES("\x01\x81" MASK "`\x00\x80" MASK "\x80\x82" MASK "c`\x81\x81" MASK "b"),
         {BYTES("abb"), BYTES("c")},
         "in three frames, and one in one"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
        struct websocket_gate gate = {.max_message = MAX_MESSAGE};
        struct run run = {.size = 0};
        char *at = run.out;
        print_message("%s\n", passed[i].comment);
        pass(&gate, passed[i].frames, &run);
        for (size_t k = 0; at < run.out + run.size; k++) {
            size_t size = 0;
            struct span message = websocket_gate_join(at, &size);
            assert_true(span_equal(message, passed[i].messages[k]));
            assert_int_equal(k < gate.messages, true);
            at += size;
        }
        assert_ptr_equal(at, run.out + passed[i].frames.size);
    }
}

static void test_a_long_message(void **state)
{
    enum { SIZE = 70000 };
    static char frame[14 + SIZE];
    size_t size = 0;
    (void)state;
    memcpy(frame, "\x81\xff\x00\x00\x00\x00\x00\x01\x11\x70" MASK, 14);
    for (size_t i = 0; i < SIZE; i++)
        frame[14 + i] = (char)((char)i ^ MASK[i % 4]);
    struct span message = websocket_gate_join(frame, &size);
    assert_int_equal(size, sizeof(frame));
    assert_int_equal(message.size, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(message.at[i], (char)i);
}

static void test_between_messages(void **state)
{
    static const struct {
        struct span input;
        bool between;
        uint64_t messages;
        const char *comment;
    } cuts[] = {
        {BYTES(""), true, 0, "nothing"},
        {BYTES("\x81"), true, 0, "half a header: it has not passed"},
        {BYTES("\x81\x81" MASK), false, 1, "a header"},
        {BYTES("\x81\x81" MASK "a"), true, 1, "a message"},
        {BYTES("\x81\x81" MASK "a\x89\x80" MASK "\x81\x81"), true, 1, "and a ping, and half a header"},
        {BYTES("\x01\x81" MASK "a"), false, 0, "its first frame"},
        {BYTES("\x01\x81" MASK "a\x80\x80" MASK), true, 1, "both its frames"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        struct websocket_gate gate = {.max_message = MAX_MESSAGE};
        struct run run = {.size = 0};
        print_message("%s\n", cuts[i].comment);
        pass(&gate, cuts[i].input, &run);
        assert_int_equal(websocket_gate_between(&gate), cuts[i].between);
        assert_int_equal(gate.messages, cuts[i].messages);
    }
}

static void test_close_frames(void **state)
{
    char out[WEBSOCKET_CLOSE_FRAME_BYTES], reason[200];
    (void)state;
    assert_int_equal(websocket_close_frame(WEBSOCKET_CLOSE_NO_CODE, SPAN("unsaid"), out), 2);
    assert_memory_equal(out, "\x88\x00", 2);
    assert_int_equal(websocket_close_frame(WEBSOCKET_CLOSE_GOING_AWAY, (struct span){NULL, 0}, out), 4);
    assert_memory_equal(out, "\x88\x02\x03\xe9", 4);
    assert_int_equal(websocket_close_frame(WEBSOCKET_CLOSE_PROTOCOL, SPAN("why"), out), 7);
    assert_memory_equal(out, "\x88\x05\x03\xeawhy", 7);
    memset(reason, 'r', sizeof(reason));
    assert_int_equal(websocket_close_frame(WEBSOCKET_CLOSE_PROTOCOL, (struct span){reason, sizeof(reason)}, out), 127);
    memcpy(reason + WEBSOCKET_MAX_REASON - 1, "\xe2\x82\xac", 3);
    assert_int_equal(websocket_close_frame(WEBSOCKET_CLOSE_PROTOCOL, (struct span){reason, 125}, out), 126);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nothing_passes_after_the_end),
        cmocka_unit_test(test_messages_of_what_has_passed),
        cmocka_unit_test(test_a_long_message),
        cmocka_unit_test(test_between_messages),
        cmocka_unit_test(test_close_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

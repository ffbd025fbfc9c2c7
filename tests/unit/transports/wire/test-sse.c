/* Unit tests of transports/wire/sse.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/sse.h"

#include <errno.h>

#define ABSENT                                                                                                         \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }
#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static void test_events(void **state)
{
    static const struct {
        struct sse_event event;
        const char *written;
        const char *comment;
    } rows[] = {
        {{.data = BYTES("{\"a\":1}")}, "data: {\"a\":1}\n\n", "a message"},
        {{.id = BYTES("7-1"), .data = BYTES("{}")}, "id: 7-1\ndata: {}\n\n", "with an id"},
        {{.id = BYTES("7-0"), .data = ABSENT}, "id: 7-0\ndata:\n\n", "priming: an id and empty data"},
        {{.id = BYTES("1"), .retry_ms = 1500}, "id: 1\nretry: 1500\ndata:\n\n", "priming with retry"},
        {{.type = BYTES("endpoint"), .data = BYTES("/x")}, "event: endpoint\ndata: /x\n\n", "a type"},
        {{.retry_ms = 1500}, "retry: 1500\n\n", "the time alone: a data line would make it a message to readers"},
        {{.id = ABSENT, .data = ABSENT}, "data:\n\n", "nothing at all"},
        {{.id = BYTES(""), .data = BYTES("x")}, "id: \ndata: x\n\n", "an empty id resets it"},
        {{.id = BYTES("a\nb"), .data = BYTES("x")}, "data: x\n\n", "an id that cannot be written"},
        {{.id = BYTES("a\rb"), .data = BYTES("x")}, "data: x\n\n", "the same with CR"},
        {{.id = BYTES("a\0b"), .data = BYTES("x")}, "data: x\n\n", "the same with NUL"},
        {{.data = BYTES("a\nb")}, "data: a\ndata: b\n\n", "two lines"},
        {{.data = BYTES("a\r\nb")}, "data: a\ndata: b\n\n", "CRLF is one end"},
        {{.data = BYTES("a\rb")}, "data: a\ndata: b\n\n", "CR alone ends a line for readers"},
        {{.data = BYTES("a\n\nb")}, "data: a\ndata:\ndata: b\n\n", "an empty line inside does not end the event"},
        {{.data = BYTES("a\n")}, "data: a\ndata:\n\n", "an end at the end is kept"},
        {{.data = BYTES("\n")}, "data:\ndata:\n\n", "only an end"},
        {{.data = BYTES("id: 5\nevent: x")}, "data: id: 5\ndata: event: x\n\n", "fields inside data stay data"},
        {{.data = BYTES(" x")}, "data:  x\n\n", "a leading blank survives"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct text out = TEXT(1000);
        print_message("%s\n", rows[i].comment);
        sse_add_event(&out, &rows[i].event);
        text_terminate(&out);
        assert_int_equal(out.error, 0);
        assert_string_equal(out.at, rows[i].written);
        text_done(&out);
    }
}

static void test_comment(void **state)
{
    struct text out = TEXT(100);
    (void)state;
    sse_add_comment(&out);
    text_terminate(&out);
    assert_string_equal(out.at, ":\n\n");
    text_done(&out);
}

/* An event that does not fit leaves nothing of itself behind. */
static void test_whole_or_nothing(void **state)
{
    (void)state;
    for (size_t most = 0; most < 40; most++) {
        struct text out = TEXT(most);
        text_add_literal(&out, "");
        sse_add_event(&out, &(struct sse_event){.id = SPAN("12"), .data = SPAN("one\ntwo"), .retry_ms = 9});
        if (out.error == 0)
            assert_int_equal(out.size, 7 + 9 + 10 + 10 + 1);
        else {
            assert_int_equal(out.error, -EMSGSIZE);
            assert_int_equal(out.size, 0);
        }
        text_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_comment),
        cmocka_unit_test(test_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

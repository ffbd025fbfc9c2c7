/* Unit tests of transports/wire/http_message.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/text.h"
#include "transports/wire/http_message.h"

#define LINE   "POST /mcp HTTP/1.1\r\n"
#define HOST   "Host: localhost\r\n"
#define LENGTH "Content-Length: 2\r\n"

static void test_whole(void **state)
{
    static const char text[] =
        LINE HOST "X-One:  a \r\nx-one: b\r\nEmpty:\r\nConnection: Keep-Alive\r\n" LENGTH "\r\n{}";
    struct http_message message;
    struct span name, value;
    (void)state;
    assert_int_equal(http_message_read(span_of(text), &message), 0);
    assert_true(span_is(message.target, "/mcp"));
    assert_true(span_is(message.body, "{}"));
    assert_true(span_is(message.head.field[HTTP_FIELD_HOST], "localhost"));
    assert_true(span_is(message.head.field[HTTP_FIELD_CONTENT_LENGTH], "2"));
    assert_true(span_is(http_message_field(message.fields, SPAN("x-ONE")), "a"));
    assert_true(span_is(http_message_field(message.fields, SPAN("empty")), ""));
    assert_false(span_absent(http_message_field(message.fields, SPAN("empty"))));
    assert_true(span_absent(http_message_field(message.fields, SPAN("x-on"))));
    unsigned count = 0;
    for (struct span rest = message.fields; http_message_next_field(&rest, &name, &value); count++)
        assert_true(name.size > 0);
    assert_int_equal(count, 6);
}

static void test_bodies(void **state)
{
    static const char none[] = LINE HOST "Content-Length: 0\r\n\r\n";
    static const char lines[] = LINE HOST "Content-Length: 4\r\n\r\n\r\n\r\n";
    struct http_message message;
    (void)state;
    assert_int_equal(http_message_read(span_of(none), &message), 0);
    assert_int_equal(message.body.size, 0);
    assert_int_equal(http_message_read(span_of(lines), &message), 0);
    assert_true(span_is(message.body, "\r\n\r\n"));
}

static void test_left_to_the_library(void **state)
{
    static const struct {
        const char *text, *comment;
    } rows[] = {
        {"", "nothing"},
        {"POST /mcp HTTP/1.1", "no line"},
        {LINE HOST LENGTH "\r\n{", "half a body"},
        {LINE HOST LENGTH "\r\n{}x", "something behind it"},
        {LINE HOST LENGTH "\r\n{}" LINE, "another behind it"},
        {LINE HOST LENGTH, "half a head"},
        {LINE HOST LENGTH "\r", "half a line end"},
        {LINE HOST "\r\n{}", "no length"},
        {LINE LENGTH "\r\n{}", "no Host"},
        {LINE HOST LENGTH LENGTH "\r\n{}", "two lengths"},
        {LINE HOST HOST LENGTH "\r\n{}", "two Hosts"},
        {LINE HOST "Content-Length: 2, 2\r\n\r\n{}", "a list of lengths"},
        {LINE HOST "Content-Length: +2\r\n\r\n{}", "no digits"},
        {LINE HOST LENGTH "Transfer-Encoding: chunked\r\n\r\n{}", "two framings"},
        {LINE HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "chunks"},
        {LINE HOST LENGTH "Connection: close\r\n\r\n{}", "the connection is to end"},
        {LINE HOST LENGTH "Connection: keep-alive\r\nconnection: close\r\n\r\n{}", "so says the second"},
        {LINE HOST LENGTH "Connection: keep-alive, TE\r\n\r\n{}", "and more"},
        {LINE HOST LENGTH "EXPECT: 100-continue\r\n\r\n{}", "it waits"},
        {LINE HOST LENGTH "Upgrade: h2c\r\n\r\n{}", "another protocol"},
        {LINE HOST LENGTH " folded\r\n\r\n{}", "a folded line"},
        {LINE " " HOST LENGTH "\r\n{}", "at once"},
        {LINE HOST LENGTH "X: a\n\r\n{}", "a bare LF"},
        {LINE HOST LENGTH "X: a\rb\r\n\r\n{}", "a bare CR"},
        {LINE HOST LENGTH "X: a\r\n\n{}", "an empty line of LF"},
        {"POST /mcp HTTP/1.1\n" HOST LENGTH "\r\n{}", "in the first line"},
        {LINE HOST LENGTH "X : a\r\n\r\n{}", "a blank before the colon"},
        {LINE HOST LENGTH "X\r\n\r\n{}", "no colon"},
        {LINE HOST LENGTH ": a\r\n\r\n{}", "no name"},
        {"\r\n" LINE HOST LENGTH "\r\n{}", "an empty line first"},
        {"GET /mcp HTTP/1.1\r\n" HOST LENGTH "\r\n{}", "another method"},
        {"post /mcp HTTP/1.1\r\n" HOST LENGTH "\r\n{}", "in lower case"},
        {"POST /mcp HTTP/1.0\r\n" HOST LENGTH "\r\n{}", "an older version"},
        {"POST /mcp http/1.1\r\n" HOST LENGTH "\r\n{}", "no version"},
        {"POST  HTTP/1.1\r\n" HOST LENGTH "\r\n{}", "no target"},
        {"POST HTTP/1.1\r\n" HOST LENGTH "\r\n{}", "not even its blanks"},
        {"POST /mcp HTTP/1.1 \r\n" HOST LENGTH "\r\n{}", "a blank at the end"},
    };
    struct http_message message;
    (void)state;
    assert_int_equal(http_message_read((struct span){NULL, 0}, &message), HTTP_BAD);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(http_message_read(span_of(rows[i].text), &message), HTTP_BAD);
    }
    static const char nul[] = LINE HOST LENGTH "X: a\0b\r\n\r\n{}";
    assert_int_equal(http_message_read((struct span){nul, sizeof(nul) - 1}, &message), HTTP_BAD);
}

/* Whatever is missing at the end, it is not taken for whole. */
static void test_cut_anywhere(void **state)
{
    static const char text[] = LINE HOST LENGTH "X: y\r\n\r\n{}";
    struct http_message message;
    (void)state;
    for (size_t size = 0; size < sizeof(text) - 1; size++)
        assert_int_equal(http_message_read((struct span){text, size}, &message), HTTP_BAD);
    assert_int_equal(http_message_read(span_of(text), &message), 0);
}

static void test_number_of_fields(void **state)
{
    struct http_message message;
    (void)state;
    for (unsigned more = HTTP_MESSAGE_MAX_FIELDS - 3; more < HTTP_MESSAGE_MAX_FIELDS; more++) {
        CLEANUP(text_done) struct text text = TEXT(SIZE_MAX);
        text_add_literal(&text, LINE HOST LENGTH);
        for (unsigned i = 0; i < more; i++)
            text_add_literal(&text, "X: y\r\n");
        text_add_literal(&text, "\r\n{}");
        bool fits = more + 2 <= HTTP_MESSAGE_MAX_FIELDS;
        assert_int_equal(http_message_read(text_span(&text), &message), fits ? 0 : HTTP_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_left_to_the_library),
        cmocka_unit_test(test_number_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

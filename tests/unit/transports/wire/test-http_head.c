/* Unit tests of transports/wire/http_head.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/http_head.h"

static void test_fields(void **state)
{
    static const struct {
        struct span name, value;
        int result;
        const char *comment;
    } rows[] = {
        {{"Host", 4}, {"localhost", 9}, 0, "known"},
        {{"X-Anything", 10}, {"", 0}, 0, "unknown, empty"},
        {{"X!#$%&'*+-.^_`|~9", 17}, {"v", 1}, 0, "every character of a token"},
        {{"", 0}, {"v", 1}, HTTP_BAD, "no name"},
        {{"X Y", 3}, {"v", 1}, HTTP_BAD, "blank in the name"},
        {{"X:", 2}, {"v", 1}, HTTP_BAD, "colon in the name"},
        {{"X\xe9", 2}, {"v", 1}, HTTP_BAD, "high byte in the name"},
        {{"X\0", 2}, {"v", 1}, HTTP_BAD, "NUL in the name"},
        {{"X", 1}, {"a\tb", 3}, 0, "a tab may stand in a value"},
        {{"X", 1}, {"a\xc3\xa9", 3}, 0, "high bytes may stand in a value"},
        {{"X", 1}, {"a\0b", 3}, HTTP_BAD, "NUL in the value"},
        {{"X", 1}, {"a\rb", 3}, HTTP_BAD, "CR in the value"},
        {{"X", 1}, {"a\nb", 3}, HTTP_BAD, "LF in the value"},
        {{"X", 1}, {"a\x1f", 2}, HTTP_BAD, "control in the value"},
        {{"X", 1}, {"a\x7f", 2}, HTTP_BAD, "DEL in the value"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_head head = {.json = {0}};
        print_message("%s\n", rows[i].comment);
        assert_int_equal(http_head_add(&head, rows[i].name, rows[i].value), rows[i].result);
    }
}

static void test_first_is_kept_second_refused(void **state)
{
    static const char *const names[HTTP_FIELD_COUNT] = {
#define HTTP_FIELD(id, text, repeatable) [HTTP_FIELD_##id] = text,
#include "transports/wire/http_fields.def"
#undef HTTP_FIELD
    };
    static const bool repeatable[HTTP_FIELD_COUNT] = {
#define HTTP_FIELD(id, text, may_repeat) [HTTP_FIELD_##id] = may_repeat,
#include "transports/wire/http_fields.def"
#undef HTTP_FIELD
    };
    (void)state;
    for (unsigned i = 0; i < HTTP_FIELD_COUNT; i++) {
        struct http_head head = {.json = {0}};
        print_message("%s\n", names[i]);
        assert_int_equal(http_head_add(&head, span_of(names[i]), SPAN(" \t one \t")), 0);
        assert_true(span_is(head.field[i], "one"));
        assert_int_equal(http_head_add(&head, span_of(names[i]), SPAN("one")), repeatable[i] ? 0 : HTTP_BAD);
        assert_true(span_is(head.field[i], "one"));
    }
    struct http_head head = {.json = {0}};
    assert_int_equal(http_head_add(&head, SPAN("HOST"), (struct span){NULL, 0}), 0);
    assert_false(span_absent(head.field[HTTP_FIELD_HOST]));
    assert_int_equal(http_head_add(&head, SPAN("host"), SPAN("x")), HTTP_BAD);
}

static void test_framing(void **state)
{
    static const struct {
        const char *length, *coding;
        bool version_1_0;
        int result;
        bool chunked;
        uint64_t bytes;
    } rows[] = {
        {NULL, NULL, false, 0, false, 0},
        {"0", NULL, false, 0, false, 0},
        {"123", NULL, true, 0, false, 123},
        {"007", NULL, false, 0, false, 7},
        {"9999999999999999999", NULL, false, 0, false, 9999999999999999999U},
        {"10000000000000000000", NULL, false, HTTP_BAD, false, 0},
        {"", NULL, false, HTTP_BAD, false, 0},
        {"+1", NULL, false, HTTP_BAD, false, 0},
        {"-1", NULL, false, HTTP_BAD, false, 0},
        {"1 2", NULL, false, HTTP_BAD, false, 0},
        {"1,1", NULL, false, HTTP_BAD, false, 0},
        {"0x1", NULL, false, HTTP_BAD, false, 0},
        {NULL, "chunked", false, 0, true, 0},
        {NULL, "Chunked", false, 0, true, 0},
        {NULL, "chunked", true, HTTP_BAD, false, 0},
        {"1", "chunked", false, HTTP_BAD, false, 0},
        {"1", "identity", false, HTTP_BAD, false, 0},
        {NULL, "identity", false, HTTP_UNIMPLEMENTED, false, 0},
        {NULL, "gzip, chunked", false, HTTP_UNIMPLEMENTED, false, 0},
        {NULL, "chunked, chunked", false, HTTP_UNIMPLEMENTED, false, 0},
        {NULL, "chunked;x", false, HTTP_UNIMPLEMENTED, false, 0},
        {NULL, "", false, HTTP_UNIMPLEMENTED, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_head head = {.json = {0}};
        struct http_framing framing = {.chunked = false};
        head.field[HTTP_FIELD_CONTENT_LENGTH] = span_of(rows[i].length);
        head.field[HTTP_FIELD_TRANSFER_ENCODING] = span_of(rows[i].coding);
        print_message("length %s, coding %s\n", rows[i].length, rows[i].coding);
        assert_int_equal(http_head_framing(&head, rows[i].version_1_0, &framing), rows[i].result);
        assert_int_equal(framing.chunked, rows[i].chunked);
        assert_true(framing.length == rows[i].bytes);
    }
}

static void test_accept(void **state)
{
    static const struct {
        const char *first, *second;
        bool json, event_stream;
        const char *comment;
    } rows[] = {
        {NULL, NULL, true, true, "no Accept: anything"},
        {"application/json, text/event-stream", NULL, true, true, "what clients send"},
        {"application/json", "text/event-stream", true, true, "two lines are one list"},
        {"*/*", NULL, true, true, "anything"},
        {"application/*", NULL, true, false, "by type"},
        {"text/*;q=0.1", NULL, false, true, "by type, little wanted"},
        {"application/json;q=0", NULL, false, false, "not wanted"},
        {"*/*, application/json;q=0", NULL, false, true, "the exact range decides"},
        {"application/json;q=0, */*", NULL, false, true, "in either order"},
        {"application/json;q=0, application/*;q=0.5", NULL, false, false, "a wider range does not help"},
        {"application/json;q=0.000", NULL, false, false, "zero in full"},
        {"application/json;q=0.001", NULL, true, false, "the least"},
        {"application/json; Q=1.000", NULL, true, false, "q in capitals"},
        {"application/json;q=abc", NULL, true, false, "a weight that is none is not there"},
        {"APPLICATION/JSON", NULL, true, false, "any case"},
        {"text/html;x=\", application/json\"", NULL, false, false, "a comma inside quotes"},
        {"text/html;x=\"\\\", application/json\"", NULL, false, false, "an escaped quote inside quotes"},
        {"application/json;x=\"a;q=0\"", NULL, true, false, "a weight inside quotes"},
        {"application/jsonx, xapplication/json", NULL, false, false, "whole types"},
        {"text/html", NULL, false, false, "something else"},
        {"", NULL, false, false, "nothing"},
        {",,;,", NULL, false, false, "separators only"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_head head = {.json = {0}};
        print_message("%s\n", rows[i].comment);
        if (rows[i].first)
            assert_int_equal(http_head_add(&head, SPAN("Accept"), span_of(rows[i].first)), 0);
        if (rows[i].second)
            assert_int_equal(http_head_add(&head, SPAN("accept"), span_of(rows[i].second)), 0);
        assert_int_equal(http_head_accepts_json(&head), rows[i].json);
        assert_int_equal(http_head_accepts_event_stream(&head), rows[i].event_stream);
    }
}

static void test_content_type(void **state)
{
    static const struct {
        const char *value;
        bool json;
    } rows[] = {
        {NULL, false},
        {"application/json", true},
        {"Application/Json", true},
        {"application/json ; charset=UTF-8", true},
        {"application/json;charset=\"utf-8\"", true},
        {"application/json; charset=utf8; x=y", true},
        {"application/json; profile=\"a;charset=latin1\"", true},
        {"application/json;", true},
        {"application/json; charset=latin1", false},
        {"application/json; charset=", false},
        {"application/json, application/json", false},
        {"application/jsonp", false},
        {"application/json-rpc", false},
        {"application", false},
        {"text/json", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_head head = {.json = {0}};
        head.field[HTTP_FIELD_CONTENT_TYPE] = span_of(rows[i].value);
        print_message("%s\n", rows[i].value ? rows[i].value : "(absent)");
        assert_int_equal(http_head_is_json(&head), rows[i].json);
    }
}

static void test_target(void **state)
{
    static const struct {
        const char *raw;
        const char *path, *host; /* path NULL: bad */
    } rows[] = {
        {"/", "/", NULL},
        {"/mcp", "/mcp", NULL},
        {"/mcp?x=/y?z", "/mcp", NULL},
        {"/?", "/", NULL},
        {"//x", "//x", NULL},
        {"/%6dcp", "/%6dcp", NULL},
        {"http://h/mcp", "/mcp", "h"},
        {"HTTPS://h:1/mcp?q", "/mcp", "h:1"},
        {"http://h", "/", "h"},
        {"http://h?q", "/", "h"},
        {"http://[::1]:8/x", "/x", "[::1]:8"},
        {"http:///mcp", NULL, NULL},
        {"http://", NULL, NULL},
        {"http://u@h/", NULL, NULL},
        {"ftp://h/", NULL, NULL},
        {"h:80", NULL, NULL},
        {"*", NULL, NULL},
        {"", NULL, NULL},
        {"mcp", NULL, NULL},
        {"/a b", NULL, NULL},
        {"/a#b", NULL, NULL},
        {"/a\x7f", NULL, NULL},
        {"/a\xc3\xa9", NULL, NULL},
        {"/a\tb", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_target target;
        print_message("%s\n", rows[i].raw);
        assert_int_equal(http_target_parse(span_of(rows[i].raw), &target), rows[i].path ? 0 : HTTP_BAD);
        if (!rows[i].path)
            continue;
        assert_true(span_is(target.path, rows[i].path));
        assert_true(rows[i].host ? span_is(target.host, rows[i].host) : span_absent(target.host));
    }
}

static void test_peek(void **state)
{
    static const struct {
        const char *bytes;
        enum http_peek peek;
        const char *comment;
    } rows[] = {
        {"", HTTP_PEEK_MORE, "nothing yet"},
        {"\r\n", HTTP_PEEK_MORE, "an empty line first"},
        {"G", HTTP_PEEK_MORE, "may become GET"},
        {"GE", HTTP_PEEK_MORE, "may become GET"},
        {"PO", HTTP_PEEK_MORE, "may become POST"},
        {"GX", HTTP_PEEK_REQUEST, "will not become GET"},
        {"DELETE /mcp", HTTP_PEEK_REQUEST, "no stream, whatever follows"},
        {"GET /mcp HTTP/1.1\r\nAccept: text/event-stream\r\n", HTTP_PEEK_MORE, "the head may go on"},
        {"GET /mcp HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n", HTTP_PEEK_STREAM, "the legacy stream"},
        {"GET /mcp HTTP/1.1\naccept:TEXT/event-stream;q=0.5\n\n", HTTP_PEEK_STREAM, "with bare LF, any case"},
        {"\r\nGET /mcp HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n", HTTP_PEEK_STREAM, "after an empty line"},
        {"GET /mcp HTTP/1.1\r\nAccept: */*\r\n\r\n", HTTP_PEEK_REQUEST, "a page, most likely"},
        {"GET /mcp HTTP/1.1\r\nAccept: text/event-stream;q=0\r\n\r\n", HTTP_PEEK_REQUEST, "not wanted"},
        {"GET /mcp HTTP/1.1\r\nX: text/event-stream\r\n\r\n", HTTP_PEEK_REQUEST, "another field"},
        {"POST /mcp HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n", HTTP_PEEK_REQUEST, "an ordinary POST"},
        {"GET /mcp HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", HTTP_PEEK_UPGRADE, "an upgrade"},
        {"GET /mcp HTTP/1.1\r\nUpgrade: websocket\r\n", HTTP_PEEK_MORE, "not all of an upgrade"},
        {"GET / HTTP/1.1\r\nupGrade:h2c,\tWebSocket \r\nAccept: text/event-stream\r\n\r\n", HTTP_PEEK_UPGRADE,
         "in a list, in any case, before the stream"},
        {"GET /mcp HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", HTTP_PEEK_REQUEST, "to another protocol"},
        {"GET /mcp HTTP/1.1\r\nUpgrade: websocket/13\r\n\r\n", HTTP_PEEK_REQUEST, "no such version"},
        {"POST /mcp HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", HTTP_PEEK_REQUEST, "by a POST"},
        {"POST /mcp HTTP/1.1\r\nmcp-method:\tsubscriptions/listen \r\n\r\n", HTTP_PEEK_STREAM, "the modern stream"},
        {"POST /mcp HTTP/1.1\r\nMcp-Method: tools/call\r\n\r\n", HTTP_PEEK_REQUEST, "another method"},
        {"POST / HTTP/1.1\r\n\r\nMcp-Method: subscriptions/listen\r\n\r\n", HTTP_PEEK_REQUEST, "in the body"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(http_head_peek(span_of(rows[i].bytes)), rows[i].peek);
    }
}

static void test_html(void **state)
{
    static const struct {
        const char *accept;
        bool html;
        const char *comment;
    } rows[] = {
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true, "a browser"},
        {"application/json", false, "a script"},
        {"*/*", false, "curl"},
        {"text/*", false, "any text: not named"},
        {"", false, "an empty field"},
        {"text/html, application/json", false, "either: the one for machines"},
        {"text/html, application/json;q=0.9", true, "rather the page"},
        {"text/html;q=0.1, application/json", false, "rather not"},
        {"text/html;q=0", false, "not at all"},
        {"TEXT/HTML", true, "any case"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(http_accepts_html(span_of(rows[i].accept)), rows[i].html);
    }
    assert_false(http_accepts_html((struct span){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),       cmocka_unit_test(test_first_is_kept_second_refused),
        cmocka_unit_test(test_framing),      cmocka_unit_test(test_accept),
        cmocka_unit_test(test_content_type), cmocka_unit_test(test_target),
        cmocka_unit_test(test_html),         cmocka_unit_test(test_peek),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of transports/wire/sse_reader.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/sse_reader.h"

#include <errno.h>

enum { MAX_BYTES = 64, ENOUGH = 7 };

/* Each event's data in brackets. */
static int note(void *context, struct span data)
{
    text_add_char(context, '[');
    text_add(context, data);
    text_add_char(context, ']');
    return span_is(data, "enough") ? ENOUGH : 0;
}

static int read_in_pieces(struct sse_reader *reader, struct span bytes, size_t piece)
{
    int result = 0;
    while (bytes.size > 0 && result == 0) {
        size_t size = MIN(piece, bytes.size);
        result = sse_reader_feed(reader, (struct span){bytes.at, size});
        bytes = (struct span){bytes.at + size, bytes.size - size};
    }
    return result;
}

static void test_events(void **state UNUSED)
{
    static const struct {
        const char *bytes, *events, *comment;
    } rows[] = {
        {"data: a\n\n", "[a]", "an event"},
        {"data:a\n\n", "[a]", "the blank may be missing"},
        {"data:  a\n\n", "[ a]", "one blank is taken away"},
        {"data: a\ndata: b\n\n", "[a\nb]", "two lines"},
        {"data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[a][b][c]", "all line ends"},
        {"data: a\n", "", "what has no end is no event"},
        {"\n\n: x\n\ndata\n\n", "", "nothing, a comment, empty data"},
        {"event: ping\ndata: a\n\ndata: b\n\n", "[b]", "of another type, for this event only"},
        {"event: message\ndata: a\n\nevent:\ndata: b\n\n", "[a][b]", "messages by name"},
        {"\xef\xbb\xbf"
         "data: a\n\n",
         "[a]", "a byte order mark"},
        {"datum: a\ndat: b\ndata: c\n\n", "[c]", "fields that nobody knows"},
        {"data: :\n\n", "[:]", "colons in data"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct span bytes = {rows[i].bytes, strlen(rows[i].bytes)};
        print_message("%s\n", rows[i].comment);
        for (size_t piece = 1; piece <= bytes.size; piece++) {
            CLEANUP(text_done) struct text found = TEXT(MAX_BYTES);
            struct sse_reader reader;
            sse_reader_init(&reader, MAX_BYTES, note, &found);
            assert_int_equal(read_in_pieces(&reader, bytes, piece), 0);
            text_terminate(&found);
            assert_string_equal(found.at, rows[i].events);
            sse_reader_done(&reader);
        }
    }
}

static void test_where_to_go_on(void **state UNUSED)
{
    CLEANUP(text_done) struct text found = TEXT(MAX_BYTES);
    struct sse_reader reader;
    sse_reader_init(&reader, MAX_BYTES, note, &found);
    assert_int_equal(sse_reader_feed(&reader, SPAN("id: 7\nretry: 250\n\nid: a\0b\nretry: 1x\n\n")), 0);
    assert_true(span_is(text_span(&reader.id), "7"));
    assert_int_equal(reader.retry_ms, 250);
    assert_int_equal(sse_reader_feed(&reader, SPAN("id\nretry: 99999999\n")), 0);
    assert_int_equal(reader.id.size, 0);
    assert_int_equal(reader.retry_ms, SSE_MAX_RETRY_MS);
    sse_reader_done(&reader);
}

static void test_bounds(void **state UNUSED)
{
    static const char lines[] = "data: 0123456789012345678901234567\ndata: 0123456789012345678901234567\n"
                                "data: 0123456789012345678901234567\n\n";
    CLEANUP(text_done) struct text found = TEXT(MAX_BYTES);
    struct sse_reader reader;
    sse_reader_init(&reader, MAX_BYTES, note, &found);
    assert_int_equal(sse_reader_feed(&reader, ((struct span){lines, sizeof(lines) - 1})), -EMSGSIZE);
    sse_reader_done(&reader);
    char line[MAX_BYTES + 1];
    memset(line, 'x', sizeof(line));
    sse_reader_init(&reader, MAX_BYTES, note, &found);
    assert_int_equal(sse_reader_feed(&reader, (struct span){line, sizeof(line)}), -EMSGSIZE);
    sse_reader_done(&reader);
}

static void test_the_taker_ends_it(void **state UNUSED)
{
    CLEANUP(text_done) struct text found = TEXT(MAX_BYTES);
    struct sse_reader reader;
    sse_reader_init(&reader, MAX_BYTES, note, &found);
    assert_int_equal(sse_reader_feed(&reader, SPAN("data: enough\n\ndata: more\n\n")), ENOUGH);
    assert_true(span_is(text_span(&found), "[enough]"));
    sse_reader_done(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_where_to_go_on),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_the_taker_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

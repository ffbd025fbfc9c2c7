/* Unit tests of gateway/base/text.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/text.h"

#include <errno.h>
#include <json-c/json.h>

/* Under a sanitizer, too, an allocation that is too large shall return NULL. */
#define VISIBLE __attribute__((visibility("default")))
VISIBLE const char *__asan_default_options(void);
VISIBLE const char *__tsan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void assert_text(const struct text *text, struct span expected)
{
    assert_int_equal(text->error, 0);
    assert_int_equal(text->size, expected.size);
    assert_true(span_equal(text_span(text), expected));
}

static void test_additions(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(KIB);
    (void)state;
    assert_text(&text, SPAN(""));
    text_add(&text, (struct span){NULL, 0});
    assert_null(text.at);
    text_add(&text, SPAN("ab"));
    text_add_char(&text, 'c');
    text_add_literal(&text, "\0d");
    text_addf(&text, "%s-%d", "x", -7);
    text_add_uint64(&text, 0);
    text_add_uint64(&text, UINT64_MAX);
    text_add(&text, (struct span){NULL, 0});
    assert_text(&text, SPAN("abc\0dx--7018446744073709551615"));
}

static void test_growth_is_geometric(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(MIB);
    unsigned moves = 0;
    (void)state;
    for (size_t i = 0, room = 0; i < MIB; i++) {
        text_add_char(&text, (char)('a' + i % 26));
        moves += text.room != room;
        room = text.room;
    }
    assert_int_equal(text.size, MIB);
    assert_true(moves < 20);
    for (size_t i = 0; i < MIB; i++)
        assert_true(text.at[i] == (char)('a' + i % 26));
}

static void test_maximum(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(4);
    (void)state;
    text_add(&text, SPAN("abcd"));
    assert_text(&text, SPAN("abcd"));
    text_add(&text, (struct span){NULL, 0});
    text_terminate(&text); /* the NUL is not counted */
    assert_text(&text, SPAN("abcd"));
    assert_string_equal(text.at, "abcd");
    text_add_char(&text, 'e');
    assert_int_equal(text.error, -EMSGSIZE);
    assert_int_equal(text.size, 4);

    text_clear(&text);
    assert_text(&text, SPAN(""));
    text_add(&text, SPAN("abcde")); /* the whole span or nothing of it */
    assert_int_equal(text.error, -EMSGSIZE);
    assert_int_equal(text.size, 0);
}

static void test_clear_to(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(1000);
    (void)state;
    for (size_t i = 0; i < 100; i++)
        text_add_char(&text, 'a');
    size_t room = text.room;
    text_clear_to(&text, room);
    assert_int_equal(text.size, 0);
    assert_int_equal(text.room, room);
    text_clear_to(&text, room - 1);
    assert_null(text.at);
    text_add(&text, SPAN("abc"));
    assert_text(&text, SPAN("abc"));
    for (size_t i = 0; i < 1000; i++)
        text_add_char(&text, 'a');
    assert_int_equal(text.error, -EMSGSIZE);
    text_clear_to(&text, 0);
    assert_int_equal(text.error, 0);
    assert_int_equal(text.max_bytes, 1000);
}

/* Once failed it stays failed: additions that would fit do nothing either. */
static void test_failure_stays(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(16);
    (void)state;
    text_add(&text, SPAN("ab"));
    text_add(&text, SPAN("0123456789abcdef"));
    assert_int_equal(text.error, -EMSGSIZE);
    text_add(&text, SPAN("c"));
    text_add_char(&text, 'c');
    text_addf(&text, "c");
    text_add_uint64(&text, 1);
    text_add_json_string(&text, SPAN("c"));
    text_terminate(&text);
    assert_null(text_reserve(&text, 0));
    assert_int_equal(text.size, 2);
    assert_int_equal(text.error, -EMSGSIZE);
}

static void test_maximum_of_each_addition(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(3);
    (void)state;
    text_addf(&text, "%d", 1234);
    assert_int_equal(text.error, -EMSGSIZE);
    text_clear(&text);
    text_addf(&text, "%d", 123);
    assert_text(&text, SPAN("123"));
    text_addf(&text, "%s", "");
    assert_text(&text, SPAN("123"));
    text_clear(&text);
    text_add_uint64(&text, 1234);
    assert_int_equal(text.error, -EMSGSIZE);
    text_clear(&text);
    text_add_json_string(&text, SPAN("a"));
    assert_text(&text, SPAN("\"a\""));
    text_clear(&text);
    text_add_json_string(&text, SPAN("ab"));
    assert_int_equal(text.error, -EMSGSIZE);
    text_clear(&text);
    text_add_json_string(&text, SPAN("\n"));
    assert_int_equal(text.error, -EMSGSIZE);
}

static void test_no_bytes_at_all(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(0);
    (void)state;
    text_add(&text, SPAN(""));
    text_terminate(&text);
    assert_text(&text, SPAN(""));
    assert_string_equal(text.at, "");
    text_add_char(&text, 'a');
    assert_int_equal(text.error, -EMSGSIZE);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    CLEANUP(text_done) struct text text = TEXT(SIZE_MAX);
    text_add(&text, SPAN("kept"));
    assert_null(text_reserve(&text, SIZE_MAX / 2 + 1));
    assert_int_equal(text.error, -ENOMEM);
    text_add(&text, SPAN("more"));
    assert_true(span_is(text_span(&text), "kept"));
    text_clear(&text);
    assert_null(text_reserve(&text, SIZE_MAX));
    assert_int_equal(text.error, -ENOMEM);
    text_clear(&text);
    text_add(&text, SPAN("works again"));
    assert_text(&text, SPAN("works again"));
}

static void test_reserve(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(100);
    (void)state;
    char *to = text_reserve(&text, 100);
    assert_non_null(to);
    memset(to, 'x', 100);
    assert_int_equal(text.size, 0);
    text.size = 40;
    assert_ptr_equal(text_reserve(&text, 60), text.at + 40);
    assert_null(text_reserve(&text, 61));
    assert_int_equal(text.error, -EMSGSIZE);
}

static void test_formatted_grows(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(KIB);
    (void)state;
    for (int i = 0; i < 100; i++)
        text_addf(&text, "%05d", i);
    assert_int_equal(text.error, 0);
    assert_int_equal(text.size, 500);
    for (int i = 0; i < 100; i++) {
        uint64_t value;
        struct span number = {text.at + 5 * i + 3, 2};
        number = number.at[0] == '0' ? (struct span){number.at + 1, 1} : number;
        assert_int_equal(span_to_uint64(number, &value), 0);
        assert_int_equal(value, i);
    }
}

static void test_take(void **state)
{
    (void)state;
    struct text text = TEXT(8);
    CLEANUP_FREE char *bytes = NULL;
    size_t size = 0;
    text_add(&text, SPAN("abc"));
    text_terminate(&text);
    assert_int_equal(text_take(&text, &bytes, &size), 0);
    assert_int_equal(size, 3);
    assert_string_equal(bytes, "abc");
    assert_text(&text, SPAN(""));
    assert_int_equal(text.max_bytes, 8);

    char *untouched = bytes;
    text_add(&text, SPAN("too long for it"));
    assert_int_equal(text_take(&text, &untouched, &size), -EMSGSIZE);
    assert_ptr_equal(untouched, bytes);
    assert_int_equal(size, 3);
    assert_text(&text, SPAN(""));
    assert_null(text.at);
}

static void test_done_allows_more(void **state)
{
    struct text text = TEXT(2);
    (void)state;
    text_add(&text, SPAN("abc"));
    text_done(&text);
    text_add(&text, SPAN("ab"));
    assert_text(&text, SPAN("ab"));
    text_done(&text);
    text_done(&text);
    assert_int_equal(text.max_bytes, 2);
}

#define BAD "\xef\xbf\xbd"

static void test_json_string(void **state)
{
    static const struct {
        struct span value;
        const char *json, *comment;
    } rows[] = {
        {{NULL, 0}, "\"\"", "absent"},
        {{"", 0}, "\"\"", "empty"},
        {{"plain", 5}, "\"plain\"", "clean"},
        {{"0123456789abcdef", 16}, "\"0123456789abcdef\"", "one block"},
        {{"0123456789abcde\"", 16}, "\"0123456789abcde\\\"\"", "a quote at the end of a block"},
        {{"\\0123456789abcdefg", 18}, "\"\\\\0123456789abcdefg\"", "a backslash at the start"},
        {{"\b\t\n\f\r", 5}, "\"\\b\\t\\n\\f\\r\"", "the short forms"},
        {{"\0\x01\v\x1b\x1f", 5}, "\"\\u0000\\u0001\\u000b\\u001b\\u001f\"", "the long form"},
        {{"/<>&'\x7f", 6}, "\"/<>&'\x7f\"", "nothing else is escaped"},
        {{"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x8c\x8a", 9}, "\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x8c\x8a\"", "UTF-8 stands"},
        {{"\xe2\x80\xa8", 3}, "\"\xe2\x80\xa8\"", "U+2028 is legal in JSON"},
        {{"a\xff\xfe"
          "b",
          4},
         "\"a" BAD BAD "b\"",
         "bytes that never occur"},
        {{"\xc0\x80", 2}, "\"" BAD BAD "\"", "an overlong form"},
        {{"\xed\xa0\x80", 3}, "\"" BAD BAD BAD "\"", "a surrogate"},
        {{"\xe6\x97", 2}, "\"" BAD BAD "\"", "cut off in the middle"},
        {{"\xe6\x97\"", 3}, "\"" BAD BAD "\\\"\"", "a cut character does not swallow the quote behind it"},
        {{"\xe6\x97\xa5\xff\xe6\x97\xa5", 7}, "\"\xe6\x97\xa5" BAD "\xe6\x97\xa5\"", "between good ones"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text text = TEXT(KIB);
        print_message("%s\n", rows[i].comment);
        text_add_json_string(&text, rows[i].value);
        assert_text(&text, span_of(rows[i].json));
    }
}

/* Each byte at each place of a text longer than three blocks, judged by a parser that is not ours. */
static void test_json_string_at_every_place(void **state)
{
    CLEANUP(text_done) struct text text = TEXT(KIB);
    char value[50];
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < sizeof(value); place++) {
            memset(value, 'x', sizeof(value));
            value[place] = (char)byte;
            text_clear(&text);
            text_add_json_string(&text, (struct span){value, sizeof(value)});
            for (size_t i = 0; i < text.size; i++) /* the parser would let some control characters pass */
                assert_true((unsigned char)text.at[i] >= ' ');
            text_terminate(&text);
            assert_int_equal(text.error, 0);
            json_object *object = json_tokener_parse(text.at);
            assert_non_null(object);
            struct span back = {json_object_get_string(object), (size_t)json_object_get_string_len(object)};
            assert_int_equal(back.size, sizeof(value) + (byte >= 0x80 ? 2 : 0));
            assert_true(byte >= 0x80 || memcmp(back.at, value, sizeof(value)) == 0);
            assert_true(byte < 0x80 || memcmp(back.at + place, BAD, 3) == 0);
            (void)json_object_put(object);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_additions),
        cmocka_unit_test(test_growth_is_geometric),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_clear_to),
        cmocka_unit_test(test_failure_stays),
        cmocka_unit_test(test_maximum_of_each_addition),
        cmocka_unit_test(test_no_bytes_at_all),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_formatted_grows),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_done_allows_more),
        cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_json_string_at_every_place),
    };
    return cmocka_run_group_tests_name("gateway/base/text", tests, NULL, NULL);
}

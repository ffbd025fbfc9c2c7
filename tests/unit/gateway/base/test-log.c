/* Unit tests of gateway/base/log.h: what arrives at the descriptor, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/log.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/clock.h"

#define TIME "2026-11-23T02:46:50.123Z"

static int file = -1;

static int set_up(void **state)
{
    (void)state;
    file = memfd_create("log", MFD_CLOEXEC);
    log_set_descriptor(file);
    log_set_level(LOG_INFO);
    log_set_format(LOG_LOGFMT);
    clock_fake(0, 1795402010123);
    return file < 0;
}

static int tear_down(void **state)
{
    (void)state;
    clock_fake_end();
    log_set_descriptor(-1);
    return close(file);
}

/* All that was written since the last call. */
static struct span written(void)
{
    static char bytes[4 * LOG_LINE_BYTES];
    ssize_t got = pread(file, bytes, sizeof(bytes), 0);
    assert_true(got >= 0 && ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    return (struct span){bytes, (size_t)got};
}

static void assert_written(const char *expected)
{
    struct span got = written();
    if (!span_is(got, expected))
        fail_msg("got      %.*s\nexpected %s", SPAN_PRINT(got), expected);
}

static void test_lines(void **state)
{
    (void)state;
    log_info("ready");
    assert_written("time=" TIME " level=info event=ready\n");
    log_error("failed", LOG_TEXT("url", "http://[::1]:80/mcp"), LOG_NUMBER("code", -22), LOG_SPAN("id", SPAN("7")));
    assert_written("time=" TIME " level=error event=failed url=http://[::1]:80/mcp code=-22 id=7\n");
    log_set_format(LOG_JSON);
    log_warning("slow", LOG_TEXT("tool", "add"), LOG_NUMBER("ms", INT64_MIN));
    assert_written("{\"time\":\"" TIME "\",\"level\":\"warning\",\"event\":\"slow\",\"tool\":\"add\","
                   "\"ms\":-9223372036854775808}\n");
    log_set_format(LOG_LOGFMT);
    log_info("took", LOG_THOUSANDTHS("a", 0), LOG_THOUSANDTHS("b", 7), LOG_THOUSANDTHS("c", 1234567),
             LOG_THOUSANDTHS("d", -1500), LOG_NUMBER("e", 0));
    assert_written("time=" TIME " level=info event=took a=0.000 b=0.007 c=1234.567 d=-1.500 e=0\n");
}

static int evaluated;

static const char *count_evaluation(void)
{
    evaluated++;
    return "x";
}

static void test_levels(void **state)
{
    (void)state;
    log_debug("hidden", LOG_TEXT("key", count_evaluation()));
    assert_written("");
    assert_int_equal(evaluated, 0); /* fields of a line that is not written cost nothing */
    log_set_level(LOG_DEBUG);
    log_debug("shown", LOG_TEXT("key", count_evaluation()));
    assert_written("time=" TIME " level=debug event=shown key=x\n");
    assert_int_equal(evaluated, 1);
    log_set_level(LOG_ERROR);
    assert_false(log_enabled(LOG_WARNING));
    assert_true(log_enabled(LOG_ERROR));
    log_set_level(LOG_OFF);
    log_error("hidden");
    log_write(LOG_ERROR, "hidden", NULL, 0);
    log_write(LOG_OFF, "hidden", NULL, 0);
    assert_false(log_enabled(LOG_OFF));
    assert_written("");
    log_set_level(LOG_INFO);
    log_set_descriptor(-1);
    assert_false(log_enabled(LOG_ERROR));
}

static void test_values(void **state)
{
    static const struct {
        struct span value;
        const char *logfmt, *json, *comment;
    } rows[] = {
        {{"bare/value?x", 12}, "bare/value?x", "\"bare/value?x\"", "needs no quotes"},
        {{NULL, 0}, "\"\"", "\"\"", "absent"},
        {{"", 0}, "\"\"", "\"\"", "empty"},
        {{"a b", 3}, "\"a b\"", "\"a b\"", "a blank"},
        {{"a=b", 3}, "\"a=b\"", "\"a=b\"", "would look like a field"},
        {{"\"", 1}, "\"\\\"\"", "\"\\\"\"", "a quote"},
        {{"\\", 1}, "\"\\\\\"", "\"\\\\\"", "a backslash"},
        {{"a\nlevel=error", 13}, "\"a\\u000alevel=error\"", "\"a\\u000alevel=error\"", "a forged line"},
        {{"\r\t\0\x1b[2J", 7}, "\"\\u000d\\u0009\\u0000\\u001b[2J\"", "\"\\u000d\\u0009\\u0000\\u001b[2J\"", "C0"},
        {{"\x7f", 1}, "\"\\u007f\"", "\"\\u007f\"", "DEL"},
        {{"\xc2\x9b"
          "31m",
          5},
         "\"\\u009b31m\"",
         "\"\\u009b31m\"",
         "C1: CSI in one character"},
        {{"\xc2\xa0", 2}, "\"\xc2\xa0\"", "\"\xc2\xa0\"", "just behind C1"},
        {{"\x9b", 1}, "\"\xef\xbf\xbd\"", "\"\xef\xbf\xbd\"", "C1 as a byte is not UTF-8"},
        {{"\xe2\x80\xa8\xe2\x80\xa9", 6}, "\"\\u2028\\u2029\"", "\"\\u2028\\u2029\"", "line separators"},
        {{"\xe2\x80\xae"
          "cod.exe",
          10},
         "\"\\u202ecod.exe\"",
         "\"\\u202ecod.exe\"",
         "right-to-left override"},
        {{"\xe2\x81\xa6\xe2\x81\xa9", 6}, "\"\\u2066\\u2069\"", "\"\\u2066\\u2069\"", "bidirectional isolates"},
        {{"\xe6\x97\xa5\xf0\x9f\x8c\x8a", 7},
         "\"\xe6\x97\xa5\xf0\x9f\x8c\x8a\"",
         "\"\xe6\x97\xa5\xf0\x9f\x8c\x8a\"",
         "other characters stand"},
        {{"\xe6\x97", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"", "cut UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char expected[LOG_LINE_BYTES];
        print_message("%s\n", rows[i].comment);
        log_set_format(LOG_LOGFMT);
        log_info("e", LOG_SPAN("k", rows[i].value));
        (void)snprintf(expected, sizeof(expected), "time=" TIME " level=info event=e k=%s\n", rows[i].logfmt);
        assert_written(expected);
        log_set_format(LOG_JSON);
        log_info("e", LOG_SPAN("k", rows[i].value));
        (void)snprintf(expected, sizeof(expected),
                       "{\"time\":\"" TIME "\",\"level\":\"info\",\"event\":\"e\",\"k\":%s}\n", rows[i].json);
        assert_written(expected);
    }
}

/* A long value is cut between characters and the fields behind it are still there. */
static void test_value_is_cut(void **state)
{
    static char value[LOG_VALUE_BYTES + 1];
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(value, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof(value); i += 4)
            memcpy(value + i, "\xf0\x9f\x8c\x8a", 4);
        log_info("e", LOG_SPAN("k", ((struct span){value, sizeof(value) - 1})), LOG_TEXT("after", "it"));
        struct span line = written();
        assert_true(span_ends(line, SPAN("\xf0\x9f\x8c\x8a\xe2\x80\xa6\" after=it\n")) || shift == 0);
        assert_true(line.size <= sizeof("time=" TIME " level=info event=e k=\"\" after=it\n") - 1 + LOG_VALUE_BYTES);
    }
    memset(value, 'y', sizeof(value));
    log_info("e", LOG_SPAN("k", ((struct span){value, LOG_VALUE_BYTES})), LOG_TEXT("after", "it"));
    assert_true(span_ends(written(), SPAN("yyy after=it\n"))); /* the longest that stands whole */
    log_info("e", LOG_SPAN("k", ((struct span){value, LOG_VALUE_BYTES + 1})), LOG_TEXT("after", "it"));
    assert_true(span_ends(written(), SPAN("yyy\xe2\x80\xa6\" after=it\n")));
}

/* Whatever the lengths: a cut line fits, ends properly, is parsed by a JSON parser that is not ours, and says it is
 * cut. */
static void test_line_is_cut(void **state)
{
    static char value[LOG_VALUE_BYTES];
    (void)state;
    memset(value, '\n', sizeof(value));
    memset(value, 'z', 9);
    for (size_t size = 0; size <= sizeof(value); size++) {
        struct span part = {value, size}, whole = {value, sizeof(value)};
        for (enum log_format format = LOG_LOGFMT; format <= LOG_JSON; format++) {
            log_set_format(format);
            log_info("e", LOG_SPAN("a", whole), LOG_SPAN("b", whole), LOG_SPAN("c", whole), LOG_SPAN("d", part),
                     LOG_NUMBER("n", INT64_MIN), LOG_SPAN("f", whole), LOG_SPAN("g", whole));
            struct span line = written();
            assert_true(line.size <= LOG_LINE_BYTES && line.size > LOG_LINE_BYTES - 64);
            assert_ptr_equal(memchr(line.at, '\n', line.size), line.at + line.size - 1);
            if (format == LOG_LOGFMT) {
                assert_true(span_ends(line, SPAN(" \xe2\x80\xa6\n")));
                continue;
            }
            CLEANUP_FREE char *copy = span_copy(line);
            json_object *object = json_tokener_parse(copy);
            assert_non_null(object);
            assert_non_null(json_object_object_get(object, "cut"));
            assert_non_null(json_object_object_get(object, "c"));
            (void)json_object_put(object);
        }
    }
}

/* The mark stands at the end of the line also when nothing but the end of the last value is missing. */
static void test_last_value_is_cut_by_the_line(void **state)
{
    static char value[LOG_VALUE_BYTES];
    struct span whole = {value, sizeof(value)};
    (void)state;
    memset(value, 'x', sizeof(value));
    log_info("e", LOG_SPAN("a", whole), LOG_SPAN("b", whole), LOG_SPAN("c", whole), LOG_SPAN("d", whole));
    assert_true(span_ends(written(), SPAN("xxx\xe2\x80\xa6\" \xe2\x80\xa6\n")));
}

static void test_errno_survives(void **state)
{
    (void)state;
    log_set_descriptor(1 << 20); /* nobody has that one open */
    errno = EXDEV;
    log_info("lost");
    assert_int_equal(errno, EXDEV);
}

enum { THREADS = 4, LINES = 200 };

static void *write_lines(void *argument)
{
    char value[200];
    memset(value, *(const char *)argument, sizeof(value));
    for (int i = 0; i < LINES; i++)
        log_info("e", LOG_SPAN("k", ((struct span){value, sizeof(value)})));
    return NULL;
}

/* Lines of several threads arrive whole: a pipe keeps each write(2) of up to 4096 bytes together. */
static void test_threads(void **state)
{
    static char names[THREADS] = {'a', 'b', 'c', 'd'};
    pthread_t threads[THREADS];
    int pipes[2];
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    log_set_descriptor(pipes[1]);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &names[i]), 0);
    FILE *lines = fdopen(pipes[0], "r");
    char line[LOG_LINE_BYTES];
    for (int i = 0; i < THREADS * LINES; i++) {
        assert_non_null(fgets(line, sizeof(line), lines));
        struct span value = span_of(strstr(line, " k=") + 3);
        assert_int_equal(value.size, 201);
        assert_int_equal(strspn(value.at, (char[]){value.at[0], '\0'}), 200);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)close(pipes[1]);
    assert_null(fgets(line, sizeof(line), lines));
    (void)fclose(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_value_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_line_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_last_value_is_cut_by_the_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errno_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("gateway/base/log", tests, NULL, NULL);
}

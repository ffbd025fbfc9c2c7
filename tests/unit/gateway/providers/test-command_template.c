/* Argument vectors: what a template refuses, and what becomes of arguments of each kind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/providers/command_template.h"

enum { MAX_WORDS = 8 };

static const char schema[] =
    "\n {\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b c\":{},\"n\":{\"type\":"
    "\"number\"},\"list\":{\"type\":\"array\"},\"d\":{\"type\":\"string\",\"default\":\"deep\"},"
    "\"k\":{\"type\":\"integer\",\"default\":7},\"z\":{\"default\":null}}}\n";

static struct name_list run_of(const char *const words[MAX_WORDS])
{
    struct name_list run = {.name = (char **)(uintptr_t)words};
    while (run.count < MAX_WORDS && words[run.count])
        run.count++;
    return run;
}

static void test_refusals(void **state)
{
    static const struct {
        const char *run[MAX_WORDS];
        const char *sentence;
    } rows[] = {
        {{NULL}, "run is empty"},
        {{""}, "run is empty"},
        {{"{a}"}, "run[0] \"{a}\" is the program and takes no placeholder"},
        {{"ls", "{nobody}"}, "run[1] \"{nobody}\": {nobody} is no property of input_schema: add it there"},
        {{"awk", "{print $1}"}, "run[1] \"{print $1}\": {print $1} is no property"},
        {{"ls", "{"}, "run[1] \"{\": a brace opens no {name}"},
        {{"ls", "{a"}, "opens no {name}"},
        {{"ls", "{}"}, "opens no {name}"},
        {{"ls", "{a{n}}"}, "opens no {name}"},
        {{"ls", "a}"}, "run[1] \"a}\": a brace closes nothing: write }}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text problem = TEXT(1024);
        struct command_template *template = NULL;
        struct name_list run = run_of(rows[i].run);
        assert_int_equal(command_template_compile(&run, span_of(schema), &template, &problem), -EINVAL);
        assert_null(template);
        text_terminate(&problem);
        if (!strstr(problem.at, rows[i].sentence))
            fail_msg("row %zu: %s", i, problem.at);
    }
}

static void test_schema_that_is_no_json(void **state)
{
    static const char *const words[MAX_WORDS] = {"ls"};
    CLEANUP(text_done) struct text problem = TEXT(1024);
    struct command_template *template = NULL;
    struct name_list run = run_of(words);
    (void)state;
    assert_int_equal(command_template_compile(&run, SPAN("{"), &template, &problem), -EINVAL);
}

static void test_expansion(void **state)
{
    static const struct {
        const char *run[MAX_WORDS];
        const char *arguments;
        const char *expected[MAX_WORDS];
        const char *why;
    } rows[] = {
        {{"ls", "-l"}, "{}", {"ls", "-l"}, "no placeholder"},
        {{"ls", "{a}"}, "{\"a\":\"x y;$(z)\"}", {"ls", "x y;$(z)"}, "a value is one argument, whatever it holds"},
        {{"ls", "{a}"}, "{\"a\":\"\"}", {"ls", ""}, "empty is not absent"},
        {{"ls", "{a}", "end"}, "{}", {"ls", "end"}, "absent: left out"},
        {{"ls", "{a}", "end"}, "{\"a\":null}", {"ls", "end"}, "null: left out"},
        {{"ls", "--x={a}", "end"}, "{}", {"ls", "end"}, "absent inside: left out whole"},
        {{"ls", "--x={a}!"}, "{\"a\":\"1\"}", {"ls", "--x=1!"}, "inside"},
        {{"ls", "{a}{n}"}, "{\"a\":\"p\",\"n\":1.50}", {"ls", "p1.50"}, "two, and digits as they came"},
        {{"ls", "{a}"}, "{\"a\":\"\\u00e9\\n\\\"\"}", {"ls", "\xc3\xa9\n\""}, "escapes are decoded"},
        {{"ls", "{n}"}, "{\"n\":true}", {"ls", "true"}, "booleans"},
        {{"ls", "{list}"}, "{\"list\":[1, \"a\"]}", {"ls", "[1, \"a\"]"}, "arrays as JSON"},
        {{"ls", "{b c}"}, "{\"b c\":{\"x\":1}}", {"ls", "{\"x\":1}"}, "a name with a blank; objects as JSON"},
        {{"ls", "{{{a}}}", "{{}}"}, "{\"a\":\"v\"}", {"ls", "{v}", "{}"}, "literal braces"},
        {{"ls", "{a}"}, "{\"a\":\"{n}\",\"n\":1}", {"ls", "{n}"}, "a value is not expanded again"},
        {{"ls", "{d}", "{k}"}, "{}", {"ls", "deep", "7"}, "defaults of the schema"},
        {{"ls", "{d}"}, "{\"d\":\"mine\"}", {"ls", "mine"}, "a value beats the default"},
        {{"ls", "{z}"}, "{}", {"ls"}, "a default of null is none"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text problem = TEXT(1024);
        struct command_template *template = NULL;
        struct command_vector vector;
        struct name_list run = run_of(rows[i].run);
        assert_int_equal(command_template_compile(&run, span_of(schema), &template, &problem), 0);
        assert_int_equal(command_template_expand(template, span_of(rows[i].arguments), &vector, &problem), 0);
        size_t count = 0;
        for (; rows[i].expected[count]; count++)
            if (count >= vector.count || strcmp(vector.argument[count], rows[i].expected[count]) != 0)
                fail_msg("%s: argument %zu is %s", rows[i].why, count,
                         count < vector.count ? vector.argument[count] : "-");
        assert_int_equal(vector.count, count);
        assert_null(vector.argument[count]);
        command_vector_done(&vector);
        command_template_free(template);
    }
}

/* {"a":"xxx…"} of that many bytes. */
static char *long_argument(size_t size)
{
    char *json = malloc(size + 16);
    assert_non_null(json);
    memcpy(json, "{\"a\":\"", 6);
    memset(json + 6, 'x', size);
    memcpy(json + 6 + size, "\"}", 3);
    return json;
}

static void test_what_no_program_can_take(void **state)
{
    static const char *const words[MAX_WORDS] = {"ls", "{a}"};
    static const struct {
        size_t size; /* 0: a NUL */
        int result;
    } rows[] = {
        {0, COMMAND_TEMPLATE_REFUSED},
        {COMMAND_MAX_ENTRY_BYTES, 0},
        {COMMAND_MAX_ENTRY_BYTES + 1, COMMAND_TEMPLATE_REFUSED},
    };
    struct command_template *template = NULL;
    struct name_list run = run_of(words);
    CLEANUP(text_done) struct text problem = TEXT(1024);
    (void)state;
    assert_int_equal(command_template_compile(&run, span_of(schema), &template, &problem), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *json = rows[i].size ? long_argument(rows[i].size) : strdup("{\"a\":\"x\\u0000y\"}");
        struct command_vector vector = {0};
        text_clear(&problem);
        assert_int_equal(command_template_expand(template, span_of(json), &vector, &problem), rows[i].result);
        assert_int_equal(rows[i].result == 0, problem.size == 0);
        command_vector_done(&vector);
    }
    command_template_free(template);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_schema_that_is_no_json),
        cmocka_unit_test(test_expansion),
        cmocka_unit_test(test_what_no_program_can_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

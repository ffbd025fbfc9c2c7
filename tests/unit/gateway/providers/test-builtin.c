/* The built-in handlers, asked as clients ask them. */
#include "tests/unit/gateway/providers/served.h"

#include "gateway/base/clock.h"

static int setup(void **state)
{
    struct served *served = calloc(1, sizeof(*served));
    served_init(served);
    served->settings.builtin = true;
    served_start(served);
    *state = served;
    return 0;
}

static int teardown(void **state)
{
    struct served *served = *state;
    served_stop(served);
    free(served);
    return 0;
}

static void test_echo(void **state)
{
    static const struct {
        const char *arguments, *expected;
    } rows[] = {
        {"{\"message\":\"hi\"}", "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]"},
        {"{\"message\":\"\"}", "\"text\":\"\"}]"},
        {"{\"message\":\"\\u00e9\\\"\\n\\ud83d\\ude00\"}",
         "\"text\":\"\\u00e9\\\"\\n\\ud83d\\ude00\"}]"}, /* as it came */
        {"{\"message\":\"first\",\"message\":\"last\"}", "\"text\":\"last\"}]"},
        {"{\"message\":7}", "\"isError\":true"},
        {"{}", "\"isError\":true"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_tool(*state, "echo", rows[i].arguments, rows[i].expected);
}

static void test_time(void **state)
{
    clock_fake(1, 1790000000123);
    assert_tool(*state, "time", "{}",
                "\"text\":\"{\\\"utc\\\":\\\"2026-09-21T14:13:20.123Z\\\",\\\"unix\\\":1790000000}\"}],"
                "\"structuredContent\":{\"utc\":\"2026-09-21T14:13:20.123Z\",\"unix\":1790000000}");
    clock_fake_end();
    assert_tool(*state, "time", "{\"zone\":\"UTC\"}", "\"isError\":true");
}

static void test_about(void **state)
{
    char *body = answer_of(ask(*state, "resources/read", "\"uri\":\"weir://about\","));
    assert_contains(body, "\"contents\":[{\"uri\":\"weir://about\",\"mimeType\":\"application/"
                          "json\",\"text\":\"{\\\"name\\\":\\\"weir\\\"");
    assert_contains(body, "\\\"version\\\":\\\"" WEIR_VERSION "\\\"");
    assert_contains(body, "2026-07-28\\\"");
    assert_contains(body, "2024-11-05\\\"]}\"}]");
    free(body);
}

static void test_summarize(void **state)
{
    static const struct {
        const char *params, *expected;
    } rows[] = {
        {"\"name\":\"summarize\",\"arguments\":{\"text\":\"A \\\"b\\\"\\nc\"},",
         "Summarize the text below. Keep names, numbers and dates exact, and add nothing that it does not say.\\n\\n"
         "A \\\"b\\\"\\nc\"}}]"},
        {"\"name\":\"summarize\",\"arguments\":{\"text\":\"x\",\"style\":\"one sentence\"},",
         "Summarize the text below as one sentence. "},
        {"\"name\":\"summarize\",\"arguments\":{},", "\"error\":{\"code\":-32602"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *body = answer_of(ask(*state, "prompts/get", rows[i].params));
        assert_contains(body, rows[i].expected);
        free(body);
    }
}

static void test_completion(void **state)
{
    static const struct {
        const char *argument, *value, *expected;
    } rows[] = {
        {"style", "",
         "\"values\":[\"bullet points\",\"one paragraph\",\"one sentence\",\"plain language\"],\"total\":4"},
        {"style", "ONE ", "\"values\":[\"one paragraph\",\"one sentence\"],\"total\":2,\"hasMore\":false"},
        {"style", "zebra", "\"values\":[],\"total\":0"},
        {"style", "one sentence and more", "\"values\":[]"},
        {"text", "o", "\"values\":[]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char params[256];
        snprintf(
            params, sizeof(params),
            "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"summarize\"},\"argument\":{\"name\":\"%s\",\"value\":\"%s\"},",
            rows[i].argument, rows[i].value);
        char *body = answer_of(ask(*state, "completion/complete", params));
        assert_contains(body, rows[i].expected);
        free(body);
    }
}

static void test_lists(void **state)
{
    static const struct {
        const char *method, *expected;
    } rows[] = {
        {"tools/list", "\"tools\":[{\"name\":\"echo\",\"title\":\"Echo\""},
        {"tools/list", "\"outputSchema\":{\"type\":\"object\",\"properties\":{\"utc\""},
        {"resources/list", "\"resources\":[{\"uri\":\"weir://about\""},
        {"prompts/list", "\"prompts\":[{\"name\":\"summarize\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *body = answer_of(ask(*state, rows[i].method, ""));
        assert_contains(body, rows[i].expected);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),      cmocka_unit_test(test_time),       cmocka_unit_test(test_about),
        cmocka_unit_test(test_summarize), cmocka_unit_test(test_completion), cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

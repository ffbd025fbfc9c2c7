/* header_value.h and parameter_headers.h: the input is a field's value, a line feed, the arguments of a tool that has
   three such fields. What is decoded can be sent again and says the same; fields made of the arguments agree with
   them; others get a verdict with a sentence. (fuzz-schema has the annotations.) */
#include <json-c/json.h>
#include <stdlib.h>

#include "gateway/mcp/json.h"
#include "gateway/mcp/parameter_headers.h"

enum { PROBLEM_BYTES = 500, MAX_DEPTH = 40 };

static const char schema[] = "{\"properties\":{\"s\":{\"type\":\"string\",\"x-mcp-header\":\"S\"},"
                             "\"i\":{\"type\":\"integer\",\"x-mcp-header\":\"I\"},"
                             "\"o\":{\"properties\":{\"b\":{\"type\":\"boolean\",\"x-mcp-header\":\"B\"}}}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_value(struct span value)
{
    CLEANUP(text_done) struct text decoded = TEXT(SIZE_MAX), sent = TEXT(SIZE_MAX), again = TEXT(SIZE_MAX);
    if (header_value_decode(value, &decoded) != 0)
        return;
    header_value_encode(text_span(&decoded), &sent);
    require(sent.error == 0);
    require(header_value_decode(text_span(&sent), &again) == 0);
    require(span_equal(text_span(&again), text_span(&decoded)));
}

static const struct parameter_headers *headers_of_schema(void)
{
    static struct parameter_headers *headers; /* to the end of the process */
    if (headers)
        return headers;
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct json_object *parsed = json_tokener_parse(schema);
    require(parsed && parameter_headers_compile(parsed, &headers, &problem) == 0);
    json_object_put(parsed);
    return headers;
}

/* All three fields have the same value. */
static struct span all_the_same(void *context, struct span field UNUSED)
{
    return *(struct span *)context;
}

static struct span only_s(void *context, struct span field)
{
    return span_is(field, "Mcp-Param-S") ? *(struct span *)context : (struct span){0};
}

static int check_fields(struct span arguments, parameter_headers_lookup lookup, struct span value)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    int result = parameter_headers_check(headers_of_schema(), arguments, lookup, &value, &problem);
    require(result == 0 || (result == PARAMETER_HEADERS_MISMATCH && problem.size > 0));
    return result;
}

static void check_agreeing(struct span arguments)
{
    struct span raw = json_find(arguments, "s");
    CLEANUP(text_done) struct text plain = TEXT(PARAMETER_HEADERS_MAX_VALUE_BYTES), sent = TEXT(SIZE_MAX);
    bool alone = span_absent(json_find(arguments, "i")) && span_absent(json_find(arguments, "o"));
    if (span_absent(raw) || json_kind(raw) != JSON_STRING || !alone || json_string_decode(raw, &plain) != 0)
        return;
    header_value_encode(text_span(&plain), &sent);
    require(check_fields(arguments, only_s, sent.size > 0 ? text_span(&sent) : SPAN("")) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct span value = span_cut(&rest, '\n');
    static const char empty[] = "";
    value = value.at ? value : (struct span){empty, 0};
    check_value(value);
    if (span_absent(rest) || json_check(rest, MAX_DEPTH) != 0 || json_kind(span_trim(rest)) != JSON_OBJECT)
        return 0;
    check_agreeing(rest);
    (void)check_fields(rest, all_the_same, value);
    (void)check_fields(rest, all_the_same, (struct span){0});
    return 0;
}

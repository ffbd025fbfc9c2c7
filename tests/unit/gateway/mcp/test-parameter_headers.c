/* parameter_headers.h: which annotations are legal, and which fields agree with which arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "gateway/mcp/parameter_headers.h"

enum { PROBLEM_BYTES = 1000 };

static int compile(const char *json, struct parameter_headers **ret_headers, struct text *problem)
{
    struct json_object *schema = json_tokener_parse(json);
    assert_non_null(schema);
    int result = parameter_headers_compile(schema, ret_headers, problem);
    json_object_put(schema);
    return result;
}

#define A "\"x-mcp-header\":\"A\""

static const struct {
    const char *schema;
    const char *problem; /* NULL: legal */
    size_t count;
    const char *comment;
} schema_rows[] = {
    {"{}", NULL, 0, "none"},
    {"true", NULL, 0, "a schema may be true"},
    {"{\"properties\":{\"a\":{\"type\":\"string\"," A "}}}", NULL, 1, "a string"},
    {"{\"properties\":{\"a\":{\"type\":\"integer\"," A "}}}", NULL, 1, "an integer"},
    {"{\"properties\":{\"a\":{\"type\":\"boolean\"," A "}}}", NULL, 1, "a boolean"},
    {"{\"properties\":{\"a\":{\"type\":[\"null\",\"string\"]," A "}}}", NULL, 1, "a string or null"},
    {"{\"properties\":{\"o\":{\"properties\":{\"a\":{\"type\":\"string\"," A "}}}}}", NULL, 1, "nested properties"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"Method\"}}}", NULL, 1, "Mcp-Param-Method"},
    {"{\"properties\":{\"a\":{\"type\":\"string\"," A "},\"b\":{\"type\":\"string\",\"x-mcp-header\":\"B\"}}}", NULL, 2,
     "two"},
    {"{\"properties\":{\"x-mcp-header\":{\"type\":\"string\"}}}", NULL, 0, "a parameter of that name"},
    {"{\"default\":{" A "},\"enum\":[{" A "}],\"examples\":[{\"properties\":{\"a\":{" A "}}}]}", NULL, 0,
     "values are no schemas"},
    {"{\"properties\":{\"a\":{\"type\":\"number\"," A "}}}",
     "#/properties/a: only a parameter of type string, integer or boolean may have a header field (x-mcp-header)", 0,
     "a number"},
    {"{\"properties\":{\"a\":{\"type\":[\"string\",\"integer\"]," A "}}}",
     "#/properties/a: only a parameter of type string, integer or boolean may have a header field (x-mcp-header)", 0,
     "two types"},
    {"{\"properties\":{\"a\":{" A "}}}",
     "#/properties/a: only a parameter of type string, integer or boolean may have a header field (x-mcp-header)", 0,
     "no type"},
    {"{\"properties\":{\"a\":{\"type\":\"object\"," A "}}}",
     "#/properties/a: only a parameter of type string, integer or boolean may have a header field (x-mcp-header)", 0,
     "an object"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"\"}}}",
     "#/properties/a: the name of a header field must be one or more of A-Z a-z 0-9 !#$%&'*+-.^_`|~ (x-mcp-header)", 0,
     "no name"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"My Region\"}}}",
     "#/properties/a: the name of a header field must be one or more of A-Z a-z 0-9 !#$%&'*+-.^_`|~ (x-mcp-header)", 0,
     "a space"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"Region:Primary\"}}}",
     "#/properties/a: the name of a header field must be one or more of A-Z a-z 0-9 !#$%&'*+-.^_`|~ (x-mcp-header)", 0,
     "a colon"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"Région\"}}}",
     "#/properties/a: the name of a header field must be one or more of A-Z a-z 0-9 !#$%&'*+-.^_`|~ (x-mcp-header)", 0,
     "not ASCII"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\\r\\nB\"}}}",
     "#/properties/a: the name of a header field must be one or more of A-Z a-z 0-9 !#$%&'*+-.^_`|~ (x-mcp-header)", 0,
     "a line break"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\\u0000\"}}}",
     "#/properties/a: the name of a header field must be one or more of A-Z a-z 0-9 !#$%&'*+-.^_`|~ (x-mcp-header)", 0,
     "a NUL"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":7}}}",
     "#/properties/a: the name of a header field must be a string (x-mcp-header)", 0, "no string"},
    {"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},"
     "\"b\":{\"type\":\"string\",\"x-mcp-header\":\"REGION\"}}}",
     "#/properties/b: two parameters have the header field Mcp-Param-REGION (x-mcp-header)", 0, "names have no case"},
    {"{" A "}", "#: only a parameter that is reached by `properties` alone may have a header field (x-mcp-header)", 0,
     "the root"},
    {"{\"properties\":{\"l\":{\"items\":{\"type\":\"string\"," A "}}}}",
     "#/properties/l/items: only a parameter that is reached by `properties` alone may have a header field "
     "(x-mcp-header)",
     0, "an item"},
    {"{\"items\":[{\"type\":\"string\"," A "}]}",
     "#/items/0: only a parameter that is reached by `properties` alone may have a header field (x-mcp-header)", 0,
     "an item by position"},
    {"{\"anyOf\":[{\"properties\":{\"a\":{\"type\":\"string\"," A "}}}]}",
     "#/anyOf/0/properties/a: only a parameter that is reached by `properties` alone may have a header field "
     "(x-mcp-header)",
     0, "an alternative"},
    {"{\"if\":{\"properties\":{\"a\":{\"type\":\"string\"," A "}}}}",
     "#/if/properties/a: only a parameter that is reached by `properties` alone may have a header field "
     "(x-mcp-header)",
     0, "a condition"},
    {"{\"properties\":{\"a\":{\"not\":{\"type\":\"string\"," A "}}}}",
     "#/properties/a/not: only a parameter that is reached by `properties` alone may have a header field "
     "(x-mcp-header)",
     0, "a negation"},
    {"{\"$defs\":{\"a\":{\"type\":\"string\"," A "}}}",
     "#/$defs/a: only a parameter that is reached by `properties` alone may have a header field (x-mcp-header)", 0,
     "only by reference"},
    {"{\"patternProperties\":{\"a\":{\"type\":\"string\"," A "}}}",
     "#/patternProperties/a: only a parameter that is reached by `properties` alone may have a header field "
     "(x-mcp-header)",
     0, "by pattern"},
    {"{\"additionalProperties\":{\"type\":\"string\"," A "}}",
     "#/additionalProperties: only a parameter that is reached by `properties` alone may have a header field "
     "(x-mcp-header)",
     0, "any other"},
};

static void test_schemas(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(schema_rows); i++) {
        CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
        struct parameter_headers *headers = NULL;
        int result = compile(schema_rows[i].schema, &headers, &problem);
        text_terminate(&problem);
        const char *expected = schema_rows[i].problem ? schema_rows[i].problem : "";
        if (result != (schema_rows[i].problem ? PARAMETER_HEADERS_INVALID : 0) || strcmp(problem.at, expected) != 0)
            fail_msg("%s: %d, %s", schema_rows[i].comment, result, problem.at);
        if (parameter_headers_count(headers) != schema_rows[i].count)
            fail_msg("%s: %zu fields", schema_rows[i].comment, parameter_headers_count(headers));
        parameter_headers_free(headers);
    }
}

static void test_list(void **state UNUSED)
{
    struct parameter_headers *headers = NULL;
    assert_int_equal(compile("{\"properties\":{\"o\":{\"properties\":{\"a b\":{\"type\":\"integer\",\"x-mcp-header\":"
                             "\"Count\"}}}}}",
                             &headers, NULL),
                     0);
    struct parameter_header header = parameter_headers_at(headers, 0);
    assert_string_equal(header.field.at, "Mcp-Param-Count");
    assert_int_equal(header.field.size, strlen("Mcp-Param-Count"));
    assert_int_equal(header.type, PARAMETER_HEADER_INTEGER);
    assert_int_equal(header.path_length, 2);
    assert_true(span_is(header.path[0], "o") && span_is(header.path[1], "a b"));
    parameter_headers_free(headers);
}

/* Too many, too deep, too long. */
static void test_bounds(void **state UNUSED)
{
    CLEANUP(text_done) struct text schema = TEXT(100000);
    struct parameter_headers *headers = NULL;
    for (int count = PARAMETER_HEADERS_MAX; count <= PARAMETER_HEADERS_MAX + 1; count++) {
        text_clear(&schema);
        text_add_literal(&schema, "{\"properties\":{\"z\":{}");
        for (int i = 0; i < count; i++)
            text_addf(&schema, ",\"p%d\":{\"type\":\"string\",\"x-mcp-header\":\"P%d\"}", i, i);
        text_add_literal(&schema, "}}");
        text_terminate(&schema);
        assert_int_equal(compile(schema.at, &headers, NULL), count > PARAMETER_HEADERS_MAX);
    }
    parameter_headers_free(headers);
    for (int depth = PARAMETER_HEADERS_MAX_DEPTH; depth <= PARAMETER_HEADERS_MAX_DEPTH + 1; depth++) {
        struct json_object *inner = json_tokener_parse("{\"type\":\"string\",\"x-mcp-header\":\"A\"}");
        for (int i = 0; i < depth; i++) {
            struct json_object *outer = json_object_new_object(), *map = json_object_new_object();
            json_object_object_add(map, "p", inner);
            json_object_object_add(outer, "properties", map);
            inner = outer;
        }
        assert_int_equal(parameter_headers_compile(inner, &headers, NULL), depth > PARAMETER_HEADERS_MAX_DEPTH);
        json_object_put(inner);
    }
    parameter_headers_free(headers);
    text_clear(&schema);
    text_add_literal(&schema, "{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"");
    for (int i = 0; i <= PARAMETER_HEADERS_MAX_NAME_BYTES; i++)
        text_add_char(&schema, 'a');
    text_add_literal(&schema, "\"}}}");
    text_terminate(&schema);
    assert_int_equal(compile(schema.at, &headers, NULL), PARAMETER_HEADERS_INVALID);
}

static const char TOOL[] = "{\"properties\":{\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},"
                           "\"count\":{\"type\":\"integer\",\"x-mcp-header\":\"Count\"},"
                           "\"on\":{\"type\":\"boolean\",\"x-mcp-header\":\"On\"},"
                           "\"deep\":{\"properties\":{\"er\":{\"type\":\"string\",\"x-mcp-header\":\"Deeper\"}}}}}";

static const struct check_row {
    const char *field, *value; /* the one field the request has, or NULL */
    const char *arguments;     /* NULL: absent */
    const char *problem;       /* NULL: agrees */
    const char *comment;
} check_rows[] = {
    {NULL, NULL, NULL, NULL, "no arguments, no fields"},
    {NULL, NULL, "{}", NULL, "empty arguments, no fields"},
    {NULL, NULL, "{\"other\":1}", NULL, "other arguments"},
    {NULL, NULL, "{\"region\":null,\"count\":null}", NULL, "null has no field"},
    {"Mcp-Param-Region", "us", "{\"region\":\"us\"}", NULL, "equal"},
    {"mcp-param-REGION", "us", "{\"region\":\"us\"}", NULL, "field names have no case"},
    {"Mcp-Param-Region", " us ", "{\"region\":\"us\"}", NULL, "blanks around it"},
    {"Mcp-Param-Region", "us", "{\"region\":\"u\\u0073\"}", NULL, "the body is escaped"},
    {"Mcp-Param-Region", "", "{\"region\":\"\"}", NULL, "an empty string has an empty field"},
    {"Mcp-Param-Region", "=?base64?SGVsbG8=?=", "{\"region\":\"Hello\"}", NULL, "base64"},
    {"Mcp-Param-Region", "SGVsbG8=", "{\"region\":\"SGVsbG8=\"}", NULL, "no prefix"},
    {"Mcp-Param-Region", "=?base64?SGVsbG8=", "{\"region\":\"=?base64?SGVsbG8=\"}", NULL, "no suffix"},
    {"Mcp-Param-Region", "=?base64?AA==?=", "{\"region\":\"\\u0000\"}", NULL, "a NUL"},
    {"Mcp-Param-Region", "us", "{\"region\":\"eu\"}", "Header mismatch: Mcp-Param-Region is not the string in the body",
     "another"},
    {"Mcp-Param-Region", "US", "{\"region\":\"us\"}", "Header mismatch: Mcp-Param-Region is not the string in the body",
     "values have a case"},
    {"Mcp-Param-Region", "us", "{\"region\":\"us\",\"region\":\"eu\"}",
     "Header mismatch: Mcp-Param-Region is not the string in the body", "the last of two members counts"},
    {"Mcp-Param-Region", "=?base64?SGVsbG8?=", "{\"region\":\"Hello\"}",
     "Header mismatch: Mcp-Param-Region holds invalid characters or invalid base64", "padding"},
    {"Mcp-Param-Region", "=?base64?SGVs!!!bG8=?=", "{\"region\":\"Hello\"}",
     "Header mismatch: Mcp-Param-Region holds invalid characters or invalid base64", "alphabet"},
    {"Mcp-Param-Region", "caf\xc3\xa9", "{\"region\":\"caf\xc3\xa9\"}",
     "Header mismatch: Mcp-Param-Region holds invalid characters or invalid base64", "bytes above ASCII"},
    {NULL, NULL, "{\"region\":\"us\"}", "Header mismatch: Mcp-Param-Region is missing, but the body has a value for it",
     "missing"},
    {NULL, NULL, "{\"region\":\"\"}", "Header mismatch: Mcp-Param-Region is missing, but the body has a value for it",
     "missing for an empty string"},
    {NULL, NULL, "{\"on\":false}", "Header mismatch: Mcp-Param-On is missing, but the body has a value for it",
     "missing for false"},
    {"Mcp-Param-Region", "us", "{}", "Header mismatch: Mcp-Param-Region is there, but the body has no value for it",
     "nothing in the body"},
    {"Mcp-Param-Region", "us", NULL, "Header mismatch: Mcp-Param-Region is there, but the body has no value for it",
     "no arguments"},
    {"Mcp-Param-Region", "null", "{\"region\":null}",
     "Header mismatch: Mcp-Param-Region is there, but the body has no value for it", "null in the body"},
    {"Mcp-Param-Other", "us", "{}", NULL, "a field that nobody asked for"},
    {"Mcp-Param-Count", "42", "{\"count\":42}", NULL, "an integer"},
    {"Mcp-Param-Count", "42.0", "{\"count\":42}", NULL, "numbers, not their digits"},
    {"Mcp-Param-Count", "42", "{\"count\":4.2e1}", NULL, "numbers, not their digits, in the body"},
    {"Mcp-Param-Count", "-7", "{\"count\":-7}", NULL, "a negative one"},
    {"Mcp-Param-Count", "9007199254740991", "{\"count\":9007199254740991}", NULL, "the largest safe one"},
    {"Mcp-Param-Count", "9007199254740992", "{\"count\":9007199254740992}",
     "Header mismatch: Mcp-Param-Count stands for a number that is no integer between -2^53+1 and 2^53-1", "too large"},
    {"Mcp-Param-Count", "9007199254740992", "{\"count\":9007199254740993}",
     "Header mismatch: Mcp-Param-Count is not the number in the body", "no digit is lost"},
    {"Mcp-Param-Count", "1.5", "{\"count\":1.5}",
     "Header mismatch: Mcp-Param-Count stands for a number that is no integer between -2^53+1 and 2^53-1",
     "a fraction"},
    {"Mcp-Param-Count", "43", "{\"count\":42}", "Header mismatch: Mcp-Param-Count is not the number in the body",
     "another number"},
    {"Mcp-Param-Count", "42x", "{\"count\":42}", "Header mismatch: Mcp-Param-Count is not the number in the body",
     "no number"},
    {"Mcp-Param-Count", "+42", "{\"count\":42}", "Header mismatch: Mcp-Param-Count is not the number in the body",
     "a plus sign"},
    {"Mcp-Param-Count", "", "{\"count\":42}", "Header mismatch: Mcp-Param-Count is not the number in the body",
     "empty"},
    {"Mcp-Param-Count", "=?base64?NDIg?=", "{\"count\":42}",
     "Header mismatch: Mcp-Param-Count is not the number in the body", "a number and a blank"},
    {"Mcp-Param-Count", "42", "{\"count\":\"42\"}", NULL, "a string is the schema's business"},
    {"Mcp-Param-On", "true", "{\"on\":true}", NULL, "true"},
    {"Mcp-Param-On", "True", "{\"on\":true}", "Header mismatch: Mcp-Param-On is not the boolean in the body",
     "lower case"},
    {"Mcp-Param-On", "false", "{\"on\":true}", "Header mismatch: Mcp-Param-On is not the boolean in the body",
     "the other"},
    {"Mcp-Param-Deeper", "x", "{\"deep\":{\"er\":\"x\"}}", NULL, "nested"},
    {NULL, NULL, "{\"deep\":{\"er\":\"x\"}}",
     "Header mismatch: Mcp-Param-Deeper is missing, but the body has a value for it", "nested, missing"},
    {NULL, NULL, "{\"deep\":\"er\"}", NULL, "the path ends before"},
    {NULL, NULL, "{\"er\":\"x\"}", NULL, "not at that path"},
    {"Mcp-Param-Region", "x", "{\"region\":[1]}",
     "Header mismatch: Mcp-Param-Region stands for an array or object in the body, which no field can carry",
     "an array"},
};

static struct span look_up(void *context, struct span field)
{
    const struct check_row *row = context;
    assert_int_equal(field.at[field.size], '\0');
    if (row->field && span_equal_nocase(field, span_of(row->field)))
        return span_of(row->value);
    return (struct span){NULL, 0};
}

static void test_checks(void **state UNUSED)
{
    struct parameter_headers *headers = NULL;
    assert_int_equal(compile(TOOL, &headers, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(check_rows); i++) {
        struct check_row row = check_rows[i];
        CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
        int result = parameter_headers_check(headers, span_of(row.arguments), look_up, &row, &problem);
        text_terminate(&problem);
        const char *expected = row.problem ? row.problem : "";
        if (result != (row.problem ? PARAMETER_HEADERS_MISMATCH : 0) || strcmp(problem.at, expected) != 0)
            fail_msg("%s: %d, %s", row.comment, result, problem.at);
        assert_int_equal(parameter_headers_check(headers, span_of(row.arguments), look_up, &row, NULL), result);
        assert_int_equal(parameter_headers_check(NULL, span_of(row.arguments), look_up, &row, NULL), 0);
    }
    parameter_headers_free(headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* schema.h: what is a schema, what is a violation, and in which words; one row each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>

#include "gateway/mcp/schema.h"

enum { PROBLEM_BYTES = 2000 };

static struct json_object *parse(const char *json)
{
    enum json_tokener_error error;
    struct json_object *value = json_tokener_parse_verbose(json, &error);
    if (error != json_tokener_success)
        fail_msg("the test's own JSON is wrong: %s", json);
    return value;
}

static struct schema *compile(const char *json, const struct schema_limits *limits)
{
    struct json_object *definition = parse(json);
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct schema *schema = NULL;
    int result = schema_compile(definition, limits, &schema, &problem);
    json_object_put(definition);
    if (result)
        fail_msg("%s does not compile: %.*s", json, SPAN_PRINT(text_span(&problem)));
    return schema;
}

static int check(const struct schema *schema, const char *json, struct text *problem)
{
    struct json_object *instance = parse(json);
    int result = schema_check(schema, instance, problem);
    json_object_put(instance);
    return result;
}

static const struct verdict_row {
    const char *schema, *instance;
    const char *problem; /* NULL: valid */
    const char *comment;
} verdict_rows[] = {
#include "tests/unit/gateway/mcp/schema-rows.inc"
};

static void check_verdict(const struct verdict_row *row)
{
    CLEANUP(schema_freep) struct schema *schema = compile(row->schema, NULL);
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    int result = check(schema, row->instance, &problem);
    text_terminate(&problem);
    if (result != (row->problem ? SCHEMA_VIOLATION : 0))
        fail_msg("%s: %s against %s is %d (%s)", row->comment, row->instance, row->schema, result, problem.at);
    if (row->problem && strcmp(problem.at, row->problem) != 0)
        fail_msg("%s: %s against %s says\n  %s\ninstead of\n  %s", row->comment, row->instance, row->schema, problem.at,
                 row->problem);
    if (check(schema, row->instance, NULL) != result)
        fail_msg("%s: another verdict when nobody asks why", row->comment);
}

static void test_verdicts(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(verdict_rows); i++)
        check_verdict(&verdict_rows[i]);
    print_message("%zu rows\n", ARRAY_SIZE(verdict_rows));
}

static const struct refusal_row {
    const char *schema, *problem, *comment;
} refusal_rows[] = {
    {"1", "#: must be a schema: an object, true or false", "a number"},
    {"null", "#: must be a schema: an object, true or false", "null"},
    {"[]", "#: must be a schema: an object, true or false", "an array"},
    {"{\"type\":\"strnig\"}",
     "#/type: must be one of \"null\", \"boolean\", \"integer\", \"number\", \"string\", \"array\", \"object\", or an "
     "array of these",
     "a misspelt type"},
    {"{\"type\":[]}",
     "#/type: must be one of \"null\", \"boolean\", \"integer\", \"number\", \"string\", \"array\", \"object\", or an "
     "array of these",
     "no type"},
    {"{\"properties\":{\"a/b\":{\"minLength\":-1}}}",
     "#/properties/a~1b/minLength: must be an integer that is not negative", "a pointer is escaped"},
    {"{\"minLength\":1.5}", "#/minLength: must be an integer that is not negative", "a fraction"},
    {"{\"maxItems\":\"3\"}", "#/maxItems: must be an integer that is not negative", "a string"},
    {"{\"minimum\":\"3\"}", "#/minimum: must be a number", "a bound that is a string"},
    {"{\"exclusiveMinimum\":true}", "#/exclusiveMinimum: must be a number", "draft-04"},
    {"{\"multipleOf\":0}", "#/multipleOf: must be a number above 0", "zero"},
    {"{\"multipleOf\":-2}", "#/multipleOf: must be a number above 0", "negative"},
    {"{\"pattern\":\"(\"}",
     "#/pattern: is not a regular expression that can be used: missing closing parenthesis at offset 1", "a pattern"},
    {"{\"patternProperties\":{\"[\":{}}}",
     "#/patternProperties/[: is not a regular expression that can be used: missing terminating ] for character class "
     "at offset 1",
     "a pattern of names"},
    {"{\"pattern\":7}", "#/pattern: must be a string", "a pattern that is a number"},
    {"{\"uniqueItems\":1}", "#/uniqueItems: must be true or false", "no boolean"},
    {"{\"enum\":\"a\"}", "#/enum: must be an array", "an enum of one"},
    {"{\"allOf\":{}}", "#/allOf: must be an array of schemas", "allOf"},
    {"{\"anyOf\":[{},3]}", "#/anyOf/1: must be a schema: an object, true or false", "in a list"},
    {"{\"items\":[{}]}", "#/items: must be a schema (an array of schemas is prefixItems in 2020-12)",
     "items of before 2020-12"},
    {"{\"properties\":[]}", "#: has properties that are not an object", "properties"},
    {"{\"properties\":{\"a\":{\"required\":true}}}",
     "#/properties/a: has a `required` that is not an array (in JSON Schema it lists the names of members)",
     "required as draft-03 had it"},
    {"{\"required\":[\"a\",1]}", "#/required: must be an array of strings", "required"},
    {"{\"dependentRequired\":{\"a\":\"b\"}}", "#/dependentRequired/a: must be an array of strings",
     "dependentRequired"},
    {"{\"dependentSchemas\":{\"a\":[]}}", "#/dependentSchemas/a: must be a schema: an object, true or false",
     "dependentSchemas"},
    {"{\"$defs\":{\"a\":{\"type\":1}}}",
     "#/$defs/a/type: must be one of \"null\", \"boolean\", \"integer\", \"number\", \"string\", \"array\", "
     "\"object\", or an array of these",
     "also what nobody uses"},
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}",
     "#/$schema: names a dialect that is not supported: http://json-schema.org/draft-04/schema (supported: 2020-12, "
     "2019-09, draft-07, draft-06)",
     "draft-04"},
    {"{\"$schema\":\"https://example.com/own\"}",
     "#/$schema: names a dialect that is not supported: https://example.com/own (supported: 2020-12, 2019-09, "
     "draft-07, draft-06)",
     "a meta-schema of somebody"},
    {"{\"$ref\":\"#/$defs/a\"}", "#/$ref: refers to \"#/$defs/a\", where there is nothing", "a pointer"},
    {"{\"$ref\":\"#a\"}", "#/$ref: refers to \"#a\", an anchor that the document does not have", "an anchor"},
    {"{\"properties\":{\"a\":{\"$ref\":\"https://example.com/a.json\"}}}",
     "#/properties/a/$ref: refers to \"https://example.com/a.json\", which is outside of the document; nothing is "
     "fetched",
     "the network"},
    {"{\"$ref\":\"other.json\"}",
     "#/$ref: refers to \"other.json\", which is outside of the document; nothing is fetched", "a file"},
    {"{\"$ref\":\"file:///etc/passwd\"}",
     "#/$ref: refers to \"file:///etc/passwd\", which is outside of the document; nothing is fetched", "a file URI"},
    {"{\"$ref\":\"#%4\"}", "#/$ref: refers to \"#%4\", which is not a URI reference", "percent"},
    {"{\"$ref\":\"#/enum/0\",\"enum\":[1]}", "#/enum/0: must be a schema: an object, true or false",
     "a pointer to a value"},
    {"{\"$ref\":\"#/$defs\",\"$defs\":{\"minLength\":{}}}",
     "#/$defs/minLength: must be an integer that is not negative", "a pointer to a map of schemas, read as a schema"},
    {"{\"$ref\":3}", "#/$ref: must be a string", "a reference that is a number"},
    {"{\"$id\":\"http://example.com/a#b\"}", "#/$id: must be a URI reference without fragment", "an id"},
    {"{\"$anchor\":\"1a\"}", "#/$anchor: must be a name: a letter or '_', then letters, digits, '-', '_' or '.'",
     "an anchor's name"},
    {"{\"$ref\":\"#\"}",
     "#: has references that lead back to where they started without looking into the value, or a chain of more than "
     "256 of them",
     "itself"},
    {"{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},\"b\":{\"not\":{\"$ref\":\"#/$defs/a\"}}}}",
     "#: has references that lead back to where they started without looking into the value, or a chain of more than "
     "256 of them",
     "a circle"},
    {"{\"dependentSchemas\":{\"a\":{\"$ref\":\"#\"}}}",
     "#: has references that lead back to where they started without looking into the value, or a chain of more than "
     "256 of them",
     "a circle through dependentSchemas"},
};

static void test_refusals(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusal_rows); i++) {
        const struct refusal_row *row = &refusal_rows[i];
        struct json_object *definition = parse(row->schema);
        CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
        struct schema *schema = NULL;
        int result = schema_compile(definition, NULL, &schema, &problem);
        text_terminate(&problem);
        if (result != SCHEMA_INVALID)
            fail_msg("%s: %s is %d", row->comment, row->schema, result);
        if (strcmp(problem.at, row->problem) != 0)
            fail_msg("%s: %s says\n  %s\ninstead of\n  %s", row->comment, row->schema, problem.at, row->problem);
        assert_null(schema);
        assert_int_equal(schema_compile(definition, NULL, &schema, NULL), SCHEMA_INVALID);
        json_object_put(definition);
    }
    print_message("%zu rows\n", ARRAY_SIZE(refusal_rows));
}

/* ---- bounds ----------------------------------------------------------------------------------------------- */

static void check_refused(const char *json, const struct schema_limits *limits, const char *expected)
{
    struct json_object *definition = parse(json);
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct schema *schema = NULL;
    assert_int_equal(schema_compile(definition, limits, &schema, &problem), SCHEMA_INVALID);
    text_terminate(&problem);
    assert_string_equal(problem.at, expected);
    json_object_put(definition);
}

static void test_definition_bounds(void **state UNUSED)
{
    struct schema_limits few = {.max_values = 3}, flat = {.max_depth = 2}, brief = {.max_pattern_bytes = 4};
    struct schema_limits chain = {.max_evaluation_depth = 2};
    schema_free(compile("{\"a\":1,\"b\":2}", &few));
    check_refused("{\"a\":1,\"b\":2,\"c\":3}", &few, "#: has more than 3 values");
    schema_free(compile("{\"a\":{\"b\":1}}", &flat));
    check_refused("{\"a\":{\"b\":{\"c\":1}}}", &flat, "#: is nested deeper than 2");
    schema_free(compile("{\"pattern\":\"abcd\"}", &brief));
    check_refused("{\"pattern\":\"abcde\"}", &brief,
                  "#/pattern: is not a regular expression that can be used: longer than 4 bytes");
    schema_free(compile("{\"allOf\":[{}]}", &chain));
    check_refused(
        "{\"allOf\":[{\"allOf\":[{}]}]}", &chain,
        "#: has references that lead back to where they started without looking into the value, or a chain of "
        "more than 2 of them");
}

static void test_steps_bound(void **state UNUSED)
{
    struct schema_limits limits = {.max_steps = 100};
    CLEANUP(schema_freep) struct schema *schema = compile("{\"items\":{\"type\":\"integer\"}}", &limits);
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES), array = TEXT(PROBLEM_BYTES);
    text_add_literal(&array, "[0");
    for (int i = 1; i < 99; i++)
        text_add_literal(&array, ",0");
    text_add_literal(&array, "]");
    text_terminate(&array);
    assert_int_equal(check(schema, array.at, &problem), 0);
    array.size--;
    text_add_literal(&array, ",0]");
    text_terminate(&array);
    assert_int_equal(check(schema, array.at, &problem), SCHEMA_TOO_COMPLEX);
    text_terminate(&problem);
    assert_string_equal(problem.at, "the value is too large or too deeply nested to be checked within 100 steps and a "
                                    "depth of 256");
}

static struct json_object *nest(size_t depth)
{
    struct json_object *value = json_object_new_array();
    for (size_t i = 1; i < depth; i++) {
        struct json_object *outer = json_object_new_array();
        json_object_array_add(outer, value);
        value = outer;
    }
    return value;
}

static void test_depth_bound(void **state UNUSED)
{
    CLEANUP(schema_freep) struct schema *schema = compile("{\"items\":{\"$ref\":\"#\"}}", NULL);
    struct json_object *deep = nest(128), *deeper = nest(129);
    assert_int_equal(schema_check(schema, deep, NULL), 0);
    assert_int_equal(schema_check(schema, deeper, NULL), SCHEMA_TOO_COMPLEX);
    json_object_put(deep);
    json_object_put(deeper);
}

/* Each level checks the next one twice: 2^60 checks, were there no bound. */
static void test_exponential_schema(void **state UNUSED)
{
    CLEANUP(schema_freep)
    struct schema *schema = compile("{\"allOf\":[{\"items\":{\"$ref\":\"#\"}},{\"items\":{\"$ref\":\"#\"}}]}", NULL);
    struct json_object *deep = nest(60), *flat = nest(10);
    assert_int_equal(schema_check(schema, flat, NULL), 0);
    assert_int_equal(schema_check(schema, deep, NULL), SCHEMA_TOO_COMPLEX);
    json_object_put(deep);
    json_object_put(flat);
}

static void test_pattern_bounds(void **state UNUSED)
{
    CLEANUP(schema_freep) struct schema *schema = compile("{\"pattern\":\"^(a+)+$\"}", NULL);
    CLEANUP(schema_freep) struct schema *negated = compile("{\"not\":{\"pattern\":\"^(a+)+$\"}}", NULL);
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    assert_int_equal(check(schema, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", &problem), 0);
    assert_int_equal(check(schema, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", &problem), SCHEMA_VIOLATION);
    text_terminate(&problem);
    assert_string_equal(problem.at, "the whole value: takes too many steps to match ^(a+)+$ (pattern)");
    assert_int_equal(check(negated, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", NULL), SCHEMA_VIOLATION);
    struct json_object *broken = json_object_new_string_len("a\xff", 2);
    assert_int_equal(schema_check(schema, broken, NULL), SCHEMA_VIOLATION);
    assert_int_equal(schema_check(negated, broken, NULL), SCHEMA_VIOLATION);
    json_object_put(broken);
}

/* Many bad matches cost together what they are allowed together. */
static void test_patterns_share_the_steps(void **state UNUSED)
{
    CLEANUP(schema_freep)
    struct schema *schema = compile("{\"items\":{\"anyOf\":[{\"pattern\":\"^(a+)+$\"},{}]}}", NULL);
    struct json_object *array = json_object_new_array();
    for (int i = 0; i < 1000; i++)
        json_object_array_add(array, json_object_new_string("aaaaaaaaaaaaab"));
    int result = schema_check(schema, array, NULL);
    json_object_put(array);
    assert_int_equal(result, SCHEMA_TOO_COMPLEX);
}

static struct json_object *numbers(int count)
{
    struct json_object *array = json_object_new_array();
    for (int i = 0; i < count; i++)
        json_object_array_add(array, i % 2 ? json_object_new_double(i) : json_object_new_int(i));
    return array;
}

static void test_unique_large(void **state UNUSED)
{
    CLEANUP(schema_freep) struct schema *schema = compile("{\"uniqueItems\":true}", NULL);
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct json_object *array = numbers(50000);
    assert_int_equal(schema_check(schema, array, &problem), 0);
    json_object_array_add(array, json_object_new_double(40000));
    assert_int_equal(schema_check(schema, array, &problem), SCHEMA_VIOLATION);
    text_terminate(&problem);
    assert_string_equal(problem.at,
                        "the whole value: must not hold equal items, but 40000 and 50000 are (uniqueItems)");
    json_object_put(array);
}

static void test_unevaluated_large(void **state UNUSED)
{
    CLEANUP(schema_freep)
    struct schema *schema = compile("{\"anyOf\":[{\"patternProperties\":{\"^k\":true}},{\"properties\":{\"z\":true}}],"
                                    "\"unevaluatedProperties\":false}",
                                    NULL);
    struct json_object *object = json_object_new_object();
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%d", i);
        json_object_object_add(object, name, NULL);
    }
    assert_int_equal(schema_check(schema, object, NULL), 0);
    json_object_object_add(object, "z", NULL);
    assert_int_equal(schema_check(schema, object, NULL), 0);
    json_object_object_add(object, "y", NULL);
    assert_int_equal(schema_check(schema, object, NULL), SCHEMA_VIOLATION);
    json_object_put(object);
}

/* A sentence is cut at the room for it, on a character's border. */
static void test_problem_is_cut(void **state UNUSED)
{
    CLEANUP(schema_freep) struct schema *schema = compile("{\"additionalProperties\":false}", NULL);
    for (size_t room = 0; room < 60; room++) {
        CLEANUP(text_done) struct text problem = TEXT(room);
        assert_int_equal(check(schema, "{\"ääääääää\":1}", &problem), SCHEMA_VIOLATION);
        assert_true(problem.size <= room && problem.error == 0);
        for (struct span rest = text_span(&problem); rest.size > 0;) {
            size_t size = span_utf8(rest);
            assert_true(size > 0);
            rest = (struct span){rest.at + size, rest.size - size};
        }
    }
}

/* The definition may go: nothing of it is kept. */
static void test_definition_not_kept(void **state UNUSED)
{
    struct json_object *definition =
        parse("{\"properties\":{\"a\":{\"enum\":[\"x\",{\"y\":[1]}]}},\"required\":[\"a\"]}");
    struct schema *schema = NULL;
    assert_int_equal(schema_compile(definition, NULL, &schema, NULL), 0);
    json_object_object_del(definition, "properties");
    json_object_put(definition);
    assert_int_equal(check(schema, "{\"a\":{\"y\":[1.0]}}", NULL), 0);
    assert_int_equal(check(schema, "{\"a\":{\"y\":[2]}}", NULL), SCHEMA_VIOLATION);
    schema_free(schema);
    schema_free(NULL);
}

enum { THREADS = 4, ROUNDS = 2000 };

static void *check_many(void *argument)
{
    struct json_object *good = parse("{\"name\":\"ab\",\"n\":[1,2]}"), *bad = parse("{\"name\":\"AB\",\"n\":[1,1]}");
    size_t wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        wrong += schema_check(argument, good, NULL) != 0;
        wrong += schema_check(argument, bad, NULL) != SCHEMA_VIOLATION;
    }
    json_object_put(good);
    json_object_put(bad);
    return (void *)(uintptr_t)wrong;
}

static void test_threads(void **state UNUSED)
{
    CLEANUP(schema_freep)
    struct schema *schema = compile(
        "{\"properties\":{\"name\":{\"pattern\":\"^[a-z]+$\",\"enum\":[\"ab\",3]},\"n\":{\"uniqueItems\":true}},"
        "\"unevaluatedProperties\":false}",
        NULL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_many, schema), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_definition_bounds), cmocka_unit_test(test_steps_bound),
        cmocka_unit_test(test_depth_bound),       cmocka_unit_test(test_exponential_schema),
        cmocka_unit_test(test_pattern_bounds),    cmocka_unit_test(test_patterns_share_the_steps),
        cmocka_unit_test(test_unique_large),      cmocka_unit_test(test_unevaluated_large),
        cmocka_unit_test(test_problem_is_cut),    cmocka_unit_test(test_definition_not_kept),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

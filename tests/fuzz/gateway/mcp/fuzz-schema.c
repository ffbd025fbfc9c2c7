/* schema.h and parameter_headers.h: the input is a definition, a line feed, an instance. Whatever both are there is a
   verdict, it is the same twice and with nobody asking why, and an outcome says why. */
#include <json-c/json.h>
#include <stdlib.h>

#include "gateway/mcp/parameter_headers.h"
#include "gateway/mcp/schema.h"

enum { PROBLEM_BYTES = 500, MAX_INPUT_BYTES = 65536 };

/* Small, so that a run is quick and every bound is met. */
static const struct schema_limits limits = {
    .max_values = 2000, .max_depth = 40, .max_evaluation_depth = 60, .max_steps = 20000, .max_pattern_steps = 5000};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool parse(struct span json, struct json_object **ret_value)
{
    struct json_tokener *tokener = json_tokener_new_ex(64);
    require(tokener != NULL);
    struct json_object *value = json_tokener_parse_ex(tokener, json.at, (int)json.size);
    if (json_tokener_get_error(tokener) == json_tokener_continue) /* a number ends only when something follows it */
        value = json_tokener_parse_ex(tokener, " ", 1);
    bool parsed = json_tokener_get_error(tokener) == json_tokener_success;
    json_tokener_free(tokener);
    if (parsed)
        *ret_value = value;
    else
        json_object_put(value);
    return parsed;
}

static void check_instance(const struct schema *schema, struct json_object *instance)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    int result = schema_check(schema, instance, &problem);
    require(result >= 0 && result <= SCHEMA_TOO_COMPLEX);
    require((result == 0) == (problem.size == 0));
    require(problem.error == 0 && problem.size <= PROBLEM_BYTES);
    require(schema_check(schema, instance, NULL) == result);
}

static void check_headers(struct json_object *definition)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct parameter_headers *headers = NULL;
    int result = parameter_headers_compile(definition, &headers, &problem);
    require(result == 0 || (result == PARAMETER_HEADERS_INVALID && problem.size > 0));
    for (size_t i = 0; i < parameter_headers_count(headers); i++)
        require(parameter_headers_at(headers, i).path_length > 0);
    parameter_headers_free(headers);
}

static void run(struct json_object *definition, struct span instance_json)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct schema *schema = NULL;
    int result = schema_compile(definition, &limits, &schema, &problem);
    require(result == 0 || result == SCHEMA_INVALID);
    require((result == 0) == (schema != NULL) && (result == 0) == (problem.size == 0));
    struct json_object *instance;
    if (schema && parse(instance_json, &instance)) {
        check_instance(schema, instance);
        json_object_put(instance);
    }
    if (schema)
        check_instance(schema, definition);
    schema_free(schema);
    check_headers(definition);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT_BYTES)
        return 0;
    struct span instance = {(const char *)data, size};
    struct span definition_json = span_cut(&instance, '\n');
    struct json_object *definition;
    if (!parse(definition_json, &definition))
        return 0;
    run(definition, span_absent(instance) ? SPAN("") : instance);
    json_object_put(definition);
    return 0;
}

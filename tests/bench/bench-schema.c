/* How long the check of a tool's arguments takes: `bench-schema [rounds]`. Prints one line per row, with the best and
   the median of the rounds, and refuses to measure a wrong verdict. One thread. */
#include <json-c/json.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/mcp/schema.h"

enum { CHECKS_PER_ROUND = 20000, ROUNDS_DEFAULT = 51, ROUNDS_MAX = 1001 };

static const struct {
    const char *name, *schema, *instance;
    int verdict;
} rows[] = {
    {"echo", "{\"type\":\"object\",\"properties\":{\"message\":{\"type\":\"string\"}},\"required\":[\"message\"]}",
     "{\"message\":\"hi\"}", 0},
    {"echo, refused",
     "{\"type\":\"object\",\"properties\":{\"message\":{\"type\":\"string\"}},\"required\":[\"message\"]}", "{}",
     SCHEMA_VIOLATION},
    {"eight members",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"minLength\":1},\"b\":{\"type\":\"integer\","
     "\"minimum\":0},\"c\":{\"enum\":[\"x\",\"y\",\"z\"]},\"d\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}},"
     "\"e\":{\"type\":\"object\",\"properties\":{\"f\":{\"type\":\"boolean\"}},\"required\":[\"f\"]},\"g\":{\"type\":"
     "[\"string\",\"null\"]},\"h\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}},\"required\":[\"a\","
     "\"b\",\"c\"],\"additionalProperties\":false}",
     "{\"a\":\"hello\",\"b\":7,\"c\":\"z\",\"d\":[1,2.5,3],\"e\":{\"f\":true},\"g\":null,\"h\":3}", 0},
    {"a pattern", "{\"properties\":{\"id\":{\"type\":\"string\",\"pattern\":\"^[a-z]{2,}-\\\\d+$\"}}}",
     "{\"id\":\"abc-12345\"}", 0},
    {"unevaluatedProperties",
     "{\"allOf\":[{\"properties\":{\"a\":true}}],\"properties\":{\"b\":true},\"unevaluatedProperties\":false}",
     "{\"a\":1,\"b\":2}", 0},
};

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Nanoseconds per check, or a negative number when a verdict is wrong. */
static double run_round(const struct schema *schema, struct json_object *instance, int verdict)
{
    CLEANUP(text_done) struct text problem = TEXT(1000);
    uint64_t start = clock_now_ns();
    for (int i = 0; i < CHECKS_PER_ROUND; i++) {
        text_clear(&problem);
        if (schema_check(schema, instance, &problem) != verdict)
            return -1;
    }
    return (double)(clock_now_ns() - start) / CHECKS_PER_ROUND;
}

static int run_row(size_t row, size_t rounds)
{
    double times[ROUNDS_MAX];
    struct json_object *definition = json_tokener_parse(rows[row].schema);
    struct json_object *instance = json_tokener_parse(rows[row].instance);
    CLEANUP(schema_freep) struct schema *schema = NULL;
    int result = schema_compile(definition, NULL, &schema, NULL);
    for (size_t i = 0; result == 0 && i < rounds; i++) {
        times[i] = run_round(schema, instance, rows[row].verdict);
        result = times[i] < 0;
    }
    json_object_put(definition);
    json_object_put(instance);
    if (result)
        return fprintf(stderr, "%s: wrong verdict\n", rows[row].name), 1;
    qsort(times, rounds, sizeof(times[0]), compare);
    printf("schema check, %s: best %.0f ns, median %.0f ns\n", rows[row].name, times[0], times[rounds / 2]);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t rounds = ROUNDS_DEFAULT;
    if (argc > 2 || (argc == 2 && (span_to_uint64(span_of(argv[1]), &rounds) || rounds == 0 || rounds > ROUNDS_MAX))) {
        fprintf(stderr, "usage: bench-schema [1..%d rounds]\n", ROUNDS_MAX);
        return 2;
    }
    int result = 0;
    for (size_t row = 0; row < ARRAY_SIZE(rows) && result == 0; row++)
        result = run_row(row, (size_t)rounds);
    return result;
}

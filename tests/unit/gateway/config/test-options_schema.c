/* Unit tests of options_schema() and options_manual(): every row has its place, and what the schema takes and refuses
   is what the parser takes and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/options.h"
#include "gateway/mcp/schema.h"

#include <json-c/json.h>

static void put_json(struct json_object **object)
{
    (void)json_object_put(*object);
}

/* The tree that options_schema() has written. */
static struct json_object *written(void)
{
    CLEANUP(text_done) struct text text = TEXT(4 * MIB);
    assert_int_equal(options_schema(&text), 0);
    text_terminate(&text);
    struct json_object *tree = json_tokener_parse(text.at);
    assert_non_null(tree);
    return tree;
}

/* -1: it does not compile. */
static int verdict(struct json_object *definition, const char *instance)
{
    CLEANUP(text_done) struct text problem = TEXT(4096);
    CLEANUP(schema_freep) struct schema *schema = NULL;
    CLEANUP(put_json) struct json_object *value = json_tokener_parse(instance);
    assert_int_equal(schema_compile(definition, NULL, &schema, &problem), 0);
    int result = schema_check(schema, value, &problem);
    text_terminate(&problem);
    print_message("%s: %s\n", instance, problem.at ? problem.at : "good");
    return result;
}

static void test_verdicts(void **state)
{
    static const struct {
        const char *instance;
        int result;
        const char *comment;
    } rows[] = {
        {"{}", 0, "an empty file"},
        {"{\"threads\": \"auto\"}", 0, "a word among numbers"},
        {"{\"threads\": 4}", 0, "a number"},
        {"{\"threads\": 0}", SCHEMA_VIOLATION, "auto is written as a word"},
        {"{\"threds\": 4}", SCHEMA_VIOLATION, "an unknown option"},
        {"{\"limits\": {\"max_payload\": \"16MiB\"}}", 0, "a size with its unit"},
        {"{\"limits\": {\"max_payload\": 65536}}", 0, "a size in bytes"},
        {"{\"limits\": {\"max_payload\": \"16MB\"}}", SCHEMA_VIOLATION, "a unit that there is not"},
        {"{\"limits\": {\"idle_timeout\": \"75s\"}}", 0, "a duration"},
        {"{\"limits\": {\"idle_timeout\": 75}}", SCHEMA_VIOLATION, "a duration without its unit"},
        {"{\"limits\": {\"drain_timeout\": 0}}", 0, "no time at all"},
        {"{\"log\": {\"level\": \"debug\"}}", 0, "a choice"},
        {"{\"log\": {\"level\": \"loud\"}}", SCHEMA_VIOLATION, "none of them"},
        {"{\"listen\": [{\"address\": \"[::1]:80\", \"transports\": [\"http\", \"sse\"]}]}", 0, "an entry of a list"},
        {"{\"listen\": [{\"transports\": [\"http\"]}]}", SCHEMA_VIOLATION, "without what it must have"},
        {"{\"listen\": [{\"address\": \":80\", \"transports\": [\"gopher\"]}]}", SCHEMA_VIOLATION, "a flag unknown"},
        {"{\"listen\": [{\"address\": \":80\", \"tls\": {\"min_version\": 1.3}}]}", 0, "1.3 is a number in YAML"},
        {"{\"listen\": [{\"address\": \":80\", \"tls\": {\"sni\": [{\"name\": \"a\"}]}}]}", SCHEMA_VIOLATION,
         "a list in a list"},
        {"{\"commands\": [{\"name\": \"a\", \"run\": [\"true\"], \"input_schema\": {\"type\": \"object\"}}]}", 0,
         "a schema is an object"},
        {"{\"modules\": [{\"path\": \"a.so\", \"config\": [1, null]}]}", 0, "any value"},
    };
    CLEANUP(put_json) struct json_object *definition = written();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_int_equal(verdict(definition, rows[i].instance), rows[i].result);
    }
}

/* The schema of a row's value: the properties of its sections, one after the other. */
static struct json_object *find(struct json_object *table, const char *path)
{
    struct span rest = span_of(path);
    while (table && !span_absent(rest)) {
        CLEANUP_FREE char *name = span_copy(span_cut(&rest, '.'));
        table = json_object_object_get(json_object_object_get(table, "properties"), name);
    }
    return table;
}

static void check_rows(struct json_object *table, const struct option_table *rows)
{
    for (size_t i = 0; i < rows->rows; i++) {
        struct json_object *schema = find(table, rows->row[i].path);
        print_message("%s %s\n", rows->name, rows->row[i].path);
        assert_non_null(schema);
        assert_string_equal(json_object_get_string(json_object_object_get(schema, "description")), rows->row[i].help);
    }
}

static void test_every_row(void **state)
{
    CLEANUP(put_json) struct json_object *definition = written();
    size_t count;
    const struct option_list *lists = options_lists(&count);
    (void)state;
    check_rows(definition, options_top());
    for (size_t i = 0; i < count; i++) {
        struct json_object *owner = definition;
        if (*lists[i].owner)
            owner = json_object_object_get(find(definition, lists[i].owner), "items");
        check_rows(json_object_object_get(find(owner, lists[i].path), "items"), &lists[i].table);
    }
}

static void test_manual(void **state)
{
    CLEANUP(text_done) struct text page = TEXT(4 * MIB);
    (void)state;
    options_manual(&page);
    text_terminate(&page);
    assert_int_equal(page.error, 0);
    assert_non_null(strstr(page.at, ".TP\n.B limits.max_connections\ncount, 1 to 10000000; default 10000;"));
    assert_non_null(strstr(page.at, "\n.TP\n.B commands[].name\n"));
    assert_non_null(strstr(page.at, "2026\\-07\\-28"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_manual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

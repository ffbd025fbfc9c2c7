/* command_template.h: whatever an entry of `run` and the arguments hold, an entry becomes one argument or none, and a
   value stands in it as it is. Input: the entry, a line end, the arguments. */
#include <stdlib.h>

#include "gateway/mcp/json.h"
#include "gateway/providers/command_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_DEPTH = 100 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

#define SCHEMA                                                                                                         \
    SPAN("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"default\":\"x\"},\"\":{}}}")

/* Without braces an entry stands for itself; "{a}" alone is the value. */
static void check_argument(const char *entry, struct span arguments, const char *argument)
{
    struct span raw = json_find(arguments, "a");
    if (!strpbrk(entry, "{}"))
        require(strcmp(entry, argument) == 0);
    if (strcmp(entry, "{a}") != 0)
        return;
    CLEANUP(text_done) struct text decoded = TEXT(raw.size);
    if (json_kind(raw) == JSON_STRING)
        require(json_string_decode(raw, &decoded) == 0);
    else
        text_add(&decoded, raw);
    require(span_equal(text_span(&decoded), span_of(argument)));
}

static void expand(const struct command_template *template, const char *entry, struct span arguments)
{
    CLEANUP(text_done) struct text problem = TEXT(1024);
    struct command_vector vector = {0};
    int r = command_template_expand(template, arguments, &vector, &problem);
    require(r == 0 || (r == COMMAND_TEMPLATE_REFUSED && problem.size > 0));
    if (r != 0)
        return;
    require(vector.count == 1 || vector.count == 2);
    require(strcmp(vector.argument[0], "program") == 0 && !vector.argument[vector.count]);
    if (vector.count == 2)
        check_argument(entry, arguments, vector.argument[1]);
    command_vector_done(&vector);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span arguments = {(const char *)data, size};
    CLEANUP_FREE char *entry = span_copy(span_cut(&arguments, '\n'));
    CLEANUP(text_done) struct text problem = TEXT(1024);
    static char program[] = "program";
    struct command_template *template = NULL;
    require(entry != NULL);
    char *words[] = {program, entry};
    const struct name_list run = {.name = words, .count = 2};
    int r = command_template_compile(&run, SCHEMA, &template, &problem);
    require(r == 0 || (r < 0 && problem.size > 0));
    arguments = span_trim(arguments);
    if (r == 0 && arguments.size > 1 && arguments.at[0] == '{' && json_check(arguments, MAX_DEPTH) == 0 &&
        arguments.at[arguments.size - 1] == '}')
        expand(template, entry, arguments);
    command_template_free(template);
    return 0;
}

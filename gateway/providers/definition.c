/* Definitions of items, as json-c trees that item_new() checks and serialises. What comes in was written by people (a
   module, a configuration), so each text is judged by the strict parser first and every refusal says which member is
   meant. Owns nothing. */
#include "gateway/providers/definition.h"

#include <errno.h>

#include "gateway/mcp/json.h"

struct json_object *definition_new(void)
{
    return json_object_new_object();
}

/* Takes `value`. */
static int add(struct json_object *definition, const char *key, struct json_object *value)
{
    if (!value)
        return -ENOMEM;
    if (json_object_object_add(definition, key, value) == 0)
        return 0;
    json_object_put(value);
    return -ENOMEM;
}

int definition_add_text(struct json_object *definition, const char *key, const char *value, struct text *problem)
{
    if (!value)
        return 0;
    if (!span_is_utf8(span_of(value))) {
        text_addf(problem, "its %s is not UTF-8", key);
        return -EINVAL;
    }
    return add(definition, key, json_object_new_string(value));
}

static int refuse(struct text *problem, const char *what, const char *reason)
{
    text_addf(problem, "its %s is not right: %s", what, reason);
    return -EINVAL;
}

static int parse(struct span json, struct json_object **ret_value)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEFINITION_MAX_DEPTH + 1);
    if (!tokener)
        return -ENOMEM;
    *ret_value = json_tokener_parse_ex(tokener, json.at, (int)json.size);
    json_tokener_free(tokener);
    return *ret_value ? 0 : -ENOMEM;
}

/* `json` becomes a tree of that shape, or a refusal that calls it `what`. */
static int read_json(const char *json, const char *what, enum definition_shape shape, struct json_object **ret_value,
                     struct text *problem)
{
    struct span text = span_trim(span_of(json));
    char opening = shape == DEFINITION_OBJECT ? '{' : '[';
    if (text.size > CATALOGUE_MAX_DEFINITION_BYTES)
        return refuse(problem, what, "it is longer than 1 MiB");
    int outcome = json_check(text, DEFINITION_MAX_DEPTH);
    if (outcome != 0)
        return refuse(problem, what, json_reason(outcome));
    if (text.at[strspn(text.at, " \t\r\n")] != opening)
        return refuse(problem, what,
                      shape == DEFINITION_OBJECT ? "it must be a JSON object" : "it must be a JSON array");
    return parse(text, ret_value);
}

int definition_add_json(struct json_object *definition, const char *key, const char *json, enum definition_shape shape,
                        struct text *problem)
{
    struct json_object *value = NULL;
    if (!json)
        return 0;
    int r = read_json(json, key, shape, &value, problem);
    return r < 0 ? r : add(definition, key, value);
}

int definition_add_members(struct json_object *definition, const char *json, struct text *problem)
{
    CLEANUP(definition_freep) struct json_object *members = NULL;
    if (!json)
        return 0;
    int r = read_json(json, "`more`", DEFINITION_OBJECT, &members, problem);
    if (r < 0)
        return r;
    json_object_object_foreach(members, key, value)
    {
        if (json_object_object_get_ex(definition, key, NULL)) {
            text_addf(problem, "`more` repeats the member \"%.100s\": say it once", key);
            return -EINVAL;
        }
        if (json_object_object_add(definition, key, json_object_get(value)) < 0) { /* NULL is JSON's null */
            json_object_put(value);
            return -ENOMEM;
        }
    }
    return 0;
}

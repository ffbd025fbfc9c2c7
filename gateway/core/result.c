/* Puts the modern era's members into result objects that handlers wrote without knowing of eras. One walk over the
   members at the top, and none at all in the legacy era. */
#include "gateway/core/result.h"

#include "gateway/mcp/json.h"

#define SERVER_INFO_KEY "io.modelcontextprotocol/serverInfo"

static void add_meta(struct text *out, struct span meta)
{
    text_add_literal(out, "\"_meta\":{\"" SERVER_INFO_KEY "\":" RESULT_SERVER_INFO);
    struct json_iterator members;
    struct span key, value;
    json_object_begin(&members, meta);
    while (json_object_next(&members, &key, &value)) {
        if (json_string_equal(key, SPAN(SERVER_INFO_KEY)))
            continue;
        text_add_char(out, ',');
        text_add(out, key);
        text_add_char(out, ':');
        text_add(out, value);
    }
    text_add_char(out, '}');
}

static void add_modern(struct text *out, const char *result_type, struct span result)
{
    text_add_literal(out, "{\"resultType\":\"");
    text_add(out, span_of(result_type));
    text_add_literal(out, "\",");
    add_meta(out, json_find(result, "_meta"));
    struct json_iterator members;
    struct span key, value;
    json_object_begin(&members, result);
    while (json_object_next(&members, &key, &value)) {
        if (json_string_equal(key, SPAN("_meta")) || json_string_equal(key, SPAN("resultType")))
            continue;
        text_add_char(out, ',');
        text_add(out, key);
        text_add_char(out, ':');
        text_add(out, value);
    }
    text_add_char(out, '}');
}

void result_add_object(struct text *out, enum era era, const char *result_type, struct span result)
{
    if (era == ERA_MODERN)
        add_modern(out, result_type, result);
    else
        text_add(out, result);
}

void result_add_response(struct text *out, struct span id, enum era era, const char *result_type, struct span result)
{
    text_reserve(out, id.size + result.size + 256);
    text_add_literal(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    text_add(out, id);
    text_add_literal(out, ",\"result\":");
    result_add_object(out, era, result_type, result);
    text_add_char(out, '}');
}

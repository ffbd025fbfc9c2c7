/* Text for people out of JSON from servers, of which nothing is taken for granted but that it is JSON. Main thread. */
#include "gateway/main/client_print.h"

#include <unistd.h>

#include "gateway/mcp/methods.h"

/* ---- text ---- */

/* C0 but tab and line feed, DEL, and C1 (in UTF-8: c2 80 … c2 9f). */
static bool is_control(struct span character)
{
    unsigned char first = (unsigned char)character.at[0];
    if (character.size == 2)
        return first == 0xc2 && (unsigned char)character.at[1] < 0xa0;
    return character.size == 1 && ((first < 0x20 && first != '\t' && first != '\n') || first == 0x7f);
}

static void print_visible(FILE *out, struct span text)
{
    while (text.size > 0) {
        size_t size = span_utf8(text);
        struct span character = {text.at, MAX(size, (size_t)1)};
        bool visible = size > 0 && !is_control(character);
        (void)fwrite(visible ? character.at : "\xef\xbf\xbd", 1, visible ? character.size : 3, out);
        text = (struct span){text.at + character.size, text.size - character.size};
    }
}

static void print_span(FILE *out, struct span text)
{
    if (out == stderr || isatty(fileno(out)))
        print_visible(out, text);
    else if (text.size > 0)
        (void)fwrite(text.at, 1, text.size, out);
}

void client_print_text(FILE *out, struct span text)
{
    print_span(out, text);
    if (!span_ends(text, SPAN("\n")))
        (void)fputc('\n', out);
}

void client_print_json(FILE *out, struct json_object *value)
{
    client_print_text(out,
                      span_of(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                        JSON_C_TO_STRING_NOSLASHESCAPE)));
}

/* A string member; absent when it is none. */
static struct span member(struct json_object *object, const char *key)
{
    struct json_object *value = json_object_object_get(object, key);
    if (!json_object_is_type(value, json_type_string))
        return (struct span){0};
    return (struct span){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
}

/* ---- tools ---- */

static bool is_required(struct json_object *schema, const char *name)
{
    struct json_object *list = json_object_object_get(schema, "required");
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *required = json_object_get_string(json_object_array_get_idx(list, i));
        if (required && strcmp(required, name) == 0)
            return true;
    }
    return false;
}

static void print_parameter(FILE *out, struct json_object *schema, const char *name, struct json_object *property)
{
    struct span type = member(property, "type");
    struct span description = member(property, "description");
    (void)fputs("    ", out);
    print_span(out, span_of(name));
    (void)fputs(" (", out);
    print_span(out, type.size > 0 ? type : SPAN("any"));
    (void)fputs(is_required(schema, name) ? ", required)" : ")", out);
    (void)fputs(description.size > 0 ? ": " : "", out);
    client_print_text(out, span_cut(&description, '\n'));
}

static void print_indented(FILE *out, struct span text)
{
    while (text.size > 0) {
        (void)fputs("  ", out);
        client_print_text(out, span_cut(&text, '\n'));
    }
}

void client_print_tool(FILE *out, struct json_object *tool)
{
    struct json_object *schema = json_object_object_get(tool, "inputSchema");
    struct json_object *properties = json_object_object_get(schema, "properties");
    client_print_text(out, member(tool, "name"));
    print_indented(out, member(tool, "description"));
    if (!json_object_is_type(properties, json_type_object))
        return;
    json_object_object_foreach(properties, name, property)
    {
        print_parameter(out, schema, name, property);
    }
}

/* ---- results ---- */

static void print_part(FILE *out, const char *before, struct span text)
{
    if (text.size == 0)
        return;
    (void)fputs(before, out);
    print_span(out, text);
}

/* "[image, image/png, 92 bytes of base64]" */
static void print_other(FILE *out, struct json_object *item)
{
    struct json_object *resource = json_object_object_get(item, "resource");
    struct json_object *holder = resource ? resource : item;
    struct span data = member(holder, resource ? "blob" : "data");
    struct span type = member(item, "type");
    print_part(out, "[", type.size > 0 ? type : SPAN("nothing known"));
    print_part(out, ", ", member(holder, "uri"));
    print_part(out, ", ", member(holder, "mimeType"));
    if (data.size > 0)
        (void)fprintf(out, ", %zu bytes of base64", data.size);
    (void)fputs("]\n", out);
    if (member(holder, "text").size > 0)
        client_print_text(out, member(holder, "text"));
}

static void print_item(FILE *out, struct json_object *item)
{
    if (span_is(member(item, "type"), "text"))
        client_print_text(out, member(item, "text"));
    else
        print_other(out, item);
}

void client_print_content(FILE *out, struct json_object *result)
{
    struct json_object *content = json_object_object_get(result, "content");
    struct json_object *structured = json_object_object_get(result, "structuredContent");
    size_t count = json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;
    for (size_t i = 0; i < count; i++)
        print_item(out, json_object_array_get_idx(content, i));
    if (count == 0 && structured)
        client_print_json(out, structured);
}

/* ---- notices ---- */

static void print_progress(struct json_object *params)
{
    struct json_object *total = json_object_object_get(params, "total");
    (void)fprintf(stderr, "progress: %g", json_object_get_double(json_object_object_get(params, "progress")));
    if (total)
        (void)fprintf(stderr, " of %g", json_object_get_double(total));
    print_part(stderr, ": ", member(params, "message"));
    (void)fputc('\n', stderr);
}

static void print_log(struct json_object *params)
{
    struct json_object *data = json_object_object_get(params, "data");
    struct span text = member(params, "data");
    print_span(stderr, member(params, "level"));
    print_part(stderr, ", ", member(params, "logger"));
    (void)fputs(": ", stderr);
    client_print_text(stderr, span_absent(text) ? span_of(json_object_to_json_string_ext(
                                                      data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE))
                                                : text);
}

void client_print_notice(void *context UNUSED, const char *method, struct json_object *params)
{
    if (strcmp(method, method_name(METHOD_PROGRESS)) == 0)
        print_progress(params);
    else if (strcmp(method, "notifications/message") == 0)
        print_log(params);
}

/* Reads values out of the arguments' own bytes, so that numbers keep their digits. Owns nothing. */
#include "gateway/main/client_parameters.h"

#include <errno.h>

#include "gateway/mcp/json.h"
#include "gateway/mcp/parameter_headers.h"

static int compile(struct json_object *schema, struct parameter_headers **ret_headers, struct text *problem)
{
    if (!schema)
        return 0;
    int result = parameter_headers_compile(schema, ret_headers, problem);
    return result == PARAMETER_HEADERS_INVALID ? CLIENT_FAILED : result;
}

int client_parameters_check(struct json_object *schema, struct text *problem)
{
    struct parameter_headers *headers = NULL;
    int result = compile(schema, &headers, problem);
    parameter_headers_free(headers);
    return result;
}

static struct span find_value(const struct parameter_header *header, struct span value)
{
    for (size_t i = 0; i < header->path_length; i++)
        value = json_find_span(value, header->path[i]);
    return value;
}

/* What the server will compare: null and what no field can carry are left out. */
static int add_field(const struct parameter_header *header, struct span arguments, struct curl_slist **fields)
{
    struct span raw = find_value(header, arguments);
    enum json_kind kind = json_kind(raw);
    CLEANUP(text_done) struct text plain = TEXT(raw.size + 1);
    CLEANUP(text_done) struct text value = TEXT(2 * raw.size + CLIENT_HTTP_VALUE_BYTES);
    int64_t integer;
    if (kind == JSON_STRING) {
        if (json_string_decode(raw, &plain) != 0)
            return -ENOMEM;
        header_value_encode(text_span(&plain), &value);
    } else if (kind == JSON_NUMBER && json_to_int64(raw, &integer) == 0) {
        text_addf(&value, "%lld", (long long)integer);
    } else if (kind == JSON_BOOLEAN || kind == JSON_NUMBER) {
        text_add(&value, raw);
    } else {
        return 0;
    }
    return value.error ? -ENOMEM : client_http_add_field(fields, header->field.at, text_span(&value));
}

int client_parameters_add(struct json_object *schema, struct span arguments, struct curl_slist **fields,
                          struct text *problem)
{
    struct parameter_headers *headers = NULL;
    int result = compile(schema, &headers, problem);
    for (size_t i = 0; result == 0 && i < parameter_headers_count(headers); i++) {
        struct parameter_header header = parameter_headers_at(headers, i);
        result = add_field(&header, arguments, fields);
    }
    parameter_headers_free(headers);
    return result;
}

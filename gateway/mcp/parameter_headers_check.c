/* Holds the Mcp-Param-* fields of a request against its arguments. Reads bytes; any thread. */
#include "gateway/mcp/parameter_headers_priv.h"

#include <errno.h>

#include "gateway/mcp/json.h"

/* The largest integers that JavaScript holds exactly: 2^53 - 1. */
static const int64_t MAX_SAFE_INTEGER = 9007199254740991;

static int mismatch(struct text *problem, const struct parameter_header *header, const char *what)
{
    if (problem)
        text_addf(problem, "Header mismatch: %.*s %s", SPAN_PRINT(header->field), what);
    return PARAMETER_HEADERS_MISMATCH;
}

/* Whether there is a value, other than null, at the exact path. */
static bool has_value(const struct parameter_header *header, struct span arguments, struct span *ret_raw)
{
    struct span value = arguments;
    for (size_t i = 0; i < header->path_length; i++) {
        if (json_kind(value) != JSON_OBJECT)
            return false;
        value = json_find_span(value, header->path[i]);
    }
    *ret_raw = value;
    return json_kind(value) != JSON_NONE && json_kind(value) != JSON_NULL;
}

/* The field is the client's, so nobody has looked at it yet; JSON's blanks are not part of a number. */
static bool is_number(struct span decoded)
{
    return json_kind(decoded) == JSON_NUMBER && decoded.at[decoded.size - 1] >= '0' &&
           decoded.at[decoded.size - 1] <= '9' && json_check(decoded, 1) == 0;
}

static int compare_integer(const struct parameter_header *header, struct span raw, struct span decoded,
                           struct text *problem)
{
    int64_t number;
    if (!is_number(decoded) || !json_number_equal(raw, decoded))
        return mismatch(problem, header, "is not the number in the body");
    if (json_to_int64(raw, &number) != 0 || number > MAX_SAFE_INTEGER || number < -MAX_SAFE_INTEGER)
        return mismatch(problem, header, "stands for a number that is no integer between -2^53+1 and 2^53-1");
    return 0;
}

/* By what the body holds: whether that is the type the schema asks for, the schema says. */
static int compare(const struct parameter_header *header, struct span raw, struct span decoded, struct text *problem)
{
    switch (json_kind(raw)) {
    case JSON_STRING:
        return json_string_equal(raw, decoded) ? 0 : mismatch(problem, header, "is not the string in the body");
    case JSON_NUMBER:
        return compare_integer(header, raw, decoded, problem);
    case JSON_BOOLEAN:
        return span_equal(raw, decoded) ? 0 : mismatch(problem, header, "is not the boolean in the body");
    default:
        return mismatch(problem, header, "stands for an array or object in the body, which no field can carry");
    }
}

static int check_field(const struct parameter_header *header, struct span arguments, struct span field,
                       struct text *problem)
{
    CLEANUP(text_done) struct text decoded = TEXT(PARAMETER_HEADERS_MAX_VALUE_BYTES);
    int result = header_value_decode(field, &decoded);
    if (result == -ENOMEM)
        return result;
    if (result == -EMSGSIZE)
        return mismatch(problem, header, "is too long");
    if (result)
        return mismatch(problem, header, "holds invalid characters or invalid base64");
    struct span raw;
    if (!has_value(header, arguments, &raw))
        return mismatch(problem, header, "is there, but the body has no value for it");
    return compare(header, raw, text_span(&decoded), problem);
}

int parameter_headers_check(const struct parameter_headers *headers, struct span arguments,
                            parameter_headers_lookup lookup, void *context, struct text *problem)
{
    for (size_t i = 0; headers && i < headers->count; i++) {
        const struct parameter_header *header = &headers->headers[i];
        struct span field = lookup(context, header->field), raw;
        int result = 0;
        if (!span_absent(field))
            result = check_field(header, arguments, field, problem);
        else if (has_value(header, arguments, &raw))
            result = mismatch(problem, header, "is missing, but the body has a value for it");
        if (result)
            return result;
    }
    return 0;
}

/* The Mcp-Param-* header fields of a tool: which of its parameters `x-mcp-header` asks clients to mirror, and the check
   that a request's fields say what its arguments say (2026-07-28, basic/transports/streamable-http, "Custom Headers
   from Tool Parameters"). The compiled list is immutable; any thread. */
#pragma once
#include "gateway/mcp/header_value.h"

struct json_object;
struct parameter_headers;

enum {
    PARAMETER_HEADERS_MAX = 64,                /* annotated parameters of one tool */
    PARAMETER_HEADERS_MAX_NAME_BYTES = 128,    /* of one annotation */
    PARAMETER_HEADERS_MAX_DEPTH = 16,          /* `properties` steps from the root to a parameter */
    PARAMETER_HEADERS_MAX_VALUE_BYTES = 65536, /* of one field or argument, decoded */
};
enum parameter_header_type { PARAMETER_HEADER_STRING, PARAMETER_HEADER_INTEGER, PARAMETER_HEADER_BOOLEAN };

/* Outcome of parameter_headers_compile(): the annotations break a rule, so the tool must not be offered. */
enum { PARAMETER_HEADERS_INVALID = 1 };
/* Outcome of parameter_headers_check(): answer -32020 (HeaderMismatch), 400. */
enum { PARAMETER_HEADERS_MISMATCH = 1 };

/* Collects the annotations of an input schema (borrowed, not kept; at most SCHEMA_MAX_DEPTH deep). 0 with the list, or
   with NULL when there are none; PARAMETER_HEADERS_INVALID and one sentence in `problem`; -ENOMEM. */
MUST_USE int parameter_headers_compile(struct json_object *input_schema, struct parameter_headers **ret_headers,
                                       struct text *problem);
/* NULL is the empty list in all that follows. */
void parameter_headers_free(struct parameter_headers *headers);

struct parameter_header {
    struct span field; /* "Mcp-Param-Region", NUL-terminated */
    enum parameter_header_type type;
    const struct span *path; /* the property names from the arguments' root to the value */
    size_t path_length;      /* >= 1 */
};
size_t parameter_headers_count(const struct parameter_headers *headers);
struct parameter_header parameter_headers_at(const struct parameter_headers *headers, size_t index);

/* The value of a header field of the request, by case-insensitive name (`field` is NUL-terminated): absent when the
   request has no such field, else a span whose start is not NULL, even when it is empty. */
typedef struct span (*parameter_headers_lookup)(void *context, struct span field);

/* Compares every annotated parameter in `arguments` (the JSON object of params.arguments, already scanned and found
   valid; absent = no arguments) with its field. 0, PARAMETER_HEADERS_MISMATCH and one sentence in `problem`, or
   -ENOMEM. */
MUST_USE int parameter_headers_check(const struct parameter_headers *headers, struct span arguments,
                                     parameter_headers_lookup lookup, void *context, struct text *problem);

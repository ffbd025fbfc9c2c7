/* The compiled list, as parameter_headers.c (which reads json-c definitions) makes it and parameter_headers_check.c
   (which reads the request's bytes) walks it. The two cannot be one file: json-c and json.h both have an enum
   json_type. */
#pragma once
#include "gateway/mcp/parameter_headers.h"

struct parameter_headers {
    size_t count;
    struct parameter_header headers[PARAMETER_HEADERS_MAX];
};

/* The table of errors, and how one is written. */
#include "gateway/mcp/errors.h"

static const struct error_row rows[ERROR_COUNT] = {
#define ERROR(name, legacy_code, legacy_status, modern_code, modern_status, says)                                      \
    [ERROR_##name] = {#name, says, {legacy_code, modern_code}, {legacy_status, modern_status}},
#include "gateway/mcp/errors.def"
#undef ERROR
};

const struct error_row *error_row(enum error_name name)
{
    return &rows[name];
}

void error_add_response(struct text *out, struct span id, int code, struct span message, struct span data)
{
    text_add_literal(out, "{\"jsonrpc\":\"2.0\"");
    if (!span_absent(id)) {
        text_add_literal(out, ",\"id\":");
        text_add(out, id);
    }
    text_add_literal(out, ",\"error\":{\"code\":");
    if (code < 0)
        text_add_char(out, '-');
    text_add_uint64(out, code < 0 ? -(uint64_t)code : (uint64_t)code);
    text_add_literal(out, ",\"message\":");
    text_add_json_string(out, message);
    if (!span_absent(data)) {
        text_add_literal(out, ",\"data\":");
        text_add(out, data);
    }
    text_add_literal(out, "}}");
}

/* The modern era: what every request must carry, in the order in which it is judged, and server/discover (2026-07-28).
   Runs on the exchange's reactor. */
#include "gateway/core/methods.h"
#include "gateway/core/result.h"
#include "gateway/mcp/capabilities.h"
#include "gateway/mcp/header_value.h"
#include "gateway/mcp/log_level.h"

enum { MISMATCH_MAX_BYTES = 1024, SHOWN_BYTES = 128 };

/* basic/index, "Per-request protocol fields": "A request missing any required field is malformed". */
static bool meta_is_whole(struct exchange *exchange)
{
    static const struct {
        enum envelope_member_id member;
        bool required;
    } fields[] = {
        {MEMBER_META, true},
        {MEMBER_META_PROTOCOL_VERSION, true},
        {MEMBER_META_CLIENT_CAPABILITIES, true},
        {MEMBER_META_CLIENT_INFO, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct envelope_member *member = exchange_member(exchange, fields[i].member);
        if (!member->wrong_type && (!fields[i].required || !span_absent(member->raw)))
            continue;
        CLEANUP(text_done) struct text message = TEXT(256);
        text_addf(&message, "%s %s", envelope_key(fields[i].member),
                  member->wrong_type ? "has the wrong type" : "is required");
        exchange_reply_error_full(exchange, ERROR_META_MISSING, text_span(&message), (struct span){0});
        return false;
    }
    return true;
}

static void mismatch(struct exchange *exchange, const char *header, struct span value, struct span expected)
{
    CLEANUP(text_done) struct text message = TEXT(MISMATCH_MAX_BYTES);
    if (span_absent(value))
        text_addf(&message, "Header mismatch: the header %s is missing", header);
    else if (span_equal(value, expected))
        text_addf(&message, "Header mismatch: %s has a value that must be written in its form =?base64?...?=", header);
    else
        text_addf(&message, "Header mismatch: %s header value '%.*s' does not match body value '%.*s'", header,
                  (int)MIN(value.size, SHOWN_BYTES), value.at, (int)MIN(expected.size, SHOWN_BYTES),
                  expected.at ? expected.at : "");
    exchange_reply_error_full(exchange, ERROR_HEADER_MISMATCH, text_span(&message), (struct span){0});
}

/* A header that mirrors a member of the body, as it stands. */
static bool header_matches(struct exchange *exchange, const char *header, struct span expected)
{
    struct span value = exchange->ops->header(exchange, header);
    if (!span_absent(value) && span_equal(value, expected))
        return true;
    mismatch(exchange, header, value, expected);
    return false;
}

static struct span mirrored(const struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_NAME, MEMBER_URI, MEMBER_TASK_ID};
    const char *key = method_mirrored_member(exchange->method);
    for (size_t i = 0; key && i < ARRAY_SIZE(members); i++)
        if (strcmp(strrchr(envelope_key(members[i]), '.') + 1, key) == 0)
            return exchange_text(exchange, members[i]);
    return (struct span){0};
}

/* "Standard Request Headers": Mcp-Name may be in its base64 form. */
static bool name_matches(struct exchange *exchange)
{
    struct span expected = mirrored(exchange);
    if (!method_mirrored_member(exchange->method) || span_absent(expected))
        return true; /* the method says what is missing */
    struct span value = exchange->ops->header(exchange, "Mcp-Name");
    CLEANUP(text_done) struct text decoded = TEXT(value.size);
    if (!span_absent(value) && header_value_decode(value, &decoded) == 0 && span_equal(text_span(&decoded), expected))
        return true;
    mismatch(exchange, "Mcp-Name", value, expected);
    return false;
}

static bool version_is_served(struct exchange *exchange)
{
    struct span version = exchange_text(exchange, MEMBER_META_PROTOCOL_VERSION);
    if (revision_find(version, &exchange->revision) == 0 && revision_era(exchange->revision) == ERA_MODERN)
        return true;
    CLEANUP(text_done) struct text data = TEXT(2048);
    text_add_literal(&data, "{\"supported\":");
    revision_add_supported(&data);
    text_add_literal(&data, ",\"requested\":");
    text_add_json_string(&data, (struct span){version.at, MIN(version.size, SHOWN_BYTES)});
    text_add_char(&data, '}');
    exchange_reply_error_full(exchange, ERROR_UNSUPPORTED_VERSION, (struct span){0}, text_span(&data));
    return false;
}

static bool log_level_is_known(struct exchange *exchange)
{
    const struct envelope_member *level = exchange_member(exchange, MEMBER_META_LOG_LEVEL);
    if (span_absent(level->raw) || (!level->wrong_type && log_level_find(level->text) != LOG_LEVEL_NONE))
        return true;
    exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "io.modelcontextprotocol/logLevel is no log level");
    return false;
}

bool modern_admit(struct exchange *exchange)
{
    bool headers = exchange->ops->has_headers;
    if (!meta_is_whole(exchange))
        return false;
    if (headers &&
        !header_matches(exchange, "MCP-Protocol-Version", exchange_text(exchange, MEMBER_META_PROTOCOL_VERSION)))
        return false;
    if (!version_is_served(exchange))
        return false;
    if (headers && (!header_matches(exchange, "Mcp-Method", exchange->envelope.method) || !name_matches(exchange)))
        return false;
    if (exchange->method == METHOD_UNKNOWN) {
        exchange_reply_error(exchange, ERROR_METHOD_NOT_FOUND, NULL);
        return false;
    }
    exchange->capabilities = capabilities_read(exchange_member(exchange, MEMBER_META_CLIENT_CAPABILITIES)->raw);
    return log_level_is_known(exchange);
}

/* ---- server/discover ---- */

void capabilities_add_server(struct text *out, enum era era)
{
    text_add_literal(out, "{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},"
                          "\"resources\":{\"subscribe\":true,\"listChanged\":true},\"completions\":{},\"logging\":{}");
    if (era == ERA_MODERN)
        text_add_literal(out, ",\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}");
    text_add_char(out, '}');
}

void method_discover(struct exchange *exchange)
{
    const struct settings *settings = exchange_settings(exchange);
    CLEANUP(text_done) struct text result = TEXT(SIZE_MAX);
    text_add_literal(&result, "{\"supportedVersions\":");
    revision_add_supported(&result);
    text_add_literal(&result, ",\"capabilities\":");
    capabilities_add_server(&result, ERA_MODERN);
    if (settings->instructions) {
        text_add_literal(&result, ",\"instructions\":");
        text_add_json_string(&result, span_of(settings->instructions));
    }
    text_addf(&result, ",\"ttlMs\":%llu,\"cacheScope\":\"public\"}", (unsigned long long)settings->list_ttl_ms);
    if (result.error)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        exchange_reply_result(exchange, RESULT_COMPLETE, text_span(&result));
}

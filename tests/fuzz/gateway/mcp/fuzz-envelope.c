/* The envelope scan: any bytes get a verdict; it agrees with json_check on what is JSON and with json_find on every
 * member. */
#include <stdlib.h>

#include "gateway/mcp/envelope.h"

enum { MAX_DEPTH = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool within(struct span inner, struct span outer)
{
    return inner.at >= outer.at && inner.at + inner.size <= outer.at + outer.size;
}

static void check_member(const struct envelope *envelope, const struct envelope_member *member)
{
    if (span_absent(member->raw)) {
        require(span_absent(member->text) && !member->wrong_type);
        return;
    }
    require(within(member->raw, envelope->value));
    require(json_check(member->raw, MAX_DEPTH) == 0);
    if (!span_absent(member->text)) {
        require(!member->wrong_type);
        require(json_string_equal(member->raw, member->text));
    }
}

/* In an accepted message no member of the table stands twice, so the last one is the only one. */
static void check_found(struct span object, const char *key, const struct envelope_member *member)
{
    struct span found = json_find(object, key);
    require(found.at == member->raw.at && found.size == member->raw.size);
}

static void check_accepted(const struct envelope *envelope)
{
    struct span params = envelope->member[MEMBER_PARAMS].raw;
    check_found(envelope->value, "jsonrpc", &envelope->member[MEMBER_JSONRPC]);
    check_found(envelope->value, "id", &envelope->member[MEMBER_ID]);
    check_found(envelope->value, "method", &envelope->member[MEMBER_METHOD]);
    check_found(envelope->value, "params", &envelope->member[MEMBER_PARAMS]);
    check_found(envelope->value, "result", &envelope->member[MEMBER_RESULT]);
    check_found(envelope->value, "error", &envelope->member[MEMBER_ERROR]);
    check_found(params, "name", &envelope->member[MEMBER_NAME]);
    check_found(params, "uri", &envelope->member[MEMBER_URI]);
    check_found(params, "_meta", &envelope->member[MEMBER_META]);
    check_found(params, "arguments", &envelope->member[MEMBER_ARGUMENTS]);
    check_found(params, "progressToken", &envelope->member[MEMBER_PROGRESS_TOKEN]);
    check_found(json_find(params, "_meta"), "progressToken", &envelope->member[MEMBER_META_PROGRESS_TOKEN]);
    check_found(json_find(params, "_meta"), "io.modelcontextprotocol/protocolVersion",
                &envelope->member[MEMBER_META_PROTOCOL_VERSION]);
    require(envelope->kind != ENVELOPE_UNKNOWN);
    require((envelope->kind == ENVELOPE_RESPONSE) == span_absent(envelope->method));
    require(envelope->kind != ENVELOPE_REQUEST || envelope_id_equal(envelope->id, envelope->id));
    require(envelope->kind != ENVELOPE_NOTIFICATION || span_absent(envelope->id));
    for (int id = 0; id < MEMBER_COUNT; id++) {
        const struct envelope_member *member = &envelope->member[id];
        if (!member->wrong_type && json_kind(member->raw) == JSON_STRING)
            require(!span_absent(member->text));
    }
}

static void scan(struct span message, const struct envelope_limits *limits)
{
    struct envelope envelope;
    int r = envelope_scan(message, limits, &envelope);
    require(r >= 0 && r <= ENVELOPE_BATCH);
    require((r == ENVELOPE_PARSE_ERROR) == (json_check(message, limits->max_depth) != 0));
    require((r == 0) == (envelope.reason == NULL));
    require(envelope.stopped_at <= message.size);
    for (int id = 0; id < MEMBER_COUNT; id++)
        check_member(&envelope, &envelope.member[id]);
    if (!span_absent(envelope.id))
        require(within(envelope.id, envelope.value) && envelope.id.size <= limits->max_id_bytes);
    if (r == 0)
        check_accepted(&envelope);
    if (r == ENVELOPE_BATCH) {
        struct json_iterator it;
        struct span element;
        json_array_begin(&it, envelope.value);
        while (json_array_next(&it, &element) && element.size < message.size)
            scan(element, limits); /* as deep as max_depth at most */
    }
    envelope_done(&envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct envelope_limits wide = {
        .max_depth = MAX_DEPTH, .max_id_bytes = 1024, .max_decoded_bytes = 4096};
    static const struct envelope_limits tight = {.max_depth = 4, .max_id_bytes = 4, .max_decoded_bytes = 24};
    struct span message = {(const char *)data, size};
    scan(message, &wide);
    scan(message, &tight);
    return 0;
}

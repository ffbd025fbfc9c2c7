/* Reads one JSON-RPC message with a JSON cursor: descends into params and params._meta, passes over everything else,
   and notes what members.def names. What is wrong with the message is judged at the end, so that text which is not even
   JSON is always called that. Any thread; an envelope owns the strings that had to be decoded, in one block. */
#include "gateway/mcp/envelope.h"

#include <errno.h>

enum where { TOP, PARAMS, META };
enum type { STRING, OBJECT, NUMBER, ID };

static const struct {
    enum type type;
    const char *key;
    const char *twice;
} members[MEMBER_COUNT] = {
#define PLACE_TOP                      ""
#define PLACE_PARAMS                   "params."
#define PLACE_META                     "params._meta."
#define MEMBER(name, where, key, type) {type, PLACE_##where key, PLACE_##where key " occurs twice"},
#include "gateway/mcp/members.def"
#undef MEMBER
};

/* No key of the table is longer; written wholly in \u00xx escapes, with quotes, it is six times that and two. */
enum { MAX_KEY_BYTES = 64, MAX_RAW_KEY_BYTES = MAX_KEY_BYTES * 6 + 2 };
#define MEMBER(name, where, key, type)                                                                                 \
    _Static_assert(sizeof(key) <= MAX_KEY_BYTES, "a longer key wants a larger maximum");
#include "gateway/mcp/members.def"
#undef MEMBER
_Static_assert(MEMBER_COUNT <= 64, "members.def promises as much");

struct scan {
    struct json_cursor cursor;
    const struct envelope_limits *limits;
    struct envelope *envelope;
    size_t escaped_bytes; /* raw bytes of the strings to decode */
    bool two_ids;
};

static const struct envelope_limits default_limits = ENVELOPE_LIMITS_DEFAULT;

/* Compares with constants only: the compiler makes one chain of integer comparisons per place. */
static inline enum envelope_member_id find_member(enum where place, struct span key)
{
#define MEMBER(name, where, literal, type)                                                                             \
    if (place == where && key.size == sizeof(literal) - 1 && memcmp(key.at, literal, sizeof(literal) - 1) == 0)        \
        return MEMBER_##name;
#include "gateway/mcp/members.def"
#undef MEMBER
    return MEMBER_COUNT;
}

static enum envelope_member_id find_raw(enum where place, struct span raw_key)
{
    char decoded[MAX_RAW_KEY_BYTES];
    struct span key;
    if (raw_key.size > MAX_RAW_KEY_BYTES)
        return MEMBER_COUNT;
    if (!json_string_plain(raw_key, &key))
        key = (struct span){decoded, json_string_decode_into(raw_key, decoded)};
    switch (place) {
    case TOP:
        return find_member(TOP, key);
    case PARAMS:
        return find_member(PARAMS, key);
    default:
        return find_member(META, key);
    }
}

static void invalid(struct scan *scan, const char *reason)
{
    if (scan->envelope->reason == NULL)
        scan->envelope->reason = reason;
}

/* basic/index, "Requests": a string or an integer. Fractions and exponents are refused however whole their value is:
   nobody sends them, and peers that compute with ids would not give them back as they were. */
static bool is_id(struct span raw, size_t max_bytes)
{
    if (raw.size > max_bytes)
        return false;
    if (json_kind(raw) == JSON_STRING)
        return true;
    return json_kind(raw) == JSON_NUMBER && memchr(raw.at, '.', raw.size) == NULL &&
           memchr(raw.at, 'e', raw.size) == NULL && memchr(raw.at, 'E', raw.size) == NULL;
}

static bool has_type(const struct scan *scan, struct span raw, enum type type)
{
    switch (type) {
    case STRING:
        return json_kind(raw) == JSON_STRING;
    case OBJECT:
        return json_kind(raw) == JSON_OBJECT;
    case NUMBER:
        return json_kind(raw) == JSON_NUMBER;
    case ID:
        return is_id(raw, scan->limits->max_id_bytes);
    }
    return false;
}

static void note(struct scan *scan, enum envelope_member_id id, struct span raw)
{
    struct envelope_member *member = &scan->envelope->member[id];
    member->raw = raw;
    member->wrong_type = !has_type(scan, raw, members[id].type);
    if (!member->wrong_type && json_kind(raw) == JSON_STRING && !json_string_plain(raw, &member->text))
        scan->escaped_bytes += raw.size;
}

static int read_object(struct scan *scan, enum where place);

/* Params and its _meta are gone into, unless this is the second one: two of them are invalid anyway. */
static int read_value(struct scan *scan, enum envelope_member_id id, struct span *ret_raw)
{
    struct json_cursor *cursor = &scan->cursor;
    bool enter = (id == MEMBER_PARAMS || id == MEMBER_META) && json_cursor_peek(cursor) == JSON_OBJECT;
    if (!enter || !span_absent(scan->envelope->member[id].raw))
        return json_cursor_value(cursor, ret_raw);
    const char *start = cursor->at;
    int r = read_object(scan, id == MEMBER_PARAMS ? PARAMS : META);
    if (r == 0)
        *ret_raw = (struct span){start, (size_t)(cursor->at - start)};
    return r;
}

/* Calls itself through read_value(), two levels deep at most: the message, params, _meta. */
static int read_object(struct scan *scan, enum where place)
{
    struct span key, raw;
    bool more;
    int r = json_cursor_enter(&scan->cursor);
    for (bool first = true; r == 0; first = false) {
        r = json_cursor_member(&scan->cursor, first, &key, &more);
        if (r || !more)
            return r;
        enum envelope_member_id id = find_raw(place, key);
        r = read_value(scan, id, &raw);
        if (r || id == MEMBER_COUNT)
            continue;
        if (span_absent(scan->envelope->member[id].raw)) {
            note(scan, id, raw);
        } else {
            scan->two_ids |= id == MEMBER_ID;
            invalid(scan, members[id].twice);
        }
    }
    return r;
}

static bool present(const struct envelope *envelope, enum envelope_member_id id)
{
    return !span_absent(envelope->member[id].raw);
}

static enum envelope_kind kind_of(const struct envelope *envelope)
{
    if (present(envelope, MEMBER_METHOD))
        return present(envelope, MEMBER_ID) ? ENVELOPE_REQUEST : ENVELOPE_NOTIFICATION;
    if (present(envelope, MEMBER_RESULT) || present(envelope, MEMBER_ERROR))
        return ENVELOPE_RESPONSE;
    return ENVELOPE_UNKNOWN;
}

/* The id, and what is wrong with it. */
static const char *judge_id(struct envelope *envelope, const struct envelope_limits *limits)
{
    const struct envelope_member *id = &envelope->member[MEMBER_ID];
    bool answers_nothing = envelope->kind == ENVELOPE_RESPONSE && present(envelope, MEMBER_ERROR);
    if (span_absent(id->raw))
        return envelope->kind == ENVELOPE_RESPONSE && !answers_nothing ? "a result without an id" : NULL;
    if (!id->wrong_type) {
        envelope->id = id->raw;
        return NULL;
    }
    if (json_kind(id->raw) == JSON_NULL)
        return answers_nothing ? NULL : "id is null";
    return id->raw.size > limits->max_id_bytes ? "id is too long" : "id is neither a string nor an integer";
}

/* What is wrong with the members that make it a message of its kind. */
static const char *judge_kind(const struct envelope *envelope)
{
    bool answer = present(envelope, MEMBER_RESULT) || present(envelope, MEMBER_ERROR);
    if (!present(envelope, MEMBER_JSONRPC))
        return "jsonrpc is missing";
    if (!span_is(envelope->member[MEMBER_JSONRPC].text, "2.0"))
        return "jsonrpc is not \"2.0\"";
    if (envelope->kind == ENVELOPE_UNKNOWN)
        return "neither method, result nor error";
    if (envelope->member[MEMBER_METHOD].wrong_type)
        return "method is not a string";
    if (present(envelope, MEMBER_METHOD) && answer)
        return "both a request and a response";
    return present(envelope, MEMBER_RESULT) && present(envelope, MEMBER_ERROR) ? "both result and error" : NULL;
}

/* Strings without escapes are spans of the message already. */
static int decode_strings(struct scan *scan)
{
    struct envelope *envelope = scan->envelope;
    char *at = malloc(scan->escaped_bytes);
    if (at == NULL)
        return -ENOMEM;
    envelope->decoded = at;
    for (int id = 0; id < MEMBER_COUNT; id++) {
        struct envelope_member *member = &envelope->member[id];
        if (member->wrong_type || json_kind(member->raw) != JSON_STRING || !span_absent(member->text))
            continue;
        member->text = (struct span){at, json_string_decode_into(member->raw, at)};
        at += member->text.size;
    }
    return 0;
}

/* The message is valid JSON: is it a message? */
static int judge(struct scan *scan)
{
    struct envelope *envelope = scan->envelope;
    envelope->kind = kind_of(envelope);
    const char *wrong_id = judge_id(envelope, scan->limits);
    if (scan->two_ids)
        envelope->id = (struct span){NULL, 0};
    if (scan->escaped_bytes > scan->limits->max_decoded_bytes) {
        invalid(scan, "the strings with escapes are too long");
    } else if (scan->escaped_bytes > 0) {
        int r = decode_strings(scan);
        if (r)
            return r;
    }
    envelope->method = envelope->member[MEMBER_METHOD].text;
    const char *wrong_kind = judge_kind(envelope);
    if (wrong_kind)
        invalid(scan, wrong_kind);
    if (wrong_id)
        invalid(scan, wrong_id);
    return envelope->reason ? ENVELOPE_INVALID_REQUEST : 0;
}

/* Of a text that is not JSON nothing is kept: not even an id that was read before it broke. */
static int parse_error(struct scan *scan, int outcome)
{
    const struct json_cursor *cursor = &scan->cursor;
    *scan->envelope = (struct envelope){
        .reason = json_reason(outcome),
        .stopped_at = (size_t)(cursor->at - cursor->start),
    };
    return ENVELOPE_PARSE_ERROR;
}

int envelope_scan(struct span message, const struct envelope_limits *limits, struct envelope *ret_envelope)
{
    struct scan scan = {.limits = limits ? limits : &default_limits, .envelope = ret_envelope};
    struct json_cursor *cursor = &scan.cursor;
    memset(ret_envelope, 0, sizeof(*ret_envelope));
    int r = json_cursor_init(cursor, message, scan.limits->max_depth);
    if (r)
        return parse_error(&scan, r);
    const char *start = cursor->at;
    enum json_kind type = json_cursor_peek(cursor);
    r = type == JSON_OBJECT ? read_object(&scan, TOP) : json_cursor_value(cursor, &ret_envelope->value);
    if (r)
        return parse_error(&scan, r);
    ret_envelope->value = (struct span){start, (size_t)(cursor->at - start)};
    r = json_cursor_finish(cursor);
    if (r)
        return parse_error(&scan, r);
    if (type == JSON_OBJECT)
        return judge(&scan);
    ret_envelope->reason = type == JSON_ARRAY ? "a batch" : "a message is an object";
    return type == JSON_ARRAY ? ENVELOPE_BATCH : ENVELOPE_INVALID_REQUEST;
}

void envelope_done(struct envelope *envelope)
{
    free(envelope->decoded);
    *envelope = (struct envelope){.kind = ENVELOPE_UNKNOWN};
}

const char *envelope_key(enum envelope_member_id member)
{
    return (unsigned)member < MEMBER_COUNT ? members[member].key : "";
}

enum envelope_member_id envelope_wrong_type(const struct envelope *envelope, const enum envelope_member_id *ids,
                                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (envelope->member[ids[i]].wrong_type)
            return ids[i];
    }
    return MEMBER_COUNT;
}

bool envelope_id_equal(struct span raw_a, struct span raw_b)
{
    if (json_kind(raw_a) != json_kind(raw_b))
        return false;
    if (json_kind(raw_a) == JSON_STRING)
        return json_string_same(raw_a, raw_b);
    if (json_kind(raw_a) != JSON_NUMBER)
        return false;
    return span_equal(raw_a, raw_b) || json_number_equal(raw_a, raw_b);
}

/* The envelope of one JSON-RPC message, read in one pass: validates every byte of it (RFC 8259, RFC 3629, depth), and
   on the way keeps spans of the members that members.def names. JSON-RPC 2.0, sections 4 and 5, as MCP narrows it
   (basic/index, "Messages": ids are strings or integers and never null; params are an object). Any thread; nothing is
   shared. */
#pragma once
#include "gateway/mcp/json.h"

enum {
    ENVELOPE_MAX_ID_BYTES = 1024, /* an id, a progress token or a request id as it stands in the text, with quotes */
    ENVELOPE_MAX_DECODED_BYTES = 1 << 20, /* all escaped strings of one envelope together, as they stand in the text */
};

struct envelope_limits {
    unsigned max_depth; /* of the whole message, which is itself 1 deep; at most JSON_DEPTH_MAX */
    size_t max_id_bytes;
    size_t max_decoded_bytes;
};
#define ENVELOPE_LIMITS_DEFAULT                                                                                        \
    {                                                                                                                  \
        .max_depth = JSON_DEPTH_DEFAULT, .max_id_bytes = ENVELOPE_MAX_ID_BYTES,                                        \
        .max_decoded_bytes = ENVELOPE_MAX_DECODED_BYTES                                                                \
    }

enum envelope_kind {
    ENVELOPE_UNKNOWN,
    ENVELOPE_REQUEST,      /* method and id */
    ENVELOPE_NOTIFICATION, /* method without id */
    ENVELOPE_RESPONSE,     /* exactly one of result and error, no method; id absent when an error names no request */
};

enum envelope_member_id {
#define MEMBER(name, where, key, type) MEMBER_##name,
#include "gateway/mcp/members.def"
#undef MEMBER
    MEMBER_COUNT
};

struct envelope_member {
    struct span raw;  /* as it stands in the message; absent: not there */
    struct span text; /* a string's decoded bytes; absent for all else, and when wrong_type */
    bool wrong_type;  /* there, but not what members.def wants: -32602 with envelope_key()'s name */
};

/* Borrows the message: it must outlive the envelope and not change. */
struct envelope {
    enum envelope_kind kind;
    struct span id;     /* raw, digit for digit as it came, to be echoed; absent: none, or none that could be read */
    struct span method; /* decoded; absent in a response */
    struct span value;  /* the whole message without blanks around it */
    const char *reason; /* after an outcome: a short static phrase; else NULL */
    size_t stopped_at;  /* after ENVELOPE_PARSE_ERROR: the byte where reading stopped */
    struct envelope_member member[MEMBER_COUNT];
    char *decoded; /* own: where escaped strings were decoded to */
};

enum {
    ENVELOPE_PARSE_ERROR = 1, /* -32700: not JSON in UTF-8, or too deep. There is no id to echo. */
    ENVELOPE_INVALID_REQUEST, /* -32600: valid JSON, not a message. `id` is set where a legal one stands there once;
                                 `kind` says what it looked like: an answer to a malformed response would be an answer
                                 to an answer. */
    ENVELOPE_BATCH, /* an array, wholly validated: iterate over ret->value with json_array_* and scan each element.
                       Whether batches are legal, how many, and that an empty one is not, is the caller's to judge. */
};

/* Reads `message`. limits NULL: the defaults. 0, an outcome, or -ENOMEM (only when a string that members.def names has
   escapes). *ret_envelope is always set, whatever it held before, and wants envelope_done() in every case.
   - jsonrpc must be "2.0".
   - id: a string, or an integer without fraction or exponent, at most max_id_bytes long. Otherwise invalid, null too.
   - a response with `error` may have no id, or null: a peer that could not read ours sends that; nobody must answer it.
   - a member of members.def twice in one object is invalid: readers disagree on which counts. Keys match decoded.
   - params, params._meta and the rest of the table may have the wrong type: that is noted, not refused. */
MUST_USE int envelope_scan(struct span message, const struct envelope_limits *limits, struct envelope *ret_envelope);
/* Releases what the envelope owns; an envelope of zeros is fine. */
void envelope_done(struct envelope *envelope);

/* The key and the place ("params.name", "params._meta.traceparent"), for error messages. Static. */
const char *envelope_key(enum envelope_member_id member);

/* The first member with the wrong type among the `count` named, or MEMBER_COUNT. */
enum envelope_member_id envelope_wrong_type(const struct envelope *envelope, const enum envelope_member_id *ids,
                                            size_t count);

/* Whether two raw ids (request ids, progress tokens) are the same: strings by their characters, whatever escapes either
   peer wrote; integers by their digits (-0 is 0); never a string and a number. */
bool envelope_id_equal(struct span raw_a, struct span raw_b);

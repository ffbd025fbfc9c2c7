/* The envelope scan: what is a message, of which kind, and what was read from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/mcp/envelope.h"

#define BYTES(literal)                                                                                                 \
    {                                                                                                                  \
        ("" literal), sizeof(literal) - 1                                                                              \
    }
/* A message: the version, then what the row is about. */
#define MESSAGE(rest) BYTES("{\"jsonrpc\":\"2.0\"," rest "}")
/* A request whose id is what the row is about. */
#define WITH_ID(id)    MESSAGE("\"id\":" id ",\"method\":\"ping\"")
#define PARAMS(params) MESSAGE("\"id\":1,\"method\":\"x\",\"params\":{" params "}")
#define META(meta)     PARAMS("\"_meta\":{" meta "}")

/* Short names, so that a row is a line. */
#define PARSE    ENVELOPE_PARSE_ERROR
#define INVALID  ENVELOPE_INVALID_REQUEST
#define BATCH    ENVELOPE_BATCH
#define NONE     ENVELOPE_UNKNOWN
#define REQUEST  ENVELOPE_REQUEST
#define NOTICE   ENVELOPE_NOTIFICATION
#define RESPONSE ENVELOPE_RESPONSE

static const struct row {
    struct span message;
    int expected;
    enum envelope_kind kind;
    const char *id;     /* NULL: absent */
    const char *detail; /* of 0: the method; else the reason, if the row cares */
    const char *comment;
} rows[] = {
    /* kinds */
    {MESSAGE("\"id\":1,\"method\":\"ping\""), 0, REQUEST, "1", "ping", "a request"},
    {MESSAGE("\"method\":\"ping\",\"id\":1"), 0, REQUEST, "1", "ping", "in another order"},
    {BYTES("{\"method\":\"ping\",\"id\":1,\"jsonrpc\":\"2.0\"}"), 0, REQUEST, "1", "ping", "the version last"},
    {BYTES(" {\n\"jsonrpc\" : \"2.0\" ,\t\"id\" : 1 , \"method\" : \"ping\" }\r\n"), 0, REQUEST, "1", "ping", "blanks"},
    {MESSAGE("\"id\":1,\"method\":\"ping\",\"extra\":[{}]"), 0, REQUEST, "1", "ping",
     "an unknown member is passed over"},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"params\":{}"), 0, REQUEST, "1", "x", "empty params"},
    {MESSAGE("\"id\":1,\"method\":\"\""), 0, REQUEST, "1", "", "an empty method is a method that nobody has"},
    {MESSAGE("\"method\":\"notifications/initialized\""), 0, NOTICE, NULL, "notifications/initialized",
     "a notification"},
    {MESSAGE("\"id\":1,\"result\":{}"), 0, RESPONSE, "1", NULL, "a result"},
    {MESSAGE("\"id\":\"a\",\"error\":{\"code\":-32601,\"message\":\"no\"}"), 0, RESPONSE, "\"a\"", NULL, "an error"},
    {MESSAGE("\"id\":null,\"error\":{}"), 0, RESPONSE, NULL, NULL, "an error that names no request"},
    {MESSAGE("\"error\":{}"), 0, RESPONSE, NULL, NULL, "an error without an id"},
    {MESSAGE("\"id\":{},\"error\":{}"), INVALID, RESPONSE, NULL, NULL, "an error with an object as id"},
    {MESSAGE("\"result\":{}"), INVALID, RESPONSE, NULL, "a result without an id", "a result without an id"},
    {MESSAGE("\"id\":null,\"result\":{}"), INVALID, RESPONSE, NULL, "id is null", "a result of nothing"},
    {MESSAGE("\"id\":1,\"result\":{},\"error\":{}"), INVALID, RESPONSE, "1", "both result and error", "two answers"},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"result\":{}"), INVALID, REQUEST, "1", "both a request and a response",
     "a chimera"},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"error\":{}"), INVALID, REQUEST, "1", "both a request and a response",
     "another"},
    {MESSAGE("\"id\":1"), INVALID, NONE, "1", "neither method, result nor error", "only an id"},
    {MESSAGE("\"id\":1,\"params\":{}"), INVALID, NONE, "1", NULL, "no method"},
    {BYTES("{}"), INVALID, NONE, NULL, "jsonrpc is missing", "an empty object"},

    /* jsonrpc */
    {BYTES("{\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", "jsonrpc is missing", "no version"},
    {BYTES("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", "jsonrpc is not \"2.0\"",
     "version 1"},
    {BYTES("{\"jsonrpc\":2.0,\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", "jsonrpc is not \"2.0\"", "a number"},
    {BYTES("{\"jsonrpc\":null,\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", NULL, "null"},
    {BYTES("{\"jsonrpc\":\"2.0 \",\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", NULL, "a blank behind"},
    {BYTES("{\"jsonrpc\":\"2\",\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", NULL, "part of it"},
    {BYTES("{\"JSONRPC\":\"2.0\",\"id\":1,\"method\":\"x\"}"), INVALID, REQUEST, "1", "jsonrpc is missing",
     "keys have case"},
    {BYTES("{\"jsonrpc\":\"\\u0032.0\",\"id\":1,\"method\":\"x\"}"), 0, REQUEST, "1", "x", "escaped"},
    {BYTES("{\"jsonrpc\":\"1.0\",\"result\":{},\"id\":7}"), INVALID, RESPONSE, "7", NULL, "a response of version 1"},

    /* ids */
    {WITH_ID("0"), 0, REQUEST, "0", "ping", "zero, the first one of the TypeScript client"},
    {WITH_ID("-0"), 0, REQUEST, "-0", "ping", "negative zero keeps its sign"},
    {WITH_ID("-1"), 0, REQUEST, "-1", "ping", "negative"},
    {WITH_ID("9007199254740992"), 0, REQUEST, "9007199254740992", "ping", "2^53"},
    {WITH_ID("9007199254740993"), 0, REQUEST, "9007199254740993", "ping", "2^53 + 1, which no double is"},
    {WITH_ID("9223372036854775808"), 0, REQUEST, "9223372036854775808", "ping", "2^63"},
    {WITH_ID("-9223372036854775809"), 0, REQUEST, "-9223372036854775809", "ping", "-2^63 - 1"},
    {WITH_ID("18446744073709551616"), 0, REQUEST, "18446744073709551616", "ping", "2^64"},
    {WITH_ID("123456789012345678901234567890"), 0, REQUEST, "123456789012345678901234567890", "ping", "thirty digits"},
    {WITH_ID("\"1\""), 0, REQUEST, "\"1\"", "ping", "a string of digits stays a string"},
    {WITH_ID("\"\""), 0, REQUEST, "\"\"", "ping", "an empty string"},
    {WITH_ID("\"server-discover-probe-1\""), 0, REQUEST, "\"server-discover-probe-1\"", "ping", "a probe's"},
    {WITH_ID("\"a\\u0062\\n\\/\""), 0, REQUEST, "\"a\\u0062\\n\\/\"", "ping", "escapes are echoed as they came"},
    {WITH_ID("\"\xc3\xa9\xf0\x9f\x98\x80\""), 0, REQUEST, "\"\xc3\xa9\xf0\x9f\x98\x80\"", "ping", "not ASCII"},
    {WITH_ID("\"\\u0000\""), 0, REQUEST, "\"\\u0000\"", "ping", "an escaped NUL"},
    {WITH_ID("1.5"), INVALID, REQUEST, NULL, "id is neither a string nor an integer", "a fraction"},
    {WITH_ID("1.0"), INVALID, REQUEST, NULL, NULL, "a fraction of zero"},
    {WITH_ID("-0.0"), INVALID, REQUEST, NULL, NULL, "a zero with a fraction"},
    {WITH_ID("1e2"), INVALID, REQUEST, NULL, NULL, "an exponent"},
    {WITH_ID("1E2"), INVALID, REQUEST, NULL, NULL, "an exponent, capital"},
    {WITH_ID("1e400"), INVALID, REQUEST, NULL, NULL, "1e400"},
    {WITH_ID("null"), INVALID, REQUEST, NULL, "id is null", "null"},
    {WITH_ID("true"), INVALID, REQUEST, NULL, NULL, "true"},
    {WITH_ID("false"), INVALID, REQUEST, NULL, NULL, "false"},
    {WITH_ID("{}"), INVALID, REQUEST, NULL, NULL, "an object"},
    {WITH_ID("{\"id\":1}"), INVALID, REQUEST, NULL, NULL, "an object with an id in it"},
    {WITH_ID("[]"), INVALID, REQUEST, NULL, NULL, "an array"},
    {WITH_ID("[1]"), INVALID, REQUEST, NULL, NULL, "an array of one"},
    {WITH_ID("01"), PARSE, NONE, NULL, "malformed JSON", "a leading zero"},
    {WITH_ID("+1"), PARSE, NONE, NULL, NULL, "a plus"},
    {WITH_ID("-"), PARSE, NONE, NULL, NULL, "only a sign"},
    {WITH_ID("NaN"), PARSE, NONE, NULL, NULL, "not a number"},
    {WITH_ID("0x1"), PARSE, NONE, NULL, NULL, "hexadecimal"},
    {WITH_ID("1 2"), PARSE, NONE, NULL, NULL, "two numbers"},
    {WITH_ID(""), PARSE, NONE, NULL, NULL, "no value"},
    {WITH_ID("\"\\ud800\""), PARSE, NONE, NULL, "a JSON string escapes half of a surrogate pair", "a lone surrogate"},
    {BYTES("{\"jsonrpc\":\"2.0\",\"ID\":1,\"method\":\"x\"}"), 0, NOTICE, NULL, "x",
     "another key's case is another key"},

    /* method */
    {MESSAGE("\"id\":1,\"method\":\"tools\\/call\""), 0, REQUEST, "1", "tools/call", "an escaped slash"},
    {MESSAGE("\"id\":1,\"method\":\"\\u0074ools/call\""), 0, REQUEST, "1", "tools/call", "an escaped letter"},
    {MESSAGE("\"id\":1,\"m\\u0065thod\":\"x\""), 0, REQUEST, "1", "x", "an escaped key"},
    {MESSAGE("\"\\u0069\\u0064\":1,\"\\u006d\\u0065\\u0074\\u0068\\u006f\\u0064\":\"x\""), 0, REQUEST, "1", "x",
     "wholly escaped keys"},
    {MESSAGE("\"id\":1,\"method\":\"\xe2\x82\xac\""), 0, REQUEST, "1", "\xe2\x82\xac", "not ASCII"},
    {MESSAGE("\"id\":1,\"method\":1"), INVALID, REQUEST, "1", "method is not a string", "a number"},
    {MESSAGE("\"id\":1,\"method\":null"), INVALID, REQUEST, "1", "method is not a string", "null"},
    {MESSAGE("\"id\":1,\"method\":{}"), INVALID, REQUEST, "1", NULL, "an object"},
    {MESSAGE("\"id\":1,\"method\":[\"ping\"]"), INVALID, REQUEST, "1", NULL, "an array"},
    {MESSAGE("\"method\":1"), INVALID, NOTICE, NULL, NULL, "a number, without an id"},

    /* twice the same */
    {MESSAGE("\"id\":1,\"id\":2,\"method\":\"x\""), INVALID, REQUEST, NULL, "id occurs twice",
     "two ids: neither is echoed"},
    {MESSAGE("\"id\":1,\"id\":1,\"method\":\"x\""), INVALID, REQUEST, NULL, "id occurs twice",
     "even when they are equal"},
    {MESSAGE("\"id\":1,\"i\\u0064\":2,\"method\":\"x\""), INVALID, REQUEST, NULL, "id occurs twice",
     "one of them escaped"},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"method\":\"y\""), INVALID, REQUEST, "1", "method occurs twice",
     "two methods"},
    {MESSAGE("\"method\":\"x\",\"method\":\"y\",\"id\":1,\"id\":2"), INVALID, REQUEST, NULL, "method occurs twice",
     "two of each"},
    {MESSAGE("\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\""), INVALID, REQUEST, "1", "jsonrpc occurs twice",
     "two versions"},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"params\":{},\"params\":{}"), INVALID, REQUEST, "1", "params occurs twice",
     "two params"},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"params\":1,\"params\":{\"name\":\"a\"}"), INVALID, REQUEST, "1",
     "params occurs twice", "of two kinds"},
    {MESSAGE("\"id\":1,\"result\":{},\"result\":{}"), INVALID, RESPONSE, "1", "result occurs twice", "two results"},
    {MESSAGE("\"id\":1,\"error\":{},\"error\":{}"), INVALID, RESPONSE, "1", "error occurs twice", "two errors"},
    {PARAMS("\"name\":\"a\",\"name\":\"b\""), INVALID, REQUEST, "1", "params.name occurs twice", "two names"},
    {PARAMS("\"name\":\"a\",\"n\\u0061me\":\"b\""), INVALID, REQUEST, "1", "params.name occurs twice", "one escaped"},
    {PARAMS("\"_meta\":{},\"_meta\":{}"), INVALID, REQUEST, "1", "params._meta occurs twice", "two _meta"},
    {META("\"traceparent\":\"a\",\"traceparent\":\"a\""), INVALID, REQUEST, "1",
     "params._meta.traceparent occurs twice", "in _meta"},
    {PARAMS("\"x\":1,\"x\":2"), 0, REQUEST, "1", "x", "a member that is not read may stand twice"},
    {PARAMS("\"arguments\":{\"name\":1,\"name\":2}"), 0, REQUEST, "1", "x", "so may one in the arguments"},
    {PARAMS("\"progressToken\":1,\"_meta\":{\"progressToken\":2}"), 0, REQUEST, "1", "x", "two places are two members"},
    {MESSAGE("\"id\":1,\"id\":2,\"method\":\"x\",}"), PARSE, NONE, NULL, "malformed JSON",
     "what is no JSON is called that first"},

    /* not an object */
    {BYTES("[]"), BATCH, NONE, NULL, NULL, "an empty batch"},
    {BYTES(" [ {\"jsonrpc\":\"2.0\",\"method\":\"x\"} , 1 ] "), BATCH, NONE, NULL, NULL, "a batch"},
    {BYTES("[1,]"), PARSE, NONE, NULL, NULL, "a broken batch"},
    {BYTES("[{\"a\":\"\xff\"}]"), PARSE, NONE, NULL, NULL, "a batch with invalid UTF-8"},
    {BYTES("42"), INVALID, NONE, NULL, "a message is an object", "a number"},
    {BYTES("\"x\""), INVALID, NONE, NULL, "a message is an object", "a string"},
    {BYTES("null"), INVALID, NONE, NULL, "a message is an object", "null"},
    {BYTES("true"), INVALID, NONE, NULL, "a message is an object", "true"},

    /* not JSON in UTF-8 */
    {BYTES(""), PARSE, NONE, NULL, "no JSON value", "nothing"},
    {BYTES(" \r\n\t"), PARSE, NONE, NULL, "no JSON value", "only blanks"},
    {BYTES("\0"), PARSE, NONE, NULL, "malformed JSON", "a NUL"},
    {BYTES("{"), PARSE, NONE, NULL, "the JSON text ends too early", "a brace"},
    {BYTES("}"), PARSE, NONE, NULL, NULL, "the other brace"},
    {BYTES("hello"), PARSE, NONE, NULL, NULL, "a word"},
    {BYTES("<html>"), PARSE, NONE, NULL, NULL, "HTML"},
    {BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}x"), PARSE, NONE, NULL, "something follows the JSON value",
     "a letter behind"},
    {BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\0"), PARSE, NONE, NULL, NULL, "a NUL behind"},
    {BYTES("{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"y\"}"), PARSE, NONE, NULL, NULL,
     "two messages"},
    {BYTES("\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}"), PARSE, NONE, NULL,
     "the JSON text begins with a byte order mark", "a byte order mark"},
    {BYTES("{\0\"\0j\0"), PARSE, NONE, NULL, NULL, "UTF-16"},
    {MESSAGE("\"id\":1,\"method\":\"x\","), PARSE, NONE, NULL, NULL, "a comma last"},
    {MESSAGE("\"id\":1 \"method\":\"x\""), PARSE, NONE, NULL, NULL, "no comma"},
    {MESSAGE("\"id\" 1,\"method\":\"x\""), PARSE, NONE, NULL, NULL, "no colon"},
    {MESSAGE("id:1,\"method\":\"x\""), PARSE, NONE, NULL, NULL, "a bare key"},
    {MESSAGE("\"id\":1,\"method\":\"a\0b\""), PARSE, NONE, NULL, NULL, "a NUL in a string"},
    {MESSAGE("\"id\":1,\"method\":\"a\nb\""), PARSE, NONE, NULL, NULL, "a line feed in a string"},
    {MESSAGE("\"id\":1,\"method\":\"\\q\""), PARSE, NONE, NULL, NULL, "an unknown escape"},
    {MESSAGE("\"id\":1,\"method\":\"\xc0\xaf\""), PARSE, NONE, NULL, "a JSON string is not valid UTF-8",
     "an overlong slash"},
    {MESSAGE("\"id\":1,\"method\":\"\xe0\x80\xaf\""), PARSE, NONE, NULL, NULL, "an overlong slash of three bytes"},
    {MESSAGE("\"id\":1,\"method\":\"\xf0\x80\x80\xaf\""), PARSE, NONE, NULL, NULL, "an overlong slash of four bytes"},
    {MESSAGE("\"id\":1,\"method\":\"\xed\xa0\x80\""), PARSE, NONE, NULL, NULL, "a surrogate"},
    {MESSAGE("\"id\":1,\"method\":\"\xf4\x90\x80\x80\""), PARSE, NONE, NULL, NULL, "beyond U+10FFFF"},
    {MESSAGE("\"id\":1,\"method\":\"\xf0\x9f\x98\""), PARSE, NONE, NULL, NULL, "a sequence cut by the quote"},
    {MESSAGE("\"id\":1,\"method\":\"\x80\""), PARSE, NONE, NULL, NULL, "a stray continuation"},
    {MESSAGE("\"\xff\":1,\"id\":1,\"method\":\"x\""), PARSE, NONE, NULL, NULL, "in a key that is not read"},
    {PARAMS("\"arguments\":{\"deep\":[\"\xff\"]}"), PARSE, NONE, NULL, NULL, "deep in the arguments"},
    {PARAMS("\"arguments\":{\"a\":01}"), PARSE, NONE, NULL, NULL, "a bad number in the arguments"},
    {META("\"x\":tru"), PARSE, NONE, NULL, NULL, "a bad literal in _meta"},
    {PARAMS("\"arguments\":{\"a\":1e999999999}"), 0, REQUEST, "1", "x",
     "a huge number in the arguments is not ours to judge"},
};

/* A heap copy as long as the message, so that a sanitizer sees a byte read behind it. */
struct scanned {
    char *copy;
    struct envelope envelope;
    int r;
};

static void scanned_done(struct scanned *scanned)
{
    envelope_done(&scanned->envelope);
    free(scanned->copy);
}

static struct scanned scan(struct span message, const struct envelope_limits *limits)
{
    struct scanned scanned = {.copy = malloc(message.size ? message.size : 1)};
    assert_non_null(scanned.copy);
    if (message.size)
        memcpy(scanned.copy, message.at, message.size);
    memset(&scanned.envelope, 0xa5, sizeof(scanned.envelope)); /* whatever it held before */
    scanned.r = envelope_scan((struct span){scanned.copy, message.size}, limits, &scanned.envelope);
    return scanned;
}

static bool matches(struct span span, const char *expected)
{
    return expected ? !span_absent(span) && span_is(span, expected) : span_absent(span);
}

static void test_rows(void **state)
{
    (void)state;
    assert_true(ARRAY_SIZE(rows) >= 120);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        CLEANUP(scanned_done) struct scanned scanned = scan(row->message, NULL);
        const struct envelope *envelope = &scanned.envelope;
        if (scanned.r != row->expected || envelope->kind != row->kind || !matches(envelope->id, row->id))
            fail_msg("%s: %d, kind %d, id %.*s, %s", row->comment, scanned.r, envelope->kind, SPAN_PRINT(envelope->id),
                     envelope->reason ? envelope->reason : "no reason");
        if (scanned.r == 0 && (envelope->reason || !matches(envelope->method, row->detail)))
            fail_msg("%s: method %.*s", row->comment, SPAN_PRINT(envelope->method));
        if (scanned.r && (!envelope->reason || (row->detail && strcmp(envelope->reason, row->detail) != 0)))
            fail_msg("%s: reason %s", row->comment, envelope->reason ? envelope->reason : "none");
    }
}

static const struct member_row {
    struct span message;
    const char *raw;  /* NULL: absent */
    const char *text; /* NULL: absent */
    const char *comment;
    enum envelope_member_id member;
    bool wrong_type;
} member_rows[] = {
    {PARAMS("\"name\":\"echo\""), "\"echo\"", "echo", "a name", MEMBER_NAME, false},
    {PARAMS("\"name\":\"\""), "\"\"", "", "an empty one is there", MEMBER_NAME, false},
    {PARAMS("\"name\":\"a\\tb\""), "\"a\\tb\"", "a\tb", "a decoded one", MEMBER_NAME, false},
    {PARAMS("\"n\\u0061me\":\"\\u00e9\""), "\"\\u00e9\"", "\xc3\xa9", "key and value escaped", MEMBER_NAME, false},
    {PARAMS("\"name\" : \"a\" "), "\"a\"", "a", "blanks are not of the value", MEMBER_NAME, false},
    {PARAMS("\"name\":1"), "1", NULL, "a number", MEMBER_NAME, true},
    {PARAMS("\"name\":null"), "null", NULL, "null is not absence", MEMBER_NAME, true},
    {PARAMS("\"nam\":\"a\",\"names\":\"b\",\"Name\":\"c\""), NULL, NULL, "keys near it", MEMBER_NAME, false},
    {PARAMS("\"arguments\":{\"name\":\"a\"}"), NULL, NULL, "not from the arguments", MEMBER_NAME, false},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"name\":\"a\""), NULL, NULL, "not from the top", MEMBER_NAME, false},
    {META("\"name\":\"a\""), NULL, NULL, "not from _meta", MEMBER_NAME, false},
    {PARAMS("\"params\":{\"name\":\"a\"}"), NULL, NULL, "not from other params", MEMBER_NAME, false},
    {PARAMS("\"uri\":\"weir:\\/\\/about\""), "\"weir:\\/\\/about\"", "weir://about", "a uri", MEMBER_URI, false},
    {PARAMS("\"cursor\":\"MTAw\""), "\"MTAw\"", "MTAw", "a cursor", MEMBER_CURSOR, false},
    {PARAMS("\"taskId\":\"t\""), "\"t\"", "t", "a task", MEMBER_TASK_ID, false},
    {PARAMS("\"arguments\":{ \"a\" : [1] }"), "{ \"a\" : [1] }", NULL, "arguments, byte for byte", MEMBER_ARGUMENTS,
     false},
    {PARAMS("\"arguments\":[]"), "[]", NULL, "an array of arguments", MEMBER_ARGUMENTS, true},
    {PARAMS("\"arguments\":\"{}\""), "\"{}\"", NULL, "a string is never decoded for an object", MEMBER_ARGUMENTS, true},
    {PARAMS("\"inputResponses\":{\"a\":{}}"), "{\"a\":{}}", NULL, "answers", MEMBER_INPUT_RESPONSES, false},
    {PARAMS("\"inputResponses\":null"), "null", NULL, "no answers", MEMBER_INPUT_RESPONSES, true},
    {PARAMS("\"requestState\":\"s\""), "\"s\"", "s", "a state", MEMBER_REQUEST_STATE, false},
    {PARAMS("\"level\":\"debug\""), "\"debug\"", "debug", "a level", MEMBER_LEVEL, false},
    {PARAMS("\"requestId\":12"), "12", NULL, "what is cancelled, a number", MEMBER_REQUEST_ID, false},
    {PARAMS("\"requestId\":\"12\""), "\"12\"", "12", "what is cancelled, a string", MEMBER_REQUEST_ID, false},
    {PARAMS("\"requestId\":1.5"), "1.5", NULL, "no id", MEMBER_REQUEST_ID, true},
    {PARAMS("\"reason\":\"r\""), "\"r\"", "r", "a reason", MEMBER_REASON, false},
    {PARAMS("\"protocolVersion\":\"2025-11-25\""), "\"2025-11-25\"", "2025-11-25", "initialize",
     MEMBER_PROTOCOL_VERSION, false},
    {PARAMS("\"capabilities\":{}"), "{}", NULL, "initialize", MEMBER_CAPABILITIES, false},
    {PARAMS("\"clientInfo\":{}"), "{}", NULL, "initialize", MEMBER_CLIENT_INFO, false},
    {PARAMS("\"notifications\":{}"), "{}", NULL, "a filter", MEMBER_NOTIFICATIONS, false},
    {PARAMS("\"ref\":{}"), "{}", NULL, "completion", MEMBER_REF, false},
    {PARAMS("\"argument\":{}"), "{}", NULL, "completion", MEMBER_ARGUMENT, false},
    {PARAMS("\"context\":{}"), "{}", NULL, "completion", MEMBER_CONTEXT, false},
    {PARAMS("\"progressToken\":\"p\""), "\"p\"", "p", "of a notification", MEMBER_PROGRESS_TOKEN, false},
    {PARAMS("\"progressToken\":\"p\""), NULL, NULL, "not of _meta", MEMBER_META_PROGRESS_TOKEN, false},
    {PARAMS("\"progress\":0.5"), "0.5", NULL, "progress", MEMBER_PROGRESS, false},
    {PARAMS("\"progress\":\"0.5\""), "\"0.5\"", NULL, "progress as a string", MEMBER_PROGRESS, true},
    {META(""), "{}", NULL, "an empty _meta", MEMBER_META, false},
    {PARAMS("\"_meta\":[]"), "[]", NULL, "a _meta that is an array", MEMBER_META, true},
    {PARAMS("\"_meta\":null"), "null", NULL, "a _meta that is null", MEMBER_META, true},
    {META("\"progressToken\":7"), "7", NULL, "a token", MEMBER_META_PROGRESS_TOKEN, false},
    {META("\"progressToken\":7"), NULL, NULL, "not of params", MEMBER_PROGRESS_TOKEN, false},
    {META("\"progressToken\":{}"), "{}", NULL, "no token", MEMBER_META_PROGRESS_TOKEN, true},
    {META("\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""), "\"2026-07-28\"", "2026-07-28",
     "the modern version", MEMBER_META_PROTOCOL_VERSION, false},
    {META("\"io.modelcontextprotocol\\/protocolVersion\":\"2026-07-28\""), "\"2026-07-28\"", "2026-07-28",
     "with an escaped slash", MEMBER_META_PROTOCOL_VERSION, false},
    {META("\"io.modelcontextprotocol/protocolVersion\":20260728"), "20260728", NULL, "a version that is a number",
     MEMBER_META_PROTOCOL_VERSION, true},
    {META("\"protocolVersion\":\"2026-07-28\""), NULL, NULL, "without its prefix", MEMBER_META_PROTOCOL_VERSION, false},
    {META("\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c\"}"), "{\"name\":\"c\"}", NULL, "the client",
     MEMBER_META_CLIENT_INFO, false},
    {META("\"io.modelcontextprotocol/clientCapabilities\":{}"), "{}", NULL, "what it can do",
     MEMBER_META_CLIENT_CAPABILITIES, false},
    {META("\"io.modelcontextprotocol/logLevel\":\"info\""), "\"info\"", "info", "a level", MEMBER_META_LOG_LEVEL,
     false},
    {META("\"traceparent\":\"00-a-b-01\""), "\"00-a-b-01\"", "00-a-b-01", "a trace", MEMBER_META_TRACEPARENT, false},
    {META("\"tracestate\":\"a=b\""), "\"a=b\"", "a=b", "a trace's state", MEMBER_META_TRACESTATE, false},
    {META("\"x\":{\"tracestate\":\"a=b\"}"), NULL, NULL, "not from deeper", MEMBER_META_TRACESTATE, false},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"params\":[{\"name\":\"a\"}]"), "[{\"name\":\"a\"}]", NULL,
     "params as an array", MEMBER_PARAMS, true},
    {MESSAGE("\"id\":1,\"method\":\"x\",\"params\":null"), "null", NULL, "params null", MEMBER_PARAMS, true},
    {MESSAGE("\"id\":1,\"method\":\"x\""), NULL, NULL, "no params", MEMBER_PARAMS, false},
    {MESSAGE("\"id\":1,\"result\":{\"roots\":[]}"), "{\"roots\":[]}", NULL, "a result", MEMBER_RESULT, false},
    {MESSAGE("\"id\":1,\"result\":3"), "3", NULL, "a result that is a number", MEMBER_RESULT, true},
    {MESSAGE("\"id\":1,\"error\":{\"code\":1}"), "{\"code\":1}", NULL, "an error", MEMBER_ERROR, false},
    {MESSAGE("\"id\":1,\"error\":\"no\""), "\"no\"", NULL, "an error that is a string", MEMBER_ERROR, true},
};

static void test_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(member_rows); i++) {
        const struct member_row *row = &member_rows[i];
        CLEANUP(scanned_done) struct scanned scanned = scan(row->message, NULL);
        const struct envelope_member *member = &scanned.envelope.member[row->member];
        if (scanned.r)
            fail_msg("%s: %s", row->comment, scanned.envelope.reason);
        if (!matches(member->raw, row->raw) || !matches(member->text, row->text) ||
            member->wrong_type != row->wrong_type)
            fail_msg("%s: raw %.*s, text %.*s%s", row->comment, SPAN_PRINT(member->raw), SPAN_PRINT(member->text),
                     member->wrong_type ? ", wrong type" : "");
    }
}

/* Every row of members.def is found under its key, plain and wholly escaped, and nowhere else. */
static void test_every_member(void **state)
{
    (void)state;
    for (unsigned id = 0; id < MEMBER_COUNT; id++) {
        const char *place = envelope_key(id), *key = place;
        unsigned level = 0;
        if (strncmp(place, "params.", 7) == 0)
            level = 1, key = place + 7;
        if (strncmp(place, "params._meta.", 13) == 0)
            level = 2, key = place + 13;
        for (int escaped = 0; escaped < 2; escaped++) {
            CLEANUP(text_done) struct text message = TEXT(4096);
            text_add(&message, level == 0   ? SPAN("{")
                               : level == 1 ? SPAN("{\"params\":{")
                                            : SPAN("{\"params\":{\"_meta\":{"));
            text_add_char(&message, '"');
            for (const char *at = key; *at; at++)
                text_addf(&message, escaped ? "\\u%04x" : "%c", *at);
            text_add(&message, SPAN("\":7}}}"));
            message.size -= 2 - level;
            assert_int_equal(message.error, 0);
            CLEANUP(scanned_done) struct scanned scanned = scan(text_span(&message), NULL);
            assert_int_equal(scanned.r, INVALID); /* no version */
            for (unsigned other = 0; other < MEMBER_COUNT; other++) {
                bool around = (level >= 1 && other == MEMBER_PARAMS) || (level == 2 && other == MEMBER_META);
                if (span_absent(scanned.envelope.member[other].raw) == (other == id || around))
                    fail_msg("%s: wrong about %s", place, envelope_key(other));
            }
        }
    }
}

static const char whole[] =
    "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041\",\"method\":\"tools\\/call\",\"params\":{\"name\":\"\xc3\xa9\","
    "\"arguments\":{\"a\":[1.5e3,true,null]},\"_meta\":{\"progressToken\":7}}}";

static void test_truncated_everywhere(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        CLEANUP(scanned_done) struct scanned scanned = scan((struct span){whole, size}, NULL);
        assert_int_equal(scanned.r, PARSE);
        assert_true(scanned.envelope.stopped_at <= size);
        assert_true(span_absent(scanned.envelope.id));
    }
    CLEANUP(scanned_done) struct scanned scanned = scan(span_of(whole), NULL);
    assert_int_equal(scanned.r, 0);
    assert_true(span_is(scanned.envelope.id, "\"\\u0041\""));
    assert_true(span_is(scanned.envelope.member[MEMBER_ID].text, "A"));
    assert_true(span_is(scanned.envelope.method, "tools/call"));
    assert_true(span_is(scanned.envelope.member[MEMBER_NAME].text, "\xc3\xa9"));
    assert_true(span_is(scanned.envelope.value, whole));
}

/* Every byte in turn becomes every other one: never a crash, and the verdict is json_check's. */
static void test_damaged_everywhere(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(whole) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char damaged[sizeof(whole)];
            memcpy(damaged, whole, sizeof(whole));
            damaged[at] = (char)byte;
            struct span message = {damaged, sizeof(whole) - 1};
            CLEANUP(scanned_done) struct scanned scanned = scan(message, NULL);
            assert_true((scanned.r == PARSE) == (json_check(message, JSON_DEPTH_DEFAULT) != 0));
        }
    }
}

static void test_parse_error_says_where(void **state)
{
    (void)state;
    CLEANUP(scanned_done) struct scanned scanned = scan(SPAN("{\"jsonrpc\":\"2.0\",\"id\":01}"), NULL);
    assert_int_equal(scanned.r, PARSE);
    assert_int_equal(scanned.envelope.stopped_at, strlen("{\"jsonrpc\":\"2.0\",\"id\":0"));
}

static int scan_nested(unsigned depth, unsigned max_depth)
{
    CLEANUP(text_done) struct text text = TEXT(MIB);
    struct envelope_limits limits = ENVELOPE_LIMITS_DEFAULT;
    limits.max_depth = max_depth;
    text_add(&text, SPAN("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"arguments\":{\"a\":"));
    for (unsigned i = 3; i < depth; i++)
        text_add_char(&text, '[');
    for (unsigned i = 3; i < depth; i++)
        text_add_char(&text, ']');
    text_add(&text, SPAN("}}}"));
    if (depth == 3)
        text_clear(&text),
            text_add(&text, SPAN("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"arguments\":{}}}"));
    assert_int_equal(text.error, 0);
    CLEANUP(scanned_done) struct scanned scanned = scan(text_span(&text), &limits);
    assert_true(scanned.r == 0 || strcmp(scanned.envelope.reason, json_reason(JSON_DEPTH)) == 0);
    return scanned.r;
}

static void test_depth(void **state)
{
    (void)state;
    for (unsigned depth = 3; depth < 100; depth++) {
        assert_int_equal(scan_nested(depth, depth), 0);
        assert_int_equal(scan_nested(depth, depth - 1), PARSE);
    }
    assert_int_equal(scan_nested(JSON_DEPTH_DEFAULT, JSON_DEPTH_DEFAULT), 0);
    assert_int_equal(scan_nested(100000, JSON_DEPTH_DEFAULT), PARSE);
    assert_int_equal(scan_nested(3, 0), PARSE);
}

/* A string of `size` bytes, quotes among them, as the id or wherever `format` has it. */
static struct scanned scan_long(const char *before, char byte, size_t size, const char *after)
{
    CLEANUP(text_done) struct text text = TEXT(4 * MIB);
    text_add(&text, span_of(before));
    char *at = text_reserve(&text, size);
    assert_non_null(at);
    memset(at, byte, size);
    text.size += size;
    text_add(&text, span_of(after));
    assert_int_equal(text.error, 0);
    return scan(text_span(&text), NULL);
}

static void test_id_limit(void **state)
{
    static const struct {
        const char *before, *after;
        size_t size;
        int expected;
        char byte;
    } limits[] = {
        {"\"", "\"", ENVELOPE_MAX_ID_BYTES - 2, 0, 'a'},
        {"\"", "\"", ENVELOPE_MAX_ID_BYTES - 1, INVALID, 'a'},
        {"\"", "\"", MIB, INVALID, 'a'},
        {"", "", ENVELOPE_MAX_ID_BYTES, 0, '7'},
        {"", "", ENVELOPE_MAX_ID_BYTES + 1, INVALID, '7'},
        {"", "", MIB, INVALID, '7'},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        char before[64], after[64];
        snprintf(before, sizeof(before), "{\"jsonrpc\":\"2.0\",\"id\":%s", limits[i].before);
        snprintf(after, sizeof(after), "%s,\"method\":\"x\"}", limits[i].after);
        CLEANUP(scanned_done) struct scanned scanned = scan_long(before, limits[i].byte, limits[i].size, after);
        assert_int_equal(scanned.r, limits[i].expected);
        assert_int_equal(span_absent(scanned.envelope.id), scanned.r != 0);
        if (scanned.r)
            assert_string_equal(scanned.envelope.reason, "id is too long");
    }
    CLEANUP(scanned_done)
    struct scanned token = scan_long(
        "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":\"", 'a', MIB, "\"}}}");
    assert_int_equal(token.r, 0);
    assert_true(token.envelope.member[MEMBER_META_PROGRESS_TOKEN].wrong_type);
}

/* Strings without escapes cost nothing and may be as long as the message; those with escapes are decoded, so they are
 * bounded. */
static void test_decoded_limit(void **state)
{
    (void)state;
    const char *before = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"name\":\"";
    CLEANUP(scanned_done) struct scanned plain = scan_long(before, 'a', 2 * MIB, "\"}}");
    assert_int_equal(plain.r, 0);
    assert_int_equal(plain.envelope.member[MEMBER_NAME].text.size, 2 * MIB);
    assert_null(plain.envelope.decoded);
    CLEANUP(scanned_done) struct scanned fits = scan_long(before, 'a', ENVELOPE_MAX_DECODED_BYTES - 4, "\\n\"}}");
    assert_int_equal(fits.r, 0);
    assert_int_equal(fits.envelope.member[MEMBER_NAME].text.size, ENVELOPE_MAX_DECODED_BYTES - 3);
    CLEANUP(scanned_done) struct scanned over = scan_long(before, 'a', ENVELOPE_MAX_DECODED_BYTES - 3, "\\n\"}}");
    assert_int_equal(over.r, INVALID);
    assert_true(span_is(over.envelope.id, "1"));
    assert_string_equal(over.envelope.reason, "the strings with escapes are too long");
    CLEANUP(scanned_done)
    struct scanned arguments = scan_long(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"arguments\":{\"a\":\"\\n", 'a', 2 * MIB, "\"}}}");
    assert_int_equal(arguments.r, 0); /* nobody decodes them here */
}

static void test_batch(void **state)
{
    static const int expected[] = {0, 0, INVALID, BATCH, INVALID};
    struct json_iterator it;
    struct span element;
    size_t count = 0;
    (void)state;
    CLEANUP(scanned_done)
    struct scanned batch = scan(SPAN("\n[ {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} "
                                     ",{\"jsonrpc\":\"2.0\",\"method\":\"n\"},{},[],1 ]\n"),
                                NULL);
    assert_int_equal(batch.r, BATCH);
    assert_true(batch.envelope.value.at[0] == '[');
    json_array_begin(&it, batch.envelope.value);
    for (; json_array_next(&it, &element); count++) {
        assert_true(count < ARRAY_SIZE(expected));
        CLEANUP(scanned_done) struct scanned one = scan(element, NULL);
        assert_int_equal(one.r, expected[count]);
    }
    assert_int_equal(count, ARRAY_SIZE(expected));
}

static void test_id_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool expected;
        const char *comment;
    } ids[] = {
        {"1", "1", true, "a number"},
        {"1", "2", false, "two numbers"},
        {"0", "-0", true, "two zeros"},
        {"9007199254740993", "9007199254740992", false, "no double in between"},
        {"1", "\"1\"", false, "a number and a string"},
        {"\"a\"", "\"a\"", true, "a string"},
        {"\"a\"", "\"\\u0061\"", true, "one escaped"},
        {"\"\\u00e9\"", "\"\xc3\xa9\"", true, "not ASCII, one escaped"},
        {"\"a\"", "\"ab\"", false, "a prefix"},
        {"\"a\"", "\"A\"", false, "another case"},
        {"null", "null", false, "null is no id"},
        {"", "", false, "nor is nothing"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        if (envelope_id_equal(span_of(ids[i].a), span_of(ids[i].b)) != ids[i].expected)
            fail_msg("%s", ids[i].comment);
    }
}

static void test_wrong_type(void **state)
{
    static const enum envelope_member_id wanted[] = {MEMBER_URI, MEMBER_NAME, MEMBER_ARGUMENTS};
    (void)state;
    CLEANUP(scanned_done)
    struct scanned wrong =
        scan(SPAN("{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"arguments\":1,\"name\":2,\"cursor\":3}}"), NULL);
    assert_int_equal(envelope_wrong_type(&wrong.envelope, wanted, ARRAY_SIZE(wanted)), MEMBER_NAME);
    assert_int_equal(envelope_wrong_type(&wrong.envelope, wanted, 1), MEMBER_COUNT);
    assert_string_equal(envelope_key(MEMBER_NAME), "params.name");
    assert_string_equal(envelope_key(MEMBER_META_TRACEPARENT), "params._meta.traceparent");
    assert_string_equal(envelope_key(MEMBER_ID), "id");
}

static void test_done_twice(void **state)
{
    struct envelope zeros = {.kind = ENVELOPE_UNKNOWN};
    (void)state;
    envelope_done(&zeros);
    struct scanned scanned = scan(SPAN("{\"jsonrpc\":\"2.0\",\"method\":\"\\n\"}"), NULL);
    assert_int_equal(scanned.r, 0);
    assert_non_null(scanned.envelope.decoded);
    envelope_done(&scanned.envelope);
    assert_null(scanned.envelope.decoded);
    scanned_done(&scanned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_every_member),
        cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_damaged_everywhere),
        cmocka_unit_test(test_parse_error_says_where),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_id_limit),
        cmocka_unit_test(test_decoded_limit),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_id_equal),
        cmocka_unit_test(test_wrong_type),
        cmocka_unit_test(test_done_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

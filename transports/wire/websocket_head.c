/* Judges upgrades. Lines must end in CR LF: whoever stands before us has read the head, too, and must not have read
   another one. Pure; owns nothing. */
#include "transports/wire/websocket_head.h"

#include <errno.h>
#include <openssl/evp.h>

#include "gateway/base/encoding.h"
#include "transports/wire/host.h"
#include "transports/wire/http_head.h"

enum { KEY_DECODED_BYTES = 16 };

/* ---- reading ---- */

static bool is_value(struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.at[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool list_names(struct span list, struct span wanted)
{
    while (!span_absent(list))
        if (span_equal_nocase(span_trim(span_cut(&list, ',')), wanted))
            return true;
    return false;
}

static int set_once(struct span *field, struct span value)
{
    if (!span_absent(*field))
        return WEBSOCKET_HEAD_BAD;
    *field = value;
    return 0;
}

static struct span behind(struct span name, struct span prefix)
{
    return (struct span){name.at + prefix.size, name.size - prefix.size};
}

static int add_protocol(struct websocket_head *head, struct span name)
{
    const struct span auth = SPAN("mcp.auth."), version = SPAN("mcp.version.");
    if (!http_is_token(name))
        return WEBSOCKET_HEAD_BAD;
    if (span_starts(name, auth))
        return set_once(&head->credentials, behind(name, auth));
    if (span_starts(name, version))
        return set_once(&head->revision, behind(name, version));
    head->mcp = head->mcp || span_is(name, "mcp");
    return 0;
}

/* RFC 6455, 4.1: a list, which may be spread over several lines. Empty elements count for nothing (RFC 9110, 5.6.1). */
static int add_protocols(struct websocket_head *head, struct span list)
{
    int result = 0;
    while (!span_absent(list) && result == 0) {
        struct span name = span_trim(span_cut(&list, ','));
        result = name.size > 0 ? add_protocol(head, name) : 0;
    }
    return result;
}

static int add_known(struct websocket_head *head, struct span name, struct span value)
{
    if (span_equal_nocase(name, SPAN("host")))
        return set_once(&head->host, value);
    if (span_equal_nocase(name, SPAN("origin")))
        return set_once(&head->origin, value);
    if (span_equal_nocase(name, SPAN("authorization")))
        return set_once(&head->authorization, value);
    if (span_equal_nocase(name, SPAN("x-api-key")))
        return set_once(&head->api_key, value);
    if (span_equal_nocase(name, SPAN("dpop")))
        return set_once(&head->dpop, value);
    if (span_equal_nocase(name, SPAN("sec-websocket-key")))
        return set_once(&head->key, value);
    if (span_equal_nocase(name, SPAN("sec-websocket-version")))
        return set_once(&head->websocket_version, value);
    if (span_equal_nocase(name, SPAN("sec-websocket-protocol")))
        return add_protocols(head, value);
    if (span_equal_nocase(name, SPAN("upgrade")))
        head->upgrade = head->upgrade || list_names(value, SPAN("websocket"));
    else if (span_equal_nocase(name, SPAN("connection")))
        head->connection = head->connection || list_names(value, SPAN("upgrade"));
    else if (span_equal_nocase(name, SPAN("transfer-encoding")))
        head->has_body = true;
    else if (span_equal_nocase(name, SPAN("content-length")))
        head->has_body = head->has_body || !span_is(value, "0");
    return 0;
}

int websocket_head_add(struct websocket_head *head, struct span name, struct span value)
{
    if (++head->fields > WEBSOCKET_MAX_FIELDS)
        return WEBSOCKET_HEAD_TOO_LARGE;
    if (!http_is_token(name) || !is_value(value))
        return WEBSOCKET_HEAD_BAD;
    value = span_trim(value);
    if (span_absent(value))
        value.at = "";
    return add_known(head, name, value);
}

/* The size of the head with its empty line; 0: it is not complete. */
static size_t head_size(struct span bytes)
{
    const char *end = bytes.size > 0 ? memmem(bytes.at, bytes.size, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - bytes.at) + 4 : 0;
}

/* The next line of a complete head, without CR LF. */
static struct span next_line(struct span *rest)
{
    struct span line = span_cut(rest, '\n');
    line.size -= line.size > 0; /* the CR; a line without one ends in what is no value */
    return line;
}

static int read_request_line(struct websocket_head *head, struct span line)
{
    struct span rest = line;
    head->method = span_cut(&rest, ' ');
    head->target = span_absent(rest) ? rest : span_cut(&rest, ' ');
    head->version = rest;
    bool whole = http_is_token(head->method) && head->target.size > 0 && head->version.size > 0;
    return whole ? 0 : WEBSOCKET_HEAD_BAD;
}

/* No LF without CR before it: the line would not end there for everybody. */
static bool ends_are_whole(struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.at[i] == '\n' && (i == 0 || bytes.at[i - 1] != '\r'))
            return false;
    return true;
}

int websocket_head_read(struct span bytes, struct websocket_head *head)
{
    *head = (struct websocket_head){.size = head_size(bytes)};
    if (head->size == 0)
        return bytes.size >= WEBSOCKET_MAX_HEAD ? WEBSOCKET_HEAD_TOO_LARGE : WEBSOCKET_HEAD_MORE;
    if (head->size > WEBSOCKET_MAX_HEAD)
        return WEBSOCKET_HEAD_TOO_LARGE;
    struct span rest = {bytes.at, head->size - 2}; /* the last line's end stays */
    if (!ends_are_whole(rest))
        return WEBSOCKET_HEAD_BAD;
    int result = read_request_line(head, next_line(&rest));
    while (result == 0 && rest.size > 0) {
        struct span value = next_line(&rest);
        struct span name = span_cut(&value, ':');
        result = span_absent(value) ? WEBSOCKET_HEAD_BAD : websocket_head_add(head, name, value);
    }
    return result;
}

bool websocket_head_asks(const struct websocket_head *head)
{
    return head->upgrade;
}

/* ---- judging ---- */

static int refuse(struct websocket_refusal *refusal, int status, const char *message)
{
    *refusal = (struct websocket_refusal){.status = status, .message = message};
    return WEBSOCKET_REFUSED;
}

static int refuse_with(struct websocket_refusal *refusal, int status, const char *message, const char *field,
                       const char *value)
{
    *refusal = (struct websocket_refusal){.status = status, .message = message, .field = field, .value = value};
    return WEBSOCKET_REFUSED;
}

static int judge_outcome(int outcome, struct websocket_refusal *refusal)
{
    switch (outcome) {
    case 0:
        return 0;
    case WEBSOCKET_HEAD_TOO_LARGE:
        return refuse(refusal, 431, "The request head is too large");
    default:
        return refuse(refusal, 400, "The request head is malformed, or a field came twice");
    }
}

static int judge_request_line(const struct websocket_head *head, const struct websocket_rules *rules,
                              struct http_target *target, struct websocket_refusal *refusal)
{
    if (span_is(head->version, "HTTP/1.0"))
        return refuse(refusal, 400, "A WebSocket needs HTTP/1.1");
    if (!span_is(head->version, "HTTP/1.1"))
        return refuse(refusal, 505, "A WebSocket needs HTTP/1.1");
    if (http_target_parse(head->target, target) != 0)
        return refuse(refusal, 400, "The request target is malformed");
    if (!span_is(target->path, rules->path))
        return refuse(refusal, 404, "There is nothing at this path");
    if (!span_is(head->method, "GET"))
        return refuse_with(refusal, 405, "A WebSocket is asked for with GET", "Allow", "GET, POST, DELETE");
    if (head->has_body)
        return refuse(refusal, 400, "A request for a WebSocket has no body");
    return 0;
}

/* Of the absolute form the target's host counts (RFC 9112, 3.2.2); Host must be there all the same. */
static int judge_source(const struct websocket_head *head, const struct websocket_rules *rules,
                        const struct http_target *target, struct websocket_refusal *refusal)
{
    struct host parsed;
    struct span host = span_absent(target->host) ? head->host : target->host;
    if (span_absent(head->host))
        return refuse(refusal, 400, "Host is missing");
    if (host_parse(host, &parsed) != 0)
        return refuse(refusal, 400, "Host is malformed");
    if (!host_allowed(host, rules->allowed_hosts, rules->allowed_hosts_count))
        return refuse(refusal, 403, "Host is not allowed");
    if (!span_absent(head->origin) &&
        !origin_allowed(head->origin, rules->allowed_origins, rules->allowed_origins_count))
        return refuse(refusal, 403, "Origin is not allowed");
    return 0;
}

static bool is_key(struct span key)
{
    CLEANUP(text_done) struct text decoded = TEXT(KEY_DECODED_BYTES + 2);
    return key.size == WEBSOCKET_KEY_BYTES && base64_decode(BASE64_STANDARD, key, &decoded) == 0 &&
           decoded.size == KEY_DECODED_BYTES;
}

static int judge_handshake(const struct websocket_head *head, struct websocket_refusal *refusal)
{
    if (!head->upgrade || !head->connection)
        return refuse_with(refusal, 426, "This needs Upgrade: websocket and Connection: Upgrade", "Upgrade",
                           "websocket");
    if (!span_is(head->websocket_version, "13"))
        return refuse_with(refusal, 426, "Version 13 of WebSocket is served", "Sec-WebSocket-Version", "13");
    if (!is_key(head->key))
        return refuse(refusal, 400, "Sec-WebSocket-Key must be 16 bytes in base64");
    return 0;
}

int websocket_head_judge(const struct websocket_head *head, int outcome, const struct websocket_rules *rules,
                         struct websocket_refusal *ret_refusal)
{
    struct http_target target = {.path = {NULL, 0}};
    int result = judge_outcome(outcome, ret_refusal);
    if (result == 0)
        result = judge_request_line(head, rules, &target, ret_refusal);
    if (result == 0)
        result = judge_source(head, rules, &target, ret_refusal);
    return result == 0 ? judge_handshake(head, ret_refusal) : result;
}

/* ---- the answer ---- */

int websocket_accept(struct span key, char out[WEBSOCKET_ACCEPT_BYTES + 1])
{
    CLEANUP(text_done) struct text question = TEXT(WEBSOCKET_MAX_HEAD);
    CLEANUP(text_done) struct text encoded = TEXT(WEBSOCKET_ACCEPT_BYTES);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    text_add(&question, key);
    text_add_literal(&question, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    if (question.error != 0 || EVP_Digest(question.at, question.size, digest, &size, EVP_sha1(), NULL) != 1)
        return -ENOMEM;
    base64_encode(BASE64_STANDARD, (struct span){(const char *)digest, size}, &encoded);
    if (encoded.error != 0 || encoded.size != WEBSOCKET_ACCEPT_BYTES)
        return -ENOMEM;
    memcpy(out, encoded.at, encoded.size);
    out[encoded.size] = '\0';
    return 0;
}

void websocket_head_rewrite(const struct websocket_head *head, struct text *out)
{
    text_add_literal(out, "GET / HTTP/1.1\r\nHost: weir\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    text_add(out, head->key);
    if (head->mcp)
        text_add_literal(out, "\r\nSec-WebSocket-Protocol: mcp");
    text_add_literal(out, "\r\n\r\n");
}

/* Judges request heads. Field names are found by their length and one comparison; character classes are tables. Pure;
   owns nothing. */
#include "transports/wire/http_head.h"

static const struct {
    struct span name;
    bool repeatable;
} fields[HTTP_FIELD_COUNT] = {
#define HTTP_FIELD(id, text, may_repeat) [HTTP_FIELD_##id] = {{text, sizeof(text) - 1}, may_repeat},
#include "transports/wire/http_fields.def"
#undef HTTP_FIELD
};

/* 1 for the bytes of a token (RFC 9110, 5.6.2). */
static const uint8_t token_byte[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1,
};

bool http_is_token(struct span name)
{
    unsigned all = name.size > 0;
    for (size_t i = 0; i < name.size; i++)
        all &= token_byte[(unsigned char)name.at[i]];
    return all;
}

static bool is_value(struct span value)
{
    unsigned bad = 0;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.at[i];
        bad |= (byte < 0x20) & (byte != '\t');
        bad |= byte == 0x7f;
    }
    return bad == 0;
}

static enum http_field find_field(struct span name)
{
    for (unsigned i = 0; i < HTTP_FIELD_COUNT; i++) {
        if (fields[i].name.size == name.size && span_equal_nocase(fields[i].name, name))
            return (enum http_field)i;
    }
    return HTTP_FIELD_COUNT;
}

/* The part of a list or of parameters before the next separator that is not inside quotes. */
static struct span cut_unquoted(struct span *rest, char separator)
{
    bool quoted = false;
    if (rest->size == 0 || !memchr(rest->at, '"', rest->size))
        return span_cut(rest, separator); /* nearly always */
    for (size_t i = 0; i < rest->size; i++) {
        char byte = rest->at[i];
        if (byte == '\\' && quoted)
            i++;
        else if (byte == '"')
            quoted = !quoted;
        else if (byte == separator && !quoted) {
            struct span part = {rest->at, i};
            *rest = (struct span){rest->at + i + 1, rest->size - i - 1};
            return part;
        }
    }
    struct span part = *rest;
    *rest = (struct span){NULL, 0};
    return part;
}

/* The weight of RFC 9110, 12.4.2, in thousandths; what is malformed counts as 1, as if it were not there. */
static unsigned read_weight(struct span text)
{
    static const unsigned scale[] = {100, 10, 1};
    if (text.size == 0 || text.size > 5 || (text.size > 1 && text.at[1] != '.') ||
        (text.at[0] != '0' && text.at[0] != '1'))
        return 1000;
    unsigned weight = text.at[0] == '1' ? 1000 : 0;
    for (size_t i = 2; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 1000;
        weight += (unsigned)(text.at[i] - '0') * scale[i - 2];
    }
    return MIN(weight, 1000U);
}

static unsigned range_weight(struct span parameters)
{
    while (!span_absent(parameters)) {
        struct span parameter = span_trim(cut_unquoted(&parameters, ';'));
        if (parameter.size >= 2 && (parameter.at[0] | 0x20) == 'q' && parameter.at[1] == '=')
            return read_weight((struct span){parameter.at + 2, parameter.size - 2});
    }
    return 1000;
}

static void prefer(struct http_preference *preference, unsigned specificity, unsigned weight)
{
    if (specificity < preference->specificity)
        return;
    if (specificity == preference->specificity)
        weight = MAX(weight, preference->thousandths);
    *preference = (struct http_preference){specificity, weight};
}

static void add_range(struct http_head *head, struct span range)
{
    struct span parameters = range;
    struct span type = span_trim(cut_unquoted(&parameters, ';'));
    unsigned weight = range_weight(parameters);
    if (span_is(type, "*/*")) {
        prefer(&head->json, 1, weight);
        prefer(&head->event_stream, 1, weight);
    } else if (span_equal_nocase(type, SPAN("application/*")))
        prefer(&head->json, 2, weight);
    else if (span_equal_nocase(type, SPAN("text/*")))
        prefer(&head->event_stream, 2, weight);
    else if (span_equal_nocase(type, SPAN("application/json")))
        prefer(&head->json, 3, weight);
    else if (span_equal_nocase(type, SPAN("text/event-stream")))
        prefer(&head->event_stream, 3, weight);
    else if (span_equal_nocase(type, SPAN("text/html")))
        prefer(&head->html, 3, weight);
}

static void add_accept(struct http_head *head, struct span line)
{
    if (span_is(line,
                "application/json, text/event-stream")) { /* from nearly every client; the rest of this says the same */
        prefer(&head->json, 3, 1000);
        prefer(&head->event_stream, 3, 1000);
        return;
    }
    for (struct span rest = line; !span_absent(rest);)
        add_range(head, cut_unquoted(&rest, ','));
}

int http_head_add(struct http_head *head, struct span name, struct span value)
{
    if (!http_is_token(name) || !is_value(value))
        return HTTP_BAD;
    enum http_field field = find_field(name);
    if (field == HTTP_FIELD_COUNT)
        return 0;
    value = span_trim(value);
    if (value.at == NULL)
        value.at = "";
    if (field == HTTP_FIELD_ACCEPT)
        add_accept(head, value);
    if (span_absent(head->field[field]))
        head->field[field] = value;
    else if (!fields[field].repeatable)
        return HTTP_BAD;
    return 0;
}

static int read_length(struct span digits, uint64_t *ret_length)
{
    if (digits.size == 0 || digits.size > 19)
        return HTTP_BAD;
    uint64_t length = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return HTTP_BAD;
        length = length * 10 + (uint64_t)(digits.at[i] - '0');
    }
    *ret_length = length;
    return 0;
}

int http_head_framing(const struct http_head *head, bool version_1_0, struct http_framing *ret_framing)
{
    struct span coding = head->field[HTTP_FIELD_TRANSFER_ENCODING];
    struct span length = head->field[HTTP_FIELD_CONTENT_LENGTH];
    struct http_framing framing = {.chunked = !span_absent(coding)};
    if (framing.chunked && (!span_absent(length) || version_1_0))
        return HTTP_BAD;
    if (framing.chunked && !span_equal_nocase(coding, SPAN("chunked")))
        return HTTP_UNIMPLEMENTED;
    if (!span_absent(length) && read_length(length, &framing.length) != 0)
        return HTTP_BAD;
    *ret_framing = framing;
    return 0;
}

bool http_head_accepts_json(const struct http_head *head)
{
    return span_absent(head->field[HTTP_FIELD_ACCEPT]) || head->json.thousandths > 0;
}

bool http_head_accepts_event_stream(const struct http_head *head)
{
    return span_absent(head->field[HTTP_FIELD_ACCEPT]) || head->event_stream.thousandths > 0;
}

static bool wrong_charset(struct span parameter)
{
    struct span value = parameter;
    struct span name = span_cut(&value, '=');
    if (!span_equal_nocase(name, SPAN("charset")))
        return false;
    if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"')
        value = (struct span){value.at + 1, value.size - 2};
    return !span_equal_nocase(value, SPAN("utf-8")) && !span_equal_nocase(value, SPAN("utf8"));
}

bool http_accepts_html(struct span accept)
{
    struct http_head head = {.json = {0}};
    if (!span_absent(accept))
        add_accept(&head, accept);
    unsigned json = head.json.specificity == 3 ? head.json.thousandths : 0;
    return head.html.thousandths > json;
}

bool http_head_is_json(const struct http_head *head)
{
    struct span parameters = head->field[HTTP_FIELD_CONTENT_TYPE];
    if (span_absent(parameters))
        return false;
    if (!span_equal_nocase(span_trim(cut_unquoted(&parameters, ';')), SPAN("application/json")))
        return false;
    while (!span_absent(parameters)) {
        if (wrong_charset(span_trim(cut_unquoted(&parameters, ';'))))
            return false;
    }
    return true;
}

static struct span without_query(struct span target)
{
    return span_cut(&target, '?');
}

static int parse_absolute(struct span rest, struct http_target *ret_target)
{
    size_t size = 0;
    while (size < rest.size && rest.at[size] != '/' && rest.at[size] != '?')
        size++;
    struct span host = {rest.at, size};
    if (size == 0 || memchr(host.at, '@', size))
        return HTTP_BAD;
    struct span path = without_query((struct span){rest.at + size, rest.size - size});
    *ret_target = (struct http_target){path.size > 0 ? path : SPAN("/"), host};
    return 0;
}

int http_target_parse(struct span raw, struct http_target *ret_target)
{
    static const struct span schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < raw.size; i++) {
        unsigned char byte = (unsigned char)raw.at[i];
        if (byte <= 0x20 || byte >= 0x7f || byte == '#')
            return HTTP_BAD;
    }
    if (raw.size > 0 && raw.at[0] == '/') {
        *ret_target = (struct http_target){.path = without_query(raw)};
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t size = schemes[i].size;
        if (raw.size > size && span_equal_nocase((struct span){raw.at, size}, schemes[i]))
            return parse_absolute((struct span){raw.at + size, raw.size - size}, ret_target);
    }
    return HTTP_BAD;
}

/* The next line without its end; false when none is complete. */
static bool next_line(struct span *rest, struct span *line)
{
    const char *end = rest->size > 0 ? memchr(rest->at, '\n', rest->size) : NULL;
    if (!end)
        return false;
    *line = (struct span){rest->at, (size_t)(end - rest->at)};
    *rest = (struct span){end + 1, rest->size - line->size - 1};
    if (line->size > 0 && line->at[line->size - 1] == '\r')
        line->size--;
    return true;
}

static bool line_asks_for_stream(struct span line, bool get)
{
    struct span value = line;
    struct span name = span_cut(&value, ':');
    if (!get)
        return span_equal_nocase(name, SPAN("mcp-method")) && span_is(span_trim(value), "subscriptions/listen");
    struct http_head head = {.json = {0}};
    if (!span_equal_nocase(name, SPAN("accept")))
        return false;
    add_accept(&head, value);
    return head.event_stream.specificity == 3 && head.event_stream.thousandths > 0;
}

/* Whether `bytes` may still become something that begins with `word`. */
static bool could_be(struct span bytes, struct span word)
{
    size_t size = MIN(bytes.size, word.size);
    return memcmp(bytes.at, word.at, size) == 0;
}

bool http_asks_for_websocket(struct span upgrade)
{
    while (!span_absent(upgrade)) {
        if (span_equal_nocase(span_trim(span_cut(&upgrade, ',')), SPAN("websocket")))
            return true;
    }
    return false;
}

static bool line_asks_for_websocket(struct span line, bool get)
{
    struct span value = line;
    if (!get || line.size == 0 || (line.at[0] | 0x20) != 'u')
        return false;
    struct span name = span_cut(&value, ':');
    return span_equal_nocase(name, SPAN("upgrade")) && http_asks_for_websocket(value);
}

enum http_peek http_head_peek(struct span bytes)
{
    struct span line;
    bool stream = false, upgrade = false;
    while (bytes.size > 0 && (bytes.at[0] == '\r' || bytes.at[0] == '\n'))
        bytes = (struct span){bytes.at + 1, bytes.size - 1};
    if (bytes.size == 0)
        return HTTP_PEEK_MORE;
    bool get = could_be(bytes, SPAN("GET "));
    if (!get && !could_be(bytes, SPAN("POST ")))
        return HTTP_PEEK_REQUEST;
    while (next_line(&bytes, &line)) {
        if (line.size == 0)
            return upgrade ? HTTP_PEEK_UPGRADE : stream ? HTTP_PEEK_STREAM : HTTP_PEEK_REQUEST;
        upgrade = upgrade || line_asks_for_websocket(line, get);
        stream = stream || line_asks_for_stream(line, get);
    }
    return HTTP_PEEK_MORE;
}

/* Reads whole requests. Every check errs towards leaving one to the library. Pure; owns nothing. */
#include "transports/wire/http_message.h"

/* Without its CRLF; absent: there is none that ends in one and has no other end of a line in it. */
static struct span cut_line(struct span *rest)
{
    const char *end = rest->size > 0 ? memchr(rest->at, '\n', rest->size) : NULL;
    if (!end || end == rest->at || end[-1] != '\r')
        return (struct span){NULL, 0};
    struct span line = {rest->at, (size_t)(end - rest->at) - 1};
    *rest = (struct span){end + 1, rest->size - line.size - 2};
    return line;
}

bool http_message_next_field(struct span *fields, struct span *ret_name, struct span *ret_value)
{
    struct span line = cut_line(fields);
    const char *colon = line.size > 0 ? memchr(line.at, ':', line.size) : NULL;
    if (!colon)
        return false;
    *ret_name = (struct span){line.at, (size_t)(colon - line.at)};
    *ret_value = (struct span){colon + 1, line.size - ret_name->size - 1};
    return true;
}

struct span http_message_field(struct span fields, struct span name)
{
    struct span found, value;
    while (http_message_next_field(&fields, &found, &value)) {
        if (found.size == name.size && span_equal_nocase(found, name))
            return span_trim(value);
    }
    return (struct span){NULL, 0};
}

static int read_request_line(struct span line, struct span *ret_target)
{
    static const struct span begin = {"POST ", 5}, end = {" HTTP/1.1", 9};
    if (!span_starts(line, begin) || !span_ends(line, end) || line.size <= begin.size + end.size)
        return HTTP_BAD;
    *ret_target = (struct span){line.at + begin.size, line.size - begin.size - end.size};
    return 0;
}

/* What asks for more than an answer. */
static bool is_plain(struct span name, struct span value)
{
    if (name.size == 10 && span_equal_nocase(name, SPAN("connection")))
        return span_equal_nocase(span_trim(value), SPAN("keep-alive"));
    return !(name.size == 6 && span_equal_nocase(name, SPAN("expect"))) &&
           !(name.size == 7 && span_equal_nocase(name, SPAN("upgrade")));
}

/* Takes all up to the empty line. */
static int read_fields(struct span *rest, struct http_message *message)
{
    const char *start = rest->at;
    for (unsigned i = 0; i <= HTTP_MESSAGE_MAX_FIELDS; i++) {
        struct span name, value;
        message->fields = (struct span){start, (size_t)(rest->at - start)};
        if (rest->size >= 2 && rest->at[0] == '\r' && rest->at[1] == '\n') {
            *rest = (struct span){rest->at + 2, rest->size - 2};
            return 0;
        }
        if (!http_message_next_field(rest, &name, &value) || !is_plain(name, value) ||
            http_head_add(&message->head, name, value) != 0)
            return HTTP_BAD;
    }
    return HTTP_BAD;
}

int http_message_read(struct span bytes, struct http_message *ret_message)
{
    struct http_message message = {.head = {.json = {0}}};
    struct http_framing framing;
    if (read_request_line(cut_line(&bytes), &message.target) != 0 || read_fields(&bytes, &message) != 0)
        return HTTP_BAD;
    message.body = bytes;
    const struct span *field = message.head.field;
    if (span_absent(field[HTTP_FIELD_HOST]) || span_absent(field[HTTP_FIELD_CONTENT_LENGTH]) ||
        http_head_framing(&message.head, false, &framing) != 0 || framing.chunked || framing.length != bytes.size)
        return HTTP_BAD;
    *ret_message = message;
    return 0;
}

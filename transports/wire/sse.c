/* Writes events line by line. The data of an event is nearly always one JSON text on one line; the general case splits
   at every line end that a reader would split at (CRLF, CR, LF), so nothing in a message can end its event early. Pure;
   owns nothing. */
#include "transports/wire/sse.h"

static bool has_line_end(struct span data)
{
    return data.size > 0 && (memchr(data.at, '\n', data.size) || memchr(data.at, '\r', data.size));
}

static bool writable_id(struct span id)
{
    return !span_absent(id) && !has_line_end(id) && !(id.size > 0 && memchr(id.at, '\0', id.size));
}

static void add_line(struct text *out, struct span line)
{
    if (line.size == 0) {
        text_add_literal(out, "data:\n");
        return;
    }
    text_add_literal(out, "data: ");
    text_add(out, line);
    text_add_char(out, '\n');
}

static void add_lines(struct text *out, struct span data)
{
    size_t start = 0;
    for (size_t at = 0; at < data.size; at++) {
        if (data.at[at] != '\n' && data.at[at] != '\r')
            continue;
        add_line(out, (struct span){data.at + start, at - start});
        if (data.at[at] == '\r' && at + 1 < data.size && data.at[at + 1] == '\n')
            at++;
        start = at + 1;
    }
    add_line(out, (struct span){data.at + start, data.size - start});
}

/* Readers keep the time and dispatch no event. */
static bool is_time_alone(const struct sse_event *event)
{
    return event->retry_ms > 0 && span_absent(event->id) && span_absent(event->type) && span_absent(event->data);
}

void sse_add_event(struct text *out, const struct sse_event *event)
{
    size_t before = out->size;
    if (writable_id(event->id)) {
        text_add_literal(out, "id: ");
        text_add(out, event->id);
        text_add_char(out, '\n');
    }
    if (event->retry_ms > 0) {
        text_add_literal(out, "retry: ");
        text_add_uint64(out, event->retry_ms);
        text_add_char(out, '\n');
    }
    if (!span_absent(event->type)) {
        text_add_literal(out, "event: ");
        text_add(out, event->type);
        text_add_char(out, '\n');
    }
    if (has_line_end(event->data))
        add_lines(out, event->data);
    else if (!is_time_alone(event))
        add_line(out, event->data);
    text_add_char(out, '\n');
    if (out->error != 0)
        out->size = before;
}

void sse_add_comment(struct text *out)
{
    text_add_literal(out, ":\n\n");
}

/* Lines end with CR, LF or both; an empty line ends the event; what stands behind the last empty line is no event. Owns
   the three texts. */
#include "transports/wire/sse_reader.h"

#include <errno.h>

void sse_reader_init(struct sse_reader *reader, size_t max_bytes, int (*take)(void *context, struct span data),
                     void *context)
{
    *reader = (struct sse_reader){
        .line = TEXT(max_bytes),
        .data = TEXT(max_bytes),
        .id = TEXT(SSE_MAX_ID_BYTES),
        .message = true,
        .take = take,
        .context = context,
    };
}

void sse_reader_done(struct sse_reader *reader)
{
    text_done(&reader->line);
    text_done(&reader->data);
    text_done(&reader->id);
}

static int end_event(struct sse_reader *reader)
{
    int result = 0;
    if (reader->data.size > 0) {
        reader->data.size--; /* the line feed behind the last line */
        if (reader->message && reader->data.size > 0)
            result = reader->take(reader->context, text_span(&reader->data));
    }
    text_clear(&reader->data);
    reader->message = true;
    return result;
}

static void set_id(struct sse_reader *reader, struct span value)
{
    if (memchr(value.at ? value.at : "", '\0', value.size) || value.size > SSE_MAX_ID_BYTES)
        return;
    text_clear(&reader->id);
    text_add(&reader->id, value);
}

static int take_field(struct sse_reader *reader, struct span name, struct span value)
{
    uint64_t number;
    if (span_is(name, "data")) {
        text_add(&reader->data, value);
        text_add_char(&reader->data, '\n');
    } else if (span_is(name, "event")) {
        reader->message = value.size == 0 || span_is(value, "message");
    } else if (span_is(name, "id")) {
        set_id(reader, value);
    } else if (span_is(name, "retry") && span_to_uint64(value, &number) == 0) {
        reader->retry_ms = (unsigned)MIN(number, (uint64_t)SSE_MAX_RETRY_MS);
    }
    return reader->data.error ? reader->data.error : reader->id.error;
}

static int end_line(struct sse_reader *reader)
{
    struct span value = text_span(&reader->line);
    if (!reader->begun && span_starts(value, SPAN("\xef\xbb\xbf")))
        value = (struct span){value.at + 3, value.size - 3};
    reader->begun = true;
    if (value.size == 0)
        return end_event(reader);
    struct span name = span_cut(&value, ':'); /* a comment has no name, which is no field */
    if (span_starts(value, SPAN(" ")))
        value = (struct span){value.at + 1, value.size - 1};
    return take_field(reader, name, value);
}

/* The bytes before the next CR or LF, and whether there is one. */
static bool cut_line(struct span *bytes, struct span *ret_part)
{
    size_t size = 0;
    while (size < bytes->size && bytes->at[size] != '\r' && bytes->at[size] != '\n')
        size++;
    *ret_part = (struct span){bytes->at, size};
    *bytes = (struct span){bytes->at + size, bytes->size - size};
    return bytes->size > 0;
}

int sse_reader_feed(struct sse_reader *reader, struct span bytes)
{
    int result = 0;
    while (bytes.size > 0 && result == 0) {
        struct span part;
        if (reader->after_return && bytes.at[0] == '\n')
            bytes = (struct span){bytes.at + 1, bytes.size - 1};
        reader->after_return = false;
        bool ended = cut_line(&bytes, &part);
        text_add(&reader->line, part);
        if (reader->line.error)
            return reader->line.error;
        if (!ended)
            break;
        reader->after_return = bytes.at[0] == '\r';
        bytes = (struct span){bytes.at + 1, bytes.size - 1};
        result = end_line(reader);
        text_clear(&reader->line);
    }
    return result;
}

/* Lines end with CR, LF or both; an empty line ends the event; what stands behind the last empty line is no event. Owns
   the three texts. */
#include "gateway/main/client_events.h"

#include <errno.h>

void client_events_init(struct client_events *events, size_t max_bytes, int (*take)(void *context, struct span data),
                        void *context)
{
    *events = (struct client_events){
        .line = TEXT(max_bytes),
        .data = TEXT(max_bytes),
        .id = TEXT(CLIENT_EVENTS_MAX_ID_BYTES),
        .message = true,
        .take = take,
        .context = context,
    };
}

void client_events_done(struct client_events *events)
{
    text_done(&events->line);
    text_done(&events->data);
    text_done(&events->id);
}

static int end_event(struct client_events *events)
{
    int result = 0;
    if (events->data.size > 0) {
        events->data.size--; /* the line feed behind the last line */
        if (events->message && events->data.size > 0)
            result = events->take(events->context, text_span(&events->data));
    }
    text_clear(&events->data);
    events->message = true;
    return result;
}

static void set_id(struct client_events *events, struct span value)
{
    if (memchr(value.at ? value.at : "", '\0', value.size) || value.size > CLIENT_EVENTS_MAX_ID_BYTES)
        return;
    text_clear(&events->id);
    text_add(&events->id, value);
}

static int take_field(struct client_events *events, struct span name, struct span value)
{
    uint64_t number;
    if (span_is(name, "data")) {
        text_add(&events->data, value);
        text_add_char(&events->data, '\n');
    } else if (span_is(name, "event")) {
        events->message = value.size == 0 || span_is(value, "message");
    } else if (span_is(name, "id")) {
        set_id(events, value);
    } else if (span_is(name, "retry") && span_to_uint64(value, &number) == 0) {
        events->retry_ms = (unsigned)MIN(number, (uint64_t)CLIENT_EVENTS_MAX_RETRY_MS);
    }
    return events->data.error ? events->data.error : events->id.error;
}

static int end_line(struct client_events *events)
{
    struct span value = text_span(&events->line);
    if (!events->begun && span_starts(value, SPAN("\xef\xbb\xbf")))
        value = (struct span){value.at + 3, value.size - 3};
    events->begun = true;
    if (value.size == 0)
        return end_event(events);
    struct span name = span_cut(&value, ':'); /* a comment has no name, which is no field */
    if (span_starts(value, SPAN(" ")))
        value = (struct span){value.at + 1, value.size - 1};
    return take_field(events, name, value);
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

int client_events_feed(struct client_events *events, struct span bytes)
{
    int result = 0;
    while (bytes.size > 0 && result == 0) {
        struct span part;
        if (events->after_return && bytes.at[0] == '\n')
            bytes = (struct span){bytes.at + 1, bytes.size - 1};
        events->after_return = false;
        bool ended = cut_line(&bytes, &part);
        text_add(&events->line, part);
        if (events->line.error)
            return events->line.error;
        if (!ended)
            break;
        events->after_return = bytes.at[0] == '\r';
        bytes = (struct span){bytes.at + 1, bytes.size - 1};
        result = end_line(events);
        text_clear(&events->line);
    }
    return result;
}

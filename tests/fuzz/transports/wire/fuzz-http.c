/* Fuzz target of transports/wire: heads, whole requests, targets, hosts and events from arbitrary bytes. Beyond not
   crashing, it checks what must hold: a field is part of the input, an event never ends inside its data and is read as
   it was written, what is read does not depend on the pieces in which it comes, a peek never takes its decision back.
 */
#include "transports/wire/host.h"
#include "transports/wire/http_message.h"
#include "transports/wire/sse.h"
#include "transports/wire/sse_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static bool inside(struct span part, struct span whole)
{
    return part.size == 0 || (part.at >= whole.at && part.at + part.size <= whole.at + whole.size);
}

static void check_head(struct span input)
{
    struct http_head head = {.json = {0}};
    struct http_framing framing;
    struct span rest = input;
    for (bool good = true; good && !span_absent(rest);) {
        struct span value = span_cut(&rest, '\n');
        struct span name = span_cut(&value, ':');
        good = http_head_add(&head, name, value) == 0;
    }
    for (unsigned i = 0; i < HTTP_FIELD_COUNT; i++)
        check(inside(head.field[i], input));
    if (http_head_framing(&head, input.size % 2 == 0, &framing) == 0)
        check(!framing.chunked || framing.length == 0);
    (void)http_head_accepts_json(&head);
    (void)http_head_accepts_event_stream(&head);
    (void)http_head_is_json(&head);
}

/* What is read as one request is one, and says nothing twice that counts. */
static void check_message(struct span input)
{
    struct http_message message, part;
    struct span name, value;
    if (http_message_read(input, &message) != 0)
        return;
    check(inside(message.target, input) && inside(message.fields, input) && inside(message.body, input));
    check(message.body.size == 0 || message.body.at + message.body.size == input.at + input.size);
    check(http_head_peek(input) != HTTP_PEEK_MORE);
    for (struct span rest = message.fields; http_message_next_field(&rest, &name, &value);)
        check(http_is_token(name) && !memchr(value.at, '\n', value.size));
    for (size_t size = 0; size < input.size; size++)
        check(http_message_read((struct span){input.at, size}, &part) != 0);
}

static void check_target(struct span input)
{
    struct http_target target;
    if (http_target_parse(input, &target) != 0)
        return;
    check(target.path.size > 0 && target.path.at[0] == '/');
    check(inside(target.host, input));
}

static void check_host(struct span input)
{
    struct host host;
    bool parsed = host_parse(input, &host) == 0;
    check(!parsed || (host.name.size > 0 && inside(host.name, input) && inside(host.port, input)));
    check(parsed || !host_allowed(input, NULL, 0));
    (void)origin_allowed(input, NULL, 0);
}

static void check_peek(struct span input)
{
    enum http_peek whole = http_head_peek(input);
    for (size_t size = 0; size < input.size && size < 512; size++) {
        enum http_peek part = http_head_peek((struct span){input.at, size});
        check(part == HTTP_PEEK_MORE || part == whole);
    }
}

static int keep(void *context, struct span data)
{
    text_add(context, data);
    text_add_char(context, '\0');
    return 0;
}

/* The data of all events in it. */
static void read_events(struct span bytes, size_t piece, struct text *out)
{
    struct sse_reader reader;
    sse_reader_init(&reader, SIZE_MAX, keep, out);
    while (bytes.size > 0) {
        size_t size = MIN(piece, bytes.size);
        check(sse_reader_feed(&reader, (struct span){bytes.at, size}) == 0);
        bytes = (struct span){bytes.at + size, bytes.size - size};
    }
    check(reader.id.size <= SSE_MAX_ID_BYTES && reader.retry_ms <= SSE_MAX_RETRY_MS);
    sse_reader_done(&reader);
}

static void check_read(struct span input)
{
    struct text whole = TEXT(SIZE_MAX), pieces = TEXT(SIZE_MAX);
    read_events(input, SIZE_MAX, &whole);
    read_events(input, 1 + input.size / 3, &pieces);
    check(span_equal(text_span(&whole), text_span(&pieces)));
    text_done(&whole);
    text_done(&pieces);
}

/* As data with line feeds for all line ends. */
static void check_read_back(struct span data, struct span event)
{
    struct text found = TEXT(SIZE_MAX), meant = TEXT(SIZE_MAX);
    read_events(event, SIZE_MAX, &found);
    for (size_t i = 0; i < data.size; i++) {
        bool ends = data.at[i] == '\r';
        text_add_char(&meant, ends ? '\n' : data.at[i]);
        i += ends && i + 1 < data.size && data.at[i + 1] == '\n';
    }
    if (meant.size > 0)
        text_add_char(&meant, '\0');
    check(span_equal(text_span(&found), text_span(&meant)));
    text_done(&found);
    text_done(&meant);
}

static void check_event(struct span input)
{
    struct text out = TEXT(SIZE_MAX);
    sse_add_event(&out, &(struct sse_event){.id = input, .data = input, .retry_ms = (unsigned)input.size});
    check(out.error == 0 && out.size >= 2);
    for (size_t i = 1; i + 1 < out.size; i++)
        check(out.at[i] != '\n' || out.at[i - 1] != '\n');
    check(memchr(out.at, '\r', out.size) == NULL);
    check_read_back(input, text_span(&out));
    text_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char empty[] = "";
    struct span input = {size > 0 ? (const char *)data : empty, size};
    check_head(input);
    check_message(input);
    check_target(input);
    check_host(input);
    check_peek(input);
    check_event(input);
    check_read(input);
    return 0;
}

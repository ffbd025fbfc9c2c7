/* Fuzz target of transports/wire: heads, targets, hosts and events from arbitrary bytes. Beyond not crashing, it checks
   what must hold: a field is part of the input, an event never ends inside its data, a peek never takes its decision
   back. */
#include "transports/wire/host.h"
#include "transports/wire/http_head.h"
#include "transports/wire/sse.h"

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

static void check_event(struct span input)
{
    struct text out = TEXT(SIZE_MAX);
    sse_add_event(&out, &(struct sse_event){.id = input, .data = input, .retry_ms = (unsigned)input.size});
    check(out.error == 0 && out.size >= 2);
    for (size_t i = 1; i + 1 < out.size; i++)
        check(out.at[i] != '\n' || out.at[i - 1] != '\n');
    check(memchr(out.at, '\r', out.size) == NULL);
    text_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char empty[] = "";
    struct span input = {size > 0 ? (const char *)data : empty, size};
    check_head(input);
    check_target(input);
    check_host(input);
    check_peek(input);
    check_event(input);
    return 0;
}

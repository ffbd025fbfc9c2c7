/* Fuzz target: what proxies say of their clients, PROXY headers and forwarding fields. Beyond not crashing, it checks
   what must hold: a header is no longer than its input and is not refused on its way, and what follows it does not
   matter; whoever is not trusted is the client, whatever is said. */
#include "transports/wire/forwarded.h"
#include "transports/wire/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_header(struct span input)
{
    struct proxy_header header, again;
    int result = proxy_protocol_read(input, &header);
    if (result == PROXY_PROTOCOL_MORE)
        check(input.size < PROXY_PROTOCOL_MAX_BYTES);
    if (result != 0)
        return;
    check(header.size > 0 && header.size <= MIN(input.size, (size_t)PROXY_PROTOCOL_MAX_BYTES));
    check(header.source.size <= sizeof(header.source.local));
    for (size_t size = 0; size < header.size; size++)
        check(proxy_protocol_read((struct span){input.at, size}, &again) == PROXY_PROTOCOL_MORE);
    check(proxy_protocol_read((struct span){input.at, header.size}, &again) == 0 && again.size == header.size);
}

static bool same(const struct address *a, const struct address *b)
{
    char one[ADDRESS_BYTES], other[ADDRESS_BYTES];
    address_format(a, one);
    address_format(b, other);
    return strcmp(one, other) == 0;
}

/* Each line is a field: an X-Forwarded-For if it begins with 'x', else a Forwarded. */
static void check_fields(struct span input)
{
    struct forwarded forwarded = {.beyond = false};
    struct prefix all = {.bytes = {[10] = 0xff, [11] = 0xff}, .bits = 96};
    struct prefix_list everybody = {&all, 1, true}, nobody = {.count = 0};
    struct address peer, client;
    check(address_parse(SPAN("192.0.2.1:1"), &peer) == 0);
    for (struct span rest = input; !span_absent(rest);) {
        struct span line = span_cut(&rest, '\n');
        bool x = span_starts(line, SPAN("x"));
        forwarded_add(&forwarded, x ? SPAN("x-forwarded-for") : SPAN("forwarded"),
                      x ? (struct span){line.at + 1, line.size - 1} : line);
    }
    forwarded_client(&forwarded, &peer, &nobody, &client);
    check(same(&client, &peer));
    forwarded_client(&forwarded, &peer, &everybody, &client);
    check(client.size > 0 && !address_is_local(&client));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    if (size == 0)
        return 0;
    check_header(input);
    check_fields(input);
    return 0;
}

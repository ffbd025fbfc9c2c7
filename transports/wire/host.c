/* Reads host[:port] strictly and compares whole names: no prefixes, no suffixes, no resolving. Pure; owns nothing. */
#include "transports/wire/host.h"

static bool name_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static bool address_byte(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F') ||
           byte == ':' || byte == '.';
}

static size_t count_bytes(struct span value, bool (*legal)(unsigned char))
{
    size_t count = 0;
    while (count < value.size && legal((unsigned char)value.at[count]))
        count++;
    return count;
}

static bool is_ipv4(struct span name)
{
    unsigned parts = 0;
    for (struct span rest = name; !span_absent(rest);) {
        struct span part = span_cut(&rest, '.');
        uint64_t value;
        if (part.size > 3 || span_to_uint64(part, &value) != 0 || value > 255)
            return false;
        parts++;
    }
    return parts == 4;
}

static bool valid_port(struct span port)
{
    uint64_t value = 0;
    if (port.size == 0 || port.size > 5)
        return false;
    for (size_t i = 0; i < port.size; i++) {
        if (port.at[i] < '0' || port.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(port.at[i] - '0');
    }
    return value <= 65535;
}

/* The name at the front of `value`; how many bytes it takes with its brackets, or 0. */
static size_t read_name(struct span value, struct host *host)
{
    if (value.size > 0 && value.at[0] == '[') {
        struct span inside = {value.at + 1, value.size - 1};
        size_t size = count_bytes(inside, address_byte);
        if (size < 2 || size == inside.size || inside.at[size] != ']')
            return 0;
        host->name = (struct span){inside.at, size};
        host->literal = true;
        return size + 2;
    }
    host->name = (struct span){value.at, count_bytes(value, name_byte)};
    host->literal = is_ipv4(host->name);
    return host->name.size;
}

int host_parse(struct span value, struct host *ret_host)
{
    struct host host = {.literal = false};
    size_t size = read_name(value, &host);
    if (size == 0)
        return HOST_BAD;
    if (size < value.size) {
        host.port = (struct span){value.at + size + 1, value.size - size - 1};
        if (value.at[size] != ':' || !valid_port(host.port))
            return HOST_BAD;
    }
    *ret_host = host;
    return 0;
}

bool host_is_loopback(const struct host *host)
{
    return span_equal_nocase(host->name, SPAN("localhost")) || span_is(host->name, "127.0.0.1") ||
           span_is(host->name, "::1");
}

static struct span without_brackets(struct span name)
{
    if (name.size >= 2 && name.at[0] == '[' && name.at[name.size - 1] == ']')
        return (struct span){name.at + 1, name.size - 2};
    return name;
}

bool host_allowed(struct span value, char *const *names, size_t count)
{
    struct host host;
    if (span_absent(value) || host_parse(value, &host) != 0)
        return false;
    if (count == 0)
        return host_is_loopback(&host);
    for (size_t i = 0; i < count; i++) {
        struct span name = span_of(names[i]);
        if (span_is(name, "*") || span_equal_nocase(without_brackets(name), host.name))
            return true;
    }
    return false;
}

static bool loopback_origin(struct span value)
{
    struct host host;
    static const struct span schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t size = schemes[i].size;
        if (value.size > size && span_equal_nocase((struct span){value.at, size}, schemes[i]))
            return host_parse((struct span){value.at + size, value.size - size}, &host) == 0 && host_is_loopback(&host);
    }
    return false;
}

bool origin_allowed(struct span value, char *const *origins, size_t count)
{
    if (count == 0)
        return loopback_origin(value);
    for (size_t i = 0; i < count; i++) {
        struct span origin = span_of(origins[i]);
        if (span_is(origin, "*") || span_equal_nocase(origin, value))
            return true;
    }
    return false;
}

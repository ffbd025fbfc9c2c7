/* Addresses and prefixes, parsed strictly and written in one form. Pure functions, any thread; owns nothing. IPv4 is
   handled as ::ffff:a.b.c.d wherever two addresses are compared, so a dual-stack socket needs no second table. */
#include "gateway/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum { MAPPED_BITS = 96, ALL_BITS = 128 };
static const uint8_t mapped_start[12] = {[10] = 0xff, [11] = 0xff};

/* inet_pton(3) wants a NUL at the end, and none before it. */
static int parse_host(int family, struct span host, void *ret_host)
{
    char copy[INET6_ADDRSTRLEN];
    if (host.size == 0 || host.size >= sizeof(copy) || memchr(host.at, '\0', host.size))
        return -EINVAL;
    memcpy(copy, host.at, host.size);
    copy[host.size] = '\0';
    return inet_pton(family, copy, ret_host) == 1 ? 0 : -EINVAL;
}

static int parse_port(struct span text, in_port_t *ret_port)
{
    uint64_t port;
    if (span_to_uint64(text, &port) < 0 || port > UINT16_MAX)
        return -EINVAL;
    *ret_port = htons((uint16_t)port);
    return 0;
}

static int parse_local(struct span path, struct address *ret_address)
{
    struct address address = {.local.sun_family = AF_UNIX};
    if (path.size == 0 || path.size >= sizeof(address.local.sun_path) || memchr(path.at, '\0', path.size))
        return -EINVAL;
    memcpy(address.local.sun_path, path.at, path.size);
    address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.size + 1);
    *ret_address = address;
    return 0;
}

static int parse_ipv4(struct span host, struct span port, struct address *ret_address)
{
    struct address address = {.ipv4.sin_family = AF_INET, .size = sizeof(address.ipv4)};
    if (parse_host(AF_INET, host, &address.ipv4.sin_addr) < 0 || parse_port(port, &address.ipv4.sin_port) < 0)
        return -EINVAL;
    *ret_address = address;
    return 0;
}

static int parse_ipv6(struct span host, struct span port, struct address *ret_address)
{
    struct address address = {.ipv6.sin6_family = AF_INET6, .size = sizeof(address.ipv6)};
    if (parse_host(AF_INET6, host, &address.ipv6.sin6_addr) < 0 || parse_port(port, &address.ipv6.sin6_port) < 0)
        return -EINVAL;
    *ret_address = address;
    return 0;
}

int address_parse(struct span text, struct address *ret_address)
{
    struct span local = SPAN("unix:"), rest = text;
    if (span_starts(text, local))
        return parse_local((struct span){text.at + local.size, text.size - local.size}, ret_address);
    if (!span_starts(text, SPAN("["))) {
        struct span host = span_cut(&rest, ':');
        return parse_ipv4(host, rest, ret_address);
    }
    rest.at++;
    rest.size--;
    struct span host = span_cut(&rest, ']');
    if (!span_starts(rest, SPAN(":")))
        return -EINVAL;
    return parse_ipv6(host, (struct span){rest.at + 1, rest.size - 1}, ret_address);
}

static bool is_mapped(const uint8_t bytes[16])
{
    return memcmp(bytes, mapped_start, sizeof(mapped_start)) == 0;
}

int address_bytes(const struct address *address, uint8_t ret_bytes[16])
{
    if (address->size == 0)
        return -EAFNOSUPPORT;
    if (address->any.sa_family == AF_INET6) {
        memcpy(ret_bytes, &address->ipv6.sin6_addr, 16);
        return 0;
    }
    if (address->any.sa_family != AF_INET)
        return -EAFNOSUPPORT;
    memcpy(ret_bytes, mapped_start, sizeof(mapped_start));
    memcpy(ret_bytes + sizeof(mapped_start), &address->ipv4.sin_addr, 4);
    return 0;
}

int address_network(const struct address *address, unsigned ipv4_bits, unsigned ipv6_bits, uint8_t ret_bytes[16])
{
    int result = address_bytes(address, ret_bytes);
    if (result < 0)
        return result;
    unsigned bits = is_mapped(ret_bytes) ? MAPPED_BITS + ipv4_bits : ipv6_bits;
    for (unsigned i = bits / 8; i < ALL_BITS / 8; i++)
        ret_bytes[i] &= i == bits / 8 ? (uint8_t)(0xff00 >> bits % 8) : 0;
    return 0;
}

bool address_is_local(const struct address *address)
{
    return address->size > 0 && address->any.sa_family == AF_UNIX;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t loopback[16] = {[15] = 1};
    uint8_t bytes[16];
    if (address_bytes(address, bytes) < 0)
        return address_is_local(address);
    return is_mapped(bytes) ? bytes[12] == 127 : memcmp(bytes, loopback, sizeof(bytes)) == 0;
}

/* The path is not NUL-terminated when it fills sun_path; that of an abstract socket begins with a NUL and has no end
   but its size; that of an unnamed one (most clients) is empty. */
static void format_local(const struct address *address, char out[ADDRESS_BYTES])
{
    const char *path = address->local.sun_path;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t size = address->size > start ? MIN(address->size - start, sizeof(address->local.sun_path)) : 0;
    bool abstract = size > 0 && path[0] == '\0';
    if (abstract) {
        path++;
        size--;
    }
    (void)snprintf(out, ADDRESS_BYTES, "unix:%s%.*s", abstract && size > 0 ? "@" : "", (int)size, path);
}

/* Whether there was an Internet address to write; *ret_ipv6: it is in the colon form. */
static bool format_host(const struct address *address, char out[INET6_ADDRSTRLEN], bool *ret_ipv6)
{
    uint8_t bytes[16];
    if (address_bytes(address, bytes) < 0)
        return false;
    *ret_ipv6 = !is_mapped(bytes);
    const uint8_t *from = *ret_ipv6 ? bytes : bytes + sizeof(mapped_start);
    return inet_ntop(*ret_ipv6 ? AF_INET6 : AF_INET, from, out, INET6_ADDRSTRLEN) != NULL;
}

void address_format(const struct address *address, char out[ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN];
    bool ipv6;
    out[0] = '\0';
    if (address_is_local(address)) {
        format_local(address, out);
    } else if (format_host(address, host, &ipv6)) {
        in_port_t port = address->any.sa_family == AF_INET ? address->ipv4.sin_port : address->ipv6.sin6_port;
        (void)snprintf(out, ADDRESS_BYTES, ipv6 ? "[%s]:%u" : "%s:%u", host, (unsigned)ntohs(port));
    }
}

void address_format_host(const struct address *address, char out[ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    bool ipv6;
    if (!address_is_local(address))
        (void)format_host(address, host, &ipv6);
    (void)snprintf(out, ADDRESS_BYTES, "%s", address_is_local(address) ? "unix" : host);
}

/* The first bit after `bits` bits that is set in `bytes`, or none: then the rest is zero. */
static bool has_host_bits(const struct prefix *prefix)
{
    for (unsigned bit = prefix->bits; bit < ALL_BITS; bit++)
        if (prefix->bytes[bit / 8] & (0x80 >> bit % 8))
            return true;
    return false;
}

int prefix_parse(struct span text, struct prefix *ret_prefix)
{
    struct prefix prefix = {.bits = 0};
    struct span bits = text, host = span_cut(&bits, '/');
    unsigned skip = 0;
    uint64_t count = ALL_BITS;
    if (parse_host(AF_INET, host, prefix.bytes + sizeof(mapped_start)) == 0) {
        memcpy(prefix.bytes, mapped_start, sizeof(mapped_start));
        skip = MAPPED_BITS;
        count = ALL_BITS - MAPPED_BITS;
    } else if (parse_host(AF_INET6, host, prefix.bytes) < 0) {
        return -EINVAL;
    }
    if (!span_absent(bits) && span_to_uint64(bits, &count) < 0)
        return -EINVAL;
    if (count > ALL_BITS - skip)
        return -EINVAL;
    prefix.bits = (uint8_t)(skip + count);
    if (has_host_bits(&prefix))
        return -EINVAL;
    *ret_prefix = prefix;
    return 0;
}

void prefix_format(const struct prefix *prefix, char out[ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    bool ipv4 = is_mapped(prefix->bytes) && prefix->bits >= MAPPED_BITS;
    const uint8_t *from = ipv4 ? prefix->bytes + sizeof(mapped_start) : prefix->bytes;
    (void)inet_ntop(ipv4 ? AF_INET : AF_INET6, from, host, sizeof(host));
    (void)snprintf(out, ADDRESS_BYTES, "%s/%u", host, prefix->bits - (ipv4 ? MAPPED_BITS : 0U));
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
    uint8_t bytes[16];
    if (address_bytes(address, bytes) < 0 || (is_mapped(bytes) && prefix->bits < MAPPED_BITS))
        return false;
    unsigned whole = prefix->bits / 8, left = prefix->bits % 8;
    if (memcmp(bytes, prefix->bytes, whole) != 0)
        return false;
    return left == 0 || ((bytes[whole] ^ prefix->bytes[whole]) & (0xff00 >> left) & 0xff) == 0;
}

bool prefix_list_contains(const struct prefix_list *list, const struct address *address)
{
    if (address_is_local(address))
        return list->local;
    for (size_t i = 0; i < list->count; i++)
        if (prefix_contains(&list->prefix[i], address))
            return true;
    return false;
}

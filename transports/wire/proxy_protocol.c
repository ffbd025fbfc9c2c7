/* Reads PROXY headers. Version 1 is a line of text, version 2 is binary; which one it is shows in the first byte. Pure;
   owns nothing. */
#include "transports/wire/proxy_protocol.h"

#include <arpa/inet.h>

/* ---- version 1 ---- */

/* The next word; exactly one blank ends it, or the end of the line. */
static struct span word(struct span *rest)
{
    return span_cut(rest, ' ');
}

static int read_port(struct span text, in_port_t *ret_port)
{
    uint64_t port;
    if (span_to_uint64(text, &port) != 0 || port > UINT16_MAX)
        return PROXY_PROTOCOL_BAD;
    *ret_port = htons((uint16_t)port);
    return 0;
}

static int read_host(int family, struct span text, void *ret_host)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.at, '\0', text.size))
        return PROXY_PROTOCOL_BAD;
    memcpy(copy, text.at, text.size);
    copy[text.size] = '\0';
    return inet_pton(family, copy, ret_host) == 1 ? 0 : PROXY_PROTOCOL_BAD;
}

static int make_address(int family, struct span host, struct span port, struct address *ret_address)
{
    struct address address = {.size = 0};
    bool ipv6 = family == AF_INET6;
    int result = read_host(family, host, ipv6 ? (void *)&address.ipv6.sin6_addr : (void *)&address.ipv4.sin_addr);
    if (result == 0)
        result = read_port(port, ipv6 ? &address.ipv6.sin6_port : &address.ipv4.sin_port);
    if (result != 0)
        return result;
    address.any.sa_family = (sa_family_t)family;
    address.size = ipv6 ? sizeof(address.ipv6) : sizeof(address.ipv4);
    *ret_address = address;
    return 0;
}

/* "source destination source-port destination-port" */
static int read_addresses(int family, struct span rest, struct address *ret_source)
{
    struct address ignored;
    struct span source = word(&rest), destination = word(&rest), source_port = word(&rest);
    if (span_absent(rest) || make_address(family, destination, rest, &ignored) != 0)
        return PROXY_PROTOCOL_BAD;
    return make_address(family, source, source_port, ret_source);
}

static int read_line(struct span line, struct address *ret_source)
{
    struct span rest = line;
    (void)word(&rest); /* PROXY */
    struct span protocol = word(&rest);
    *ret_source = (struct address){.size = 0};
    if (span_is(protocol, "TCP4"))
        return read_addresses(AF_INET, rest, ret_source);
    if (span_is(protocol, "TCP6"))
        return read_addresses(AF_INET6, rest, ret_source);
    return span_is(protocol, "UNKNOWN") ? 0 : PROXY_PROTOCOL_BAD; /* whatever follows it is ignored */
}

static int read_v1(struct span bytes, struct proxy_header *ret_header)
{
    size_t most = MIN(bytes.size, (size_t)PROXY_PROTOCOL_MAX_V1);
    const char *newline = memchr(bytes.at, '\n', most);
    if (!newline)
        return most == PROXY_PROTOCOL_MAX_V1 ? PROXY_PROTOCOL_BAD : PROXY_PROTOCOL_MORE;
    size_t size = (size_t)(newline - bytes.at);
    if (size == 0 || bytes.at[size - 1] != '\r' || memchr(bytes.at, '\r', size - 1))
        return PROXY_PROTOCOL_BAD;
    struct proxy_header header = {.size = size + 1};
    int result = read_line((struct span){bytes.at, size - 1}, &header.source);
    if (result == 0)
        *ret_header = header;
    return result;
}

/* ---- version 2 ---- */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    FIXED = 16, /* signature, version and command, family and protocol, length */
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
    FAMILY_UNSPECIFIED = 0,
    FAMILY_IPV4 = 1,
    FAMILY_IPV6 = 2,
    FAMILY_LOCAL = 3,
    FAMILIES,
    PROTOCOLS = 3, /* unspecified, stream, datagram */
    TYPE_CRC32C = 3,
    CRC_BYTES = 4,
    TYPE_LENGTH = 3, /* of a TLV before its value */
    PATH_BYTES = 108,
};

static const size_t address_bytes_of[FAMILIES] = {
    [FAMILY_UNSPECIFIED] = 0, [FAMILY_IPV4] = 12, [FAMILY_IPV6] = 36, [FAMILY_LOCAL] = 216};

static unsigned byte_at(struct span bytes, size_t at)
{
    return (unsigned char)bytes.at[at];
}

static size_t word_at(struct span bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

/* RFC 3720, B.4 (Castagnoli); `zeroed` is where the checksum itself stands. Headers are short: no table. */
static uint32_t crc32c(struct span bytes, size_t zeroed)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= i >= zeroed && i < zeroed + CRC_BYTES ? 0 : byte_at(bytes, i);
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static int check_crc(struct span header, size_t at, size_t size)
{
    if (size != CRC_BYTES)
        return PROXY_PROTOCOL_BAD;
    uint32_t told = (uint32_t)word_at(header, at) << 16 | (uint32_t)word_at(header, at + 2);
    return crc32c(header, at) == told ? 0 : PROXY_PROTOCOL_BAD;
}

static int check_values(struct span header, size_t at)
{
    bool checked = false;
    while (at < header.size) {
        if (header.size - at < TYPE_LENGTH)
            return PROXY_PROTOCOL_BAD;
        size_t size = word_at(header, at + 1);
        bool crc = byte_at(header, at) == TYPE_CRC32C;
        at += TYPE_LENGTH;
        if (size > header.size - at || (crc && (checked || check_crc(header, at, size) != 0)))
            return PROXY_PROTOCOL_BAD;
        checked = checked || crc;
        at += size;
    }
    return 0;
}

static void read_local(struct span path, struct address *ret_address)
{
    *ret_address = (struct address){.local.sun_family = AF_UNIX, .size = sizeof(ret_address->local)};
    memcpy(ret_address->local.sun_path, path.at, MIN(path.size, sizeof(ret_address->local.sun_path)));
    if (path.at[0] == '\0')
        ret_address->size = offsetof(struct sockaddr_un, sun_path); /* a client without a name, as most */
}

static void read_source(struct span header, unsigned family, struct address *ret_source)
{
    const char *at = header.at + FIXED;
    struct address source = {.size = 0};
    if (family == FAMILY_IPV4) {
        source.size = sizeof(source.ipv4);
        source.ipv4.sin_family = AF_INET;
        memcpy(&source.ipv4.sin_addr, at, 4);
        memcpy(&source.ipv4.sin_port, at + 8, 2);
    } else if (family == FAMILY_IPV6) {
        source.size = sizeof(source.ipv6);
        source.ipv6.sin6_family = AF_INET6;
        memcpy(&source.ipv6.sin6_addr, at, 16);
        memcpy(&source.ipv6.sin6_port, at + 32, 2);
    } else if (family == FAMILY_LOCAL) {
        read_local((struct span){at, PATH_BYTES}, &source);
    }
    *ret_source = source;
}

/* The header as announced, whole. LOCAL: its addresses are nobody's, and nothing in it matters (2.2). */
static int read_whole(struct span header, unsigned command, unsigned family, struct proxy_header *ret_header)
{
    struct proxy_header found = {.size = header.size};
    if (command == COMMAND_PROXY) {
        if (check_values(header, FIXED + address_bytes_of[family]) != 0)
            return PROXY_PROTOCOL_BAD;
        read_source(header, family, &found.source);
    }
    *ret_header = found;
    return 0;
}

static int read_v2(struct span bytes, struct proxy_header *ret_header)
{
    if (bytes.size > 12 && (byte_at(bytes, 12) >> 4 != 2 || (byte_at(bytes, 12) & 0xf) > COMMAND_PROXY))
        return PROXY_PROTOCOL_BAD;
    if (bytes.size > 13 && (byte_at(bytes, 13) >> 4 >= FAMILIES || (byte_at(bytes, 13) & 0xf) >= PROTOCOLS))
        return PROXY_PROTOCOL_BAD;
    if (bytes.size < FIXED)
        return PROXY_PROTOCOL_MORE;
    unsigned command = byte_at(bytes, 12) & 0xf, family = byte_at(bytes, 13) >> 4;
    size_t size = FIXED + word_at(bytes, 14);
    if (size > PROXY_PROTOCOL_MAX_BYTES || (command == COMMAND_PROXY && size < FIXED + address_bytes_of[family]))
        return PROXY_PROTOCOL_BAD;
    if (bytes.size < size)
        return PROXY_PROTOCOL_MORE;
    return read_whole((struct span){bytes.at, size}, command, family, ret_header);
}

/* ---- either ---- */

static bool could_be(struct span bytes, struct span beginning)
{
    return memcmp(bytes.at, beginning.at, MIN(bytes.size, beginning.size)) == 0;
}

int proxy_protocol_read(struct span bytes, struct proxy_header *ret_header)
{
    if (bytes.size == 0)
        return PROXY_PROTOCOL_MORE;
    if (could_be(bytes, SPAN("PROXY ")))
        return read_v1(bytes, ret_header);
    if (could_be(bytes, (struct span){signature, sizeof(signature)}))
        return read_v2(bytes, ret_header);
    return PROXY_PROTOCOL_BAD;
}

/* Network addresses and prefixes (CIDR). Plain records; any thread; nothing allocates. */
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "gateway/base/span.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
    };
    socklen_t size; /* 0: none */
};

struct prefix {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;      /* 0..128, counted in the 16-byte form */
};

/* "127.0.0.1:8080", "[::1]:8443", "unix:/run/weir.sock". Port 0 is legal (the kernel chooses). 0 or -EINVAL. */
MUST_USE int address_parse(struct span text, struct address *ret_address);
/* The same form back; a v4-mapped IPv6 address as IPv4, an abstract local socket with '@', no address as "".
   NUL-terminated. */
enum { ADDRESS_BYTES = 128 };
void address_format(const struct address *address, char out[ADDRESS_BYTES]);
/* Without port or brackets; "unix" for a local socket. */
void address_format_host(const struct address *address, char out[ADDRESS_BYTES]);
bool address_is_local(const struct address *address);    /* a Unix socket */
bool address_is_loopback(const struct address *address); /* 127.0.0.0/8, ::1, ::ffff:127.0.0.0/8, a Unix socket */
/* The 16-byte form (IPv4 mapped). -EAFNOSUPPORT for a local socket. */
MUST_USE int address_bytes(const struct address *address, uint8_t ret_bytes[16]);
/* The same with all but the first bits zero, of 32 and of 128: the network that the address is of. */
MUST_USE int address_network(const struct address *address, unsigned ipv4_bits, unsigned ipv6_bits,
                             uint8_t ret_bytes[16]);
/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.1" (= /32). Host bits must be zero. 0 or -EINVAL. */
MUST_USE int prefix_parse(struct span text, struct prefix *ret_prefix);
/* The form that prefix_parse() reads, always with its length. */
void prefix_format(const struct prefix *prefix, char out[ADDRESS_BYTES]);
/* An IPv4 address, mapped or not, is in IPv4 prefixes only (96 bits or more): "::/0" is all of IPv6, no IPv4. */
bool prefix_contains(const struct prefix *prefix, const struct address *address);

/* Several of them, and perhaps local sockets. */
struct prefix_list {
    struct prefix *prefix;
    size_t count;
    bool local; /* whoever comes by a Unix socket is in it, too */
};
bool prefix_list_contains(const struct prefix_list *list, const struct address *address);

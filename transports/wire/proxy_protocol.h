/* The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, 2.1 and 2.2): the header by which a proxy says
   whom a connection comes from, before all else on it. Pure; any thread. */
#pragma once
#include "gateway/base/address.h"

enum {
    PROXY_PROTOCOL_MAX_V1 = 107,     /* with its CR LF (2.1) */
    PROXY_PROTOCOL_MAX_BYTES = 4096, /* of either version: what a header with certificates in it may take */
};

struct proxy_header {
    size_t size; /* of the whole header: what follows it is the connection's */
    struct address
        source; /* the client; size 0: not said (LOCAL, UNKNOWN, UNSPEC), the connection is the proxy's own */
};

/* Judges the beginning of a connection, as far as it has come. 0; PROXY_PROTOCOL_MORE: good so far; or
   PROXY_PROTOCOL_BAD, as soon as no further byte could cure it. Version 1: one blank between words, numbers without
   signs or leading zeros. Version 2: type-length-values must fill the announced length; they are skipped, but a CRC32c
   must be right. */
enum { PROXY_PROTOCOL_MORE = 1, PROXY_PROTOCOL_BAD };
MUST_USE int proxy_protocol_read(struct span bytes, struct proxy_header *ret_header);

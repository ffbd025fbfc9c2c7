/* TLS of one connection without any input or output of its own: bytes from the socket go in, bytes for the socket come
   out, so that its owner reads and writes the socket in large pieces with buffers that it shares among connections.
   Nothing here blocks or leaves entries in OpenSSL's error queue. The owner's thread only. */
#pragma once
#include <openssl/ssl.h>

#include "gateway/base/text.h"

struct tls_wire;

enum {
    TLS_WIRE_MORE = 1, /* the input is used up, and more is needed */
    TLS_WIRE_CLOSED,   /* the peer said close_notify: no more bytes of its will come */
    TLS_WIRE_FAILED,   /* the peer broke the protocol, or was refused; an alert may be in `out`. The end */
};

/* The server's side of a new connection. 0 or -ENOMEM. */
MUST_USE int tls_wire_new(SSL_CTX *context, struct tls_wire **ret_wire);
void tls_wire_free(struct tls_wire *wire); /* takes NULL */

/* In all of these `out` gets what must be sent to the peer, behind what is there; if its maximum is too small that
   counts as TLS_WIRE_FAILED. `input` is advanced past what was used. */

/* 0: the handshake is done, what is left of `input` is for tls_wire_read(). TLS_WIRE_MORE. TLS_WIRE_FAILED, and
 *ret_error is OpenSSL's packed error code (0: none). */
MUST_USE int tls_wire_handshake(struct tls_wire *wire, struct span *input, struct text *out, unsigned long *ret_error);
/* Decrypts into `bytes`. *ret_size is how many came out, with every result but TLS_WIRE_FAILED. 0: `bytes` is full,
   call again; TLS_WIRE_MORE; TLS_WIRE_CLOSED; TLS_WIRE_FAILED. */
MUST_USE int tls_wire_read(struct tls_wire *wire, struct span *input, char *bytes, size_t room, struct text *out,
                           size_t *ret_size);
/* Encrypts all of `bytes`. 0 or TLS_WIRE_FAILED. */
MUST_USE int tls_wire_write(struct tls_wire *wire, struct span bytes, struct text *out);
/* Says close_notify, if that can be said and was not yet. */
void tls_wire_close(struct tls_wire *wire, struct text *out);
/* For what is to be known of the connection; borrowed. */
SSL *tls_wire_ssl(const struct tls_wire *wire);

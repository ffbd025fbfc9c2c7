/* What a listener's TLS handshakes need, made from its settings: certificates and keys by name, versions, ciphers,
   ticket keys, who may sign client certificates. Immutable and counted; any thread. A handshake under way keeps the one
   that it began with.

   TLS 1.2 (ECDHE with AEAD only) and 1.3; X25519, P-256, P-384; the server's order; no compression, no renegotiation;
   resumption by ticket alone; ALPN: "http/1.1", and a client that offers only others gets no_application_protocol. */
#pragma once
#include <openssl/ssl.h>

#include "gateway/base/text.h"
#include "gateway/core/settings.h"
#include "transports/serve/tls_tickets.h"

enum {
    TLS_CONTEXT_MAX_FILE = 1024 * 1024,
    TLS_CONTEXT_MAX_SNI = 1024,
    TLS_CONTEXT_MAX_CHAIN = 16,
    TLS_CONTEXT_MAX_CLIENT_CA = 1024,
    TLS_CONTEXT_MISTAKE_BYTES = 2048, /* a maximum that holds every sentence with its paths */
};

struct tls_context;

/* Reads the files. `settings` are borrowed for the call, the tickets are referred to. 0; -ENOMEM; or TLS_CONTEXT_BAD,
   and one sentence about the first mistake is added to `mistake`: a file that cannot be read or is no PEM, a key that
   does not match, a certificate that has expired or is not valid yet, two certificates of a kind for one name. */
enum { TLS_CONTEXT_BAD = 1 };
MUST_USE int tls_context_new(const struct tls_settings *settings, struct tls_tickets *tickets, struct text *mistake,
                             struct tls_context **ret_context);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL is fine */

/* For SSL_new(); the choice by name happens in the handshake, during which the context must live. Borrowed. */
SSL_CTX *tls_context_ssl(const struct tls_context *context);
/* When the first of its certificates expires: seconds since 1970. */
int64_t tls_context_expires(const struct tls_context *context);

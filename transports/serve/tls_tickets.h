/* The keys that seal TLS session tickets (RFC 5077, RFC 8446 4.6.1): random, in memory only, one set for the whole
   process, so that a client resumes on any reactor and after a reload of certificates. A key seals for
   TLS_TICKETS_ROTATE_MS and opens for as long again; older tickets mean a full handshake. Counted; any thread. */
#pragma once
#include <openssl/ssl.h>

#include "gateway/base/defs.h"

enum { TLS_TICKETS_ROTATE_MS = 3600 * 1000 };

struct tls_tickets;

/* 0 or -errno. */
MUST_USE int tls_tickets_new(struct tls_tickets **ret_tickets);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets *tickets); /* NULL is fine */
/* Tickets of `context` are sealed with these keys; whoever has the context keeps a reference to them. */
MUST_USE int tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *context);

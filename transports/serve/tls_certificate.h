/* Certificates and keys in PEM files, judged as they are read. Any thread; nothing stays in OpenSSL's error queue. Each
   returns 0; -ENOMEM; or TLS_CONTEXT_BAD, with a sentence (path, reason) added to `mistake`. */
#pragma once
#include "transports/serve/tls_context.h"

/* The certificate with its chain and its key, for `ssl`, which may have one of another kind of key already.
 *ret_expires: seconds since 1970. */
MUST_USE int tls_certificate_use(SSL_CTX *ssl, const char *certificate, const char *key, struct text *mistake,
                                 int64_t *ret_expires);
/* The authorities in a file, at least one of them valid now; the caller frees the stack. The file's bytes are added to
   `bytes`. */
MUST_USE int tls_certificate_authorities(const char *path, struct text *mistake, struct text *bytes,
                                         STACK_OF(X509) * *ret_authorities);

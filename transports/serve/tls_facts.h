/* What a TLS handshake has shown of a connection and its client. A plain record on the heap, of the owner's thread. */
#pragma once
#include <openssl/ssl.h>

#include "gateway/base/text.h"

enum { TLS_FACTS_MAX_NAMES = 64, TLS_FACTS_NAME_BYTES = 1024, TLS_FACTS_FINGERPRINT_BYTES = 32 };

struct tls_facts {
    const char *version; /* "TLSv1.3"; static */
    const char *cipher;  /* "TLS_AES_128_GCM_SHA256"; static */
    char *server_name;   /* that the client asked for (SNI), lower case; NULL: none */
    bool resumed;
    /* Of the client's certificate: verified, and valid now. subject NULL: there is none. */
    char *subject; /* RFC 2253 form, UTF-8, "CN=ci,O=Example" */
    char **name; /* its subject alternative names, as "DNS:…", "URI:…", "email:…", "IP:…"; others are left out, and
                    those with control characters or longer than TLS_FACTS_NAME_BYTES */
    size_t names;
    uint8_t fingerprint[TLS_FACTS_FINGERPRINT_BYTES]; /* SHA-256 of the certificate */
};

/* 0; -ENOMEM; or TLS_FACTS_EXPIRED: the session is resumed, and its client's certificate has expired meanwhile. */
enum { TLS_FACTS_EXPIRED = 1 };
MUST_USE int tls_facts_new(SSL *ssl, struct tls_facts **ret_facts);
void tls_facts_free(struct tls_facts *facts); /* takes NULL */

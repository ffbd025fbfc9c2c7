/* What is known of a client's connection beyond its address: how it is protected, and whose certificate it has shown.
   Made by whoever did the handshake, then constant; counted, because a request may outlive its connection. A connection
   of which nothing is known has none (NULL). */
#pragma once
#include <stdatomic.h>

#include "gateway/base/defs.h"

struct peer_facts {
    _Atomic unsigned references;
    const char *tls_version; /* "TLSv1.3", a constant; NULL: no TLS */
    const char *tls_cipher;  /* "TLS_AES_128_GCM_SHA256", a constant */
    char *server_name;       /* that the client asked for, lower case; NULL: none */
    /* Of the client's certificate, when one was shown and verified; else NULL and none. */
    char *subject;      /* RFC 4514: "CN=alice,O=Example" */
    char **subject_alt; /* "DNS:a.example", "URI:spiffe://a/b", "email:a@b.example", "IP:192.0.2.1" */
    size_t subject_alts;
    uint8_t fingerprint[32]; /* SHA-256 of the certificate */
};

/* With one reference and nothing known; NULL without memory. */
struct peer_facts *peer_facts_new(void);
/* Any thread; both take NULL. */
struct peer_facts *peer_facts_ref(struct peer_facts *facts);
void peer_facts_unref(struct peer_facts *facts);

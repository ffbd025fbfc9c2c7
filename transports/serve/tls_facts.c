/* Asks OpenSSL about a finished handshake. The client's certificate is hostile input until the last byte: names with
   bytes that could be taken for something else are left out. Owns the record. */
#include "transports/serve/tls_facts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "gateway/base/address.h"

/* ---- subject ---- */

static char *subject_of(const X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL, *copy = NULL;
    if (!bio)
        return NULL;
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, flags) >= 0) {
        long size = BIO_get_mem_data(bio, &bytes);
        copy = span_copy((struct span){bytes ? bytes : "", (size_t)MAX(size, 0)});
    }
    BIO_free(bio);
    return copy;
}

/* ---- alternative names ---- */

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.at[i] <= ' ' || (unsigned char)text.at[i] >= 0x7f)
            return false;
    }
    return text.size > 0 && text.size <= TLS_FACTS_NAME_BYTES;
}

static int add_name(struct tls_facts *facts, const char *kind, struct span value)
{
    CLEANUP(text_done) struct text out = TEXT(TLS_FACTS_NAME_BYTES + 16);
    if (!is_plain(value))
        return 0;
    text_add(&out, span_of(kind));
    text_add(&out, value);
    text_terminate(&out);
    size_t size;
    int result = text_take(&out, &facts->name[facts->names], &size);
    if (result == 0)
        facts->names++;
    return result;
}

static int add_string(struct tls_facts *facts, const char *kind, const ASN1_STRING *string)
{
    const char *bytes = (const char *)ASN1_STRING_get0_data(string);
    return add_name(facts, kind, (struct span){bytes, (size_t)ASN1_STRING_length(string)});
}

static int add_ip(struct tls_facts *facts, const ASN1_OCTET_STRING *bytes)
{
    char host[INET6_ADDRSTRLEN];
    int size = ASN1_STRING_length(bytes);
    int family = size == 4 ? AF_INET : AF_INET6;
    if ((size != 4 && size != 16) || !inet_ntop(family, ASN1_STRING_get0_data(bytes), host, sizeof(host)))
        return 0;
    return add_name(facts, "IP:", span_of(host));
}

static int add_general_name(struct tls_facts *facts, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DNS:
        return add_string(facts, "DNS:", name->d.dNSName);
    case GEN_URI:
        return add_string(facts, "URI:", name->d.uniformResourceIdentifier);
    case GEN_EMAIL:
        return add_string(facts, "email:", name->d.rfc822Name);
    case GEN_IPADD:
        return add_ip(facts, name->d.iPAddress);
    default:
        return 0;
    }
}

static int add_names(struct tls_facts *facts, const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = MIN(sk_GENERAL_NAME_num(names), (int)TLS_FACTS_MAX_NAMES);
    if (count <= 0) {
        GENERAL_NAMES_free(names);
        return 0;
    }
    facts->name = calloc((size_t)count, sizeof(facts->name[0]));
    int result = facts->name ? 0 : -ENOMEM;
    for (int i = 0; result == 0 && i < count; i++)
        result = add_general_name(facts, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    return result;
}

/* ---- the whole ---- */

static int add_client(struct tls_facts *facts, SSL *ssl)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
        return TLS_FACTS_EXPIRED;
    unsigned size = sizeof(facts->fingerprint);
    if (X509_digest(certificate, EVP_sha256(), facts->fingerprint, &size) != 1)
        return -ENOMEM;
    facts->subject = subject_of(certificate);
    return facts->subject ? add_names(facts, certificate) : -ENOMEM;
}

static int add_server_name(struct tls_facts *facts, const SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name || !is_plain(span_of(name)))
        return 0;
    facts->server_name = span_copy(span_of(name));
    if (!facts->server_name)
        return -ENOMEM;
    for (char *at = facts->server_name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return 0;
}

int tls_facts_new(SSL *ssl, struct tls_facts **ret_facts)
{
    struct tls_facts *facts = calloc(1, sizeof(*facts));
    if (!facts)
        return -ENOMEM;
    facts->version = SSL_get_version(ssl);
    facts->cipher = SSL_get_cipher_name(ssl);
    facts->resumed = SSL_session_reused(ssl) == 1;
    int result = add_server_name(facts, ssl);
    if (result == 0)
        result = add_client(facts, ssl);
    ERR_clear_error();
    if (result != 0) {
        tls_facts_free(facts);
        return result;
    }
    *ret_facts = facts;
    return 0;
}

void tls_facts_free(struct tls_facts *facts)
{
    if (!facts)
        return;
    for (size_t i = 0; i < facts->names; i++)
        free(facts->name[i]);
    free(facts->name);
    free(facts->subject);
    free(facts->server_name);
    free(facts);
}

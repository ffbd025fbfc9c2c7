/* Makes an SSL_CTX for the listener's own certificate and one for each further name; a callback of the handshake goes
   from the first to the one that fits the name asked for. Certificates are read in tls_certificate.c. Counted; owns the
   SSL_CTXs. */
#include "transports/serve/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <strings.h>

#include "transports/serve/tls_certificate.h"

enum { VERIFY_DEPTH = 5, MAX_CLIENT_CERTIFICATES = 64 * 1024 };

static const char ciphers_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_1_3[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";
static const unsigned char protocol[] = "http/1.1";

struct name {
    char *name; /* as in the settings; compared without case */
    SSL_CTX *ssl;
};

struct tls_context {
    _Atomic unsigned references;
    SSL_CTX *ssl;
    struct tls_tickets *tickets;
    int64_t expires;
    size_t names;
    struct name name[]; /* sorted */
};

/* ---- the handshake's questions ---- */

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

static SSL_CTX *find_name(const struct tls_context *context, const char *name)
{
    const struct name key = {.name = (char *)(uintptr_t)name};
    const struct name *found = bsearch(&key, context->name, context->names, sizeof(key), compare_names);
    return found ? found->ssl : NULL;
}

/* The name itself, else the wildcard in place of its first label (RFC 6125, 6.4.3). */
static SSL_CTX *choose(const struct tls_context *context, const char *name)
{
    SSL_CTX *ssl = find_name(context, name);
    const char *dot = strchr(name, '.');
    if (ssl || !dot || dot == name)
        return ssl;
    CLEANUP(text_done) struct text wildcard = TEXT(TLSEXT_MAXLEN_host_name + 2);
    text_add_char(&wildcard, '*');
    text_add(&wildcard, span_of(dot));
    text_terminate(&wildcard);
    return wildcard.error == 0 ? find_name(context, wildcard.at) : NULL;
}

static int on_name(SSL *ssl, int *alert UNUSED, void *data)
{
    const struct tls_context *context = data;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_CTX *chosen = choose(context, name);
    if (chosen && !SSL_set_SSL_CTX(ssl, chosen))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static int on_protocols(SSL *ssl UNUSED, const unsigned char **chosen, unsigned char *chosen_size,
                        const unsigned char *offered, unsigned offered_size, void *data UNUSED)
{
    for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
        if (offered[at] != sizeof(protocol) - 1 || offered_size - at <= offered[at] ||
            memcmp(offered + at + 1, protocol, sizeof(protocol) - 1) != 0)
            continue;
        *chosen = offered + at + 1;
        *chosen_size = offered[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- making ---- */

/* What is the same for all of a context's names. */
struct making {
    const struct tls_settings *settings;
    struct tls_context *context;
    struct text *mistake;
    STACK_OF(X509) * client_ca;                          /* NULL: none */
    unsigned char session_context[SHA256_DIGEST_LENGTH]; /* a ticket is good only where the same clients are trusted */
};

static int set_client_ca(SSL_CTX *ssl, const struct making *making)
{
    for (int i = 0; i < sk_X509_num(making->client_ca); i++) {
        X509 *authority = sk_X509_value(making->client_ca, i);
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), authority) != 1 ||
            SSL_CTX_add_client_CA(ssl, authority) != 1)
            return -ENOMEM;
    }
    int mode = SSL_VERIFY_PEER;
    if (making->settings->client_auth == TLS_CLIENT_REQUIRE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl, mode, NULL);
    SSL_CTX_set_verify_depth(ssl, VERIFY_DEPTH);
    SSL_CTX_set_max_cert_list(ssl, MAX_CLIENT_CERTIFICATES);
    return 0;
}

static int configure(SSL_CTX *ssl, const struct making *making)
{
    int least = making->settings->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_security_level(ssl, 2);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ssl, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_alpn_select_cb(ssl, on_protocols, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_name);
    SSL_CTX_set_tlsext_servername_arg(ssl, making->context);
    bool good = SSL_CTX_set_min_proto_version(ssl, least) == 1 && SSL_CTX_set_cipher_list(ssl, ciphers_1_2) == 1 &&
                SSL_CTX_set_ciphersuites(ssl, ciphers_1_3) == 1 && SSL_CTX_set1_groups_list(ssl, groups) == 1 &&
                SSL_CTX_set_session_id_context(ssl, making->session_context, sizeof(making->session_context)) == 1;
    if (!good)
        return -ENOMEM;
    int result = tls_tickets_use(making->context->tickets, ssl);
    return result == 0 && making->client_ca ? set_client_ca(ssl, making) : result;
}

static int add_certificate(struct making *making, SSL_CTX *ssl, const char *certificate, const char *key)
{
    int64_t expires;
    int result = tls_certificate_use(ssl, certificate, key, making->mistake, &expires);
    if (result == 0 && expires < making->context->expires)
        making->context->expires = expires;
    return result;
}

static int make_ssl(const struct making *making, SSL_CTX **ret_ssl)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    if (!ssl)
        return -ENOMEM;
    int result = configure(ssl, making);
    if (result != 0) {
        SSL_CTX_free(ssl);
        return result;
    }
    *ret_ssl = ssl;
    return 0;
}

/* Rows of one name share an SSL_CTX. They are not sorted yet. */
static int add_name(struct making *making, const struct tls_sni_settings *row)
{
    struct tls_context *context = making->context;
    struct name *name = NULL;
    for (size_t i = 0; i < context->names && !name; i++) {
        if (strcasecmp(context->name[i].name, row->name) == 0)
            name = &context->name[i];
    }
    if (!name) {
        name = &context->name[context->names];
        name->name = span_copy(span_of(row->name));
        int result = name->name ? make_ssl(making, &name->ssl) : -ENOMEM;
        if (result != 0) {
            free(name->name);
            return result;
        }
        context->names++;
    }
    return add_certificate(making, name->ssl, row->certificate, row->key);
}

static int fill(struct making *making)
{
    const struct tls_settings *settings = making->settings;
    struct tls_context *context = making->context;
    int result = make_ssl(making, &context->ssl);
    if (result == 0)
        result = add_certificate(making, context->ssl, settings->certificate, settings->key);
    for (size_t i = 0; result == 0 && i < settings->snis; i++)
        result = add_name(making, &settings->sni[i]);
    if (result == 0)
        qsort(context->name, context->names, sizeof(context->name[0]), compare_names);
    return result;
}

static int read_client_ca(struct making *making)
{
    const struct tls_settings *settings = making->settings;
    CLEANUP(text_done) struct text trusted = TEXT(TLS_CONTEXT_MAX_FILE + 1);
    text_add_char(&trusted, (char)('0' + (int)settings->client_auth));
    if (settings->client_ca && settings->client_auth != TLS_CLIENT_NONE) {
        int result = tls_certificate_authorities(settings->client_ca, making->mistake, &trusted, &making->client_ca);
        if (result != 0)
            return result;
    }
    if (trusted.error != 0)
        return trusted.error;
    SHA256((const unsigned char *)trusted.at, trusted.size, making->session_context);
    return 0;
}

static int make(struct making *making)
{
    const struct tls_settings *settings = making->settings;
    if (settings->snis > TLS_CONTEXT_MAX_SNI) {
        text_addf(making->mistake, "there are %zu names, at most %d may be", settings->snis, TLS_CONTEXT_MAX_SNI);
        return TLS_CONTEXT_BAD;
    }
    if (settings->client_auth != TLS_CLIENT_NONE && !settings->client_ca) {
        text_add_literal(making->mistake,
                         "client certificates are asked for, but client_ca does not say who signs them");
        return TLS_CONTEXT_BAD;
    }
    int result = read_client_ca(making);
    return result == 0 ? fill(making) : result;
}

int tls_context_new(const struct tls_settings *settings, struct tls_tickets *tickets, struct text *mistake,
                    struct tls_context **ret_context)
{
    size_t names = MIN(settings->snis, (size_t)TLS_CONTEXT_MAX_SNI);
    struct tls_context *context = calloc(1, sizeof(*context) + names * sizeof(context->name[0]));
    if (!context)
        return -ENOMEM;
    atomic_init(&context->references, 1);
    context->tickets = tls_tickets_ref(tickets);
    context->expires = INT64_MAX;
    struct making making = {.settings = settings, .context = context, .mistake = mistake};
    int result = make(&making);
    sk_X509_pop_free(making.client_ca, X509_free);
    ERR_clear_error();
    if (result != 0) {
        tls_context_unref(context);
        return result;
    }
    *ret_context = context;
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < context->names; i++) {
        SSL_CTX_free(context->name[i].ssl);
        free(context->name[i].name);
    }
    SSL_CTX_free(context->ssl);
    tls_tickets_unref(context->tickets);
    free(context);
}

SSL_CTX *tls_context_ssl(const struct tls_context *context)
{
    return context->ssl;
}

int64_t tls_context_expires(const struct tls_context *context)
{
    return context->expires;
}

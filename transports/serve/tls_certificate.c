/* Reads PEM through OpenSSL and says in a sentence what is wrong with it. Owns nothing beyond a call; a key's bytes are
   wiped. */
#include "transports/serve/tls_certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "transports/serve/tls_files.h"

enum { MAX_KEY_FILE = 64 * 1024 };

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}
static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}
static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static void free_chain(STACK_OF(X509) * *chain)
{
    sk_X509_pop_free(*chain, X509_free);
}
static void wipe(struct text *text)
{
    if (text->at)
        OPENSSL_cleanse(text->at, text->room);
    text_done(text);
}

/* ---- sentences ---- */

/* What OpenSSL says, from its queue, which is empty then. */
static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : "it is not understood";
}

static int not_readable(struct text *mistake, const char *what, const char *path, int result)
{
    if (result == -ENOMEM)
        return result;
    text_addf(mistake, "the %s %s cannot be read: %s", what, path,
              result == -EINVAL ? "it is no regular file" : strerror(-result));
    return TLS_CONTEXT_BAD;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm = {0};
    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void add_time(struct text *out, int64_t seconds)
{
    char iso[CLOCK_ISO_BYTES];
    clock_format_iso((uint64_t)MAX(seconds, 0) * 1000, iso);
    text_add(out, span_of(iso));
}

/* ---- reading ---- */

static int read_bio(const char *path, const char *what, struct text *bytes, struct text *mistake, BIO **ret_bio)
{
    size_t before = bytes->size;
    int result = tls_files_read(path, bytes);
    if (result != 0)
        return not_readable(mistake, what, path, result);
    *ret_bio = BIO_new_mem_buf(bytes->at ? bytes->at + before : "", (int)(bytes->size - before));
    return *ret_bio ? 0 : -ENOMEM;
}

/* Whether the last failure only says that the file has come to its end. */
static bool at_end_of_file(void)
{
    unsigned long error = ERR_peek_last_error();
    return error == 0 || (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
}

/* The certificates that follow in the file. */
static int read_more(BIO *bio, int most, const char *path, struct text *mistake, STACK_OF(X509) * chain)
{
    for (;;) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!next)
            break;
        if (sk_X509_num(chain) >= most) {
            X509_free(next);
            text_addf(mistake, "the file %s has more than %d certificates", path, most);
            return TLS_CONTEXT_BAD;
        }
        if (sk_X509_push(chain, next) == 0) {
            X509_free(next);
            return -ENOMEM;
        }
    }
    if (at_end_of_file()) {
        ERR_clear_error();
        return 0;
    }
    text_addf(mistake, "a certificate in %s cannot be read: %s", path, openssl_reason());
    return TLS_CONTEXT_BAD;
}

static int read_chain(const char *path, struct text *mistake, X509 **ret_leaf, STACK_OF(X509) * chain)
{
    CLEANUP(text_done) struct text bytes = TEXT(TLS_CONTEXT_MAX_FILE);
    CLEANUP(free_bio) BIO *bio = NULL;
    int result = read_bio(path, "certificate", &bytes, mistake, &bio);
    if (result != 0)
        return result;
    *ret_leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (!*ret_leaf) {
        bool none = at_end_of_file();
        const char *reason = openssl_reason();
        text_addf(mistake, "the certificate %s cannot be read: %s", path,
                  none ? "there is no PEM certificate in it" : reason);
        return TLS_CONTEXT_BAD;
    }
    return read_more(bio, TLS_CONTEXT_MAX_CHAIN, path, mistake, chain);
}

/* No terminal to ask for a password. */
static int no_password(char *out UNUSED, int room UNUSED, int writing UNUSED, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static int read_key(const char *path, struct text *mistake, EVP_PKEY **ret_key)
{
    CLEANUP(wipe) struct text bytes = TEXT(MAX_KEY_FILE);
    CLEANUP(free_bio) BIO *bio = NULL;
    bool asked = false;
    if (!text_reserve(&bytes, MAX_KEY_FILE)) /* so that no copy is left behind by growing */
        return -ENOMEM;
    int result = read_bio(path, "key", &bytes, mistake, &bio);
    if (result != 0)
        return result;
    *ret_key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
    if (*ret_key)
        return 0;
    bool none = at_end_of_file() || ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_OSSL_DECODER;
    const char *reason = openssl_reason();
    if (asked)
        reason = "it is encrypted";
    else if (none)
        reason = "there is no PEM private key in it that is understood";
    text_addf(mistake, "the key %s cannot be read: %s", path, reason);
    return TLS_CONTEXT_BAD;
}

/* ---- judging ---- */

static int check_dates(const X509 *leaf, const char *path, struct text *mistake)
{
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    int64_t begins = seconds_of(X509_get0_notBefore(leaf)), expires = seconds_of(X509_get0_notAfter(leaf));
    if (now >= begins && now <= expires)
        return 0;
    text_addf(mistake, "the certificate %s %s ", path, now < begins ? "is not valid before" : "has expired on");
    add_time(mistake, now < begins ? begins : expires);
    return TLS_CONTEXT_BAD;
}

static int use(SSL_CTX *ssl, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain, const char *path, struct text *mistake)
{
    if (SSL_CTX_use_cert_and_key(ssl, leaf, key, chain, 0) == 1)
        return 0;
    unsigned long error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_NOT_REPLACING_CERTIFICATE)
        text_addf(mistake, "the certificate %s is the second one with its kind of key for the same name", path);
    else
        text_addf(mistake, "the certificate %s cannot be used: %s", path, openssl_reason());
    ERR_clear_error();
    return TLS_CONTEXT_BAD;
}

int tls_certificate_use(SSL_CTX *ssl, const char *certificate, const char *key, struct text *mistake,
                        int64_t *ret_expires)
{
    CLEANUP(free_certificate) X509 *leaf = NULL;
    CLEANUP(free_key) EVP_PKEY *private_key = NULL;
    CLEANUP(free_chain) STACK_OF(X509) *chain = sk_X509_new_null();
    if (!chain)
        return -ENOMEM;
    int result = read_chain(certificate, mistake, &leaf, chain);
    if (result == 0)
        result = check_dates(leaf, certificate, mistake);
    if (result == 0)
        result = read_key(key, mistake, &private_key);
    if (result != 0)
        return result;
    if (X509_check_private_key(leaf, private_key) != 1) {
        ERR_clear_error();
        text_addf(mistake, "the key %s does not belong to the certificate %s", key, certificate);
        return TLS_CONTEXT_BAD;
    }
    *ret_expires = seconds_of(X509_get0_notAfter(leaf));
    return use(ssl, leaf, private_key, chain, certificate, mistake);
}

static int check_any_valid(STACK_OF(X509) * authorities, const char *path, struct text *mistake)
{
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        const X509 *one = sk_X509_value(authorities, i);
        if (now >= seconds_of(X509_get0_notBefore(one)) && now <= seconds_of(X509_get0_notAfter(one)))
            return 0;
    }
    text_addf(mistake, "none of the certificates in %s is valid now", path);
    return TLS_CONTEXT_BAD;
}

int tls_certificate_authorities(const char *path, struct text *mistake, struct text *bytes,
                                STACK_OF(X509) * *ret_authorities)
{
    CLEANUP(free_bio) BIO *bio = NULL;
    CLEANUP(free_chain) STACK_OF(X509) *authorities = sk_X509_new_null();
    if (!authorities)
        return -ENOMEM;
    int result = read_bio(path, "file of client authorities", bytes, mistake, &bio);
    if (result == 0)
        result = read_more(bio, TLS_CONTEXT_MAX_CLIENT_CA, path, mistake, authorities);
    if (result == 0 && sk_X509_num(authorities) == 0) {
        text_addf(mistake, "there is no PEM certificate in %s", path);
        result = TLS_CONTEXT_BAD;
    }
    if (result == 0)
        result = check_any_valid(authorities, path, mistake);
    if (result == 0)
        *ret_authorities = TAKE(authorities);
    return result;
}

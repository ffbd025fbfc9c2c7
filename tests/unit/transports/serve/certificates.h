/* Certificates for tests, made when they are needed, in a folder of the test's own. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "gateway/base/text.h"

enum { DAY_S = 24 * 3600, CERTIFICATES_PATH = 128 };

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

struct identity_settings {
    const char *name;         /* CN */
    const char *alternatives; /* "DNS:a.example,URI:urn:x"; NULL: none */
    bool rsa;                 /* else P-256 */
    bool authority;
    long begins_s, ends_s;       /* from now; both 0: a day ago to a day hence */
    const struct identity *from; /* NULL: self-signed */
};

static inline void certificates_extend(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline struct identity certificates_make(struct identity_settings settings)
{
    static long serial = 1;
    struct identity made = {.certificate = X509_new()};
    if (settings.begins_s == 0 && settings.ends_s == 0) {
        settings.begins_s = -DAY_S;
        settings.ends_s = DAY_S;
    }
    made.key = settings.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    assert_non_null(made.key);
    X509_set_version(made.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), settings.begins_s);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), settings.ends_s);
    X509_set_pubkey(made.certificate, made.key);
    X509_NAME *name = X509_get_subject_name(made.certificate);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Test", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)settings.name, -1, -1, 0);
    X509_set_issuer_name(made.certificate, settings.from ? X509_get_subject_name(settings.from->certificate) : name);
    certificates_extend(made.certificate, NID_basic_constraints, settings.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (settings.alternatives)
        certificates_extend(made.certificate, NID_subject_alt_name, settings.alternatives);
    assert_true(X509_sign(made.certificate, settings.from ? settings.from->key : made.key, EVP_sha256()) > 0);
    return made;
}

static inline void certificates_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){0};
}

struct folder {
    char path[CERTIFICATES_PATH];
};

static inline void folder_open(struct folder *folder)
{
    strcpy(folder->path, "/tmp/weir-tls-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static inline const char *folder_path(const struct folder *folder, const char *name, char out[CERTIFICATES_PATH])
{
    (void)snprintf(out, CERTIFICATES_PATH, "%.64s/%.48s", folder->path, name);
    return out;
}

/* Replaces by renaming, as tools do. */
static inline FILE *folder_begin(const struct folder *folder)
{
    char path[CERTIFICATES_PATH];
    FILE *file = fopen(folder_path(folder, "new", path), "w");
    assert_non_null(file);
    return file;
}

static inline void folder_end(const struct folder *folder, FILE *file, const char *name)
{
    char from[CERTIFICATES_PATH], to[CERTIFICATES_PATH];
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(folder_path(folder, "new", from), folder_path(folder, name, to)), 0);
}

static inline void folder_put_text(const struct folder *folder, const char *name, const char *text)
{
    FILE *file = folder_begin(folder);
    fputs(text, file);
    folder_end(folder, file, name);
}

static inline void folder_put_certificate(const struct folder *folder, const char *name,
                                          const struct identity *identity)
{
    FILE *file = folder_begin(folder);
    assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
    folder_end(folder, file, name);
}

static inline void folder_put_key(const struct folder *folder, const char *name, const struct identity *identity)
{
    FILE *file = folder_begin(folder);
    assert_int_equal(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
    folder_end(folder, file, name);
}

static inline void folder_close(struct folder *folder)
{
    static const char *const names[] = {"a.pem", "a.key",  "b.pem",   "b.key", "c.pem",
                                        "c.key", "ca.pem", "bad.pem", "link"};
    char path[CERTIFICATES_PATH];
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unlink(folder_path(folder, names[i], path));
    assert_int_equal(rmdir(folder->path), 0);
}

/* What is read from certificate files, what is refused and why, and how a change of them is noticed. */
#include "tests/unit/transports/serve/certificates.h"

#include "transports/serve/tls_store.h"

#include <openssl/err.h>
#include <sys/stat.h>

struct files {
    struct folder folder;
    struct tls_tickets *tickets;
    char a_pem[CERTIFICATES_PATH], a_key[CERTIFICATES_PATH], b_pem[CERTIFICATES_PATH], b_key[CERTIFICATES_PATH],
        ca_pem[CERTIFICATES_PATH], bad_pem[CERTIFICATES_PATH];
    struct identity rsa, ecdsa;
};

static int setup(void **state)
{
    struct files *files = calloc(1, sizeof(*files));
    folder_open(&files->folder);
    folder_path(&files->folder, "a.pem", files->a_pem);
    folder_path(&files->folder, "a.key", files->a_key);
    folder_path(&files->folder, "b.pem", files->b_pem);
    folder_path(&files->folder, "b.key", files->b_key);
    folder_path(&files->folder, "ca.pem", files->ca_pem);
    folder_path(&files->folder, "bad.pem", files->bad_pem);
    files->ecdsa = certificates_make((struct identity_settings){.name = "a"});
    files->rsa =
        certificates_make((struct identity_settings){.name = "b", .rsa = true, .ends_s = DAY_S / 2, .begins_s = -1});
    folder_put_certificate(&files->folder, "a.pem", &files->ecdsa);
    folder_put_key(&files->folder, "a.key", &files->ecdsa);
    folder_put_certificate(&files->folder, "b.pem", &files->rsa);
    folder_put_key(&files->folder, "b.key", &files->rsa);
    assert_int_equal(tls_tickets_new(&files->tickets), 0);
    *state = files;
    return 0;
}

static int teardown(void **state)
{
    struct files *files = *state;
    certificates_free(&files->rsa);
    certificates_free(&files->ecdsa);
    tls_tickets_unref(files->tickets);
    folder_close(&files->folder);
    free(files);
    return 0;
}

static struct tls_settings settings_of(struct files *files)
{
    return (struct tls_settings){.certificate = files->a_pem, .key = files->a_key};
}

/* The sentence, or "" if all is well. */
static const char *mistake_of(struct files *files, const struct tls_settings *settings)
{
    static char sentence[TLS_CONTEXT_MISTAKE_BYTES + 1];
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct tls_context *context = NULL;
    int result = tls_context_new(settings, files->tickets, &mistake, &context);
    assert_int_equal(result, mistake.size > 0 ? TLS_CONTEXT_BAD : 0);
    assert_int_equal(ERR_peek_error(), 0);
    tls_context_unref(context);
    memcpy(sentence, mistake.at ? mistake.at : "", mistake.size);
    sentence[mistake.size] = '\0';
    return sentence;
}

static void assert_mistake(struct files *files, const struct tls_settings *settings, const char *path,
                           const char *reason)
{
    const char *sentence = mistake_of(files, settings);
    if (!strstr(sentence, path) || !strstr(sentence, reason))
        fail_msg("\"%s\" should name %s and say: %s", sentence, path, reason);
}

static void test_good(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    assert_string_equal(mistake_of(files, &settings), "");
    settings.certificate = files->b_pem;
    settings.key = files->b_key;
    assert_string_equal(mistake_of(files, &settings), "");
}

static void test_first_expiry(void **state)
{
    struct files *files = *state;
    char name[] = "b.example";
    struct tls_sni_settings row = {.name = name, .certificate = files->b_pem, .key = files->b_key};
    struct tls_settings settings = settings_of(files);
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct tls_context *context = NULL;
    settings.sni = &row;
    settings.snis = 1;
    assert_int_equal(tls_context_new(&settings, files->tickets, &mistake, &context), 0);
    assert_in_range(tls_context_expires(context), time(NULL) + DAY_S / 2 - 60, time(NULL) + DAY_S / 2);
    tls_context_unref(context);
}

static void test_unreadable(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    settings.certificate = files->bad_pem;
    assert_mistake(files, &settings, files->bad_pem, "No such file");
    settings.certificate = files->folder.path;
    assert_mistake(files, &settings, files->folder.path, "Is a directory");
    char device[] = "/dev/null";
    settings.certificate = device;
    assert_mistake(files, &settings, device, "no regular file");
    folder_put_text(&files->folder, "bad.pem", "");
    settings.certificate = files->bad_pem;
    assert_mistake(files, &settings, files->bad_pem, "no PEM certificate");
    folder_put_text(&files->folder, "bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_mistake(files, &settings, files->bad_pem, "cannot be read");
    FILE *file = folder_begin(&files->folder);
    PEM_write_X509(file, files->ecdsa.certificate);
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file);
    folder_end(&files->folder, file, "bad.pem");
    assert_mistake(files, &settings, files->bad_pem, "cannot be read");
    char *big = malloc(TLS_CONTEXT_MAX_FILE + 2);
    memset(big, '\n', TLS_CONTEXT_MAX_FILE + 1);
    big[TLS_CONTEXT_MAX_FILE + 1] = '\0';
    folder_put_text(&files->folder, "bad.pem", big);
    free(big);
    assert_mistake(files, &settings, files->bad_pem, "too large");
}

static void test_bad_keys(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    settings.key = files->b_key;
    assert_mistake(files, &settings, files->b_key, "does not belong to");
    settings.key = files->a_pem;
    assert_mistake(files, &settings, files->a_pem, "no PEM private key");
    settings.key = files->bad_pem;
    assert_mistake(files, &settings, files->bad_pem, "No such file");
    FILE *file = folder_begin(&files->folder);
    unsigned char password[] = "secret";
    assert_int_equal(PEM_write_PrivateKey(file, files->ecdsa.key, EVP_aes_128_cbc(), password, 6, NULL, NULL), 1);
    folder_end(&files->folder, file, "bad.pem");
    assert_mistake(files, &settings, files->bad_pem, "encrypted");
}

static void test_dates(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    struct identity old =
        certificates_make((struct identity_settings){.name = "o", .begins_s = -2 * DAY_S, .ends_s = -60});
    struct identity young =
        certificates_make((struct identity_settings){.name = "y", .begins_s = 3600, .ends_s = DAY_S});
    settings.certificate = files->bad_pem;
    settings.key = files->b_key;
    folder_put_certificate(&files->folder, "bad.pem", &old);
    assert_mistake(files, &settings, files->bad_pem, "has expired on 20");
    folder_put_certificate(&files->folder, "bad.pem", &young);
    assert_mistake(files, &settings, files->bad_pem, "is not valid before 20");
    certificates_free(&old);
    certificates_free(&young);
}

static void test_weak_keys(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    struct identity weak = {.certificate = X509_dup(files->rsa.certificate), .key = EVP_RSA_gen(1024)};
    X509_set_pubkey(weak.certificate, weak.key);
    X509_sign(weak.certificate, weak.key, EVP_sha256());
    folder_put_certificate(&files->folder, "bad.pem", &weak);
    folder_put_key(&files->folder, "link", &weak);
    char key[CERTIFICATES_PATH];
    settings.certificate = files->bad_pem;
    settings.key = (char *)(uintptr_t)folder_path(&files->folder, "link", key);
    assert_mistake(files, &settings, files->bad_pem, "key too small");
    certificates_free(&weak);
}

static void test_names(void **state)
{
    struct files *files = *state;
    char name[] = "a.example", again[] = "A.Example";
    struct tls_sni_settings rows[] = {
        {.name = name, .certificate = files->a_pem, .key = files->a_key},
        {.name = again, .certificate = files->b_pem, .key = files->b_key},
        {.name = name, .certificate = files->a_pem, .key = files->a_key},
    };
    struct tls_settings settings = settings_of(files);
    settings.sni = rows;
    settings.snis = 2;
    assert_string_equal(mistake_of(files, &settings), "");
    settings.snis = 3;
    assert_mistake(files, &settings, files->a_pem, "second one with its kind of key");
    rows[1].certificate = files->bad_pem;
    assert_mistake(files, &settings, files->bad_pem, "No such file");
}

static void test_client_authorities(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    settings.client_auth = TLS_CLIENT_REQUIRE;
    assert_mistake(files, &settings, "", "client_ca");
    settings.client_ca = files->ca_pem;
    assert_mistake(files, &settings, files->ca_pem, "No such file");
    folder_put_text(&files->folder, "ca.pem", "nothing\n");
    assert_mistake(files, &settings, files->ca_pem, "no PEM certificate");
    struct identity old = certificates_make(
        (struct identity_settings){.name = "ca", .authority = true, .begins_s = -2 * DAY_S, .ends_s = -60});
    folder_put_certificate(&files->folder, "ca.pem", &old);
    assert_mistake(files, &settings, files->ca_pem, "none of the certificates");
    certificates_free(&old);
    folder_put_certificate(&files->folder, "ca.pem", &files->ecdsa);
    assert_string_equal(mistake_of(files, &settings), "");
}

/* ---- the store ---- */

static int poll_store(struct tls_store *store, struct text *mistake)
{
    text_clear(mistake);
    return tls_store_poll(store, mistake);
}

static void test_store_follows_files(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct tls_store *store;
    assert_int_equal(tls_store_new(&settings, files->tickets, &mistake, &store), 0);
    struct tls_context *first = tls_store_take(store);
    assert_int_equal(poll_store(store, &mistake), 0);

    /* half a replacement: the key comes later */
    folder_put_certificate(&files->folder, "a.pem", &files->rsa);
    assert_int_equal(poll_store(store, &mistake), TLS_CONTEXT_BAD);
    text_terminate(&mistake);
    assert_non_null(strstr(mistake.at, "does not belong to"));
    assert_int_equal(poll_store(store, &mistake), 0); /* told once */
    struct tls_context *still = tls_store_take(store);
    assert_ptr_equal(still, first);
    tls_context_unref(still);

    folder_put_key(&files->folder, "a.key", &files->rsa);
    assert_int_equal(poll_store(store, &mistake), TLS_STORE_RELOADED);
    struct tls_context *second = tls_store_take(store);
    assert_ptr_not_equal(second, first);
    assert_int_equal(poll_store(store, &mistake), 0);

    unlink(files->a_pem);
    assert_int_equal(poll_store(store, &mistake), TLS_CONTEXT_BAD);
    assert_int_equal(poll_store(store, &mistake), 0);
    folder_put_certificate(&files->folder, "a.pem", &files->rsa);
    assert_int_equal(poll_store(store, &mistake), TLS_STORE_RELOADED);
    tls_context_unref(first);
    tls_context_unref(second);
    tls_store_free(store);
}

static void test_store_reloads(void **state)
{
    struct files *files = *state;
    struct tls_settings settings = settings_of(files);
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct tls_store *store;
    assert_int_equal(tls_store_new(&settings, files->tickets, &mistake, &store), 0);
    struct tls_context *first = tls_store_take(store);
    settings.key = files->b_key;
    assert_int_equal(tls_store_reload(store, &settings, &mistake), TLS_CONTEXT_BAD);
    struct tls_context *still = tls_store_take(store);
    assert_ptr_equal(still, first);
    tls_context_unref(still);
    settings.certificate = files->b_pem;
    assert_int_equal(tls_store_reload(store, &settings, &mistake), 0);
    struct tls_context *second = tls_store_take(store);
    assert_ptr_not_equal(second, first);
    tls_context_unref(first);
    tls_context_unref(second);
    tls_store_free(store);

    settings.key = files->a_key;
    text_clear(&mistake);
    assert_int_equal(tls_store_new(&settings, files->tickets, &mistake, &store), TLS_CONTEXT_BAD);
    assert_true(mistake.size > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_weak_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_authorities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_follows_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_reloads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of auth/fetcher.h, against a server of this process. Starts threads (pthread_create). */
#include "tests/unit/auth/http_server.h"

#include "auth/fetcher.h"
#include "gateway/base/clock.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/stat.h>

enum { SMALL_BYTES = 1000 };

/* A fetch whose answers are written down. */
struct asked {
    struct fetch fetch;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct text body;
    char error[FETCH_ERROR_BYTES];
    unsigned answers, releases;
    uint64_t again_ms; /* what answered() returns; 0: never again */
};

static uint64_t answered(struct fetch *fetch, const struct fetch_answer *answer)
{
    struct asked *asked = CONTAINER_OF(fetch, struct asked, fetch);
    pthread_mutex_lock(&asked->lock);
    text_clear(&asked->body);
    text_add(&asked->body, answer->body);
    (void)snprintf(asked->error, sizeof(asked->error), "%s", answer->error ? answer->error : "");
    asked->answers++;
    uint64_t again_ms = asked->again_ms;
    pthread_cond_broadcast(&asked->changed);
    pthread_mutex_unlock(&asked->lock);
    return again_ms ? again_ms : FETCH_NEVER;
}

static void released(struct fetch *fetch)
{
    struct asked *asked = CONTAINER_OF(fetch, struct asked, fetch);
    pthread_mutex_lock(&asked->lock);
    asked->releases++;
    pthread_cond_broadcast(&asked->changed);
    pthread_mutex_unlock(&asked->lock);
}

static const struct fetch_ops asked_fetch = {answered, released};

static void asked_init(struct asked *asked, const char *url)
{
    *asked = (struct asked){.fetch = {.ops = &asked_fetch, .request = {.url = url, .max_bytes = SMALL_BYTES}},
                            .body = TEXT(SMALL_BYTES)};
    pthread_mutex_init(&asked->lock, NULL);
    pthread_cond_init(&asked->changed, NULL);
}

static void asked_done(struct asked *asked)
{
    text_done(&asked->body);
    pthread_cond_destroy(&asked->changed);
    pthread_mutex_destroy(&asked->lock);
}

static void asked_await(struct asked *asked, const unsigned *count, unsigned wanted)
{
    struct timespec deadline = http_server_deadline();
    pthread_mutex_lock(&asked->lock);
    while (*count < wanted)
        assert_int_equal(pthread_cond_timedwait(&asked->changed, &asked->lock, &deadline), 0);
    pthread_mutex_unlock(&asked->lock);
}

static struct fetcher *new_fetcher(void)
{
    struct fetcher *fetcher = NULL;
    assert_int_equal(fetcher_new(&fetcher), 0);
    return fetcher;
}

/* One fetch to its end: the body, or "! error". */
static void check(struct fetcher *fetcher, const char *url, const char *expected)
{
    char got[SMALL_BYTES + FETCH_ERROR_BYTES];
    struct asked asked;
    asked_init(&asked, url);
    assert_int_equal(fetcher_add(fetcher, &asked.fetch, NULL), 0);
    asked_await(&asked, &asked.releases, 1);
    assert_int_equal(asked.answers, 1);
    (void)snprintf(got, sizeof(got), "%s%.*s", asked.error[0] ? "! " : "",
                   asked.error[0] ? (int)strlen(asked.error) : (int)asked.body.size,
                   asked.error[0]  ? asked.error
                   : asked.body.at ? asked.body.at
                                   : "");
    if (strncmp(got, expected, strlen(expected)) != 0 || (got[0] != '!' && strcmp(got, expected) != 0))
        fail_msg("%s: %s", url, got);
    asked_done(&asked);
}

/* ---- addresses ---- */

static void test_urls(void **state UNUSED)
{
    static const struct {
        const char *url;
        int http, file; /* whether it may be asked, and whether a file may be */
    } rows[] = {
        {"https://issuer.example/jwks", 0, 0},
        {"https://issuer.example:8443/a?b=c", 0, 0},
        {"http://127.0.0.1:9/jwks", 0, 0},
        {"http://127.8.9.1/jwks", 0, 0},
        {"http://[::1]:9/jwks", 0, 0},
        {"http://localhost:9/jwks", 0, 0},
        {"https://localhost/jwks", 0, 0},
        {"http://issuer.example/jwks", -EINVAL, -EINVAL},
        {"http://127.0.0.1.example/jwks", -EINVAL, -EINVAL},
        {"http://localhost.example/jwks", -EINVAL, -EINVAL},
        {"http://10.0.0.1/jwks", -EINVAL, -EINVAL},
        {"http://[::2]/jwks", -EINVAL, -EINVAL},
        {"http://127.0.0.1@issuer.example/jwks", -EINVAL, -EINVAL},
        {"https://user:secret@issuer.example/jwks", -EINVAL, -EINVAL},
        {"ftp://127.0.0.1/jwks", -EINVAL, -EINVAL},
        {"gopher://127.0.0.1/jwks", -EINVAL, -EINVAL},
        {"issuer.example/jwks", -EINVAL, -EINVAL},
        {"", -EINVAL, -EINVAL},
        {"file:keys.json", -EINVAL, 0},
        {"file:///etc/keys.json", -EINVAL, 0},
        {"file:", -EINVAL, -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (fetcher_check_url(span_of(rows[i].url), false) != rows[i].http ||
            fetcher_check_url(span_of(rows[i].url), true) != rows[i].file)
            fail_msg("%s", rows[i].url);
    assert_int_equal(fetcher_check_url(SPAN("https://a.example/\0/"), true), -EINVAL);
}

/* ---- answers ---- */

static void test_answers(void **state UNUSED)
{
    CLEANUP(text_done) struct text large = TEXT(HTTP_SERVER_MAX_BYTES);
    struct fetcher *fetcher = new_fetcher();
    struct http_server server;
    struct fetcher_counts counts;
    http_server_start(&server);
    char url[64];
    (void)snprintf(url, sizeof(url), "%s", http_server_url(&server));
    static const struct {
        const char *answer, *expected;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"until\":\"the end\"}", "{\"until\":\"the end\"}"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "{}"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "! the answer is 404"},
        {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "! the answer is 500"},
        {"HTTP/1.1 204 None\r\n\r\n", "! the answer is 204"},
        {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "! the answer is 302"},
        {"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "! the answer is 301"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "! Maximum file size exceeded"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}", "! "}, /* cut */
        {"nonsense", "! "},
        {"", "! "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        http_server_answer_raw(&server, span_of(rows[i].answer));
        check(fetcher, url, rows[i].expected);
    }
    assert_int_equal(http_server_requests(&server), ARRAY_SIZE(rows)); /* no redirect was followed */
    text_add_literal(&large, "HTTP/1.1 200 OK\r\n\r\n");
    for (size_t i = 0; i <= SMALL_BYTES; i++)
        text_add_char(&large, ' ');
    http_server_answer_raw(&server, text_span(&large));
    check(fetcher, url, "! the answer is too large");
    fetcher_read_counts(fetcher, &counts);
    assert_int_equal(counts.good, 4);
    assert_int_equal(counts.failed, ARRAY_SIZE(rows) - 4 + 1);
    http_server_stop(&server);
    check(fetcher, url, "! "); /* nobody listens */
    fetcher_unref(fetcher);
}

static void test_files(void **state UNUSED)
{
    char folder[] = "/tmp/weir-fetcher-XXXXXX", path[64], url[80], words[SMALL_BYTES + 2];
    struct fetcher *fetcher = new_fetcher();
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/keys", folder);
    (void)snprintf(url, sizeof(url), "file:%s", path);
    check(fetcher, url, "! the file cannot be read: No such file");
    static const size_t sizes[] = {0, 1, SMALL_BYTES - 1, SMALL_BYTES + 1};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        FILE *file = fopen(path, "w");
        memset(words, 'k', sizeof(words));
        words[sizes[i]] = '\0';
        assert_non_null(file);
        assert_int_equal(fwrite(words, 1, sizes[i], file), sizes[i]);
        assert_int_equal(fclose(file), 0);
        check(fetcher, url, sizes[i] > SMALL_BYTES ? "! the file cannot be read: Message too long" : words);
    }
    (void)snprintf(url, sizeof(url), "file://%s", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    check(fetcher, url, "! the file cannot be read: Invalid argument"); /* and nobody hangs */
    assert_int_equal(unlink(path), 0);
    (void)snprintf(url, sizeof(url), "file:%s", folder);
    check(fetcher, url, "! the file cannot be read: Invalid argument");
    assert_int_equal(rmdir(folder), 0);
    fetcher_unref(fetcher);
}

/* What it asks: a GET, or a form with credentials. */
static void test_requests(void **state UNUSED)
{
    struct fetcher *fetcher = new_fetcher();
    struct http_server server;
    struct asked asked;
    http_server_start(&server);
    http_server_answer(&server, "200 OK", SPAN("{}"));
    check(fetcher, http_server_url(&server), "{}");
    assert_non_null(strstr(server.request.at, "GET /x HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request.at, "\r\nAccept: application/json\r\n"));
    assert_null(strstr(server.request.at, "Authorization"));
    asked_init(&asked, http_server_url(&server));
    asked.fetch.request.user = "Aladdin";
    asked.fetch.request.password = "open sesame";
    asked.fetch.request.form = SPAN("token=a");
    assert_int_equal(fetcher_add(fetcher, &asked.fetch, NULL), 0);
    asked_await(&asked, &asked.releases, 1);
    assert_non_null(strstr(server.request.at, "POST /x HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request.at, "\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    assert_non_null(strstr(server.request.at, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    assert_non_null(strstr(server.request.at, "\r\n\r\ntoken=a"));
    asked_done(&asked);
    http_server_stop(&server);
    fetcher_unref(fetcher);
}

/* ---- TLS ---- */

/* A certificate that is its own authority. */
static void make_certificate(const char *name, EVP_PKEY *key, X509 **ret_certificate)
{
    X509 *certificate = X509_new();
    X509V3_CTX context = {.issuer_cert = certificate, .subject_cert = certificate};
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, name);
    assert_non_null(extension);
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"test",
                               -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    *ret_certificate = certificate;
}

struct tls_server {
    pthread_t thread;
    int listener;
    SSL_CTX *context;
};

static void *serve_tls(void *data)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    struct tls_server *server = data;
    for (int connection; (connection = accept(server->listener, NULL, NULL)) >= 0; close(connection)) {
        char request[4096];
        SSL *ssl = SSL_new(server->context);
        SSL_set_fd(ssl, connection);
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
            (void)!SSL_write(ssl, answer, sizeof(answer) - 1);
            (void)SSL_shutdown(ssl);
        }
        SSL_free(ssl);
    }
    return NULL;
}

static void check_tls(struct fetcher *fetcher, const char *url, const char *ca, bool good)
{
    struct asked asked;
    asked_init(&asked, url);
    asked.fetch.request.ca = ca;
    assert_int_equal(fetcher_add(fetcher, &asked.fetch, NULL), 0);
    asked_await(&asked, &asked.releases, 1);
    if ((asked.error[0] == '\0') != good)
        fail_msg("%s with %s: %s", url, ca ? ca : "the system's", asked.error);
    asked_done(&asked);
}

/* An issuer is whom its certificate says, or nobody. */
static void test_tls(void **state UNUSED)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {{"IP:127.0.0.1", true}, {"IP:127.0.0.2", false}, {"DNS:localhost", false}};
    struct fetcher *fetcher = new_fetcher();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char path[] = "/tmp/weir-fetcher-XXXXXX", url[64];
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t size = sizeof(address);
        struct tls_server server = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                    .context = SSL_CTX_new(TLS_server_method())};
        X509 *certificate = NULL;
        make_certificate(rows[i].name, key, &certificate);
        FILE *file = fdopen(mkstemp(path), "w");
        assert_int_equal(PEM_write_X509(file, certificate), 1);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(SSL_CTX_use_certificate(server.context, certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(server.context, key), 1);
        assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(server.listener, 8), 0);
        assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", ntohs(address.sin_port));
        assert_int_equal(pthread_create(&server.thread, NULL, serve_tls, &server), 0);
        check_tls(fetcher, url, path, rows[i].good);
        check_tls(fetcher, url, NULL, false);
        check_tls(fetcher, url, "/nowhere", false);
        shutdown(server.listener, SHUT_RDWR);
        pthread_join(server.thread, NULL);
        close(server.listener);
        SSL_CTX_free(server.context);
        X509_free(certificate);
        assert_int_equal(unlink(path), 0);
    }
    EVP_PKEY_free(key);
    fetcher_unref(fetcher);
}

/* ---- time, waiters, and ends ---- */

/* It is asked again when its time has come, and at once when somebody waits. */
static void test_again(void **state UNUSED)
{
    struct fetcher *fetcher = new_fetcher();
    struct http_server server;
    struct asked asked;
    struct told told = TOLD, other = TOLD;
    http_server_start(&server);
    http_server_answer(&server, "200 OK", SPAN("{}"));
    clock_fake(UINT64_C(1000000000), 1000);
    asked_init(&asked, http_server_url(&server));
    asked.again_ms = 60000;
    assert_int_equal(fetcher_add(fetcher, &asked.fetch, &told.waiter), 0);
    told_await(&told);
    assert_int_equal(http_server_requests(&server), 1);
    fetcher_wait(fetcher, &asked.fetch, &told.waiter);
    fetcher_wait(fetcher, &asked.fetch, &other.waiter);
    told_await(&told);
    told_await(&other);
    unsigned before = http_server_requests(&server);
    assert_in_range(before, 2, 3); /* the second may have come while the first was answered */
    clock_fake_advance(UINT64_C(59000000000));
    check(fetcher, "file:/dev/null", "! "); /* wakes the thread */
    http_server_await(&server, before + 1);
    asked_await(&asked, &asked.answers, before + 1);
    fetcher_remove(fetcher, &asked.fetch);
    asked_await(&asked, &asked.releases, 1);
    clock_fake_end();
    asked_done(&asked);
    http_server_stop(&server);
    fetcher_unref(fetcher);
}

static void test_many_wait(void **state UNUSED)
{
    struct fetcher *fetcher = new_fetcher();
    struct http_server server;
    struct asked asked;
    struct told told[] = {TOLD, TOLD, TOLD, TOLD, TOLD};
    http_server_start(&server);
    http_server_answer(&server, "200 OK", SPAN("{}"));
    http_server_hold(&server, true);
    asked_init(&asked, http_server_url(&server));
    assert_int_equal(fetcher_add(fetcher, &asked.fetch, &told[0].waiter), 0);
    http_server_await(&server, 1);
    for (size_t i = 1; i < ARRAY_SIZE(told); i++)
        fetcher_wait(fetcher, &asked.fetch, &told[i].waiter);
    assert_true(fetcher_forget(fetcher, &told[0].waiter)); /* the first, the last and one between them */
    assert_true(fetcher_forget(fetcher, &told[2].waiter));
    assert_true(fetcher_forget(fetcher, &told[4].waiter));
    assert_false(fetcher_forget(fetcher, &told[4].waiter));
    http_server_hold(&server, false);
    told_await(&told[1]);
    told_await(&told[3]);
    asked_await(&asked, &asked.releases, 1);
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        assert_int_equal(told_times(&told[i]), 0);
    assert_false(fetcher_forget(fetcher, &told[1].waiter));
    assert_int_equal(http_server_requests(&server), 1);
    asked_done(&asked);
    http_server_stop(&server);
    fetcher_unref(fetcher);
}

/* Removed while it is under way, and while it waits: whoever waits is told. */
static void test_remove(void **state UNUSED)
{
    struct fetcher *fetcher = new_fetcher();
    struct http_server server;
    struct asked asked;
    struct told told = TOLD;
    http_server_start(&server);
    http_server_hold(&server, true);
    asked_init(&asked, http_server_url(&server));
    asked.again_ms = UINT64_C(1) << 60;
    assert_int_equal(fetcher_add(fetcher, &asked.fetch, &told.waiter), 0);
    http_server_await(&server, 1);
    fetcher_remove(fetcher, &asked.fetch);
    told_await(&told);
    asked_await(&asked, &asked.releases, 1);
    assert_string_equal(asked.error, "no longer wanted");
    asked_done(&asked);
    http_server_stop(&server);
    fetcher_unref(fetcher);
}

/* Its end ends everything: nobody waits for ever. */
static void test_end(void **state UNUSED)
{
    struct fetcher *fetcher = new_fetcher(), *also = fetcher_ref(fetcher);
    struct http_server server;
    struct asked asked[FETCHER_AT_A_TIME + 4];
    struct told told = TOLD;
    http_server_start(&server);
    http_server_hold(&server, true);
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        asked_init(&asked[i], http_server_url(&server));
        assert_int_equal(fetcher_add(fetcher, &asked[i].fetch, i == ARRAY_SIZE(asked) - 1 ? &told.waiter : NULL), 0);
    }
    http_server_await(&server, 1);
    fetcher_unref(also);
    assert_int_equal(told_times(&told), 0);
    fetcher_unref(fetcher);
    told_await(&told);
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        assert_int_equal(asked[i].releases, 1);
        asked_done(&asked[i]);
    }
    http_server_stop(&server);
    fetcher_unref(NULL);
}

static void test_full(void **state UNUSED)
{
    struct fetcher *fetcher = new_fetcher();
    struct http_server server;
    struct asked *asked = calloc(FETCHER_MAX + 1, sizeof(*asked));
    struct fetcher_counts counts;
    http_server_start(&server);
    http_server_hold(&server, true);
    for (size_t i = 0; i <= FETCHER_MAX; i++) {
        asked_init(&asked[i], http_server_url(&server));
        assert_int_equal(fetcher_add(fetcher, &asked[i].fetch, NULL), i < FETCHER_MAX ? 0 : FETCHER_FULL);
    }
    fetcher_read_counts(fetcher, &counts);
    assert_int_equal(counts.full, 1);
    fetcher_unref(fetcher);
    for (size_t i = 0; i <= FETCHER_MAX; i++) {
        assert_int_equal(asked[i].releases, i < FETCHER_MAX ? 1 : 0);
        asked_done(&asked[i]);
    }
    free(asked);
    http_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),      cmocka_unit_test(test_answers), cmocka_unit_test(test_files),
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_tls),     cmocka_unit_test(test_again),
        cmocka_unit_test(test_many_wait), cmocka_unit_test(test_remove),  cmocka_unit_test(test_end),
        cmocka_unit_test(test_full),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* of servers whose client went away */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

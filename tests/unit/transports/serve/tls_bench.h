/* The TLS edge with real clients on loopback, and what stands for a library behind it. The clients are OpenSSL over
   memory, so that tests decide which byte is sent when; the loop is turned by hand. */
#pragma once
#include "tests/unit/transports/serve/certificates.h"

#include "gateway/base/clock.h"
#include "transports/serve/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>

enum { LIMIT_MS = 20000, CHUNK = 64 * 1024, HEAD_TIMEOUT_MS = 10000 };

struct library { /* what was handed on */
    int fd;
    bool at_end;
    struct text got;
    struct tls_facts *facts;
};

struct bench {
    struct settings settings;
    struct gateway *gateway;
    struct reactor *reactor;
    uv_loop_t *loop;
    struct pumps *pumps;
    struct tls_tickets *tickets;
    struct tls_store *store;
    struct tls_edge *edge;
    struct folder folder;
    char a_pem[CERTIFICATES_PATH], a_key[CERTIFICATES_PATH], b_pem[CERTIFICATES_PATH], b_key[CERTIFICATES_PATH],
        c_pem[CERTIFICATES_PATH], c_key[CERTIFICATES_PATH], ca_pem[CERTIFICATES_PATH];
    struct identity a, b, c, authority;
    struct tls_settings tls;
    struct library inner; /* the newest */
    unsigned handed_on;
};

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    struct text got;
    bool closed;  /* close_notify */
    bool at_end;  /* FIN or reset */
    bool failed;  /* TLS */
    bool holds;   /* what it wants to send stays in its memory */
    size_t chunk; /* bytes sent at once */
    int alert;    /* received, fatal */
};

/* ---- the bench ---- */

static inline void release(struct settings *settings UNUSED)
{
}

static inline struct snapshot *make_snapshot(struct bench *bench)
{
    struct settings_holder *holder = NULL;
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct snapshot *snapshot = NULL;
    unsigned changed;
    assert_int_equal(settings_holder_new(&bench->settings, release, &holder), 0);
    assert_int_equal(catalogue_builder_new(NULL, &builder), 0);
    assert_int_equal(catalogue_builder_finish(builder, &catalogue, &changed), 0);
    catalogue_builder_free(builder);
    assert_int_equal(snapshot_new(holder, catalogue, &snapshot), 0);
    return snapshot;
}

static inline void drop_library(struct bench *bench)
{
    struct library *library = &bench->inner;
    if (library->fd >= 0)
        close(library->fd);
    text_done(&library->got);
    tls_facts_free(library->facts);
    *library = (struct library){.fd = -1, .got = TEXT(64 * MIB)};
}

static inline void on_accepted(void *context, const struct tls_shaken *shaken)
{
    struct bench *bench = context;
    assert_int_equal(shaken->client.any.sa_family, AF_INET);
    if (bench->inner.fd >= 0)
        quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    drop_library(bench);
    bench->inner.fd = shaken->fd;
    bench->inner.facts = shaken->facts;
    bench->handed_on++;
}

static inline int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->settings.threads = 1;
    bench->settings.limits.max_connections = 10000;
    bench->settings.limits.head_timeout_ms = HEAD_TIMEOUT_MS;
    assert_int_equal(gateway_new(make_snapshot(bench), &bench->gateway), 0);
    bench->reactor = bench->gateway->reactor[0];
    bench->loop = reactor_loop(bench->reactor);
    folder_open(&bench->folder);
    folder_path(&bench->folder, "a.pem", bench->a_pem);
    folder_path(&bench->folder, "a.key", bench->a_key);
    folder_path(&bench->folder, "b.pem", bench->b_pem);
    folder_path(&bench->folder, "b.key", bench->b_key);
    folder_path(&bench->folder, "c.pem", bench->c_pem);
    folder_path(&bench->folder, "c.key", bench->c_key);
    folder_path(&bench->folder, "ca.pem", bench->ca_pem);
    bench->a = certificates_make((struct identity_settings){.name = "a"});
    bench->b = certificates_make((struct identity_settings){.name = "b"});
    bench->c = certificates_make((struct identity_settings){.name = "c", .rsa = true});
    bench->authority = certificates_make((struct identity_settings){.name = "clients", .authority = true});
    folder_put_certificate(&bench->folder, "a.pem", &bench->a);
    folder_put_key(&bench->folder, "a.key", &bench->a);
    folder_put_certificate(&bench->folder, "b.pem", &bench->b);
    folder_put_key(&bench->folder, "b.key", &bench->b);
    folder_put_certificate(&bench->folder, "c.pem", &bench->c);
    folder_put_key(&bench->folder, "c.key", &bench->c);
    folder_put_certificate(&bench->folder, "ca.pem", &bench->authority);
    bench->tls = (struct tls_settings){.certificate = bench->a_pem, .key = bench->a_key};
    bench->inner = (struct library){.fd = -1, .got = TEXT(64 * MIB)};
    assert_int_equal(tls_tickets_new(&bench->tickets), 0);
    *state = bench;
    return 0;
}

/* The tls settings are as they shall be. */
static inline void start(struct bench *bench)
{
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    assert_int_equal(tls_store_new(&bench->tls, bench->tickets, &mistake, &bench->store), 0);
    assert_int_equal(pumps_new(bench->loop, &bench->pumps), 0);
    struct tls_edge_settings settings = {.reactor = bench->reactor,
                                         .pumps = bench->pumps,
                                         .store = bench->store,
                                         .accepted = on_accepted,
                                         .context = bench};
    assert_int_equal(tls_edge_new(&settings, &bench->edge), 0);
    uv_run(bench->loop, UV_RUN_NOWAIT);
}

static inline uint64_t count(struct bench *bench, enum counter name)
{
    return atomic_load(&reactor_counters(bench->reactor)->event[name]);
}

static inline int teardown(void **state)
{
    struct bench *bench = *state;
    if (bench->inner.fd >= 0)
        quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    drop_library(bench);
    text_done(&bench->inner.got);
    tls_edge_free(bench->edge);
    pumps_free(bench->pumps);
    gateway_free(bench->gateway);
    tls_store_free(bench->store);
    tls_tickets_unref(bench->tickets);
    certificates_free(&bench->a);
    certificates_free(&bench->b);
    certificates_free(&bench->c);
    certificates_free(&bench->authority);
    folder_close(&bench->folder);
    free(bench);
    return 0;
}

/* A connected pair; the edge gets its side. */
static inline int connect_edge(struct bench *bench)
{
    struct address address = {.size = sizeof(address.ipv4)};
    address.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, &address.any, address.size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, &address.any, &address.size), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, &address.any, address.size), 0);
    int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(server >= 0);
    close(listener);
    fcntl(client, F_SETFL, O_NONBLOCK);
    assert_int_equal(quota_take(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1), 0);
    tls_edge_accepted(bench->edge, server, &address, NULL);
    return client;
}

/* ---- clients ---- */

static inline void on_information(const SSL *ssl, int where, int value)
{
    struct client *client = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && SSL_alert_type_string(value)[0] == 'F')
        client->alert = value & 0xff;
}

static inline void open_client(struct client *client)
{
    client->context = SSL_CTX_new(TLS_client_method());
    client->chunk = CHUNK;
    client->fd = -1;
    client->got = TEXT(64 * MIB);
    SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_info_callback(client->context, on_information);
}

/* A new connection; the context stays. */
static inline void dial(struct bench *bench, struct client *client, const char *name)
{
    client->ssl = SSL_new(client->context);
    SSL_set_app_data(client->ssl, client);
    SSL_set_bio(client->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client->ssl);
    if (name)
        SSL_set_tlsext_host_name(client->ssl, name);
    client->fd = connect_edge(bench);
    client->closed = client->at_end = client->failed = false;
    client->alert = 0;
}

static inline void hang_up(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    SSL_free(client->ssl);
    client->ssl = NULL;
    text_clear(&client->got);
}

static inline void close_client(struct client *client)
{
    hang_up(client);
    SSL_CTX_free(client->context);
    text_done(&client->got);
    ERR_clear_error();
}

static inline void send_held(struct client *client)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(SSL_get_wbio(client->ssl), &bytes);
    if (size <= 0 || client->holds || client->at_end)
        return;
    ssize_t sent = send(client->fd, bytes, MIN((size_t)size, client->chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
        char *gone = malloc((size_t)sent);
        assert_int_equal(BIO_read(SSL_get_wbio(client->ssl), gone, (int)sent), (int)sent);
        free(gone);
    }
}

static inline void receive(struct client *client)
{
    char bytes[CHUNK / 4];
    ssize_t size =
        client->at_end ? -1 : recv(client->fd, bytes, client->chunk < sizeof(bytes) ? 1 : sizeof(bytes), MSG_DONTWAIT);
    if (size > 0)
        BIO_write(SSL_get_rbio(client->ssl), bytes, (int)size);
    else if (!client->at_end && (size == 0 || errno != EAGAIN))
        client->at_end = true;
}

static inline void note(struct client *client, int result)
{
    int error = SSL_get_error(client->ssl, result);
    client->closed |= error == SSL_ERROR_ZERO_RETURN;
    client->failed |= error == SSL_ERROR_SSL;
    ERR_clear_error();
}

static inline void step_client(struct client *client)
{
    if (!client->ssl)
        return;
    receive(client);
    ERR_clear_error();
    if (!client->failed) {
        int result = SSL_do_handshake(client->ssl);
        if (result != 1)
            note(client, result);
    }
    char *to = text_reserve(&client->got, CHUNK);
    if (!client->failed && SSL_is_init_finished(client->ssl)) {
        int result = SSL_read(client->ssl, to, CHUNK);
        if (result > 0)
            client->got.size += (size_t)result;
        else
            note(client, result);
    }
    send_held(client);
}

static inline void step_library(struct library *library)
{
    char *to = text_reserve(&library->got, CHUNK);
    ssize_t size = library->fd < 0 || library->at_end ? -1 : recv(library->fd, to, CHUNK, MSG_DONTWAIT);
    if (size > 0)
        library->got.size += (size_t)size;
    library->at_end |= size == 0;
}

static inline void turn(struct bench *bench)
{
    uv_run(bench->loop, UV_RUN_NOWAIT);
    assert_int_equal(ERR_peek_error(), 0); /* the edge leaves none */
}

#define WAIT_FOR(bench, client, condition)                                                                             \
    do {                                                                                                               \
        uint64_t wait_until = uv_hrtime() / 1000000 + LIMIT_MS;                                                        \
        while (!(condition)) {                                                                                         \
            if (uv_hrtime() / 1000000 > wait_until)                                                                    \
                fail_msg("no " #condition);                                                                            \
            turn(bench);                                                                                               \
            step_client(client);                                                                                       \
            step_library(&(bench)->inner);                                                                             \
        }                                                                                                              \
    } while (0)

static inline void say(struct client *client, struct span bytes)
{
    assert_int_equal(SSL_write(client->ssl, bytes.at, (int)bytes.size), (int)bytes.size);
}

static inline void assert_got(const struct text *got, const char *text)
{
    assert_int_equal(got->size, strlen(text));
    assert_memory_equal(got->at, text, strlen(text));
}

/* A question and its answer. */
static inline void assert_works(struct bench *bench, struct client *client)
{
    unsigned before = bench->handed_on;
    WAIT_FOR(bench, client, SSL_is_init_finished(client->ssl) && bench->handed_on > before);
    say(client, SPAN("question"));
    WAIT_FOR(bench, client, bench->inner.got.size == 8);
    assert_got(&bench->inner.got, "question");
    assert_int_equal(send(bench->inner.fd, "answer", 6, 0), 6);
    WAIT_FOR(bench, client, client->got.size == 6);
    assert_got(&client->got, "answer");
}

/* Both ends gone, nothing kept. */
static inline void assert_over(struct bench *bench, struct client *client)
{
    bool had = bench->inner.fd >= 0;
    hang_up(client);
    drop_library(bench);
    if (had)
        quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    WAIT_FOR(bench, client, tls_edge_idle(bench->edge));
    assert_int_equal(quota_used(&bench->gateway->quotas, QUOTA_CONNECTIONS), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The TLS edge with real clients on loopback: what it agrees on, what it refuses and why, how it ends, and that nothing
   is left behind whatever a client does. The clients are OpenSSL over memory, so that tests decide which byte is sent
   when. */
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
    struct library library; /* the newest */
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

static void release(struct settings *settings UNUSED)
{
}

static struct snapshot *make_snapshot(struct bench *bench)
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

static void drop_library(struct bench *bench)
{
    struct library *library = &bench->library;
    if (library->fd >= 0)
        close(library->fd);
    text_done(&library->got);
    tls_facts_free(library->facts);
    *library = (struct library){.fd = -1, .got = TEXT(64 * MIB)};
}

static void on_accepted(void *context, const struct tls_shaken *shaken)
{
    struct bench *bench = context;
    assert_int_equal(shaken->client.any.sa_family, AF_INET);
    if (bench->library.fd >= 0)
        quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    drop_library(bench);
    bench->library.fd = shaken->fd;
    bench->library.facts = shaken->facts;
    bench->handed_on++;
}

static int setup(void **state)
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
    bench->library = (struct library){.fd = -1, .got = TEXT(64 * MIB)};
    assert_int_equal(tls_tickets_new(&bench->tickets), 0);
    *state = bench;
    return 0;
}

/* The tls settings are as they shall be. */
static void start(struct bench *bench)
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

static uint64_t count(struct bench *bench, enum counter name)
{
    return atomic_load(&reactor_counters(bench->reactor)->event[name]);
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    if (bench->library.fd >= 0)
        quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    drop_library(bench);
    text_done(&bench->library.got);
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
static int connect_edge(struct bench *bench)
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

static void on_information(const SSL *ssl, int where, int value)
{
    struct client *client = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && SSL_alert_type_string(value)[0] == 'F')
        client->alert = value & 0xff;
}

static void open_client(struct client *client)
{
    client->context = SSL_CTX_new(TLS_client_method());
    client->chunk = CHUNK;
    client->fd = -1;
    client->got = TEXT(64 * MIB);
    SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_info_callback(client->context, on_information);
}

/* A new connection; the context stays. */
static void dial(struct bench *bench, struct client *client, const char *name)
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

static void hang_up(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    SSL_free(client->ssl);
    client->ssl = NULL;
    text_clear(&client->got);
}

static void close_client(struct client *client)
{
    hang_up(client);
    SSL_CTX_free(client->context);
    text_done(&client->got);
    ERR_clear_error();
}

static void send_held(struct client *client)
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

static void receive(struct client *client)
{
    char bytes[CHUNK / 4];
    ssize_t size =
        client->at_end ? -1 : recv(client->fd, bytes, client->chunk < sizeof(bytes) ? 1 : sizeof(bytes), MSG_DONTWAIT);
    if (size > 0)
        BIO_write(SSL_get_rbio(client->ssl), bytes, (int)size);
    else if (!client->at_end && (size == 0 || errno != EAGAIN))
        client->at_end = true;
}

static void note(struct client *client, int result)
{
    int error = SSL_get_error(client->ssl, result);
    client->closed |= error == SSL_ERROR_ZERO_RETURN;
    client->failed |= error == SSL_ERROR_SSL;
    ERR_clear_error();
}

static void step_client(struct client *client)
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

static void step_library(struct library *library)
{
    char *to = text_reserve(&library->got, CHUNK);
    ssize_t size = library->fd < 0 || library->at_end ? -1 : recv(library->fd, to, CHUNK, MSG_DONTWAIT);
    if (size > 0)
        library->got.size += (size_t)size;
    library->at_end |= size == 0;
}

static void turn(struct bench *bench)
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
            step_library(&(bench)->library);                                                                           \
        }                                                                                                              \
    } while (0)

static void say(struct client *client, struct span bytes)
{
    assert_int_equal(SSL_write(client->ssl, bytes.at, (int)bytes.size), (int)bytes.size);
}

static void assert_got(const struct text *got, const char *text)
{
    assert_int_equal(got->size, strlen(text));
    assert_memory_equal(got->at, text, strlen(text));
}

/* A question and its answer. */
static void assert_works(struct bench *bench, struct client *client)
{
    unsigned before = bench->handed_on;
    WAIT_FOR(bench, client, SSL_is_init_finished(client->ssl) && bench->handed_on > before);
    say(client, SPAN("question"));
    WAIT_FOR(bench, client, bench->library.got.size == 8);
    assert_got(&bench->library.got, "question");
    assert_int_equal(send(bench->library.fd, "answer", 6, 0), 6);
    WAIT_FOR(bench, client, client->got.size == 6);
    assert_got(&client->got, "answer");
}

/* Both ends gone, nothing kept. */
static void assert_over(struct bench *bench, struct client *client)
{
    bool had = bench->library.fd >= 0;
    hang_up(client);
    drop_library(bench);
    if (had)
        quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    WAIT_FOR(bench, client, tls_edge_idle(bench->edge));
    assert_int_equal(quota_used(&bench->gateway->quotas, QUOTA_CONNECTIONS), 0);
}

/* ---- agreeing ---- */

static void test_versions_and_keys(void **state)
{
    static const struct {
        int version;
        bool rsa;
        const char *version_name, *cipher;
    } rows[] = {
        {TLS1_3_VERSION, false, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
        {TLS1_3_VERSION, true, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
        {TLS1_2_VERSION, false, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {TLS1_2_VERSION, true, "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"},
    };
    struct bench *bench = *state;
    struct tls_sni_settings row = {.certificate = bench->c_pem, .key = bench->c_key};
    char name[] = "rsa.example";
    row.name = name;
    bench->tls.sni = &row;
    bench->tls.snis = 1;
    start(bench);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct client client = {0};
        open_client(&client);
        SSL_CTX_set_max_proto_version(client.context, rows[i].version);
        dial(bench, &client, rows[i].rsa ? "RSA.example" : "ecdsa.example");
        assert_works(bench, &client);
        assert_string_equal(bench->library.facts->version, rows[i].version_name);
        assert_string_equal(bench->library.facts->cipher, rows[i].cipher);
        assert_string_equal(bench->library.facts->server_name, rows[i].rsa ? "rsa.example" : "ecdsa.example");
        assert_null(bench->library.facts->subject);
        assert_false(bench->library.facts->resumed);
        assert_over(bench, &client);
        close_client(&client);
    }
    assert_int_equal(count(bench, COUNTER_TLS_FULL), ARRAY_SIZE(rows));
}

static void test_every_byte_chopped(void **state)
{
    struct bench *bench = *state;
    start(bench);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct client client = {0};
        open_client(&client);
        client.chunk = 1;
        SSL_CTX_set_max_proto_version(client.context, version);
        dial(bench, &client, NULL);
        assert_works(bench, &client);
        assert_over(bench, &client);
        close_client(&client);
    }
}

/* The first request in one segment with the end of the handshake. */
static void test_request_with_the_last_flight(void **state)
{
    struct bench *bench = *state;
    start(bench);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct client client = {0};
        open_client(&client);
        SSL_CTX_set_max_proto_version(client.context, version);
        dial(bench, &client, NULL);
        if (version == TLS1_3_VERSION) {
            step_client(&client);
            client.holds = true;
            WAIT_FOR(bench, &client, SSL_is_init_finished(client.ssl));
        } else
            WAIT_FOR(bench, &client, SSL_is_init_finished(client.ssl));
        say(&client, SPAN("early"));
        SSL_shutdown(client.ssl);
        client.holds = false;
        WAIT_FOR(bench, &client, bench->library.at_end);
        assert_got(&bench->library.got, "early");
        assert_over(bench, &client);
        close_client(&client);
    }
}

static void test_alpn(void **state)
{
    static const struct {
        const char *offer;
        bool good;
        const char *comment;
    } rows[] = {
        {"\x08http/1.1", true, "what we speak"},
        {"\x02h2\x08http/1.1", true, "among others"},
        {"\x02h2", false, "others only"},
        {"\x08http/1.0\x03"
         "dot",
         false, "others of the same length"},
        {"", true, "no offer"},
    };
    struct bench *bench = *state;
    start(bench);
    uint64_t refused = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct client client = {0};
        print_message("%s\n", rows[i].comment);
        open_client(&client);
        if (rows[i].offer[0])
            SSL_CTX_set_alpn_protos(client.context, (const unsigned char *)rows[i].offer,
                                    (unsigned)strlen(rows[i].offer));
        dial(bench, &client, NULL);
        if (rows[i].good) {
            const unsigned char *chosen;
            unsigned size;
            assert_works(bench, &client);
            SSL_get0_alpn_selected(client.ssl, &chosen, &size);
            assert_int_equal(size, rows[i].offer[0] ? 8 : 0);
        } else {
            WAIT_FOR(bench, &client, client.at_end);
            assert_int_equal(client.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
            assert_int_equal(count(bench, COUNTER_TLS_FAILED_ALPN), ++refused);
        }
        assert_over(bench, &client);
        close_client(&client);
    }
}

static void test_old_versions_and_ciphers(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    bench->tls.min_version = TLS_VERSION_1_3;
    start(bench);
    open_client(&client);
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    dial(bench, &client, NULL);
    WAIT_FOR(bench, &client, client.at_end);
    assert_int_equal(client.alert, SSL_AD_PROTOCOL_VERSION);
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_VERSION), 1);
    assert_over(bench, &client);
    SSL_CTX_set_max_proto_version(client.context, TLS1_3_VERSION);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    assert_over(bench, &client);
    close_client(&client);
}

static void test_weak_offers(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    start(bench);
    open_client(&client);
    SSL_CTX_set_security_level(client.context, 0);
    SSL_CTX_set_min_proto_version(client.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client.context, TLS1_1_VERSION);
    dial(bench, &client, NULL);
    WAIT_FOR(bench, &client, client.at_end);
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_VERSION), 1);
    assert_over(bench, &client);
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client.context,
                            "AES128-SHA:ECDHE-ECDSA-AES128-SHA256:DHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256");
    dial(bench, &client, NULL);
    WAIT_FOR(bench, &client, client.at_end);
    assert_int_equal(client.alert, SSL_AD_HANDSHAKE_FAILURE);
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_CIPHER), 1);
    assert_over(bench, &client);
    close_client(&client);
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const struct {
        const char *asked, *common_name, *comment;
    } rows[] = {
        {NULL, "a", "no name: the listener's own"}, {"other.test", "a", "an unknown one, too"},
        {"b.example", "b", "the name itself"},      {"B.EXAMPLE", "b", "case does not count"},
        {"x.wild.test", "c", "one label more"},     {"x.y.wild.test", "a", "not two"},
        {"wild.test", "a", "and not none"},         {"b.wild.test", "b", "the name itself before the wildcard"},
    };
    struct bench *bench = *state;
    char exact[] = "b.example", wildcard[] = "*.Wild.test", special[] = "b.wild.test";
    struct tls_sni_settings names[] = {
        {.name = wildcard, .certificate = bench->c_pem, .key = bench->c_key},
        {.name = exact, .certificate = bench->b_pem, .key = bench->b_key},
        {.name = special, .certificate = bench->b_pem, .key = bench->b_key},
    };
    bench->tls.sni = names;
    bench->tls.snis = ARRAY_SIZE(names);
    start(bench);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char got[64] = "";
        struct client client = {0};
        print_message("%s\n", rows[i].comment);
        open_client(&client);
        dial(bench, &client, rows[i].asked);
        assert_works(bench, &client);
        X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client.ssl)), NID_commonName, got,
                                  sizeof(got));
        assert_string_equal(got, rows[i].common_name);
        assert_over(bench, &client);
        close_client(&client);
    }
}

/* Two kinds of key for one name: the client's abilities choose. */
static void test_two_keys_for_a_name(void **state)
{
    struct bench *bench = *state;
    char name[] = "two.example";
    struct tls_sni_settings names[] = {
        {.name = name, .certificate = bench->c_pem, .key = bench->c_key},
        {.name = name, .certificate = bench->b_pem, .key = bench->b_key},
    };
    bench->tls.sni = names;
    bench->tls.snis = ARRAY_SIZE(names);
    start(bench);
    for (int rsa = 0; rsa < 2; rsa++) {
        struct client client = {0};
        open_client(&client);
        SSL_CTX_set1_sigalgs_list(client.context, rsa ? "RSA-PSS+SHA256" : "ECDSA+SHA256");
        dial(bench, &client, name);
        assert_works(bench, &client);
        assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(client.ssl))),
                         rsa ? EVP_PKEY_RSA : EVP_PKEY_EC);
        assert_over(bench, &client);
        close_client(&client);
    }
}

/* ---- client certificates ---- */

static void test_client_certificates(void **state)
{
    enum { NONE, GOOD, STRANGE, EXPIRED };
    static const struct {
        enum tls_client_auth mode;
        int shows;
        bool good;
        const char *comment;
    } rows[] = {
        {TLS_CLIENT_NONE, GOOD, true, "not asked for"},
        {TLS_CLIENT_REQUEST, NONE, true, "asked for, not shown"},
        {TLS_CLIENT_REQUEST, GOOD, true, "asked for, good"},
        {TLS_CLIENT_REQUEST, STRANGE, false, "asked for, signed by others"},
        {TLS_CLIENT_REQUIRE, NONE, false, "required"},
        {TLS_CLIENT_REQUIRE, GOOD, true, "required, good"},
        {TLS_CLIENT_REQUIRE, STRANGE, false, "required, signed by others"},
        {TLS_CLIENT_REQUIRE, EXPIRED, false, "required, expired"},
    };
    struct bench *bench = *state;
    struct identity identities[] = {
        [GOOD] = certificates_make(
            (struct identity_settings){.name = "ci, Ünit",
                                       .from = &bench->authority,
                                       .alternatives = "DNS:ci.example,URI:spiffe://x/ci,IP:10.0.0.1,email:a@b.c"}),
        [STRANGE] = certificates_make((struct identity_settings){.name = "stranger"}),
        [EXPIRED] = certificates_make((struct identity_settings){
            .name = "old", .from = &bench->authority, .begins_s = -2 * DAY_S, .ends_s = -60}),
    };
    bench->tls.client_ca = bench->ca_pem;
    start(bench);
    uint64_t refused = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
        CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
        struct client client = {0};
        int shows = rows[i / 2].shows;
        print_message("%s\n", rows[i / 2].comment);
        bench->tls.client_auth = rows[i / 2].mode;
        assert_int_equal(tls_store_reload(bench->store, &bench->tls, &mistake), 0);
        open_client(&client);
        SSL_CTX_set_max_proto_version(client.context, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
        if (shows != NONE) {
            SSL_CTX_use_certificate(client.context, identities[shows].certificate);
            SSL_CTX_use_PrivateKey(client.context, identities[shows].key);
        }
        dial(bench, &client, NULL);
        if (rows[i / 2].good) {
            assert_works(bench, &client);
            struct tls_facts *facts = bench->library.facts;
            if (shows == GOOD && bench->tls.client_auth != TLS_CLIENT_NONE) {
                assert_string_equal(facts->subject, "CN=ci\\, Ünit,O=Test");
                assert_int_equal(facts->names, 4);
                assert_string_equal(facts->name[0], "DNS:ci.example");
                assert_string_equal(facts->name[1], "URI:spiffe://x/ci");
                assert_string_equal(facts->name[2], "IP:10.0.0.1");
                assert_string_equal(facts->name[3], "email:a@b.c");
            } else
                assert_null(facts->subject);
        } else {
            WAIT_FOR(bench, &client, client.at_end);
            assert_true(client.alert != 0);
            assert_int_equal(count(bench, COUNTER_TLS_FAILED_CLIENT_CERTIFICATE), ++refused);
        }
        assert_over(bench, &client);
        close_client(&client);
    }
    for (int i = GOOD; i <= EXPIRED; i++)
        certificates_free(&identities[i]);
}

/* ---- resumption ---- */

static SSL_SESSION *session_of(struct bench *bench, struct client *client)
{
    WAIT_FOR(bench, client, SSL_is_init_finished(client->ssl));
    for (int i = 0; i < 20; i++) {
        turn(bench);
        step_client(client);
    }
    SSL_SESSION *session = SSL_get1_session(client->ssl);
    SSL_shutdown(client->ssl); /* or it counts as broken */
    return session;
}

static bool resumes(struct bench *bench, struct client *client, SSL_SESSION **session)
{
    dial(bench, client, NULL);
    SSL_set_session(client->ssl, *session);
    assert_works(bench, client);
    bool resumed = SSL_session_reused(client->ssl) == 1;
    assert_int_equal(bench->library.facts->resumed, resumed);
    SSL_SESSION_free(*session);
    *session = session_of(bench, client);
    assert_over(bench, client);
    return resumed;
}

static void test_tickets(void **state)
{
    struct bench *bench = *state;
    const uint64_t hour_ns = 3600ULL * 1000000000;
    clock_fake(uv_hrtime(), (uint64_t)time(NULL) * 1000);
    bench->tickets = (tls_tickets_unref(bench->tickets), NULL);
    assert_int_equal(tls_tickets_new(&bench->tickets), 0);
    start(bench);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
        struct client client = {0};
        open_client(&client);
        SSL_CTX_set_max_proto_version(client.context, version);
        dial(bench, &client, NULL);
        assert_works(bench, &client);
        SSL_SESSION *session = session_of(bench, &client);
        assert_over(bench, &client);
        assert_true(resumes(bench, &client, &session));
        assert_int_equal(tls_store_reload(bench->store, &bench->tls, &mistake), 0);
        assert_true(resumes(bench, &client, &session)); /* a reload keeps the keys */
        clock_fake_advance(hour_ns);
        assert_true(resumes(bench, &client, &session)); /* by the older key, and a ticket of the new one came */
        clock_fake_advance(hour_ns);
        assert_true(resumes(bench, &client, &session));
        clock_fake_advance(2 * hour_ns);
        assert_false(resumes(bench, &client, &session));
        assert_true(resumes(bench, &client, &session));
        SSL_SESSION_free(session);
        close_client(&client);
    }
    clock_fake_end();
}

/* A ticket that was given without asking for a certificate is no way round asking. */
static void test_tickets_do_not_replace_certificates(void **state)
{
    struct bench *bench = *state;
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct client client = {0};
    start(bench);
    open_client(&client);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    SSL_SESSION *session = session_of(bench, &client);
    assert_over(bench, &client);
    bench->tls.client_ca = bench->ca_pem;
    bench->tls.client_auth = TLS_CLIENT_REQUIRE;
    assert_int_equal(tls_store_reload(bench->store, &bench->tls, &mistake), 0);
    dial(bench, &client, NULL);
    SSL_set_session(client.ssl, session);
    WAIT_FOR(bench, &client, client.at_end);
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_CLIENT_CERTIFICATE), 1);
    SSL_SESSION_free(session);
    assert_over(bench, &client);
    close_client(&client);
}

static void test_resumed_client_keeps_its_name(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    struct identity who = certificates_make((struct identity_settings){.name = "who", .from = &bench->authority});
    bench->tls.client_ca = bench->ca_pem;
    bench->tls.client_auth = TLS_CLIENT_REQUIRE;
    start(bench);
    open_client(&client);
    SSL_CTX_use_certificate(client.context, who.certificate);
    SSL_CTX_use_PrivateKey(client.context, who.key);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    SSL_SESSION *session = session_of(bench, &client);
    assert_over(bench, &client);
    dial(bench, &client, NULL);
    SSL_set_session(client.ssl, session);
    assert_works(bench, &client);
    assert_true(bench->library.facts->resumed);
    assert_string_equal(bench->library.facts->subject, "CN=who,O=Test");
    SSL_SESSION_free(session);
    certificates_free(&who);
    assert_over(bench, &client);
    close_client(&client);
}

/* ---- reload ---- */

static void common_name(const struct client *client, char out[64])
{
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client->ssl)), NID_commonName, out, 64);
}

static void test_reload_while_connected(void **state)
{
    struct bench *bench = *state;
    CLEANUP(text_done) struct text mistake = TEXT(TLS_CONTEXT_MISTAKE_BYTES);
    struct client old = {0}, half = {0}, young = {0};
    char name[64];
    start(bench);
    open_client(&half); /* in the middle of its handshake */
    dial(bench, &half, NULL);
    step_client(&half);
    for (int i = 0; i < 20; i++)
        turn(bench);
    open_client(&old);
    dial(bench, &old, NULL);
    assert_works(bench, &old);

    folder_put_certificate(&bench->folder, "a.pem", &bench->b);
    assert_int_equal(tls_store_poll(bench->store, &mistake), TLS_CONTEXT_BAD);
    folder_put_key(&bench->folder, "a.key", &bench->b);
    text_clear(&mistake);
    assert_int_equal(tls_store_poll(bench->store, &mistake), TLS_STORE_RELOADED);

    assert_int_equal(send(bench->library.fd, "still", 5, 0), 5);
    WAIT_FOR(bench, &old, old.got.size == 11);
    say(&old, SPAN("here"));
    WAIT_FOR(bench, &old, bench->library.got.size == 12);
    assert_works(bench, &half);
    common_name(&half, name);
    assert_string_equal(name, "a");
    open_client(&young);
    dial(bench, &young, NULL);
    assert_works(bench, &young);
    common_name(&young, name);
    assert_string_equal(name, "b");
    close_client(&old);
    close_client(&half);
    assert_over(bench, &young);
    close_client(&young);
}

/* ---- bad beginnings ---- */

static void send_raw(int fd, const void *bytes, size_t size)
{
    (void)!send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void wait_for_end(struct bench *bench, int fd, struct text *got)
{
    uint64_t until = uv_hrtime() / 1000000 + LIMIT_MS;
    for (;;) {
        turn(bench);
        char *to = text_reserve(got, CHUNK);
        ssize_t size = recv(fd, to, CHUNK, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN))
            return;
        got->size += size > 0 ? (size_t)size : 0;
        assert_true(uv_hrtime() / 1000000 < until);
    }
}

static void test_bad_beginnings(void **state)
{
    static const struct {
        struct span bytes;
        enum counter reason;
        const char *answer, *comment;
    } rows[] = {
        {SPAN("GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n"), COUNTER_TLS_FAILED_PLAIN_HTTP, "HTTP/1.1 400 Bad Request\r\n",
         "plain HTTP"},
        {SPAN("DELETE /mcp HTTP/1.1\r\n"), COUNTER_TLS_FAILED_PLAIN_HTTP, "HTTP/1.1 400 Bad Request\r\n", "any method"},
        {SPAN("\x00\x00\x00\x00"), COUNTER_TLS_FAILED_GARBAGE, NULL, "zeros"},
        {SPAN("\x80\x2e\x01\x00\x02"), COUNTER_TLS_FAILED_GARBAGE, NULL, "SSL 2"},
        {SPAN("\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff"), COUNTER_TLS_FAILED_GARBAGE, NULL, "nearly"},
        {SPAN("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"), COUNTER_TLS_FAILED_PROTOCOL, "\x15\x03", "a ServerHello"},
        {SPAN("\x16\x03\x01\x00\x04\x01\xff\xff\xff"), COUNTER_TLS_FAILED_PROTOCOL, "\x15\x03", "endless ClientHello"},
    };
    struct bench *bench = *state;
    start(bench);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text got = TEXT(MIB);
        uint64_t before = count(bench, rows[i].reason);
        print_message("%s\n", rows[i].comment);
        int fd = connect_edge(bench);
        send_raw(fd, rows[i].bytes.at, rows[i].bytes.size);
        wait_for_end(bench, fd, &got);
        assert_int_equal(count(bench, rows[i].reason), before + 1);
        if (rows[i].answer) {
            assert_true(got.size > strlen(rows[i].answer));
            assert_memory_equal(got.at, rows[i].answer, strlen(rows[i].answer));
        }
        close(fd);
    }
    struct client none = {.fd = -1};
    assert_over(bench, &none);
    assert_int_equal(bench->handed_on, 0);
}

/* The hint is a whole answer: its length is right. */
static void test_hint_is_whole(void **state)
{
    struct bench *bench = *state;
    CLEANUP(text_done) struct text got = TEXT(MIB);
    unsigned length = 0;
    start(bench);
    int fd = connect_edge(bench);
    send_raw(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    wait_for_end(bench, fd, &got);
    text_terminate(&got);
    const char *body = strstr(got.at, "\r\n\r\n");
    assert_non_null(body);
    length = (unsigned)strtoul(strstr(got.at, "Content-Length: ") + strlen("Content-Length: "), NULL, 10);
    assert_int_equal(strlen(body + 4), length);
    close(fd);
}

static void test_says_nothing(void **state)
{
    struct bench *bench = *state;
    CLEANUP(text_done) struct text got = TEXT(MIB);
    bench->settings.limits.head_timeout_ms = 300;
    start(bench);
    uint64_t begin = uv_hrtime();
    int silent = connect_edge(bench);
    int half = connect_edge(bench);
    send_raw(half, "\x16\x03\x01", 3);
    wait_for_end(bench, silent, &got);
    wait_for_end(bench, half, &got);
    assert_in_range((uv_hrtime() - begin) / 1000000, 290, LIMIT_MS);
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_TIMEOUT), 2);
    assert_true(tls_edge_idle(bench->edge));
    close(silent);
    close(half);
}

/* Drips one byte after the other: the time counts from the accept. */
static void test_drips(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    bench->settings.limits.head_timeout_ms = 300;
    start(bench);
    open_client(&client);
    client.holds = true;
    dial(bench, &client, NULL);
    step_client(&client);
    char *hello = NULL;
    long size = BIO_get_mem_data(SSL_get_wbio(client.ssl), &hello);
    uint64_t begin = uv_hrtime();
    for (long i = 0; i < size - 1 && !client.at_end; i++) {
        send_raw(client.fd, hello + i, 1);
        do
            turn(bench);
        while ((uv_hrtime() - begin) / 1000000 < (uint64_t)i * 5);
        receive(&client);
    }
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_TIMEOUT), 1);
    assert_over(bench, &client);
    close_client(&client);
}

/* After each byte of its first flight, then of its second, orderly or not. */
static void test_vanishes_at_each_byte(void **state)
{
    struct bench *bench = *state;
    start(bench);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int flight = 0; flight < 2; flight++) {
            for (long cut = 0, size = 1; cut < size; cut += flight == 0 ? 7 : 1) {
                struct client client = {0};
                struct linger now = {.l_onoff = cut % 2, .l_linger = 0};
                open_client(&client);
                SSL_CTX_set_max_proto_version(client.context, version);
                dial(bench, &client, NULL);
                if (flight == 1) {
                    step_client(&client);
                    client.holds = true;
                    uint64_t until = uv_hrtime() / 1000000 + LIMIT_MS;
                    while (BIO_ctrl_pending(SSL_get_wbio(client.ssl)) == 0) {
                        assert_true(uv_hrtime() / 1000000 < until);
                        turn(bench);
                        step_client(&client);
                    }
                } else {
                    client.holds = true;
                    step_client(&client);
                }
                char *bytes = NULL;
                size = BIO_get_mem_data(SSL_get_wbio(client.ssl), &bytes);
                send_raw(client.fd, bytes, (size_t)cut);
                turn(bench);
                setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
                assert_over(bench, &client);
                close_client(&client);
            }
        }
    }
    assert_int_equal(bench->handed_on, 0);
}

/* More handshakes than may be under way: the oldest go, the newest works. */
static void test_flood(void **state)
{
    enum { MORE = 20 };
    struct bench *bench = *state;
    struct client client = {0};
    int *fds = calloc(TLS_MAX_HANDSHAKES + MORE, sizeof(int));
    start(bench);
    for (int i = 0; i < TLS_MAX_HANDSHAKES + MORE; i++) {
        fds[i] = connect_edge(bench);
        send_raw(fds[i], "\x16\x03\x01", 3);
        if (i % 64 == 0)
            turn(bench);
    }
    assert_int_equal(count(bench, COUNTER_TLS_FAILED_CAPACITY), MORE);
    for (int i = 0; i < TLS_MAX_HANDSHAKES + MORE; i++) {
        struct pollfd look = {.fd = fds[i], .events = POLLIN | POLLRDHUP};
        assert_int_equal(poll(&look, 1, 0) > 0, i < MORE);
    }
    open_client(&client);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    for (int i = 0; i < TLS_MAX_HANDSHAKES + MORE; i++)
        close(fds[i]);
    free(fds);
    assert_over(bench, &client);
    close_client(&client);
}

/* ---- later ---- */

static void test_renegotiation_is_declined(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    start(bench);
    open_client(&client);
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    assert_int_equal(SSL_renegotiate(client.ssl), 1);
    for (int i = 0; i < 200; i++) {
        turn(bench);
        step_client(&client);
    }
    assert_int_equal(SSL_num_renegotiations(client.ssl) > 0 && SSL_is_init_finished(client.ssl) && !client.failed, 0);
    assert_int_equal(count(bench, COUNTER_TLS_FULL), 1);
    assert_over(bench, &client);
    close_client(&client);
}

static void test_large_both_ways(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };
    struct bench *bench = *state;
    char *bytes = malloc(SIZE);
    size_t said = 0, answered = 0;
    struct client client = {0};
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 2654435761U >> 13);
    start(bench);
    open_client(&client);
    dial(bench, &client, NULL);
    WAIT_FOR(bench, &client, bench->handed_on == 1);
    while (client.got.size < SIZE || bench->library.got.size < SIZE) {
        if (said < SIZE && BIO_ctrl_pending(SSL_get_wbio(client.ssl)) < CHUNK) {
            size_t part = MIN((size_t)50000, SIZE - said);
            say(&client, (struct span){bytes + said, part});
            said += part;
            if (said % 3 == 0)
                SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
        }
        ssize_t sent = send(bench->library.fd, bytes + answered, SIZE - answered, MSG_DONTWAIT);
        answered += sent > 0 ? (size_t)sent : 0;
        turn(bench);
        step_client(&client);
        step_library(&bench->library);
        assert_false(client.failed);
    }
    assert_memory_equal(client.got.at, bytes, SIZE);
    assert_memory_equal(bench->library.got.at, bytes, SIZE);
    free(bytes);
    assert_over(bench, &client);
    close_client(&client);
}

/* Answers to key updates, to a client that does not read them, are bounded. */
static void test_key_update_flood(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    start(bench);
    open_client(&client);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    size_t stuck = 0, total = 0;
    while (stuck < 300 && total < 64 * MIB) {
        while (BIO_ctrl_pending(SSL_get_wbio(client.ssl)) < CHUNK) {
            SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
            SSL_do_handshake(client.ssl);
        }
        size_t before = BIO_ctrl_pending(SSL_get_wbio(client.ssl));
        send_held(&client);
        size_t moved = before - BIO_ctrl_pending(SSL_get_wbio(client.ssl));
        total += moved;
        stuck = moved > 0 ? 0 : stuck + 1;
        turn(bench);
    }
    assert_true(total < 64 * MIB);
    assert_over(bench, &client);
    close_client(&client);
}

static void test_library_closes(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    start(bench);
    open_client(&client);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    assert_int_equal(send(bench->library.fd, "!", 1, 0), 1);
    close(bench->library.fd);
    bench->library.fd = -1;
    quota_give(&bench->gateway->quotas, QUOTA_CONNECTIONS, 1);
    WAIT_FOR(bench, &client, client.closed && client.at_end);
    assert_got(&client.got, "answer!");
    assert_over(bench, &client);
    close_client(&client);
}

static void test_client_closes(void **state)
{
    struct bench *bench = *state;
    start(bench);
    for (int orderly = 0; orderly < 2; orderly++) {
        struct client client = {0};
        open_client(&client);
        dial(bench, &client, NULL);
        assert_works(bench, &client);
        if (orderly)
            SSL_shutdown(client.ssl);
        else
            shutdown(client.fd, SHUT_WR);
        WAIT_FOR(bench, &client, bench->library.at_end);
        assert_int_equal(send(bench->library.fd, " late", 5, 0), 5);
        WAIT_FOR(bench, &client, client.got.size == 11);
        assert_got(&client.got, "answer late");
        assert_over(bench, &client);
        close_client(&client);
    }
}

static void test_broken_record(void **state)
{
    struct bench *bench = *state;
    struct client client = {0};
    start(bench);
    open_client(&client);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    send_raw(client.fd, "\x17\x03\x03\x00\x20garbage garbage garbage garbage!", 37);
    WAIT_FOR(bench, &client, client.alert == SSL_AD_BAD_RECORD_MAC && bench->library.at_end);
    assert_over(bench, &client);
    close_client(&client);
}

/* Freed with handshakes at each stage, and connections. */
static void test_freed_in_the_middle(void **state)
{
    struct bench *bench = *state;
    struct client client = {0}, half = {0};
    start(bench);
    int silent = connect_edge(bench), plain = connect_edge(bench);
    send_raw(plain, "GET ", 4);
    open_client(&half);
    dial(bench, &half, NULL);
    step_client(&half);
    open_client(&client);
    dial(bench, &client, NULL);
    assert_works(bench, &client);
    tls_edge_free(bench->edge);
    bench->edge = NULL;
    assert_int_equal(quota_used(&bench->gateway->quotas, QUOTA_CONNECTIONS), 1);
    close(silent);
    close(plain);
    close_client(&half);
    close_client(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_versions_and_keys),
        TEST(test_every_byte_chopped),
        TEST(test_request_with_the_last_flight),
        TEST(test_alpn),
        TEST(test_old_versions_and_ciphers),
        TEST(test_weak_offers),
        TEST(test_names),
        TEST(test_two_keys_for_a_name),
        TEST(test_client_certificates),
        TEST(test_tickets),
        TEST(test_tickets_do_not_replace_certificates),
        TEST(test_resumed_client_keeps_its_name),
        TEST(test_reload_while_connected),
        TEST(test_bad_beginnings),
        TEST(test_hint_is_whole),
        TEST(test_says_nothing),
        TEST(test_drips),
        TEST(test_vanishes_at_each_byte),
        TEST(test_flood),
        TEST(test_renegotiation_is_declined),
        TEST(test_large_both_ways),
        TEST(test_key_update_flood),
        TEST(test_library_closes),
        TEST(test_client_closes),
        TEST(test_broken_record),
        TEST(test_freed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The TLS edge and clients that mean well: what it agrees on and refuses, by which name and certificate, what is
   resumed, and what a reload changes. */
#include "tests/unit/transports/serve/tls_bench.h"

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
        assert_string_equal(bench->inner.facts->version, rows[i].version_name);
        assert_string_equal(bench->inner.facts->cipher, rows[i].cipher);
        assert_string_equal(bench->inner.facts->server_name, rows[i].rsa ? "rsa.example" : "ecdsa.example");
        assert_null(bench->inner.facts->subject);
        assert_false(bench->inner.facts->resumed);
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
        WAIT_FOR(bench, &client, bench->inner.at_end);
        assert_got(&bench->inner.got, "early");
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
            struct tls_facts *facts = bench->inner.facts;
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
    assert_int_equal(bench->inner.facts->resumed, resumed);
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
    assert_true(bench->inner.facts->resumed);
    assert_string_equal(bench->inner.facts->subject, "CN=who,O=Test");
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

    assert_int_equal(send(bench->inner.fd, "still", 5, 0), 5);
    WAIT_FOR(bench, &old, old.got.size == 11);
    say(&old, SPAN("here"));
    WAIT_FOR(bench, &old, bench->inner.got.size == 12);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The TLS edge and what may happen to it: what comes in place of a handshake and why it is refused, what comes after
   one, how connections end, and that nothing is left behind whatever a client does. */
#include "tests/unit/transports/serve/tls_bench.h"

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
    while (client.got.size < SIZE || bench->inner.got.size < SIZE) {
        if (said < SIZE && BIO_ctrl_pending(SSL_get_wbio(client.ssl)) < CHUNK) {
            size_t part = MIN((size_t)50000, SIZE - said);
            say(&client, (struct span){bytes + said, part});
            said += part;
            if (said % 3 == 0)
                SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
        }
        ssize_t sent = send(bench->inner.fd, bytes + answered, SIZE - answered, MSG_DONTWAIT);
        answered += sent > 0 ? (size_t)sent : 0;
        turn(bench);
        step_client(&client);
        step_library(&bench->inner);
        assert_false(client.failed);
    }
    assert_memory_equal(client.got.at, bytes, SIZE);
    assert_memory_equal(bench->inner.got.at, bytes, SIZE);
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
    assert_int_equal(send(bench->inner.fd, "!", 1, 0), 1);
    close(bench->inner.fd);
    bench->inner.fd = -1;
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
        WAIT_FOR(bench, &client, bench->inner.at_end);
        assert_int_equal(send(bench->inner.fd, " late", 5, 0), 5);
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
    WAIT_FOR(bench, &client, client.alert == SSL_AD_BAD_RECORD_MAC && bench->inner.at_end);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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

/* Unit tests of transports/wire/websocket_head.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/websocket_head.h"

#define KEY       "dGhlIHNhbXBsZSBub25jZQ=="
#define UPGRADE   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define HANDSHAKE "Host: localhost\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define LINE      "GET /mcp HTTP/1.1\r\n"

static const struct websocket_rules rules = {.path = "/mcp"};

static void test_judged(void **state)
{
    static const struct {
        const char *head;
        int status; /* 0: good */
        const char *comment;
    } rows[] = {
        {LINE HANDSHAKE "\r\n", 0, "good"},
        {LINE HANDSHAKE "Sec-WebSocket-Protocol: mcp\r\n\r\nearly", 0, "with early bytes"},
        {LINE HANDSHAKE "Origin: http://localhost:3000\r\n\r\n", 0, "an Origin"},
        {"GET /mcp?x HTTP/1.1\r\n" HANDSHAKE "\r\n", 0, "a query"},
        {"GET http://localhost/mcp HTTP/1.1\r\n" HANDSHAKE "\r\n", 0, "the absolute form"},
        {LINE "host:localhost\r\nUPGRADE: h2c, WebSocket\r\nCONNECTION:keep-alive ,upgrade\r\n"
              "Sec-WebSocket-Version:13\r\nSec-WebSocket-Key:" KEY "\r\n\r\n",
         0, "any case, lists, no blanks"},
        {"POST /mcp HTTP/1.1\r\n" HANDSHAKE "\r\n", 405, "another method"},
        {"GET /mcp HTTP/1.0\r\n" HANDSHAKE "\r\n", 400, "HTTP/1.0"},
        {"GET /mcp HTTP/2.0\r\n" HANDSHAKE "\r\n", 505, "HTTP/2.0"},
        {"GET /other HTTP/1.1\r\n" HANDSHAKE "\r\n", 404, "another path"},
        {"GET mcp HTTP/1.1\r\n" HANDSHAKE "\r\n", 400, "no target"},
        {"GET /mcp\r\n" HANDSHAKE "\r\n", 400, "no version"},
        {"GET  /mcp HTTP/1.1\r\n" HANDSHAKE "\r\n", 400, "two blanks"},
        {"\r\nGET /mcp HTTP/1.1\r\n" HANDSHAKE "\r\n", 400, "an empty line first"},
        {LINE HANDSHAKE "Host: localhost\r\n\r\n", 400, "two Hosts"},
        {LINE UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n", 400, "no Host"},
        {LINE "Host: evil\r\n" UPGRADE "\r\n", 403, "another Host, before the handshake is looked at"},
        {LINE HANDSHAKE "Origin: http://evil\r\n\r\n", 403, "another Origin"},
        {LINE "Host: localhost\r\nConnection: Upgrade\r\n\r\n", 426, "no Upgrade"},
        {LINE "Host: localhost\r\nUpgrade: websocket\r\n\r\n", 426, "no Connection"},
        {LINE "Host: localhost\r\n" UPGRADE "\r\n", 426, "no version"},
        {LINE "Host: localhost\r\n" UPGRADE "Sec-WebSocket-Version: 12\r\n\r\n", 426, "version 12"},
        {LINE "Host: localhost\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n", 400, "no key"},
        {LINE "Host: localhost\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "=\r\n\r\n", 400,
         "a long key"},
        {LINE HANDSHAKE "Content-Length: 1\r\n\r\n", 400, "a body"},
        {LINE HANDSHAKE "Content-Length: 0\r\n\r\n", 0, "an empty body"},
        {LINE HANDSHAKE "Transfer-Encoding: chunked\r\n\r\n", 400, "a chunked body"},
        {LINE HANDSHAKE "X Y: z\r\n\r\n", 400, "a name that is no token"},
        {LINE HANDSHAKE " folded\r\n\r\n", 400, "a folded line"},
        {LINE HANDSHAKE "nothing\r\n\r\n", 400, "no colon"},
        {LINE HANDSHAKE "X: a\x01\r\n\r\n", 400, "a control character"},
        {LINE "Host: localhost\n" UPGRADE "\r\n", 400, "a bare LF"},
        {LINE HANDSHAKE "X: a\rb\r\n\r\n", 400, "a bare CR"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct websocket_head head;
        struct websocket_refusal refusal = {.status = 0};
        print_message("%s\n", rows[i].comment);
        int outcome = websocket_head_read(span_of(rows[i].head), &head);
        assert_int_not_equal(outcome, WEBSOCKET_HEAD_MORE);
        int result = websocket_head_judge(&head, outcome, &rules, &refusal);
        assert_int_equal(result, rows[i].status ? WEBSOCKET_REFUSED : 0);
        assert_int_equal(refusal.status, rows[i].status);
        assert_int_equal(refusal.message != NULL, rows[i].status != 0);
    }
}

static void test_cut(void **state)
{
    const struct span whole = SPAN(LINE HANDSHAKE "\r\n");
    struct websocket_head head;
    (void)state;
    for (size_t size = 0; size < whole.size; size++)
        assert_int_equal(websocket_head_read((struct span){whole.at, size}, &head), WEBSOCKET_HEAD_MORE);
    assert_int_equal(websocket_head_read(SPAN(LINE HANDSHAKE "\r\n\x81"), &head), 0);
    assert_int_equal(head.size, whole.size);
    assert_true(websocket_head_asks(&head));
}

static void test_protocols(void **state)
{
    static const struct {
        const char *lines;
        int result;
        bool mcp;
        const char *credentials, *revision;
    } rows[] = {
        {"", 0, false, NULL, NULL},
        {"Sec-WebSocket-Protocol: mcp\r\n", 0, true, NULL, NULL},
        {"Sec-WebSocket-Protocol: a,\tmcp ,b\r\n", 0, true, NULL, NULL},
        {"Sec-WebSocket-Protocol: mcpx, xmcp, MCP\r\n", 0, false, NULL, NULL},
        {"Sec-WebSocket-Protocol: mcp.auth.a.b-_c~, mcp\r\n", 0, true, "a.b-_c~", NULL},
        {"Sec-WebSocket-Protocol: mcp\r\nSec-WebSocket-Protocol: mcp.auth.t,mcp.version.2025-11-25\r\n", 0, true, "t",
         "2025-11-25"},
        {"Sec-WebSocket-Protocol: mcp.auth.\r\n", 0, false, "", NULL},
        {"Sec-WebSocket-Protocol: mcp.auth.a, mcp.auth.b\r\n", WEBSOCKET_HEAD_BAD, false, "a", NULL},
        {"Sec-WebSocket-Protocol: a b\r\n", WEBSOCKET_HEAD_BAD, false, NULL, NULL},
        {"Sec-WebSocket-Protocol: ,, mcp,\r\n", 0, true, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(text_done) struct text whole = TEXT(4096);
        struct websocket_head head;
        print_message("%s\n", rows[i].lines);
        text_addf(&whole, LINE HANDSHAKE "%s\r\n", rows[i].lines);
        assert_int_equal(websocket_head_read(text_span(&whole), &head), rows[i].result);
        assert_int_equal(head.mcp, rows[i].mcp);
        assert_int_equal(span_absent(head.credentials), rows[i].credentials == NULL);
        assert_true(!rows[i].credentials || span_is(head.credentials, rows[i].credentials));
        assert_int_equal(span_absent(head.revision), rows[i].revision == NULL);
        assert_true(!rows[i].revision || span_is(head.revision, rows[i].revision));
    }
}

static void test_too_large(void **state)
{
    CLEANUP(text_done) struct text whole = TEXT(2 * WEBSOCKET_MAX_HEAD);
    struct websocket_head head;
    struct websocket_refusal refusal;
    (void)state;
    text_add_literal(&whole, LINE HANDSHAKE);
    for (unsigned i = 0; i < WEBSOCKET_MAX_FIELDS; i++)
        text_add_literal(&whole, "X: y\r\n");
    text_add_literal(&whole, "\r\n");
    int outcome = websocket_head_read(text_span(&whole), &head);
    assert_int_equal(outcome, WEBSOCKET_HEAD_TOO_LARGE);
    assert_int_equal(websocket_head_judge(&head, outcome, &rules, &refusal), WEBSOCKET_REFUSED);
    assert_int_equal(refusal.status, 431);
    text_clear(&whole);
    text_add_literal(&whole, LINE "X: ");
    while (whole.size < WEBSOCKET_MAX_HEAD)
        text_add_char(&whole, 'x');
    assert_int_equal(websocket_head_read(text_span(&whole), &head), WEBSOCKET_HEAD_TOO_LARGE);
    text_add_literal(&whole, "\r\n\r\n");
    assert_int_equal(websocket_head_read(text_span(&whole), &head), WEBSOCKET_HEAD_TOO_LARGE);
}

static void test_answer(void **state)
{
    CLEANUP(text_done) struct text small = TEXT(1024);
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
    struct websocket_head head, again;
    (void)state;
    assert_int_equal(websocket_accept(SPAN(KEY), accept), 0);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* the example of RFC 6455, 1.3 */
    assert_int_equal(websocket_head_read(SPAN(LINE HANDSHAKE "Sec-WebSocket-Protocol: mcp.auth.t, mcp\r\n"
                                                             "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
                                         &head),
                     0);
    websocket_head_rewrite(&head, &small);
    assert_int_equal(small.error, 0);
    assert_int_equal(websocket_head_read(text_span(&small), &again), 0);
    assert_true(again.mcp && again.upgrade && again.connection && span_equal(again.key, head.key));
    assert_true(span_absent(again.credentials));
    text_terminate(&small);
    assert_null(strstr(small.at, "Extensions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged),    cmocka_unit_test(test_cut),    cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_too_large), cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

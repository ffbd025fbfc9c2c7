/* Unit tests of transports/wire/proxy_protocol.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/proxy_protocol.h"

enum { MORE = PROXY_PROTOCOL_MORE, BAD = PROXY_PROTOCOL_BAD };

struct row {
    struct span bytes;
    int result;
    size_t size;
    const char *source; /* NULL: not said */
    const char *comment;
};

static void check_row(const struct row *row)
{
    struct proxy_header header = {.size = 12345};
    char source[ADDRESS_BYTES];
    print_message("%s\n", row->comment);
    assert_int_equal(proxy_protocol_read(row->bytes, &header), row->result);
    if (row->result != 0) {
        assert_int_equal(header.size, 12345); /* untouched */
        return;
    }
    assert_int_equal(header.size, row->size);
    assert_int_equal(header.source.size > 0, row->source != NULL);
    address_format(&header.source, source);
    assert_string_equal(source, row->source ? row->source : "");
    for (size_t size = 0; size < row->size; size++) /* a good header is never refused on its way */
        assert_int_equal(proxy_protocol_read((struct span){row->bytes.at, size}, &header), MORE);
}

#define V1(text, ...)                                                                                                  \
    {                                                                                                                  \
        SPAN(text), __VA_ARGS__                                                                                        \
    }

static void test_v1(void **state)
{
    static const struct row rows[] = {
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", 0, 42, "192.0.2.1:56324", "the form"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET /", 0, 42, "192.0.2.1:56324", "and what follows"),
        V1("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", 0, 36, "[2001:db8::1]:1", "IPv6"),
        V1("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
           0, 104, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "the longest"),
        V1("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", 0, 32, "0.0.0.0:0", "zeros"),
        V1("PROXY UNKNOWN\r\n", 0, 15, NULL, "nothing is known"),
        V1("PROXY UNKNOWN ffff::1 whatever it is\r\nx", 0, 38, NULL, "and its end is ignored"),
        V1("", MORE, 0, NULL, "nothing yet"),
        V1("PROX", MORE, 0, NULL, "a beginning"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r", MORE, 0, NULL, "all but the last byte"),
        V1("PROXY", MORE, 0, NULL, "without its blank"),
        V1("GET / HTTP/1.1\r\n\r\n", BAD, 0, NULL, "HTTP"),
        V1("\x16\x03\x01", BAD, 0, NULL, "TLS"),
        V1("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", BAD, 0, NULL, "small letters"),
        V1("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", BAD, 0, NULL, "two blanks"),
        V1("PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n", BAD, 0, NULL, "a tab"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", BAD, 0, NULL, "no CR"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n", BAD, 0, NULL, "two CR"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", BAD, 0, NULL, "a blank at the end"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", BAD, 0, NULL, "one port"),
        V1("PROXY TCP4\r\n", BAD, 0, NULL, "no addresses"),
        V1("PROXY \r\n", BAD, 0, NULL, "no protocol"),
        V1("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", BAD, 0, NULL, "no such protocol"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", BAD, 0, NULL, "no such port"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", BAD, 0, NULL, "a leading zero"),
        V1("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", BAD, 0, NULL, "a sign"),
        V1("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", BAD, 0, NULL, "three parts"),
        V1("PROXY TCP4 192.0.2.1 ::1 1 2\r\n", BAD, 0, NULL, "of two families"),
        V1("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", BAD, 0, NULL, "of the other family"),
        V1("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", BAD, 0, NULL, "a zone"),
        V1("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n", BAD, 0, NULL, "a NUL"),
        V1("PROXY UNKNOWN "
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "aaaaaaaaaa\r\n",
           BAD, 0, NULL, "longer than 107 bytes"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4      "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"
#define IPV6      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x50\1\xbb"
#define FIFTY     "01234567890123456789012345678901234567890123456789"
#define V2(text, ...)                                                                                                  \
    {                                                                                                                  \
        SPAN(SIGNATURE text), __VA_ARGS__                                                                              \
    }

static void test_v2(void **state)
{
    static const struct row rows[] = {
        V2("\x21\x11\0\x0c" IPV4, 0, 28, "192.0.2.1:56324", "TCP over IPv4"),
        V2("\x21\x12\0\x0c" IPV4 "GET", 0, 28, "192.0.2.1:56324", "UDP, and what follows"),
        V2("\x21\x21\0\x24" IPV6, 0, 52, "[2001:db8::1]:80", "TCP over IPv6"),
        V2("\x21\x10\0\x0c" IPV4, 0, 28, "192.0.2.1:56324", "an unspecified protocol"),
        V2("\x21\x00\0\0", 0, 16, NULL, "unspecified"),
        V2("\x20\x00\0\0", 0, 16, NULL, "the proxy's own"),
        V2("\x20\x11\0\x0c" IPV4, 0, 28, NULL, "the proxy's own, with an address that is nobody's"),
        V2("\x20\x11\0\x02xx", 0, 18, NULL, "whatever is in it"),
        V2("\x21\x11\0\x14" IPV4 "\x04\0\x05...\0\0", 0, 36, "192.0.2.1:56324", "padding"),
        V2("\x21\x11\0\x12" IPV4 "\x04\0\0\x01\0\0", 0, 34, "192.0.2.1:56324", "two values, both empty"),
        V2("\x21\x11\0\x13" IPV4 "\x03\0\4\xd6\xc8\xc7\x5f", 0, 35, "192.0.2.1:56324", "a checksum"),
        V2("\x21\x11\0\x13" IPV4 "\x03\0\4\xd6\xc8\xc7\x5e", BAD, 0, NULL, "a wrong checksum"),
        V2("\x21\x11\0\x12" IPV4 "\x03\0\3\1\2\3", BAD, 0, NULL, "a short checksum"),
        V2("\x21\x11\0\x0e" IPV4 "\x04\0", BAD, 0, NULL, "a cut value"),
        V2("\x21\x11\0\x10" IPV4 "\x04\0\x02.", BAD, 0, NULL, "a value that is too long"),
        V2("\x21\x11\0\x0b" IPV4, BAD, 0, NULL, "shorter than its addresses"),
        V2("\x21\x21\0\x0c" IPV4, BAD, 0, NULL, "an address of the other family"),
        V2("\x21\x31\0\x0c" IPV4, BAD, 0, NULL, "a local address of 12 bytes"),
        V2("\x11\x11\0\x0c" IPV4, BAD, 0, NULL, "version 1 in binary"),
        V2("\x31", BAD, 0, NULL, "version 3, at its byte"),
        V2("\x22", BAD, 0, NULL, "no such command, at its byte"),
        V2("\x21\x41", BAD, 0, NULL, "no such family, at its byte"),
        V2("\x21\x13", BAD, 0, NULL, "no such protocol, at its byte"),
        V2("\x21\x11\x0f\xf1", BAD, 0, NULL, "longer than is served, at its length"),
        V2("\x21\x11\x0f\xf0", MORE, 0, NULL, "the longest"),
        V2("\x21\x11\0\x0c\xc0", MORE, 0, NULL, "not all of it"),
        {SPAN("\r\n\r\n\0\r\nQUIT"), MORE, 0, NULL, "not all of the signature"},
        {SPAN("\r\n\r\n\0\r\nQUIX"), BAD, 0, NULL, "another signature"},
        {SPAN("\r\nGET / HTTP/1.1"), BAD, 0, NULL, "an empty line before HTTP"},
        V2("\x21\x31\0\xd8/run/client.sock\0" FIFTY FIFTY FIFTY FIFTY, 0, 232, "unix:/run/client.sock",
           "a local socket"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_v1), cmocka_unit_test(test_v2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of transports/wire/forwarded.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/text.h"
#include "transports/wire/forwarded.h"

/* The trusted ones: 10.0.0.0/8, 2001:db8::/32, and local sockets. */
static struct prefix_list trusted(struct prefix prefix[2])
{
    assert_int_equal(prefix_parse(SPAN("10.0.0.0/8"), &prefix[0]), 0);
    assert_int_equal(prefix_parse(SPAN("2001:db8::/32"), &prefix[1]), 0);
    return (struct prefix_list){prefix, 2, true};
}

/* Lines are "X: value" or "F: value". */
static void check(const char *peer, const char *const *lines, const char *client)
{
    struct prefix prefix[2];
    struct prefix_list list = trusted(prefix);
    struct forwarded forwarded = {.beyond = false};
    struct address from, found;
    char text[ADDRESS_BYTES];
    assert_int_equal(address_parse(span_of(peer), &from), 0);
    for (; *lines; lines++) {
        struct span name = **lines == 'X' ? SPAN("X-Forwarded-For") : **lines == 'F' ? SPAN("forwarded") : SPAN("Via");
        forwarded_add(&forwarded, name, span_of(*lines + 3));
    }
    forwarded_client(&forwarded, &from, &list, &found);
    address_format(&found, text);
    assert_string_equal(text, client);
}

static void test_rows(void **state)
{
    static const struct {
        const char *peer, *lines[5], *client, *comment;
    } rows[] = {
        {"192.0.2.9:1", {"X: 198.51.100.1"}, "192.0.2.9:1", "nobody who is trusted"},
        {"10.0.0.1:1", {NULL}, "10.0.0.1:1", "nothing said"},
        {"10.0.0.1:1", {"V: 198.51.100.1"}, "10.0.0.1:1", "another field"},
        {"10.0.0.1:1", {"X: 198.51.100.1"}, "198.51.100.1:0", "the client"},
        {"unix:/run/w", {"X: 198.51.100.1"}, "198.51.100.1:0", "by a local socket"},
        {"[2001:db8::9]:1", {"X: 198.51.100.1"}, "198.51.100.1:0", "by IPv6"},
        {"[::ffff:10.0.0.1]:1", {"X: 198.51.100.1"}, "198.51.100.1:0", "by IPv4 on an IPv6 socket"},
        {"10.0.0.1:1", {"X: 203.0.113.7, 198.51.100.1"}, "198.51.100.1:0", "a lie of the client's"},
        {"10.0.0.1:1", {"X: 203.0.113.7, 198.51.100.1, 10.0.0.2"}, "198.51.100.1:0", "two proxies"},
        {"10.0.0.1:1", {"X: 10.0.0.3,10.0.0.2"}, "10.0.0.3:0", "a client among the trusted"},
        {"10.0.0.1:1", {"X: 203.0.113.7", "X: 198.51.100.1"}, "198.51.100.1:0", "two lines"},
        {"10.0.0.1:1", {"X: 203.0.113.7", "X: 198.51.100.1, 10.0.0.2"}, "198.51.100.1:0", "lines of two proxies"},
        {"10.0.0.1:1", {"X: 198.51.100.1:4711"}, "198.51.100.1:4711", "with a port"},
        {"10.0.0.1:1", {"X: 2001:db9::1"}, "[2001:db9::1]:0", "IPv6 as it is"},
        {"10.0.0.1:1", {"X: [2001:db9::1]"}, "[2001:db9::1]:0", "IPv6 in brackets"},
        {"10.0.0.1:1", {"X: [2001:db9::1]:4711"}, "[2001:db9::1]:4711", "IPv6 with a port"},
        {"10.0.0.1:1", {"X: \t198.51.100.1 "}, "198.51.100.1:0", "blanks"},
        {"10.0.0.1:1", {"X: unknown"}, "10.0.0.1:1", "a client that is not told"},
        {"10.0.0.1:1", {"X: "}, "10.0.0.1:1", "an empty line"},
        {"10.0.0.1:1", {"X: 198.51.100.1,"}, "10.0.0.1:1", "an empty entry"},
        {"10.0.0.1:1", {"X: 198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2:0", "hidden behind a trusted one"},
        {"10.0.0.1:1", {"X: 198.51.100.256"}, "10.0.0.1:1", "no address"},
        {"10.0.0.1:1", {"X: 198.51.100.1:99999"}, "10.0.0.1:1", "no port"},
        {"10.0.0.1:1", {"X: unix:/run/x"}, "10.0.0.1:1", "a local socket that anybody can name"},
        {"10.0.0.1:1", {"X: unix"}, "10.0.0.1:1", "and one with the port for its path"},
        {"10.0.0.1:1", {"X: [unix:/run/x]"}, "10.0.0.1:1", "and in brackets"},
        {"10.0.0.1:1", {"F: for=198.51.100.1"}, "198.51.100.1:0", "RFC 7239"},
        {"10.0.0.1:1",
         {"F: For=\"[2001:db9:cafe::17]:4711\";proto=http;by=203.0.113.43"},
         "[2001:db9:cafe::17]:4711",
         "its IPv6"},
        {"10.0.0.1:1", {"F: proto=https; FOR=198.51.100.1 ;host=a"}, "198.51.100.1:0", "in any place, in any case"},
        {"10.0.0.1:1",
         {"F: for=203.0.113.7, for=198.51.100.1;by=10.0.0.2, for=10.0.0.2"},
         "198.51.100.1:0",
         "its list"},
        {"10.0.0.1:1", {"F: for=_hidden"}, "10.0.0.1:1", "its obfuscated form"},
        {"10.0.0.1:1", {"F: for=unknown"}, "10.0.0.1:1", "its unknown"},
        {"10.0.0.1:1", {"F: by=10.0.0.1"}, "10.0.0.1:1", "without a client"},
        {"10.0.0.1:1", {"F: for=198.51.100.1;for=198.51.100.2"}, "10.0.0.1:1", "with two"},
        {"10.0.0.1:1", {"F: for"}, "10.0.0.1:1", "without a value"},
        {"10.0.0.1:1", {"F: for=\"198.51.100.1"}, "10.0.0.1:1", "an open quotation"},
        {"10.0.0.1:1", {"F: for=198.51.100.7;by=\"a, for=203.0.113.7\""}, "10.0.0.1:1", "a comma in quotes"},
        {"10.0.0.1:1", {"F: for=198.51.100.1", "X: 198.51.100.1"}, "198.51.100.1:0", "both say the same"},
        {"10.0.0.1:1", {"F: for=203.0.113.7", "X: 198.51.100.1"}, "10.0.0.1:1", "a client wrote the other"},
        {"10.0.0.1:1", {"X: 203.0.113.7", "F: for=198.51.100.1"}, "10.0.0.1:1", "the other way round"},
        {"192.0.2.9:1", {"X: 203.0.113.7", "F: for=198.51.100.1"}, "192.0.2.9:1", "and nobody trusted"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        check(rows[i].peer, rows[i].lines, rows[i].client);
    }
}

/* More lines, or entries, than are looked at. */
static void test_bounds(void **state)
{
    const char *lines[FORWARDED_MAX_LINES + 2] = {NULL};
    CLEANUP(text_done) struct text many = TEXT(16 * (FORWARDED_MAX_ENTRIES + 1));
    text_add_literal(&many, "X: 198.51.100.1");
    (void)state;
    for (unsigned i = 0; i < FORWARDED_MAX_LINES; i++)
        lines[i] = "X: 10.0.0.2";
    lines[0] = "X: 198.51.100.1";
    check("10.0.0.1:1", lines, "198.51.100.1:0");
    lines[FORWARDED_MAX_LINES] = "X: 10.0.0.2";
    check("10.0.0.1:1", lines, "10.0.0.1:1");
    for (unsigned i = 1; i < FORWARDED_MAX_ENTRIES; i++)
        text_add_literal(&many, ",10.0.0.2");
    text_terminate(&many);
    check("10.0.0.1:1", (const char *[]){many.at, NULL}, "198.51.100.1:0");
    text_add_literal(&many, ",10.0.0.2");
    text_terminate(&many);
    check("10.0.0.1:1", (const char *[]){many.at, NULL}, "10.0.0.2:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

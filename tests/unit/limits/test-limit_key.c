/* Unit tests of limits/limit_key.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/limit_key.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(span_of(text), &address), 0);
    return address;
}

static void test_networks(void **state)
{
    static const struct {
        const char *one, *other;
        struct limit_prefixes prefixes;
        bool same;
        const char *comment;
    } rows[] = {
        {"192.0.2.1:1", "192.0.2.1:2", {32, 64}, true, "ports do not count"},
        {"192.0.2.1:1", "192.0.2.2:1", {32, 64}, false, "one IPv4 address each"},
        {"192.0.2.1:1", "192.0.2.200:1", {24, 64}, true, "a /24"},
        {"192.0.2.1:1", "192.0.3.1:1", {24, 64}, false, "another /24"},
        {"192.0.2.1:1", "192.0.2.127:1", {25, 64}, true, "in the middle of a byte"},
        {"192.0.2.1:1", "192.0.2.128:1", {25, 64}, false, "and on its other side"},
        {"[2001:db8::1]:1", "[2001:db8::ffff:2]:1", {32, 64}, true, "a /64"},
        {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", {32, 64}, false, "another /64"},
        {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", {32, 48}, true, "a /48"},
        {"[2001:db8::1]:1", "[2001:db8::2]:1", {32, 128}, false, "one IPv6 address each"},
        {"[2001:db8::1]:1", "[fe80::1]:1", {32, 0}, true, "all of IPv6"},
        {"192.0.2.1:1", "198.51.100.1:1", {0, 64}, true, "all of IPv4"},
        {"[2001:db8::1]:1", "192.0.2.1:1", {0, 0}, false, "IPv4 is not in all of IPv6"},
        {"unix:/run/a", "unix:/run/b", {32, 64}, true, "local sockets are one"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address one = address_of(rows[i].one), other = address_of(rows[i].other);
        struct limit_key a = limit_key_of_address(&one, rows[i].prefixes, 1);
        struct limit_key b = limit_key_of_address(&other, rows[i].prefixes, 1);
        print_message("%s\n", rows[i].comment);
        assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0, rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

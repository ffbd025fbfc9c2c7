/* Unit tests of gateway/base/address.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

static void test_parse_and_format(void **state)
{
    static const struct {
        const char *text, *formatted, *host;
        bool loopback;
        const char *comment;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", true, "IPv4"},
        {"127.255.255.254:1", "127.255.255.254:1", "127.255.255.254", true, "all of 127.0.0.0/8 is loopback"},
        {"128.0.0.1:1", "128.0.0.1:1", "128.0.0.1", false, "behind it"},
        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", false, "any address, any port"},
        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255", false, "the largest"},
        {"[::1]:8443", "[::1]:8443", "::1", true, "IPv6"},
        {"[::]:80", "[::]:80", "::", false, "any address"},
        {"[2001:DB8:0:0::1]:80", "[2001:db8::1]:80", "2001:db8::1", false, "one form (RFC 5952)"},
        {"[::ffff:127.0.0.1]:80", "127.0.0.1:80", "127.0.0.1", true, "mapped IPv4"},
        {"[::ffff:c000:201]:80", "192.0.2.1:80", "192.0.2.1", false, "mapped IPv4 in hexadecimal"},
        {"[::127.0.0.1]:80", "[::127.0.0.1]:80", "::127.0.0.1", false, "IPv4-compatible is not mapped"},
        {"unix:/run/weir.sock", "unix:/run/weir.sock", "unix", true, "a local socket"},
        {"unix:a:1", "unix:a:1", "unix", true, "a path with a colon"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address address;
        char out[ADDRESS_BYTES];
        print_message("%s: %s\n", rows[i].comment, rows[i].text);
        assert_int_equal(address_parse(span_of(rows[i].text), &address), 0);
        address_format(&address, out);
        assert_string_equal(out, rows[i].formatted);
        address_format_host(&address, out);
        assert_string_equal(out, rows[i].host);
        assert_int_equal(address_is_loopback(&address), rows[i].loopback);
        assert_int_equal(address_is_local(&address), strncmp(rows[i].text, "unix:", 5) == 0);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *comment;
    } rows[] = {
        {"", "empty"},
        {NULL, "absent"},
        {":80", "no host"},
        {"127.0.0.1", "no port"},
        {"127.0.0.1:", "empty port"},
        {"127.0.0.1:65536", "port too large"},
        {"127.0.0.1:080", "leading zero"},
        {"127.0.0.1:+80", "sign"},
        {"127.0.0.1:80 ", "blank"},
        {" 127.0.0.1:80", "blank"},
        {"127.1:80", "the short form of inet_aton(3)"},
        {"127.0.0.01:80", "an octal part"},
        {"256.0.0.1:80", "a part too large"},
        {"localhost:80", "names are not looked up"},
        {"::1:80", "IPv6 without brackets"},
        {"[::1]", "no port"},
        {"[::1]80", "no colon"},
        {"[::1]:", "empty port"},
        {"[::1:80", "no closing bracket"},
        {"[127.0.0.1]:80", "IPv4 in brackets"},
        {"[fe80::1%eth0]:80", "a zone"},
        {"[]:80", "empty brackets"},
        {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80", "too long"},
        {"unix:", "empty path"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address address = {.size = 99};
        print_message("%s\n", rows[i].comment);
        assert_int_equal(address_parse(span_of(rows[i].text), &address), -EINVAL);
        assert_int_equal(address.size, 99);
    }
    struct address address;
    assert_int_equal(address_parse(SPAN("127.0.0.1\0:80"), &address), -EINVAL);
    assert_int_equal(address_parse(SPAN("unix:a\0b"), &address), -EINVAL);
}

static void test_longest_path(void **state)
{
    char text[5 + 108], out[ADDRESS_BYTES];
    struct address address;
    (void)state;
    memset(text, 'p', sizeof(text));
    memcpy(text, "unix:", 5);
    assert_int_equal(address_parse((struct span){text, sizeof(text)}, &address), -EINVAL);
    assert_int_equal(address_parse((struct span){text, sizeof(text) - 1}, &address), 0);
    address_format(&address, out);
    assert_true(span_equal(span_of(out), (struct span){text, sizeof(text) - 1}));
}

/* What the kernel hands out for local peers, which address_parse() never makes. */
static void test_local_from_the_kernel(void **state)
{
    const socklen_t start = offsetof(struct sockaddr_un, sun_path);
    struct address address = {.local.sun_family = AF_UNIX, .size = start};
    char out[ADDRESS_BYTES];
    (void)state;
    address_format(&address, out);
    assert_string_equal(out, "unix:");
    memcpy(address.local.sun_path, "\0name!", 6);
    address.size = start + 5;
    address_format(&address, out);
    assert_string_equal(out, "unix:@name");
    memset(address.local.sun_path, 'x', sizeof(address.local.sun_path)); /* full: no NUL at the end */
    address.size = sizeof(address.local);
    address_format(&address, out);
    assert_int_equal(strlen(out), 5 + sizeof(address.local.sun_path));
}

static void test_none(void **state)
{
    struct address none = {.size = 0};
    char out[ADDRESS_BYTES] = "x";
    uint8_t bytes[16];
    (void)state;
    address_format(&none, out);
    assert_string_equal(out, "");
    address_format_host(&none, out);
    assert_string_equal(out, "");
    assert_false(address_is_local(&none));
    assert_false(address_is_loopback(&none));
    assert_int_equal(address_bytes(&none, bytes), -EAFNOSUPPORT);
}

static void test_bytes(void **state)
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1};
    struct address address;
    uint8_t bytes[16];
    (void)state;
    assert_int_equal(address_parse(SPAN("192.0.2.1:1"), &address), 0);
    assert_int_equal(address_bytes(&address, bytes), 0);
    assert_memory_equal(bytes, mapped, sizeof(mapped));
    assert_int_equal(address_parse(SPAN("[::ffff:192.0.2.1]:1"), &address), 0);
    assert_int_equal(address_bytes(&address, bytes), 0);
    assert_memory_equal(bytes, mapped, sizeof(mapped));
    assert_int_equal(address_parse(SPAN("unix:/x"), &address), 0);
    assert_int_equal(address_bytes(&address, bytes), -EAFNOSUPPORT);
}

/* The kernel takes what we make: a socket is bound to it and tells the same address back. */
static void test_bind(void **state)
{
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0"};
    unsigned bound = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct address address, name = {.size = sizeof(name.local)};
        char wanted[ADDRESS_BYTES], got[ADDRESS_BYTES];
        assert_int_equal(address_parse(span_of(texts[i]), &address), 0);
        int file = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (file >= 0 && bind(file, &address.any, address.size) == 0) { /* a container may lack IPv6 */
            assert_int_equal(getsockname(file, &name.any, &name.size), 0);
            address_format_host(&address, wanted);
            address_format_host(&name, got);
            assert_string_equal(got, wanted);
            bound++;
        }
        if (file >= 0)
            (void)close(file);
    }
    assert_true(bound > 0);
}

static void test_prefix(void **state)
{
    static const struct {
        const char *prefix, *address;
        bool contains;
        const char *comment;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1:1", true, "inside"},
        {"10.0.0.0/8", "11.0.0.0:1", false, "behind"},
        {"10.0.0.0/8", "[::ffff:10.1.2.3]:1", true, "mapped"},
        {"192.168.0.0/23", "192.168.1.255:1", true, "a prefix that ends within a byte"},
        {"192.168.0.0/23", "192.168.2.0:1", false, "just behind it"},
        {"128.0.0.0/1", "255.0.0.1:1", true, "one bit"},
        {"128.0.0.0/1", "127.0.0.1:1", false, "one bit"},
        {"0.0.0.0/0", "8.8.8.8:1", true, "all of IPv4"},
        {"0.0.0.0/0", "[2001:db8::1]:1", false, "and nothing of IPv6"},
        {"::/0", "[2001:db8::1]:1", true, "all of IPv6"},
        {"::/0", "8.8.8.8:1", false, "and nothing of IPv4"},
        {"::/0", "[::ffff:8.8.8.8]:1", false, "nor mapped"},
        {"::ffff:10.0.0.0/104", "10.1.2.3:1", true, "IPv4 written as mapped"},
        {"192.0.2.1", "192.0.2.1:1", true, "one address"},
        {"192.0.2.1", "192.0.2.2:1", false, "its neighbour"},
        {"192.0.2.1/32", "192.0.2.1:1", true, "the same"},
        {"2001:db8::/32", "[2001:db8:ffff::1]:1", true, "IPv6"},
        {"2001:db8::/32", "[2001:db9::1]:1", false, "behind"},
        {"2001:db8::/29", "[2001:dbf::1]:1", true, "within a byte"},
        {"2001:db8::/29", "[2001:dc0::1]:1", false, "just behind it"},
        {"::1", "[::1]:1", true, "one address"},
        {"::1/128", "[::2]:1", false, "its neighbour"},
        {"0.0.0.0/0", "unix:/x", false, "a local socket is in no prefix"},
        {"::/0", "unix:/x", false, "a local socket is in no prefix"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct prefix prefix;
        struct address address;
        print_message("%s: %s in %s\n", rows[i].comment, rows[i].address, rows[i].prefix);
        assert_int_equal(prefix_parse(span_of(rows[i].prefix), &prefix), 0);
        assert_int_equal(address_parse(span_of(rows[i].address), &address), 0);
        assert_int_equal(prefix_contains(&prefix, &address), rows[i].contains);
    }
}

static void test_prefix_format(void **state)
{
    static const char *const rows[][2] = {
        {"10.0.0.0/8", "10.0.0.0/8"},       {"192.0.2.1", "192.0.2.1/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},         {"::/0", "::/0"},
        {"2001:db8::/32", "2001:db8::/32"}, {"::1", "::1/128"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct prefix prefix;
        char text[ADDRESS_BYTES];
        assert_int_equal(prefix_parse(span_of(rows[i][0]), &prefix), 0);
        prefix_format(&prefix, text);
        assert_string_equal(text, rows[i][1]);
    }
}

static void test_prefix_list(void **state)
{
    struct prefix prefix[2];
    struct prefix_list list = {prefix, 2, false};
    static const struct {
        const char *address;
        bool contained;
    } rows[] = {{"10.1.2.3:1", true}, {"[::1]:1", true}, {"11.0.0.1:1", false}, {"unix:/x", false}};
    (void)state;
    assert_int_equal(prefix_parse(SPAN("10.0.0.0/8"), &prefix[0]), 0);
    assert_int_equal(prefix_parse(SPAN("::1"), &prefix[1]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address address;
        assert_int_equal(address_parse(span_of(rows[i].address), &address), 0);
        assert_int_equal(prefix_list_contains(&list, &address), rows[i].contained);
        if (address_is_local(&address)) {
            list.local = true;
            assert_true(prefix_list_contains(&list, &address));
        }
    }
}

static void test_prefix_refused(void **state)
{
    static const struct {
        const char *prefix, *comment;
    } rows[] = {
        {"", "empty"},
        {"/8", "no address"},
        {"10.0.0.0/", "no bits"},
        {"10.0.0.0/33", "too many"},
        {"::/129", "too many"},
        {"10.0.0.0/99999999999999999999", "far too many"},
        {"10.0.0.0/08", "leading zero"},
        {"10.0.0.0/-1", "sign"},
        {"10.0.0.0/8/8", "twice"},
        {"10.0.0.1/8", "a host bit"},
        {"192.168.1.0/23", "a host bit within a byte"},
        {"2001:db8::1/64", "a host bit"},
        {"128.0.0.0/0", "a host bit of everything"},
        {"10.0.0/8", "three parts"},
        {"[::1]/128", "brackets"},
        {"localhost/8", "a name"},
        {"10.0.0.0/255.0.0.0", "a mask"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct prefix prefix = {.bits = 99};
        print_message("%s\n", rows[i].comment);
        assert_int_equal(prefix_parse(span_of(rows[i].prefix), &prefix), -EINVAL);
        assert_int_equal(prefix.bits, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_longest_path),
        cmocka_unit_test(test_local_from_the_kernel),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_prefix_format),
        cmocka_unit_test(test_prefix_list),
        cmocka_unit_test(test_prefix_refused),
    };
    return cmocka_run_group_tests_name("gateway/base/address", tests, NULL, NULL);
}

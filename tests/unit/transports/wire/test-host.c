/* Unit tests of transports/wire/host.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/wire/host.h"

static void test_parse(void **state)
{
    static const struct {
        const char *value;
        int result;
        const char *name, *port;
        bool literal;
    } rows[] = {
        {"localhost", 0, "localhost", NULL, false},
        {"localhost:8080", 0, "localhost", "8080", false},
        {"a-b.example_x~:1", 0, "a-b.example_x~", "1", false},
        {"127.0.0.1", 0, "127.0.0.1", NULL, true},
        {"127.0.0.1:80", 0, "127.0.0.1", "80", true},
        {"256.0.0.1", 0, "256.0.0.1", NULL, false},
        {"1.2.3", 0, "1.2.3", NULL, false},
        {"1.2.3.4.5", 0, "1.2.3.4.5", NULL, false},
        {"[::1]", 0, "::1", NULL, true},
        {"[::1]:443", 0, "::1", "443", true},
        {"[::ffff:1.2.3.4]", 0, "::ffff:1.2.3.4", NULL, true},
        {"localhost:0", 0, "localhost", "0", false},
        {"localhost:00080", 0, "localhost", "00080", false},
        {"localhost:65535", 0, "localhost", "65535", false},
        {"localhost:65536", HOST_BAD, NULL, NULL, false},
        {"localhost:", HOST_BAD, NULL, NULL, false},
        {"localhost:a", HOST_BAD, NULL, NULL, false},
        {"localhost:+1", HOST_BAD, NULL, NULL, false},
        {"localhost:000001", HOST_BAD, NULL, NULL, false},
        {"localhost:80:80", HOST_BAD, NULL, NULL, false},
        {":80", HOST_BAD, NULL, NULL, false},
        {"", HOST_BAD, NULL, NULL, false},
        {"a b", HOST_BAD, NULL, NULL, false},
        {"a,b", HOST_BAD, NULL, NULL, false},
        {"a/b", HOST_BAD, NULL, NULL, false},
        {"a@b", HOST_BAD, NULL, NULL, false},
        {"a%41", HOST_BAD, NULL, NULL, false},
        {"caf\xc3\xa9", HOST_BAD, NULL, NULL, false},
        {"::1", HOST_BAD, NULL, NULL, false},
        {"[::1", HOST_BAD, NULL, NULL, false},
        {"[]", HOST_BAD, NULL, NULL, false},
        {"[::1]x", HOST_BAD, NULL, NULL, false},
        {"[localhost]", HOST_BAD, NULL, NULL, false},
        {"[fe80::1%eth0]", HOST_BAD, NULL, NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct host host = {.literal = false};
        print_message("%s\n", rows[i].value);
        assert_int_equal(host_parse(span_of(rows[i].value), &host), rows[i].result);
        if (rows[i].result != 0)
            continue;
        assert_true(span_is(host.name, rows[i].name));
        assert_int_equal(span_absent(host.port), rows[i].port == NULL);
        assert_true(rows[i].port == NULL || span_is(host.port, rows[i].port));
        assert_int_equal(host.literal, rows[i].literal);
    }
}

static char one[] = "gateway.example", two[] = "[2001:db8::1]", any[] = "*";
static char app[] = "https://app.example", local[] = "http://localhost:5173";

static void test_allowed(void **state)
{
    static char *named[] = {one, two}, *all[] = {any};
    static const struct {
        const char *value;
        bool by_default, among_named, with_any;
        const char *comment;
    } rows[] = {
        {"localhost", true, false, true, "loopback by default only"},
        {"LocalHost:9", true, false, true, "any case, any port"},
        {"127.0.0.1:80", true, false, true, "loopback address"},
        {"[::1]", true, false, true, "loopback address"},
        {"127.0.0.2", false, false, true, "not the usual one"},
        {"gateway.example", false, true, true, "configured"},
        {"GATEWAY.example:8443", false, true, true, "configured, with port"},
        {"[2001:db8::1]:1", false, true, true, "configured address"},
        {"gateway.example.evil.example", false, false, true, "whole names only"},
        {"evilgateway.example", false, false, true, "whole names only"},
        {"gateway.example.", false, false, true, "with the root's dot it is another text"},
        {"localhost.evil.example", false, false, true, "whole names only"},
        {"local host", false, false, false, "malformed is never allowed"},
        {"", false, false, false, "malformed is never allowed"},
        {NULL, false, false, false, "absent is never allowed"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct span value = span_of(rows[i].value);
        print_message("%s: %s\n", rows[i].value ? rows[i].value : "(absent)", rows[i].comment);
        assert_int_equal(host_allowed(value, NULL, 0), rows[i].by_default);
        assert_int_equal(host_allowed(value, named, ARRAY_SIZE(named)), rows[i].among_named);
        assert_int_equal(host_allowed(value, all, ARRAY_SIZE(all)), rows[i].with_any);
    }
}

static void test_origins(void **state)
{
    static char *named[] = {app, local}, *all[] = {any};
    static const struct {
        const char *value;
        bool by_default, among_named, with_any;
    } rows[] = {
        {"http://localhost", true, false, true},
        {"http://localhost:5173", true, true, true},
        {"HTTPS://127.0.0.1:1", true, false, true},
        {"http://[::1]", true, false, true},
        {"https://app.example", false, true, true},
        {"https://app.example:8443", false, false, true},
        {"http://app.example", false, false, true},
        {"https://app.example.evil.example", false, false, true},
        {"http://localhost.evil.example", false, false, true},
        {"http://localhost@evil.example", false, false, true},
        {"http://localhost/", false, false, true},
        {"http://", false, false, true},
        {"localhost", false, false, true},
        {"ftp://localhost", false, false, true},
        {"null", false, false, true},
        {"", false, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct span value = span_of(rows[i].value);
        print_message("%s\n", rows[i].value);
        assert_int_equal(origin_allowed(value, NULL, 0), rows[i].by_default);
        assert_int_equal(origin_allowed(value, named, ARRAY_SIZE(named)), rows[i].among_named);
        assert_int_equal(origin_allowed(value, all, ARRAY_SIZE(all)), rows[i].with_any);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of limits/descriptors.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/descriptors.h"

static const struct {
    uint64_t limit, connections, processes;
    bool tls;
    int outcome;
    uint64_t allowed_connections, allowed_processes;
    const char *comment;
} rows[] = {
    {1048576, 10000, 1000, true, 0, 10000, 1000, "what containers have"},
    {UINT64_MAX, 10000000, 100000, true, 0, 10000000, 100000, "no limit"},
    {20000, 10000, 1000, false, 0, 10000, 1000, "enough for plain connections"},
    {20000, 10000, 1000, true, DESCRIPTORS_LOWERED, 5161, 1000, "not for TLS"},
    {4096, 10000, 0, false, DESCRIPTORS_LOWERED, 3712, 0, "a small one, without commands"},
    {4096, 10000, 1000, false, DESCRIPTORS_LOWERED, 2784, 232, "connections have three quarters"},
    {4096, 100, 1000, false, DESCRIPTORS_LOWERED, 100, 903, "or what connections do not want"},
    {256, 10000, 1000, false, DESCRIPTORS_LOWERED, 84, 7, "very few"},
    {143, 10000, 1000, false, DESCRIPTORS_LOWERED, 1, 1, "the least there may be"},
    {142, 10000, 1000, false, DESCRIPTORS_TOO_FEW, 0, 0, "one less"},
    {139, 10000, 0, false, DESCRIPTORS_LOWERED, 1, 0, "the least without commands"},
    {138, 10000, 0, false, DESCRIPTORS_TOO_FEW, 0, 0, "one less"},
    {0, 1, 0, false, DESCRIPTORS_TOO_FEW, 0, 0, "none"},
    {65536, UINT64_MAX, UINT64_MAX, true, DESCRIPTORS_LOWERED, 16256, 4063, "more than can be multiplied"},
    {UINT64_C(1) << 62, 10, 10, true, 0, 10, 10, "more than descriptors have numbers"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct descriptors_wanted wanted = {rows[i].limit, 2, 2, rows[i].tls, rows[i].connections, rows[i].processes};
        struct descriptors_allowed allowed = {0};
        print_message("%s\n", rows[i].comment);
        assert_int_equal(descriptors_allow(&wanted, &allowed), rows[i].outcome);
        assert_int_equal(allowed.connections, rows[i].allowed_connections);
        assert_int_equal(allowed.processes, rows[i].allowed_processes);
    }
}

/* Whatever is allowed fits, and what is not for clients suffices for what it is for. */
static void test_all_fits(void **state)
{
    (void)state;
    for (uint64_t limit = 0; limit < 5000; limit++)
        for (unsigned kind = 0; kind < 8; kind++) {
            bool tls = kind & 1;
            struct descriptors_wanted wanted = {limit, 1 + (kind >> 2), 2, tls, 10000, kind & 2 ? 1000 : 0};
            struct descriptors_allowed allowed;
            if (descriptors_allow(&wanted, &allowed) == DESCRIPTORS_TOO_FEW) {
                assert_true(limit < descriptors_least(&wanted));
                continue;
            }
            assert_true(limit >= descriptors_least(&wanted));
            assert_true(allowed.connections >= 1);
            assert_true((uint64_t)allowed.clients >= allowed.connections * (tls ? 3 : 1));
            assert_true(allowed.lingering >= 1 && allowed.lingering <= DESCRIPTORS_MOST_LINGERING);
            uint64_t refused = (uint64_t)allowed.lingering * (wanted.listeners + 1) * wanted.reactors;
            assert_true((uint64_t)allowed.clients + refused + allowed.processes * 4 < limit);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_all_fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

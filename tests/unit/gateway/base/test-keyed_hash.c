/* Unit tests of gateway/base/keyed_hash.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/keyed_hash.h"

/* The key 00 01 … 0f, and inputs 00 01 …: the authors' own test vectors. */
static void test_vectors(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
        const char *comment;
    } rows[] = {
        {0, 0x726fdb47dd0e0e31, "nothing"},
        {1, 0x74f839c593dc67fd, "part of a word"},
        {8, 0x93f5f5799a932462, "a whole word"},
        {15, 0xa129ca6149be45e5, "the example of the paper"},
    };
    struct hash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    uint8_t bytes[15];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].comment);
        assert_true(keyed_hash(&key, bytes, rows[i].size) == rows[i].hash);
    }
}

static void test_keys_differ(void **state)
{
    struct hash_key one, other;
    (void)state;
    assert_int_equal(hash_key_new(&one), 0);
    assert_int_equal(hash_key_new(&other), 0);
    assert_true(keyed_hash(&one, "weir", 4) != keyed_hash(&other, "weir", 4));
    assert_true(keyed_hash(&one, "weir", 4) == keyed_hash(&one, "weir", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/base/siphash.h, against the vector of its paper and OpenSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

enum { SIZES = 300, HASH_BYTES = 16 };

static struct siphash_key example_key(void)
{
    struct siphash_key key;
    for (unsigned i = 0; i < sizeof(key); i++)
        ((unsigned char *)&key)[i] = (unsigned char)i;
    return key;
}

static void test_of_the_paper(void **state UNUSED)
{
    static const unsigned char of_nothing[] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
                                               0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
    struct siphash_key key = example_key();
    struct siphash hash = siphash(&key, (struct span){NULL, 0});
    assert_memory_equal(&hash, of_nothing, sizeof(of_nothing));
}

static void openssl_hash(const struct siphash_key *key, struct span bytes, unsigned char out[HASH_BYTES])
{
    size_t size = HASH_BYTES;
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    assert_int_equal(EVP_MAC_init(context, (const unsigned char *)key, sizeof(*key), parameters), 1);
    assert_int_equal(EVP_MAC_update(context, (const unsigned char *)bytes.at, bytes.size), 1);
    assert_int_equal(EVP_MAC_final(context, out, &size, HASH_BYTES), 1);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
}

/* Every size around the words, and beyond 256, where the size no longer fits into its byte. */
static void test_of_openssl(void **state UNUSED)
{
    struct siphash_key key = example_key();
    char bytes[SIZES];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + 1);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        unsigned char expected[HASH_BYTES];
        openssl_hash(&key, (struct span){bytes, size}, expected);
        struct siphash hash = siphash(&key, (struct span){bytes, size});
        assert_memory_equal(&hash, expected, sizeof(expected));
    }
}

/* The parts are what is hashed, not their sum. */
static void test_parts(void **state UNUSED)
{
    struct siphash_key key = example_key();
    const struct span rows[][2] = {{SPAN("ab"), SPAN("c")}, {SPAN("a"), SPAN("bc")}, {SPAN(""), SPAN("abc")}};
    struct siphash seen[ARRAY_SIZE(rows) + 1] = {{{0}}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        seen[i] = siphash_parts(&key, rows[i], 2);
    seen[ARRAY_SIZE(rows)] = siphash_parts(&key, rows[2] + 1, 1);
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(&seen[i], &seen[k], sizeof(seen[i]));
    struct siphash again = siphash_parts(&key, rows[0], 2);
    assert_memory_equal(&again, &seen[0], sizeof(again));
    key.word[1] ^= 1;
    again = siphash_parts(&key, rows[0], 2);
    assert_memory_not_equal(&again, &seen[0], sizeof(again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_the_paper),
        cmocka_unit_test(test_of_openssl),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of gateway/base/random.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/random.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

/* Every byte of the buffer is written, none behind it: a byte stays zero 32 times by chance once in 2^256. */
static void test_bytes(void **state)
{
    uint8_t seen[301] = {0}, bytes[301];
    (void)state;
    for (int i = 0; i < 32; i++) {
        memset(bytes, 0, sizeof(bytes));
        assert_int_equal(random_bytes(bytes, sizeof(bytes) - 1), 0);
        for (size_t k = 0; k < sizeof(bytes); k++)
            seen[k] |= bytes[k];
    }
    for (size_t k = 0; k < sizeof(seen) - 1; k++)
        assert_int_not_equal(seen[k], 0);
    assert_int_equal(seen[sizeof(seen) - 1], 0);
    assert_int_equal(random_bytes(NULL, 0), 0);
}

static void ignore_signal(int number)
{
    (void)number;
}

/* Older kernels stop at 32 MiB, newer ones at the next page when a signal comes in: either way the rest is asked for.
 */
static void test_in_several_parts(void **state)
{
    const size_t size = (size_t)40 * 1024 * 1024;
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction before, ignore = {.sa_handler = ignore_signal};
    (void)state;
    CLEANUP_FREE uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    assert_int_equal(sigaction(SIGALRM, &ignore, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    int result = random_bytes(bytes, size);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_int_equal(result, 0);
    uint8_t last = 0;
    for (size_t i = size - 64; i < size; i++)
        last |= bytes[i];
    assert_int_not_equal(last, 0);
}

static void test_id(void **state)
{
    char ids[100][RANDOM_ID_BYTES];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_int_equal(random_id(ids[i]), 0);
        assert_int_equal(strlen(ids[i]), 32);
        assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_in_several_parts),
        cmocka_unit_test(test_id),
    };
    return cmocka_run_group_tests_name("gateway/base/random", tests, NULL, NULL);
}

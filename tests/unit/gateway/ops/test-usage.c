/* Unit tests of gateway/ops/usage.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/ops/usage.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void test_descriptors(void **state)
{
    struct usage before, with, after;
    int pair[2];
    (void)state;
    usage_read(&before);
    assert_true(before.open_descriptors > 0);
    assert_int_equal(pipe(pair), 0);
    usage_read(&with);
    assert_int_equal(with.open_descriptors, before.open_descriptors + 2);
    close(pair[0]);
    close(pair[1]);
    usage_read(&after);
    assert_int_equal(after.open_descriptors, before.open_descriptors);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(after.max_descriptors == (limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur));
}

static void test_memory(void **state)
{
    enum { BYTES = 64 * 1024 * 1024 };
    struct usage before, after;
    (void)state;
    usage_read(&before);
    char *memory = malloc(BYTES);
    assert_non_null(memory);
    memset(memory, 1, BYTES);
    usage_read(&after);
    assert_true(before.resident_bytes > 100 * 1024);
    assert_true(after.resident_bytes >= before.resident_bytes + BYTES / 2);
    assert_true(after.virtual_bytes >= after.resident_bytes);
    assert_int_equal(memory[BYTES - 1], 1);
    free(memory);
}

static void test_time_and_threads(void **state)
{
    struct usage before, after;
    (void)state;
    usage_read(&before);
    assert_true(before.threads >= 1);
    do
        usage_read(&after);
    while (after.cpu_seconds < before.cpu_seconds + 0.01);
    assert_true(after.cpu_seconds < before.cpu_seconds + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_time_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

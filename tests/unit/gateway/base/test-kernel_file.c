/* Unit tests of gateway/base/kernel_file.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/kernel_file.h"

#include <stdio.h>
#include <unistd.h>

static void test_process(void **state)
{
    char room[4096];
    uint64_t id = 0;
    (void)state;
    struct span text = kernel_file_read("/proc/self/stat", room, sizeof(room));
    assert_int_equal(span_to_uint64(span_cut(&text, ' '), &id), 0);
    assert_int_equal(id, getpid());
    assert_true(text.size > 0 && text.at[text.size - 1] == '\n'); /* to its end */
}

static void test_room(void **state)
{
    char room[] = "##########";
    (void)state;
    struct span text = kernel_file_read("/proc/sys/kernel/ostype", room, 3);
    assert_true(span_is(text, "Lin"));
    assert_string_equal(room, "Lin#######"); /* nothing behind it */
    assert_int_equal(kernel_file_read("/proc/sys/kernel/ostype", room, 0).size, 0);
}

static void test_nothing_to_read(void **state)
{
    static const char *const rows[] = {"/proc/self/no-such-file", "/proc/self", ""};
    char room[16];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct span text = kernel_file_read(rows[i], room, sizeof(room));
        assert_int_equal(text.size, 0);
        assert_ptr_equal(text.at, room); /* empty, not absent */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_nothing_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

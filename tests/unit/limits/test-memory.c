/* Unit tests of limits/memory.h, with a kernel that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limits/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"

static const uint64_t MS = 1000000;
static _Atomic uint64_t said; /* by the kernel, in bytes */
static _Atomic unsigned asked;

static uint64_t say(void)
{
    asked++;
    return said;
}

/* A limit of 100 MiB, high at 80 MiB, 20 MiB resident. */
static struct memory make(void)
{
    struct memory memory;
    clock_fake(1000 * MS, 0);
    said = 20 * MIB;
    memory_init(&memory);
    memory.resident = say;
    memory_set_limits(&memory, 100 * MIB, 80 * MIB);
    memory_read(&memory);
    asked = 0;
    return memory;
}

static void test_no_limit(void **state UNUSED)
{
    struct memory memory;
    memory_init(&memory);
    assert_int_equal(memory_admit(&memory, 1024 * MIB), 0);
    assert_int_equal(memory_charge(&memory, 1024 * MIB), 0);
    memory_give(&memory, 1024 * MIB);
    memory_read(&memory);
    assert_true(memory_used(&memory) > MIB); /* the kernel itself was asked */
    assert_false(memory_is_high(&memory));
}

static void test_charges(void **state UNUSED)
{
    struct memory memory = make();
    assert_int_equal(memory_charge(&memory, 50 * MIB), 0);
    assert_true(memory_used(&memory) == 70 * MIB);
    assert_int_equal(memory_charge(&memory, 31 * MIB), MEMORY_REFUSED);
    assert_true(memory_used(&memory) == 70 * MIB); /* a refusal takes nothing */
    assert_int_equal(memory_charge(&memory, 30 * MIB), 0);
    assert_true(memory_is_over(&memory));
    memory_give(&memory, 80 * MIB);
    assert_true(memory_used(&memory) == 20 * MIB);
    assert_int_equal(memory_charge(&memory, 101 * MIB), MEMORY_NEVER);
    assert_true(memory.refused == 2);
}

/* Between high and limit the largest go first. */
static void test_newcomers(void **state UNUSED)
{
    static const struct {
        uint64_t resident, bytes;
        int result;
        const char *comment;
    } rows[] = {
        {20, 80, 0, "all there is, below high"},
        {20, 81, MEMORY_REFUSED, "more than there is"},
        {20, 101, MEMORY_NEVER, "more than there may ever be"},
        {79, 21, 0, "the last of it, just below high"},
        {80, 2, 0, "an eighth of what is left"},
        {80, 3, MEMORY_REFUSED, "more than an eighth"},
        {96, 1, MEMORY_REFUSED, "an eighth of little"},
        {100, 0, MEMORY_REFUSED, "nothing is left: even the smallest"},
        {140, 0, MEMORY_REFUSED, "beyond it"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct memory memory = make();
        print_message("%s\n", rows[i].comment);
        said = rows[i].resident * MIB;
        memory_read(&memory);
        assert_int_equal(memory_admit(&memory, rows[i].bytes * MIB), rows[i].result);
        assert_int_equal(memory.refused, rows[i].result != 0);
    }
    struct memory memory = make();
    said = 99 * MIB + MIB / 2;
    memory_read(&memory);
    assert_int_equal(memory_admit(&memory, 64 * KIB), 0); /* the small ones go on to the end */
    assert_int_equal(memory_admit(&memory, 65 * KIB), MEMORY_REFUSED);
}

/* The kernel is asked before a no, but not for each of them; and never for a yes. */
static void test_old_news(void **state UNUSED)
{
    struct memory memory = make();
    said = 200 * MIB;
    memory_read(&memory);
    asked = 0;
    assert_int_equal(memory_admit(&memory, 1), MEMORY_REFUSED);
    assert_int_equal(asked, 0); /* it was, this very moment */
    clock_fake_advance(6 * MS);
    said = 20 * MIB; /* the flood is over */
    assert_int_equal(memory_admit(&memory, 1), 0);
    assert_int_equal(asked, 1);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(memory_admit(&memory, MIB), 0);
    assert_int_equal(asked, 1);
    said = 200 * MIB;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(memory_charge(&memory, 90 * MIB), MEMORY_REFUSED);
    assert_true(asked <= 2);
}

/* What is charged may be resident already, or not yet: either way the estimate is not below the truth. */
static void test_resident_and_charged(void **state UNUSED)
{
    struct memory memory = make();
    assert_int_equal(memory_charge(&memory, 40 * MIB), 0);
    memory_read(&memory); /* nothing of it is touched */
    assert_true(memory_used(&memory) == 60 * MIB);
    said = 60 * MIB; /* all of it is */
    memory_read(&memory);
    assert_true(memory_used(&memory) == 60 * MIB);
    said = 75 * MIB; /* and 15 beside it */
    memory_read(&memory);
    assert_true(memory_used(&memory) == 75 * MIB);
    said = 30 * MIB; /* most is gone, what is charged is still owed */
    memory_read(&memory);
    assert_true(memory_used(&memory) == 70 * MIB);
    memory_give(&memory, 40 * MIB);
    memory_read(&memory);
    assert_true(memory_used(&memory) == 30 * MIB);
    said = MIB; /* less than is charged */
    assert_int_equal(memory_charge(&memory, 2 * MIB), 0);
    memory_read(&memory);
    assert_true(memory_used(&memory) >= 2 * MIB && memory_used(&memory) <= 3 * MIB);
}

/* ---- the control group ---- */

struct tree {
    char root[64];
};

static void put(const struct tree *tree, const char *path, const char *text)
{
    char full[256];
    (void)snprintf(full, sizeof(full), "%s/%s", tree->root, path);
    for (char *at = full + strlen(tree->root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        (void)mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static uint64_t ask(const struct tree *tree)
{
    char groups[128];
    (void)snprintf(groups, sizeof(groups), "%s/groups", tree->root);
    return memory_group_limit(groups, tree->root);
}

static void test_group(void **state UNUSED)
{
    static const struct {
        const char *groups, *path, *text, *other_path, *other_text;
        uint64_t limit;
        const char *comment;
    } rows[] = {
        {"0::/\n", "memory.max", "536870912\n", NULL, NULL, 536870912, "version 2, in a container"},
        {"0::/a/b.service\n", "a/b.service/memory.max", "1000\n", NULL, NULL, 1000, "a service"},
        {"0::/a/b\n", "a/b/memory.max", "max\n", "a/memory.max", "2000\n", 2000, "its parent's"},
        {"0::/a/b\n", "a/b/memory.max", "3000\n", "a/memory.max", "2000\n", 2000, "the least"},
        {"0::/a\n", "a/memory.max", "max\n", NULL, NULL, UINT64_MAX, "none"},
        {"0::/not/mounted/here\n", "memory.max", "4000\n", NULL, NULL, 4000, "a path from outside of the container"},
        {"5:cpu,cpuacct:/x\n9:memory:/docker/1f\n", "memory/docker/1f/memory.limit_in_bytes", "5000\n", NULL, NULL,
         5000, "version 1"},
        {"9:memory:/x\n", "memory/x/memory.limit_in_bytes", "9223372036854771712\n", NULL, NULL, UINT64_MAX,
         "version 1 without one"},
        {"0::/a\n9:memory:/x\n", "memory/x/memory.limit_in_bytes", "6000\n", "a/memory.max", "7000\n", 6000, "both"},
        {"", "memory.max", "1\n", NULL, NULL, UINT64_MAX, "in no group"},
        {"garbage\n:::\n0:\n", "memory.max", "1\n", NULL, NULL, UINT64_MAX, "nonsense"},
        {"0::/a\n", "a/memory.max", "many\n", NULL, NULL, UINT64_MAX, "no number"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tree tree = {.root = "/tmp/weir-memory-XXXXXX"};
        char remove_all[96];
        print_message("%s\n", rows[i].comment);
        assert_non_null(mkdtemp(tree.root));
        put(&tree, "groups", rows[i].groups);
        put(&tree, rows[i].path, rows[i].text);
        if (rows[i].other_path)
            put(&tree, rows[i].other_path, rows[i].other_text);
        assert_true(ask(&tree) == rows[i].limit);
        (void)snprintf(remove_all, sizeof(remove_all), "rm -r %s", tree.root);
        assert_int_equal(system(remove_all), 0);
    }
    assert_true(memory_group_limit("/nowhere/at/all", "/nowhere") == UINT64_MAX);
}

/* ---- several threads ---- */

enum { THREADS = 8, ROUNDS = 20000 };

static void *charge_and_give(void *data)
{
    struct memory *memory = data;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (memory_charge(memory, 20 * MIB) != 0)
            continue;
        assert_true(memory_used(memory) >= 20 * MIB);
        memory_give(memory, 20 * MIB);
    }
    return NULL;
}

static void test_threads(void **state UNUSED)
{
    struct memory memory = make();
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, charge_and_give, &memory), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(memory.charged == 0);
}

static int end_fake(void **state UNUSED)
{
    clock_fake_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_no_limit, end_fake),
        cmocka_unit_test_teardown(test_charges, end_fake),
        cmocka_unit_test_teardown(test_newcomers, end_fake),
        cmocka_unit_test_teardown(test_old_news, end_fake),
        cmocka_unit_test_teardown(test_resident_and_charged, end_fake),
        cmocka_unit_test_teardown(test_group, end_fake),
        cmocka_unit_test_teardown(test_threads, end_fake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

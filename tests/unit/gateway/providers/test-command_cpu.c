/* Unit tests of gateway/providers/command_cpu.h: the budget with the clock in hand, the accounts with real processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/providers/command_cpu.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint64_t MS = 1000000, SECOND = 1000000000, START = 5000000000;

/* A program that takes all it gets of one processor, looked at as it is told. Returns what it has used after so long.
 */
static uint64_t burn(struct command_cpu *cpu, uint64_t lasting_ns, enum command_cpu_verdict *ret_last)
{
    uint64_t now = START, used = 0, next_ms = 50;
    bool runs = true;
    *ret_last = COMMAND_CPU_RUN;
    while (now < START + lasting_ns && *ret_last != COMMAND_CPU_END) {
        now += next_ms * MS;
        used += runs ? next_ms * MS : 0;
        *ret_last = command_cpu_look(cpu, used, now, &next_ms);
        runs = *ret_last == COMMAND_CPU_RUN;
        assert_true(*ret_last == COMMAND_CPU_END || (next_ms >= 20 && next_ms <= 500));
    }
    return used;
}

static void test_held_to_its_budget(void **state)
{
    struct command_cpu cpu;
    enum command_cpu_verdict last;
    (void)state;
    command_cpu_init(&cpu, 100, 60000, START);
    uint64_t used = burn(&cpu, 20 * SECOND, &last);
    assert_true(used >= 1900 * MS);                           /* it gets what is its due */
    assert_true(used <= 20 * 100 * MS + 100 * MS + 100 * MS); /* a bucket, and one look too late */
}

static void test_one_that_sleeps_saves_no_more_than_a_second(void **state)
{
    struct command_cpu cpu;
    uint64_t next_ms;
    (void)state;
    command_cpu_init(&cpu, 100, 600000, START);
    for (uint64_t i = 1; i <= 100; i++)
        assert_int_equal(command_cpu_look(&cpu, 0, START + i * SECOND, &next_ms), COMMAND_CPU_RUN);
    assert_true(cpu.left_ns == (int64_t)(100 * MS));
    assert_int_equal(command_cpu_look(&cpu, 150 * MS, START + 100 * SECOND, &next_ms), COMMAND_CPU_STOP);
    assert_int_equal(next_ms, 500); /* 700 ms are owed: it is looked at sooner */
    assert_int_equal(command_cpu_look(&cpu, 150 * MS, START + 100 * SECOND + 600 * MS, &next_ms), COMMAND_CPU_RUN);
}

static void test_ended(void **state)
{
    struct command_cpu cpu;
    uint64_t next_ms;
    (void)state;
    command_cpu_init(&cpu, 100, 5000, START); /* 100 ms at once, and 600 in six seconds */
    assert_int_equal(command_cpu_look(&cpu, 700 * MS, START + SECOND, &next_ms), COMMAND_CPU_STOP);
    assert_int_equal(command_cpu_look(&cpu, 701 * MS, START + SECOND, &next_ms), COMMAND_CPU_END);
}

/* A child that ends without being waited for takes its account with it; the clock may stand. */
static void test_odd_numbers(void **state)
{
    struct command_cpu cpu;
    uint64_t next_ms;
    (void)state;
    command_cpu_init(&cpu, 100, 60000, START);
    assert_int_equal(command_cpu_look(&cpu, 50 * MS, START, &next_ms), COMMAND_CPU_RUN);
    assert_int_equal(command_cpu_look(&cpu, 10 * MS, START, &next_ms), COMMAND_CPU_RUN);
    assert_int_equal(command_cpu_look(&cpu, 50 * MS, START - SECOND, &next_ms), COMMAND_CPU_RUN);
    assert_true(cpu.left_ns == (int64_t)(50 * MS));
    command_cpu_init(&cpu, 1, 10, START); /* the smallest budget */
    assert_int_equal(command_cpu_look(&cpu, 2 * MS, START, &next_ms), COMMAND_CPU_STOP);
}

static void burn_cpu(uint64_t ns)
{
    struct timespec used = {0};
    while ((uint64_t)used.tv_sec * SECOND + (uint64_t)used.tv_nsec < ns)
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
}

/* A child that has burnt, and whose own child has, too; each says so by a byte. */
static pid_t family(int said)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    (void)setpgid(0, 0);
    if (fork() == 0) {
        burn_cpu(100 * MS);
        (void)!write(said, "x", 1);
        (void)pause();
    }
    burn_cpu(100 * MS);
    (void)!write(said, "x", 1);
    (void)pause();
    _exit(0);
}

static void test_accounts(void **state)
{
    int said[2];
    char bytes[2];
    (void)state;
    assert_int_equal(pipe(said), 0);
    pid_t child = family(said[1]);
    assert_true(child > 0);
    for (size_t got = 0; got < sizeof(bytes); got++)
        assert_int_equal(read(said[0], &bytes[got], 1), 1);
    uint64_t used = command_cpu_used_ns(child);
    assert_true(used >= 120 * MS); /* more than one of them: the grandchild counts. Ticks are coarse */
    assert_true(used <= 10 * SECOND);
    close(said[1]);
    close(said[0]);
    assert_int_equal(kill(-child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(command_cpu_used_ns(child) == 0); /* gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_to_its_budget),
        cmocka_unit_test(test_one_that_sleeps_saves_no_more_than_a_second),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

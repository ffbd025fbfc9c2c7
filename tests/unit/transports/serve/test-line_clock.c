/* What is late on a connection of lines: rows of a connection as it is shown, one look after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transports/serve/line_clock.h"

enum { BODY_MS = 1000, IDLE_MS = 5000, MAX_LOOKS = 8 };

struct look {
    uint64_t at_ms;
    struct line_activity activity;
    enum line_late late;
};

static const struct row {
    const char *comment;
    struct look look[MAX_LOOKS];
} rows[] = {
    {"nothing ever comes", {{4999, {0}, LINE_IN_TIME}, {5000, {0}, LINE_IDLE}}},
    {"half a message",
     {{100, {.part = true}, LINE_IN_TIME},
      {999, {.part = true}, LINE_IN_TIME},
      {1000, {.part = true}, LINE_UNFINISHED}}},
    {"another half each time",
     {{900, {.part = true, .lines = 1}, LINE_IN_TIME},
      {1800, {.part = true, .lines = 2}, LINE_IN_TIME},
      {2800, {.part = true, .lines = 2}, LINE_UNFINISHED}}},
    {"the time of a half begins when it is seen",
     {{3000, {0}, LINE_IN_TIME}, {3900, {.part = true}, LINE_IN_TIME}, {4000, {.part = true}, LINE_UNFINISHED}}},
    {"answers that nobody takes",
     {{100, {.unsent = 5, .kept = true}, LINE_IN_TIME},
      {999, {.unsent = 9, .kept = true}, LINE_IN_TIME},
      {1000, {.unsent = 9, .kept = true}, LINE_UNREAD}}},
    {"taken slowly",
     {{100, {.unsent = 9}, LINE_IN_TIME},
      {1000, {.unsent = 8}, LINE_IN_TIME},
      {1900, {.unsent = 8, .writes = 1}, LINE_IN_TIME},
      {2900, {.unsent = 8, .writes = 1}, LINE_UNREAD}}},
    {"a session may rest",
     {{100000, {.kept = true}, LINE_IN_TIME}, {104999, {0}, LINE_IN_TIME}, {105000, {0}, LINE_IDLE}}},
    {"a message now and then",
     {{4000, {.lines = 1}, LINE_IN_TIME}, {8000, {.lines = 2}, LINE_IN_TIME}, {13000, {.lines = 2}, LINE_IDLE}}},
};

static void judges(void **unused)
{
    static struct settings settings;
    (void)unused;
    settings.limits.body_timeout_ms = BODY_MS;
    settings.limits.idle_timeout_ms = IDLE_MS;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct line_clock clock;
        line_clock_init(&clock, 0);
        for (const struct look *look = rows[i].look; look < rows[i].look + MAX_LOOKS && look->at_ms > 0; look++)
            if (line_clock_judge(&clock, &look->activity, &settings, look->at_ms) != look->late)
                fail_msg("%s, at %u ms", rows[i].comment, (unsigned)look->at_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

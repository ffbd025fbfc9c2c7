/* Compares a connection with how it was at the last look; what has not moved since then goes on lasting. Owns nothing.
 */
#include "transports/serve/line_clock.h"

void line_clock_init(struct line_clock *clock, uint64_t now_ms)
{
    *clock = (struct line_clock){.part_ms = now_ms, .unsent_ms = now_ms, .idle_ms = now_ms};
}

enum line_late line_clock_judge(struct line_clock *clock, const struct line_activity *activity,
                                const struct settings *settings, uint64_t now_ms)
{
    const struct line_activity *last = &clock->last;
    bool read = activity->lines != last->lines;
    bool taken = activity->writes != last->writes || activity->unsent < last->unsent;
    if (!activity->part || read)
        clock->part_ms = now_ms;
    if (activity->unsent == 0 || taken)
        clock->unsent_ms = now_ms;
    if (activity->kept || activity->part || activity->unsent > 0 || read)
        clock->idle_ms = now_ms;
    clock->last = *activity;
    if (now_ms - clock->part_ms >= settings->limits.body_timeout_ms)
        return LINE_UNFINISHED;
    if (now_ms - clock->unsent_ms >= settings->limits.body_timeout_ms)
        return LINE_UNREAD;
    return now_ms - clock->idle_ms >= settings->limits.idle_timeout_ms ? LINE_IDLE : LINE_IN_TIME;
}

/* How long a client of the line front may keep a connection for nothing: a message whose end does not come and answers
   that are not taken have limits.body_timeout, a connection without request, session or subscription
   limits.idle_timeout. Pure: it is shown the connection from time to time and says what is late. A session may rest: it
   has limits.session_idle. */
#pragma once
#include "gateway/core/settings.h"

/* A connection as it is now. */
struct line_activity {
    uint64_t lines, writes; /* so far: messages read, answers taken by the client's system */
    size_t unsent;          /* bytes that it has not taken */
    bool part;              /* the beginning of a message is there, and we are ready for the rest */
    bool kept;              /* by a session, a subscription or a request under way */
};

struct line_clock {
    struct line_activity last;
    uint64_t part_ms, unsent_ms, idle_ms; /* since when it has been so; now, when it is not */
};

enum line_late { LINE_IN_TIME, LINE_UNFINISHED, LINE_UNREAD, LINE_IDLE };

void line_clock_init(struct line_clock *clock, uint64_t now_ms);
/* What has lasted too long by now. */
MUST_USE enum line_late line_clock_judge(struct line_clock *clock, const struct line_activity *activity,
                                         const struct settings *settings, uint64_t now_ms);

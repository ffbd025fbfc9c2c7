/* The admin listener's /log-level: the least important event that is logged, read by GET and set by PUT with one of its
   words as the body (`curl -X PUT --data debug …/log-level`). It holds until it is set again, or the next reload, which
   goes back to the configuration. Each change is a line of the audit log. */
#pragma once
#include "gateway/base/address.h"
#include "gateway/base/text.h"

/* `context` is the struct sources. 0 or text's error. */
MUST_USE int log_level_render(void *context, struct text *body, int *ret_status);
MUST_USE int log_level_change(void *context, const struct address *from, struct span value, struct text *body,
                              int *ret_status);

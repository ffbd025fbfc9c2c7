/* The status as a web page: gateway/ops/status_page.html, which the build makes part of the program. It stands alone
   (no framework, nothing from anywhere else), and follows /status/events, or asks /status where there are no events. */
#pragma once
#include "gateway/base/text.h"

/* `context` is unused. 0 or text's error. */
MUST_USE int status_page_render(void *context, struct text *body, int *ret_status);
/* Its Content-Security-Policy: nothing but its own style and script, by their digests, and requests to where it came
   from. 0 or -ENOMEM, -EMSGSIZE. */
MUST_USE int status_page_policy(char *out, size_t room);

/* The two pages that probes ask for, on every listener, without authentication and without detail: what a stranger may
   know is one bit. Rendered on the reactor that got the request. */
#pragma once
#include "gateway/core/gateway.h"

/* /healthz: 200 as long as the process answers at all. `context` is unused. 0 or text's error. */
MUST_USE int health_render_alive(void *context, struct text *body, int *ret_status);
/* /readyz: 200, or 503 while health_ready() says no. `context` is the struct sources. 0 or text's error. */
MUST_USE int health_render_ready(void *context, struct text *body, int *ret_status);

/* Whether new clients should be sent here: it serves (it is not starting, draining or stopped) and has room for a
   connection, a session and a request. A limit of 0 is a thing that was switched off, not one that has run out. */
bool health_ready(struct gateway *gateway);

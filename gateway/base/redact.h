/* What must not stand in a log as it came. Pure; any thread. */
#pragma once
#include "gateway/base/span.h"

enum { REDACT_SHOWN_BYTES = 256, REDACT_BYTES = REDACT_SHOWN_BYTES + 16 };

/* A URI without what people put secrets into: the user information before a host, the query and the fragment, each of
   which becomes "…" (RFC 3986, 7.5 and 3.2.1). What is no URI is treated as if it were one. Cut at REDACT_SHOWN_BYTES,
   also with "…". The result is `uri` itself where nothing was to be hidden, else in `out`. */
struct span redact_uri(struct span uri, char out[REDACT_BYTES]);

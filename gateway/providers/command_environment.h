/* What a program is told of its call beyond its arguments, in its environment:

       WEIR_CALLER_PROOF       how the caller has shown who he is, as logs name it ("anonymous", "api_key", "jwt", ...)
       WEIR_CALLER_SUBJECT     who that is; empty for somebody who has shown nothing
       WEIR_CALLER_ISSUER      of a token
       WEIR_CALLER_CLIENT_ID   of a token
       TRACEPARENT, TRACESTATE the trace that the call belongs to, as OpenTelemetry has them ("Environment Variables as
                               Context Propagation Carriers")

   What is not known is not there. No credential is ever handed on. */
#pragma once
#include "gateway/core/provider.h"

enum { COMMAND_ENVIRONMENT_OWN = 6 };

/* Made for one start of a program; on the stack. */
struct command_environment {
    struct text bytes; /* NAME=value, each with its NUL */
    size_t start[COMMAND_ENVIRONMENT_OWN];
    size_t count;
    char **variables; /* an array of pointers, ended by NULL */
};

/* `base` with these variables, and without what the gateway itself was started with of them. NULL without memory. Valid
   until command_environment_done(), which is due in every case. */
char **command_environment_make(struct command_environment *environment, const struct call *call, char **base);
void command_environment_done(struct command_environment *environment);

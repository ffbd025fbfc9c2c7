/* The input bridge: how a handler's need_input() becomes what the client's era knows (MCP 2026-07-28,
   basic/patterns/mrtr, and the server-to-client requests of the legacy revisions). On the call's reactor, except
   bridge_answer(). */
#pragma once
#include "gateway/core/call.h"

struct bridge;

enum {
    BRIDGE_MAX_REQUESTS = 32,             /* of one round */
    BRIDGE_MAX_INPUTS = 256,              /* answers of all rounds */
    BRIDGE_MAX_INPUT_BYTES = 1024 * 1024, /* of them together; of the state; of the requests of one round */
};

/* The handler wants `requests` answered and gave `state`. Modern: replies input_required with a sealed requestState.
   Legacy: sends the requests to the client and begins the next round when all answers are in. Task: parks it. Fails the
   call where that cannot be. */
void bridge_ask(struct call *call, struct span requests, struct span state);
/* One answer of a client, from any thread. What has no object as its result is an error. Copied. */
void bridge_answer(struct call *call, struct span key, struct span result, struct span error);
/* The call waits for answers that come by requests of their own (Streamable HTTP), and the gateway takes none any more.
 */
bool bridge_is_cut_off(struct call *call);
void bridge_free(struct bridge *bridge); /* NULL is fine */

/* `old` with the members of `fresh` put in or over. Both JSON objects or absent. More than BRIDGE_MAX_INPUTS fail `out`
   with -EMSGSIZE. */
void bridge_merge_inputs(struct text *out, struct span old, struct span fresh);
/* What all requests together need of the client. 0 and the bits; or -EINVAL with a sentence. */
MUST_USE int bridge_check_requests(struct span requests, unsigned *ret_needed, struct text *problem);
/* The bridge of a call; made when it first asks. */
struct bridge **call_bridge(struct call *call);

/* What the caller of an exchange may see and use: the policy (auth/policy.h), as the methods ask it. On the exchange's
   reactor; without a policy every answer is yes, and costs nothing. */
#pragma once
#include "auth/policy.h"
#include "gateway/core/exchange.h"

/* Of one caller and one snapshot; borrows both. */
struct permission {
    struct policy_view view;
    bool may_step_up; /* its client can come back with a token of more scopes, if it sees what for */
};
void permission_of(const struct exchange *exchange, struct permission *ret_permission);
/* The same for a stream or session that outlives its request, by the snapshot that its reactor has now. */
void permission_now(const struct snapshot *snapshot, const struct listener_settings *listener,
                    const struct identity *identity, struct permission *ret_permission);

/* Whether it is in lists. What only a scope keeps from a caller is there for those who may step up, and for nobody
   else. */
bool permission_lists(const struct permission *permission, const struct item *item);
/* Whether a list of these kinds (1 << item_kind) is another one for the caller, when that has changed which
   catalogue_add_changes() says. Without a word of what changed: yes. */
bool permission_notices(const struct permission *permission, unsigned kinds, struct span changes);
/* Whether somebody who subscribed to this URI is told of it. */
bool permission_tells(const struct permission *permission, struct span uri);

/* A request for what is there under that name. 0: go on. PERMISSION_HIDDEN: for this caller it does not exist, and the
   answer is that of what does not. PERMISSION_ANSWERED: a scope is missing, and the exchange is answered with 403 and
   its name. Denials are audited and counted. `uri` is what the template `name` was found by; else absent. */
enum { PERMISSION_HIDDEN = 1, PERMISSION_ANSWERED };
MUST_USE int permission_check(struct exchange *exchange, enum item_kind kind, struct span name, struct span uri);
/* The same of an item that was found (*item may be NULL), which becomes NULL if it is hidden. `uri` is what it was
   found by, if it is a resource or a template. True: answered. */
MUST_USE bool permission_refuses(struct exchange *exchange, struct item **item, struct span uri);

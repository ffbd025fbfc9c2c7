/* Legacy sessions (2025-11-25, basic/transports "Session Management"): made by initialize, found by Mcp-Session-Id from
   any reactor, ended by DELETE, by idleness, or with their connection. Any thread, except where said. */
#pragma once
#include "gateway/core/exchange.h"
#include "gateway/core/owner.h"

struct session;
struct session_table;

enum {
    SESSION_MAX_QUESTIONS = 256, /* requests of ours that one client has not answered */
    SESSION_MAX_SUBSCRIPTIONS = 1000,
    SESSION_MAX_CALLS = 1024, /* calls of one session that can be cancelled by id */
};

MUST_USE int session_table_new(struct session_table **ret_table);
/* No reactor runs any more. Takes NULL. */
void session_table_free(struct session_table *table);

/* Charges QUOTA_SESSIONS. It is the identity's from then on (NULL: of those who showed nothing). 0 with a reference,
   QUOTA_REFUSED, or -errno. */
enum { SESSION_NO_LISTENER = ~0U };
MUST_USE int session_open(struct gateway *gateway, enum revision revision, unsigned capabilities,
                          const struct identity *identity, struct session **ret_session);
/* Where it was opened, and as whom its owner comes now: what it may be told of is judged by these. */
void session_used(struct session *session, unsigned listener, struct identity *identity);
/* With a reference, and its idle time begins anew; NULL if there is none, or none of this identity's. */
struct session *session_find(struct gateway *gateway, struct span id, const struct identity *identity);
struct session *session_ref(struct session *session);
void session_unref(struct session *session);
/* Ends it: nobody finds it any more, its streams end, its calls are cancelled, its questions fail. Once; later calls do
 * nothing. */
void session_close(struct session *session);
/* Closes what has been idle for longer than idle_ms. Returns how many. */
unsigned session_table_sweep(struct gateway *gateway, uint64_t idle_ms);

const char *session_id(const struct session *session);
/* Eight digits that stay the same and from which nobody learns the id, which is a secret: for logs. */
enum { SESSION_TAG_BYTES = 9 };
const char *session_tag(const struct session *session);
enum revision session_revision(const struct session *session);
unsigned session_capabilities(const struct session *session);
/* Of log messages; index into the level names, 1 (info) until logging/setLevel. */
unsigned session_log_level(const struct session *session);
void session_set_log_level(struct session *session, unsigned level);

/* resources/subscribe. 0, QUOTA_REFUSED, or -ENOMEM; twice is fine. */
MUST_USE int session_subscribe(struct session *session, struct span uri);
void session_unsubscribe(struct session *session, struct span uri);

/* A request of ours to the client, made for `call`: `key` names the answer. 0, QUOTA_REFUSED (SESSION_MAX_QUESTIONS),
 * or -ENOMEM. */
MUST_USE int session_ask(struct session *session, struct call *call, struct span key, uint64_t *ret_id);
/* The client's response to one of them, an envelope: goes to the call that asked. False: nobody asked that. */
bool session_answer(struct session *session, const struct envelope *response);
/* The call does not wait any more. */
void session_forget(struct session *session, struct call *call);

/* Calls under way, so that notifications/cancelled finds them. SESSION_CLOSED: nobody will cancel it any more, the
   caller must. -ENOSPC: neither an id nor the session's end cancels it. */
enum { SESSION_CLOSED = 1 };
MUST_USE int session_add_call(struct session *session, struct call *call);
void session_remove_call(struct session *session, struct call *call);
void session_cancel_call(struct session *session, struct span id);

/* A message for the client outside of any call: goes to the session's standing stream, or waits for it in the replay
 * buffer. */
void session_notify(struct session *session, const struct settings *settings, struct span message);
/* Every session that may know: of a resource those that are subscribed to it; of lists of these kinds (1 << item_kind)
   those for whom they are others now (permission_notices()). */
struct session_news {
    struct span uri; /* absent: lists */
    unsigned kinds;
    struct span items;
    struct span message;
};
void session_table_notify(struct gateway *gateway, const struct session_news *news);

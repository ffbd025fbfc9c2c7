/* Who is calling: the one place where what a request shows becomes an identity. Every front fills in the credentials
   and asks here before anything else is made of the request:

       authenticator_find()     verified lately: costs nothing
         … not known: the address pays for an attempt …
       authenticator_verify()   an identity, a refusal, or an issuer has to be asked: the request waits

   Credentials end here. Nothing behind the guard sees them: handlers, logs and other servers get the identity. */
#pragma once
#include "auth/authenticator.h"
#include "gateway/base/text.h"
#include "gateway/core/peer_facts.h"
#include "gateway/core/reactor.h"
#include "gateway/core/settings.h"
#include "gateway/mcp/errors.h"

struct guard;
struct exchange;
struct settings_holder;

/* What settings->auth says, made ready: counted, part of the snapshot (snapshot.h). NULL is a guard, too: it lets
   everybody in and looks at nothing, because nothing is configured. Where `running` (a reload; may
   be NULL) says the same in its settings->auth, all that was verified stays, and nobody who is there is asked again;
   else it leaves what is known of the same issuers. 0 or -errno. */
MUST_USE int guard_new(const struct settings *settings, const struct settings_holder *running,
                       struct guard **ret_guard);
struct guard *guard_ref(struct guard *guard); /* both take NULL */
void guard_unref(struct guard *guard);
/* Borrowed: for what is shown of it. NULL: nobody is asked. */
struct authenticator *guard_authenticator(const struct guard *guard);

/* Why somebody is not let in; all static. */
struct guard_refusal {
    enum error_name error;
    enum counter counter;
    const char *message;    /* NULL: the error's own text */
    const char *oauth;      /* RFC 6750, 3.1: "invalid_token"; NULL: no error, something must be shown first */
    const char *why;        /* "expired": error_description; NULL: none */
    unsigned retry_after_s; /* 0: no Retry-After */
    bool challenge;         /* WWW-Authenticate belongs to the answer */
};

/* A request on its way through. Embedded in the front's record, which sets `front`, and the next two if it can wait;
   the rest begins as zeros. */
struct guard_visit {
    const char *front; /* "http": for the audit log */
    /* What it waited for is there: ask again. On the reactor, at any time after GUARD_PENDING, once. */
    void (*told)(void *context);
    void *context;
    struct guard_wait *wait; /* while it waits */
    uint64_t deadline_ms;    /* 0: it has not waited yet */
    bool paid;               /* its attempt; asking again is free */
};

/* Whether anybody is asked at all: if not, a front need not look for credentials. */
bool guard_looks(struct reactor *reactor);

enum { GUARD_REFUSED = 1, GUARD_PENDING };
/* 0: *ret_identity is counted, or NULL for somebody who showed nothing and need not. GUARD_REFUSED: *ret_refusal says
   why. GUARD_PENDING: an issuer is being asked, visit->told() will be called, by limits.request_timeout at the latest.
   On the reactor. */
MUST_USE int guard_authenticate(struct reactor *reactor, const struct credentials *credentials,
                                struct guard_visit *visit, struct identity **ret_identity,
                                struct guard_refusal *ret_refusal);
/* The request goes away: it is not told any more. Harmless when it does not wait. On the reactor. */
void guard_leave(struct guard_visit *visit);

/* What a connection's certificate shows; `facts` may be NULL. The rest is as the front found it. */
void guard_show_certificate(const struct peer_facts *facts, struct credentials *credentials);

/* What stays: a connection or a stream that was let in, and is looked at again while it is open. */
struct guard_pass;
struct guard_pass_facts {
    const char *front;                     /* as in a visit */
    const struct credentials *credentials; /* copied */
    struct peer_facts *peer;               /* a reference is taken; NULL: none */
    struct identity *identity;             /* the same */
    /* It is not let in any more: its token has expired, a reload has revoked its key. `why` is a static sentence.
       Called on the reactor, never from inside another function of the pass; may end it. */
    void (*over)(void *context, const char *why);
    void *context;
};
/* NULL without memory. On the reactor. */
MUST_USE struct guard_pass *guard_pass_new(struct reactor *reactor, const struct guard_pass_facts *facts);
void guard_pass_end(struct guard_pass *pass); /* NULL is fine */
/* Borrowed: as it is now, for a reload may have given it other scopes. */
struct identity *guard_pass_identity(const struct guard_pass *pass);
/* The reactor has another snapshot: all of its passes are looked at. */
void guard_recheck(struct reactor *reactor);

/* The value of WWW-Authenticate (RFC 6750, 3; RFC 9728, 5.1). `guard` may be NULL. */
void guard_add_challenge(const struct guard *guard, const struct guard_refusal *refusal, struct text *out);
/* Answers an exchange with the refusal. */
void guard_refuse(struct exchange *exchange, const struct guard_refusal *refusal);
/* 403 for a credential that lacks some of these scopes: a client may come back with them (insufficient_scope). */
void guard_refuse_scope(struct exchange *exchange, const struct name_list *scopes, struct span message);

/* RFC 9728: whether the metadata of what is protected is at this path of a listener whose endpoint is `endpoint`; it is
   at two, with and without the path of the endpoint. Only where tokens are taken. On the reactor. */
#define GUARD_METADATA_PATH "/.well-known/oauth-protected-resource"
bool guard_has_metadata(struct reactor *reactor, const char *endpoint, struct span path);
void guard_add_metadata(struct reactor *reactor, struct text *out);

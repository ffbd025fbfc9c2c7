/* All providers of one process: what a configuration asks for, made, offered, exchanged on a reload, and stopped.
   Everything here is called by the thread that reads configurations, but for providers_apply(), which any thread may
   call for it.

     at start                                     on a reload
     providers_new()
     providers_prepare(settings, &change)         providers_prepare(new settings, &change)
     providers_apply(builder, change)             providers_apply() inside of the gateway's edit of the newest catalogue
     first snapshot, gateway_new()                the new snapshot is published
     providers_commit(change, gateway)            providers_commit(change, gateway)

     at the end: all calls have ended, the reactors have stopped
     providers_retire(), gateway_free(), providers_free() */
#pragma once
#include "gateway/core/gateway.h"

struct providers;
struct providers_change;

MUST_USE int providers_new(struct providers **ret_providers);
/* Makes the providers that `settings` asks for and that are not there yet: loads and starts modules, checks commands.
   What is there and asked for again, to the letter, stays. Clients notice nothing. 0, -ENOMEM, or -EINVAL and a
   sentence in `problem` that begins with the row: "modules[0] ./x.so: ...". Starting modules may block. */
MUST_USE int providers_prepare(struct providers *providers, const struct settings *settings,
                               struct providers_change **ret_change, struct text *problem);
/* Takes out of the catalogue what goes, puts in what comes; an `edit` of gateway_edit_catalogue(). May be done again on
   another builder. 0, -ENOMEM, or -EEXIST or -ENOSPC and a sentence in providers_problem(). */
MUST_USE int providers_apply(struct catalogue_builder *builder, void *change);
struct span providers_problem(const struct providers_change *change);
/* The catalogue is before the clients. Takes `change`. */
void providers_commit(struct providers_change *change, struct gateway *gateway);
/* It came to nothing: what was made for it is stopped. Takes `change`; NULL is fine. */
void providers_abandon(struct providers_change *change);

/* Whether handlers of modules still owe answers: then the gateway's memory is not free to go. Any thread. */
bool providers_idle(const struct providers *providers);
/* No module can change the catalogue from here on. The items still refer to their providers. */
void providers_retire(struct providers *providers);
/* Waits for the modules to stop. Takes NULL. */
enum { PROVIDERS_STOP_TIMEOUT_MS = 5000 };
void providers_free(struct providers *providers);

/* What the files of the C module provider share: the instance (module.c), its registrations (module_host.c), its calls
   (module_call.c). */
#pragma once
#include <sys/stat.h>

#include "gateway/providers/module.h"
#include "gateway/weir_module.h"

enum {
    MODULE_MAX_CHANGES = 2 * CATALOGUE_MAX_ITEMS, /* registrations that wait for publish() */
    MODULE_MAX_PROBLEM_BYTES = 1024,              /* a sentence from start(), or about a registration */
};

struct weir_host {
    struct module *module;
};

enum module_state {
    MODULE_STARTING, /* changes gather; publish() is a promise that module_attach() keeps */
    MODULE_LIVE,     /* publish() changes the gateway's catalogue */
    MODULE_RETIRED,  /* changes are refused */
};

/* One registration (item) or its end (item is NULL: kind and key). */
struct module_change {
    struct link link;
    enum item_kind kind;
    struct item *item; /* counted */
    char *key;
};

struct module {
    struct provider provider; /* first */
    struct weir_host host;
    struct module_registry *registry;
    char *path;
    char *config;
    void *library;
    struct stat file; /* of the library, when it was loaded */
    const struct weir_module *exported;
    void *instance;
    bool started;

    pthread_mutex_t lock; /* guards all below; taken before the gateway's own locks, never after them */
    enum module_state state;
    struct gateway *gateway;
    struct link changes; /* since the last publish(), oldest first */
    size_t change_count;
    char refusal[MODULE_MAX_PROBLEM_BYTES]; /* the first registration that was refused while starting; empty: none */

    struct link offered; /* what start() registered, until module_attach(): the loader's, unlocked */
};

/* Behind an item: what runs for it. */
struct module_handler {
    weir_handler *run;
    weir_handler *complete;
    void *user;
    enum weir_mode mode;
};

extern const struct weir_api module_api;
extern const struct provider_ops module_ops;

/* module_host.c: the registration part of the interface. */
int module_host_add_tool(struct weir_host *host, const struct weir_tool *tool);
int module_host_add_resource(struct weir_host *host, const struct weir_resource *resource);
int module_host_add_prompt(struct weir_host *host, const struct weir_prompt *prompt);
int module_host_remove_tool(struct weir_host *host, const char *name);
int module_host_remove_resource(struct weir_host *host, const char *uri);
int module_host_remove_prompt(struct weir_host *host, const char *name);
int module_host_publish(struct weir_host *host, unsigned announce);
int module_host_resource_updated(struct weir_host *host, const char *uri);
const char *module_host_problem(struct weir_host *host);

/* Gives up all changes of a list. */
void module_changes_drop(struct link *changes);
/* Puts them into a catalogue, oldest first. Changes nothing of the list. 0, -EEXIST with a sentence, -ENOSPC or
 * -ENOMEM. */
MUST_USE int module_changes_apply(const struct link *changes, struct catalogue_builder *builder,
                                  const struct provider *provider, struct text *problem);

/* module_call.c: the two operations of the provider on a call. */
void module_call_start(struct provider *provider, struct call *call);
void module_call_cancel(struct provider *provider, struct call *call);

/* C modules: shared objects that speak gateway/weir_module.h, one provider per row of `modules`. A module is loaded and
   started without the gateway noticing; what it registered is then offered to the first catalogue (or, on a reload, to
   the next one), and once it is attached it may change its items at any time. It is stopped, on a thread of its own,
   when no item and no call of it is left. */
#pragma once
#include <pthread.h>

#include "gateway/core/gateway.h"
#include "gateway/core/provider.h"

struct module;

/* Counts the modules that have started and not stopped, and the rounds of calls that their handlers still owe an answer
   to; outlives them all. */
struct module_registry {
    pthread_mutex_t lock; /* also around dlopen() and dlclose(): one decides by what the other leaves */
    pthread_cond_t stopped;
    size_t running;
    _Atomic size_t rounds;
    unsigned reloads; /* of files whose names were known */
};
void module_registry_init(struct module_registry *registry);
/* Waits until no module runs. False: some still do after that time, and the registry must stay where it is. */
bool module_registry_wait(struct module_registry *registry, uint64_t timeout_ms);
void module_registry_done(struct module_registry *registry);

/* Loads and starts a module: one reference. `registry` is kept. 0, -ENOMEM, or -EINVAL and a sentence in `problem` that
   says what to do: no such file, not loadable, no symbol `weir_module`, another interface version, start() refused, or
   a registration in start() was refused (also when start() took that lightly). May block: the module's start() runs
   here. */
MUST_USE int module_load(const struct module_settings *settings, struct module_registry *registry,
                         struct module **ret_module, struct text *problem);
/* Whether this instance is what the row asks for: the same file with the same configuration. */
bool module_is(const struct module *module, const struct module_settings *settings);
struct provider *module_provider(struct module *module);
const char *module_name(const struct module *module);

/* Adds what start() registered; may be done again if the catalogue came to nothing. 0, -EEXIST with a sentence,
 * -ENOSPC, -ENOMEM. */
MUST_USE int module_offer(struct module *module, struct catalogue_builder *builder, struct text *problem);
/* The catalogue with those items is before the clients: from here on publish() works, and what was published early is
 * shown now. */
void module_attach(struct module *module, struct gateway *gateway);
/* The module is no longer configured: it can change the catalogue no more. The caller takes its items out afterwards
   and gives up its reference. */
void module_retire(struct module *module);

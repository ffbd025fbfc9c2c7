/* One instance of a C module: opening the library, starting it, and stopping it when its last reference is gone.
   Loading happens on the thread that reads the configuration. The end may come on any thread, even on one of the
   module's own, so stop() and dlclose() run on a thread made for it. Owns the library handle and the instance. */
#include "gateway/providers/module_priv.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "gateway/base/log.h"

#define MODULE_SYMBOL "weir_module"

void module_registry_init(struct module_registry *registry)
{
    pthread_condattr_t monotonic;
    *registry = (struct module_registry){.running = 0};
    pthread_mutex_init(&registry->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&registry->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool module_registry_wait(struct module_registry *registry, uint64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&registry->lock);
    int r = 0;
    while (registry->running > 0 && r == 0)
        r = pthread_cond_timedwait(&registry->stopped, &registry->lock, &until);
    bool none = registry->running == 0;
    pthread_mutex_unlock(&registry->lock);
    return none;
}

void module_registry_done(struct module_registry *registry)
{
    pthread_cond_destroy(&registry->stopped);
    pthread_mutex_destroy(&registry->lock);
}

static void registry_add(struct module_registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    registry->running++;
    pthread_mutex_unlock(&registry->lock);
}

static void registry_remove(struct module_registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    registry->running--;
    pthread_cond_broadcast(&registry->stopped);
    pthread_mutex_unlock(&registry->lock);
}

static void close_library(struct module *module)
{
    if (!module->library)
        return;
    pthread_mutex_lock(&module->registry->lock);
    dlclose(module->library);
    pthread_mutex_unlock(&module->registry->lock);
}

/* Nobody refers to it. */
static void destroy(struct module *module)
{
    struct module_registry *registry = module->started ? module->registry : NULL;
    if (module->started && module->exported->stop)
        module->exported->stop(module->instance);
    if (module->started)
        log_info("module_stopped", LOG_TEXT("path", module->path));
    module_changes_drop(&module->changes);
    close_library(module);
    pthread_mutex_destroy(&module->lock);
    free(module->path);
    free(module->config);
    free(module);
    if (registry)
        registry_remove(registry);
}

static void *destroy_run(void *data)
{
    destroy(data);
    return NULL;
}

static int spawn_detached(void *(*run)(void *), void *data)
{
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all); /* signals are the main thread's */
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread, &detached, run, data);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    return -r;
}

/* What never started has no code of its own on any stack. What did start may have given up its last reference from one
   of its own threads, inside of a function of ours: stop() would wait for that thread there. */
static void module_free(struct provider *provider)
{
    struct module *module = CONTAINER_OF(provider, struct module, provider);
    if (!module->started || spawn_detached(destroy_run, module) < 0)
        destroy(module);
}

const struct provider_ops module_ops = {
    .name = "module",
    .start = module_call_start,
    .cancel = module_call_cancel,
    .free = module_free,
};

static int module_new(const struct module_settings *settings, struct module_registry *registry,
                      struct module **ret_module)
{
    struct module *module = calloc(1, sizeof(*module));
    if (!module)
        return -ENOMEM;
    provider_init(&module->provider, &module_ops);
    pthread_mutex_init(&module->lock, NULL);
    link_init(&module->changes);
    link_init(&module->offered);
    module->host.module = module;
    module->registry = registry;
    module->path = strdup(settings->path);
    module->config = strdup(settings->config ? settings->config : "null");
    if (!module->path || !module->config) {
        provider_unref(&module->provider);
        return -ENOMEM;
    }
    *ret_module = module;
    return 0;
}

/* `path` with a folder in front, since dlopen() looks for a bare name in the system's, and unlike all names before:
   dlopen() takes a name that it knows for the file it knows, though another may have been moved there since. The number
   goes in as steps that lead nowhere. */
static void add_name(struct text *name, const char *path, unsigned number)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    struct span folder = slash ? (struct span){path, (size_t)(file - path)} : SPAN("./");
    text_add(name, folder);
    for (; number > 0; number >>= 1)
        text_add(name, number & 1 ? SPAN(".//") : SPAN("./"));
    text_add(name, span_of(file));
    text_terminate(name);
}

static void *open_library(struct module *module)
{
    CLEANUP(text_done) struct text name = TEXT(PATH_MAX);
    pthread_mutex_lock(&module->registry->lock);
    add_name(&name, module->path, 0);
    void *known = name.error ? NULL : dlopen(name.at, RTLD_LAZY | RTLD_NOLOAD);
    if (known) {
        dlclose(known);
        text_clear(&name);
        add_name(&name, module->path, ++module->registry->reloads);
    }
    void *library = name.error ? NULL : dlopen(name.at, RTLD_NOW | RTLD_LOCAL);
    pthread_mutex_unlock(&module->registry->lock);
    return library;
}

static int open_module(struct module *module, struct text *problem)
{
    if (stat(module->path, &module->file) < 0) {
        text_addf(problem, "cannot be opened: %s: build the module, or correct its path", strerror(errno));
        return -EINVAL;
    }
    module->library = open_library(module);
    if (!module->library) {
        const char *reason = dlerror();
        text_addf(problem, "cannot be loaded: %.600s: build it as a shared object for this machine (cc -shared -fPIC)",
                  reason ? reason : "out of memory");
        return -EINVAL;
    }
    module->exported = dlsym(module->library, MODULE_SYMBOL);
    if (!module->exported) {
        text_addf(problem,
                  "exports no symbol \"" MODULE_SYMBOL "\": declare WEIR_MODULE_EXPORT const struct weir_module "
                  "weir_module as weir_module.h shows it");
        return -EINVAL;
    }
    return 0;
}

static int check_exported(const struct weir_module *exported, struct text *problem)
{
    if (exported->version != WEIR_MODULE_VERSION) {
        text_addf(problem,
                  "speaks version %u of the module interface, this gateway version %u: build it again with this "
                  "gateway's weir_module.h",
                  (unsigned)exported->version, (unsigned)WEIR_MODULE_VERSION);
        return -EINVAL;
    }
    if (!exported->name || !exported->start) {
        text_addf(problem, "its weir_module has no %s: set one", exported->name ? "start" : "name");
        return -EINVAL;
    }
    return 0;
}

static int refuse_start(struct module *module, int r, const char *reason, struct text *problem)
{
    if (reason[0])
        text_addf(problem, "start() refused: %.900s", reason);
    else if (module->refusal[0])
        text_addf(problem, "start() refused: %.900s", module->refusal);
    else
        text_addf(problem, "start() returned %d without a reason: let it write one sentence into its `problem`", r);
    return -EINVAL;
}

/* A registration that start() lost without failing would leave the gateway with less than was written, so it fails the
 * start. */
static int start_module(struct module *module, struct text *problem)
{
    char reason[MODULE_MAX_PROBLEM_BYTES] = "";
    int r =
        module->exported->start(&module_api, &module->host, module->config, &module->instance, reason, sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    if (r != 0)
        return refuse_start(module, r, reason, problem);
    module->started = true;
    registry_add(module->registry);
    pthread_mutex_lock(&module->lock);
    bool refused = module->refusal[0] != '\0';
    if (refused)
        text_addf(problem, "%s", module->refusal);
    while (!refused && !link_alone(&module->changes)) {
        struct link *first = module->changes.next;
        link_remove(first);
        link_append(&module->offered, first);
    }
    module->change_count = refused ? module->change_count : 0;
    pthread_mutex_unlock(&module->lock);
    return refused ? -EINVAL : 0;
}

/* Its items refer to it: they go first. */
static void abandon(struct module *module)
{
    module_retire(module);
    provider_unref(&module->provider);
}

int module_load(const struct module_settings *settings, struct module_registry *registry, struct module **ret_module,
                struct text *problem)
{
    struct module *module = NULL;
    int r = module_new(settings, registry, &module);
    if (r < 0)
        return r;
    r = open_module(module, problem);
    if (r == 0)
        r = check_exported(module->exported, problem);
    if (r == 0)
        r = start_module(module, problem);
    if (r < 0) {
        abandon(module);
        return r;
    }
    log_info("module_started", LOG_TEXT("path", module->path), LOG_TEXT("name", module->exported->name));
    *ret_module = module;
    return 0;
}

bool module_is(const struct module *module, const struct module_settings *settings)
{
    struct stat file;
    const char *config = settings->config ? settings->config : "null";
    if (strcmp(module->path, settings->path) != 0 || strcmp(module->config, config) != 0)
        return false;
    return stat(settings->path, &file) == 0 && file.st_dev == module->file.st_dev && file.st_ino == module->file.st_ino;
}

struct provider *module_provider(struct module *module)
{
    return &module->provider;
}

const char *module_name(const struct module *module)
{
    return module->exported->name;
}

int module_offer(struct module *module, struct catalogue_builder *builder, struct text *problem)
{
    return module_changes_apply(&module->offered, builder, &module->provider, problem);
}

void module_attach(struct module *module, struct gateway *gateway)
{
    pthread_mutex_lock(&module->lock);
    module->gateway = gateway;
    module->state = MODULE_LIVE;
    bool more = !link_alone(&module->changes);
    pthread_mutex_unlock(&module->lock);
    module_changes_drop(&module->offered);
    if (more)
        (void)!module_host_publish(&module->host, 0); /* a refusal is in the log, as for the module itself */
}

void module_retire(struct module *module)
{
    struct link gone;
    link_init(&gone);
    pthread_mutex_lock(&module->lock);
    module->state = MODULE_RETIRED;
    while (!link_alone(&module->changes)) {
        struct link *first = module->changes.next;
        link_remove(first);
        link_append(&gone, first);
    }
    module->change_count = 0;
    pthread_mutex_unlock(&module->lock);
    module_changes_drop(&gone);
    module_changes_drop(&module->offered);
}

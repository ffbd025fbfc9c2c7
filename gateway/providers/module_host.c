/* The registration part of weir_module.h: a module's definitions become items, gather in a list, and go into the
   catalogue with publish(). Any thread, under the module's lock. Owns the list of changes. */
#include "gateway/providers/module_priv.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/providers/definition.h"

/* The last refusal on this thread, as errno is: problem() cannot know which thread asks otherwise. */
static _Thread_local char last_problem[MODULE_MAX_PROBLEM_BYTES];

static const char *const kind_names[ITEM_KINDS] = {
    [ITEM_TOOL] = "tool",
    [ITEM_RESOURCE] = "resource",
    [ITEM_TEMPLATE] = "resource template",
    [ITEM_PROMPT] = "prompt",
};

/* What the three structs of a registration have in common. */
struct registration {
    enum item_kind kind;
    const char *key;
    unsigned flags;
    struct module_handler handler;
};

static void change_free(struct module_change *change)
{
    link_remove(&change->link);
    item_unref(change->item);
    free(change->key);
    free(change);
}

static struct module_change *change_of(struct link *link)
{
    return CONTAINER_OF(link, struct module_change, link);
}

void module_changes_drop(struct link *changes)
{
    while (!link_alone(changes))
        change_free(change_of(changes->next));
}

static int apply_change(const struct module_change *change, struct catalogue_builder *builder,
                        const struct provider *provider, struct text *problem)
{
    if (!change->item) {
        int gone = catalogue_builder_remove(builder, change->kind, span_of(change->key), provider);
        return gone == -ENOENT ? 0 : gone;
    }
    int r = catalogue_builder_add(builder, item_ref(change->item));
    if (r < 0)
        item_unref(change->item);
    if (r == -EEXIST)
        text_addf(problem, "there is a %s \"%.500s\" already: rename one of the two", kind_names[change->kind],
                  change->key);
    if (r == -ENOSPC)
        text_addf(problem, "the catalogue is full: it holds at most %d items of a kind", CATALOGUE_MAX_ITEMS);
    return r;
}

int module_changes_apply(const struct link *changes, struct catalogue_builder *builder, const struct provider *provider,
                         struct text *problem)
{
    int r = 0;
    for (struct link *link = changes->next; link != changes && r == 0; link = link->next)
        r = apply_change(change_of(link), builder, provider, problem);
    return r;
}

/* Keeps the sentence for problem(), and logs it. Returns r. */
static int refuse(struct module *module, int r, enum item_kind kind, const char *key, const struct text *problem)
{
    const char *named = key ? key : "";
    if (problem->size > 0)
        (void)snprintf(last_problem, sizeof(last_problem), "%s \"%.200s\": %.*s", kind_names[kind], named,
                       SPAN_PRINT(text_span(problem)));
    else
        (void)snprintf(last_problem, sizeof(last_problem), "%s \"%.200s\": %s", kind_names[kind], named, strerror(-r));
    log_warning("module_registration_refused", LOG_TEXT("module", module->path), LOG_TEXT("problem", last_problem));
    pthread_mutex_lock(&module->lock);
    if (module->state == MODULE_STARTING && module->refusal[0] == '\0')
        (void)snprintf(module->refusal, sizeof(module->refusal), "%s", last_problem);
    pthread_mutex_unlock(&module->lock);
    return r;
}

static int check_registration(const struct registration *asked, struct text *problem)
{
    const char *missing = NULL;
    unsigned known = WEIR_UNLISTED | (asked->kind == ITEM_TOOL ? WEIR_TASK_REQUIRED : 0);
    if (!asked->key)
        missing = asked->kind == ITEM_TOOL || asked->kind == ITEM_PROMPT ? "a name" : "a uri";
    else if (!asked->handler.run)
        missing = "a handler";
    else if (asked->handler.mode != WEIR_INLINE && asked->handler.mode != WEIR_WORKER)
        missing = "a mode: WEIR_INLINE or WEIR_WORKER";
    else if (asked->flags & ~known)
        missing = "flags that exist for its kind";
    if (!missing)
        return 0;
    text_addf(problem, "it needs %s", missing);
    return -EINVAL;
}

static unsigned item_flags(const struct registration *asked)
{
    unsigned flags = 0;
    flags |= asked->flags & WEIR_UNLISTED ? ITEM_UNLISTED : 0;
    flags |= asked->flags & WEIR_TASK_REQUIRED ? ITEM_TASK_REQUIRED : 0;
    flags |= asked->handler.complete ? ITEM_COMPLETES : 0;
    return flags;
}

static int make_item(struct module *module, const struct registration *asked, struct json_object *definition,
                     struct item **ret_item, struct text *problem)
{
    CLEANUP_FREE struct module_handler *handler = malloc(sizeof(*handler));
    if (!handler)
        return -ENOMEM;
    *handler = asked->handler;
    struct item_definition full = {
        .kind = asked->kind,
        .flags = item_flags(asked),
        .key = asked->key,
        .definition = definition,
        .provider = &module->provider,
        .handler = handler,
        .handler_free = free,
    };
    int r = item_new(&full, ret_item, problem);
    if (r == 0)
        handler = NULL; /* the item's now */
    return r;
}

/* The newest change that concerns a key, or NULL. */
static struct module_change *find_change(struct module *module, enum item_kind kind, const char *key)
{
    for (struct link *link = module->changes.previous; link != &module->changes; link = link->previous) {
        struct module_change *change = change_of(link);
        if (change->kind == kind && strcmp(change->key, key) == 0)
            return change;
    }
    return NULL;
}

/* Whether the gateway offers this key now; `own`: by this module. */
static bool offered(struct module *module, enum item_kind kind, const char *key, bool own)
{
    if (module->state != MODULE_LIVE)
        return false;
    struct snapshot *snapshot = gateway_snapshot(module->gateway);
    struct item *item = catalogue_find(snapshot->catalogue, kind, span_of(key));
    bool found = item && (!own || item->provider == &module->provider);
    snapshot_unref(snapshot);
    return found;
}

/* Takes `item`, on success only. */
static int append_change(struct module *module, enum item_kind kind, const char *key, struct item *item)
{
    if (module->state == MODULE_RETIRED)
        return -ESHUTDOWN;
    if (module->change_count >= MODULE_MAX_CHANGES)
        return -ENOSPC;
    struct module_change *change = calloc(1, sizeof(*change));
    char *copy = strdup(key);
    if (!change || !copy) {
        free(change);
        free(copy);
        return -ENOMEM;
    }
    *change = (struct module_change){.kind = kind, .item = item, .key = copy};
    link_append(&module->changes, &change->link);
    module->change_count++;
    return 0;
}

static int append_item(struct module *module, struct item *item, struct text *problem)
{
    pthread_mutex_lock(&module->lock);
    struct module_change *before = find_change(module, item->kind, item->key);
    bool taken = before ? before->item != NULL : offered(module, item->kind, item->key, false);
    int r = taken ? -EEXIST : append_change(module, item->kind, item->key, item);
    pthread_mutex_unlock(&module->lock);
    if (r == -EEXIST)
        text_addf(problem, "this name is taken: choose another");
    return r;
}

static int add_item(struct module *module, const struct registration *asked, struct json_object *definition,
                    struct text *problem)
{
    struct item *item = NULL;
    int r = make_item(module, asked, definition, &item, problem);
    if (r < 0)
        return r;
    r = append_item(module, item, problem);
    if (r < 0)
        item_unref(item);
    return r;
}

/* What a definition has besides its key, in the order clients shall see it. */
struct member {
    const char *key;
    const char *text; /* a string, or NULL */
    const char *json; /* or a JSON text of `shape`, or NULL */
    enum definition_shape shape;
};

static int fill_definition(struct json_object *definition, const struct member *members, size_t count, const char *more,
                           struct text *problem)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        r = definition_add_text(definition, members[i].key, members[i].text, problem);
        if (r == 0)
            r = definition_add_json(definition, members[i].key, members[i].json, members[i].shape, problem);
    }
    return r < 0 ? r : definition_add_members(definition, more, problem);
}

static int add(struct weir_host *host, const struct registration *asked, const struct member *members, size_t count,
               const char *more)
{
    CLEANUP(text_done) struct text problem = TEXT(DEFINITION_MAX_PROBLEM_BYTES);
    CLEANUP(definition_freep) struct json_object *definition = definition_new();
    int r = definition ? check_registration(asked, &problem) : -ENOMEM;
    if (r == 0)
        r = fill_definition(definition, members, count, more, &problem);
    if (r == 0)
        r = add_item(host->module, asked, definition, &problem);
    return r < 0 ? refuse(host->module, r, asked->kind, asked->key, &problem) : 0;
}

int module_host_add_tool(struct weir_host *host, const struct weir_tool *tool)
{
    const struct member members[] = {
        {.key = "name", .text = tool->name},
        {.key = "description", .text = tool->description},
        {.key = "inputSchema", .json = tool->input_schema ? tool->input_schema : "{\"type\":\"object\"}"},
    };
    const struct registration asked = {
        .kind = ITEM_TOOL,
        .key = tool->name,
        .flags = tool->flags,
        .handler = {.run = tool->run, .user = tool->user, .mode = tool->mode},
    };
    return add(host, &asked, members, ARRAY_SIZE(members), tool->more);
}

int module_host_add_resource(struct weir_host *host, const struct weir_resource *resource)
{
    const struct member members[] = {
        {.key = resource->is_template ? "uriTemplate" : "uri", .text = resource->uri},
        {.key = "name", .text = resource->name},
        {.key = "description", .text = resource->description},
        {.key = "mimeType", .text = resource->mime_type},
    };
    const struct registration asked = {
        .kind = resource->is_template ? ITEM_TEMPLATE : ITEM_RESOURCE,
        .key = resource->uri,
        .flags = resource->flags,
        .handler = {.run = resource->read,
                    .complete = resource->complete,
                    .user = resource->user,
                    .mode = resource->mode},
    };
    return add(host, &asked, members, ARRAY_SIZE(members), resource->more);
}

int module_host_add_prompt(struct weir_host *host, const struct weir_prompt *prompt)
{
    const struct member members[] = {
        {.key = "name", .text = prompt->name},
        {.key = "description", .text = prompt->description},
        {.key = "arguments", .json = prompt->arguments, .shape = DEFINITION_ARRAY},
    };
    const struct registration asked = {
        .kind = ITEM_PROMPT,
        .key = prompt->name,
        .flags = prompt->flags,
        .handler = {.run = prompt->get, .complete = prompt->complete, .user = prompt->user, .mode = prompt->mode},
    };
    return add(host, &asked, members, ARRAY_SIZE(members), prompt->more);
}

/* An addition that nobody has seen is taken back; what clients may have seen is removed with the next publish(). */
static int remove_locked(struct module *module, enum item_kind kind, const char *key)
{
    struct module_change *before = find_change(module, kind, key);
    if (before && before->item) {
        change_free(before);
        module->change_count--;
        return 0;
    }
    if (before || !offered(module, kind, key, true))
        return -ENOENT;
    return append_change(module, kind, key, NULL);
}

static int remove_key(struct weir_host *host, enum item_kind kind, const char *key)
{
    if (!key)
        return -EINVAL;
    pthread_mutex_lock(&host->module->lock);
    int r = remove_locked(host->module, kind, key);
    pthread_mutex_unlock(&host->module->lock);
    return r;
}

int module_host_remove_tool(struct weir_host *host, const char *name)
{
    return remove_key(host, ITEM_TOOL, name);
}

int module_host_remove_resource(struct weir_host *host, const char *uri)
{
    int r = remove_key(host, ITEM_RESOURCE, uri);
    return r == -ENOENT ? remove_key(host, ITEM_TEMPLATE, uri) : r;
}

int module_host_remove_prompt(struct weir_host *host, const char *name)
{
    return remove_key(host, ITEM_PROMPT, name);
}

struct publication {
    struct module *module;
    struct text problem;
};

static int edit_catalogue(struct catalogue_builder *builder, void *data)
{
    struct publication *publication = data;
    text_clear(&publication->problem);
    return module_changes_apply(&publication->module->changes, builder, &publication->module->provider,
                                &publication->problem);
}

static unsigned announced_kinds(unsigned announce)
{
    unsigned kinds = 0;
    kinds |= announce & WEIR_TOOLS ? 1U << ITEM_TOOL : 0;
    kinds |= announce & WEIR_PROMPTS ? 1U << ITEM_PROMPT : 0;
    kinds |= announce & WEIR_RESOURCES ? 1U << ITEM_RESOURCE | 1U << ITEM_TEMPLATE : 0;
    return kinds;
}

/* Under the module's lock. What could not be published stays, so that the module can take back what stands in the way.
 */
static int publish_locked(struct publication *publication, unsigned kinds)
{
    struct module *module = publication->module;
    if (module->state == MODULE_RETIRED)
        return -ESHUTDOWN;
    if (module->state == MODULE_STARTING || (link_alone(&module->changes) && kinds == 0))
        return 0;
    int r = gateway_edit_catalogue(module->gateway, edit_catalogue, publication, kinds);
    if (r < 0)
        return r;
    module_changes_drop(&module->changes);
    module->change_count = 0;
    return 0;
}

int module_host_publish(struct weir_host *host, unsigned announce)
{
    struct publication publication = {.module = host->module, .problem = TEXT(DEFINITION_MAX_PROBLEM_BYTES)};
    pthread_mutex_lock(&host->module->lock);
    int r = publish_locked(&publication, announced_kinds(announce));
    pthread_mutex_unlock(&host->module->lock);
    if (r < 0) {
        struct span said = text_span(&publication.problem);
        (void)snprintf(last_problem, sizeof(last_problem), "publish: %.*s",
                       SPAN_PRINT(said.size ? said : span_of(strerror(-r))));
        log_warning("module_publish_refused", LOG_TEXT("module", host->module->path),
                    LOG_TEXT("problem", last_problem));
    }
    text_done(&publication.problem);
    return r;
}

int module_host_resource_updated(struct weir_host *host, const char *uri)
{
    if (!uri)
        return -EINVAL;
    int r = 0;
    pthread_mutex_lock(&host->module->lock); /* held throughout, so that module_retire() waits for the gateway's part */
    if (host->module->state == MODULE_LIVE)
        r = gateway_resource_updated(host->module->gateway, span_of(uri));
    pthread_mutex_unlock(&host->module->lock);
    return r;
}

const char *module_host_problem(struct weir_host *host)
{
    (void)host;
    return last_problem;
}

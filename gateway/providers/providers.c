/* The providers in use, and the change from one configuration to the next. A row is one provider; a change has the rows
   of the new configuration, some of them carried over. Owns one reference to each provider, and to the items that have
   not been offered yet. */
#include "gateway/providers/providers.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/providers/builtin.h"
#include "gateway/providers/command.h"
#include "gateway/providers/definition.h"
#include "gateway/providers/module.h"

enum { LABEL_BYTES = 160 };

struct row {
    struct provider *provider;        /* counted */
    struct module *module;            /* what the provider is; */
    struct command *command;          /* neither: builtin */
    struct item *item[BUILTIN_ITEMS]; /* to be offered; counted; a module keeps its own */
    bool kept;                        /* it was there before this change */
    char label[LABEL_BYTES];
};

struct rows {
    struct row *at;
    size_t count;
};

struct providers {
    struct module_registry registry;
    struct rows rows;
};

struct providers_change {
    struct providers *providers;
    struct rows rows;
    struct text problem;
};

static void drop_items(struct row *row)
{
    for (size_t i = 0; i < BUILTIN_ITEMS; i++)
        item_unref(TAKE(row->item[i]));
}

/* Its provider is not asked for any more, or never came to be. */
static void row_done(struct row *row)
{
    if (row->module)
        module_retire(row->module);
    drop_items(row);
    provider_unref(row->provider);
}

int providers_new(struct providers **ret_providers)
{
    struct providers *providers = calloc(1, sizeof(*providers));
    if (!providers)
        return -ENOMEM;
    module_registry_init(&providers->registry);
    *ret_providers = providers;
    return 0;
}

/* ---- preparing ----------------------------------------------------------------------------------------------------
 */

static bool is_builtin(const struct row *row)
{
    return !row->module && !row->command;
}

static bool is_claimed(const struct rows *rows, const struct provider *provider)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->at[i].provider == provider)
            return true;
    return false;
}

/* A row in use that is what `wanted` says, and that no other new row has claimed. */
static struct row *find_kept(struct providers_change *change,
                             bool (*wanted)(const struct row *row, const void *settings), const void *settings)
{
    struct rows *in_use = &change->providers->rows;
    for (size_t i = 0; i < in_use->count; i++)
        if (wanted(&in_use->at[i], settings) && !is_claimed(&change->rows, in_use->at[i].provider))
            return &in_use->at[i];
    return NULL;
}

static bool wants_builtin(const struct row *row, const void *settings)
{
    (void)settings;
    return is_builtin(row);
}

static bool wants_module(const struct row *row, const void *settings)
{
    return row->module && module_is(row->module, settings);
}

static bool wants_command(const struct row *row, const void *settings)
{
    return row->command && command_is(row->command, settings);
}

static int make_builtin(struct providers_change *change, struct row *row, const void *settings, struct text *problem)
{
    (void)change;
    (void)settings;
    (void)problem;
    return builtin_new(&row->provider, row->item);
}

static int make_module(struct providers_change *change, struct row *row, const void *settings, struct text *problem)
{
    int r = module_load(settings, &change->providers->registry, &row->module, problem);
    if (r == 0)
        row->provider = module_provider(row->module);
    return r;
}

static int make_command(struct providers_change *change, struct row *row, const void *settings, struct text *problem)
{
    (void)change;
    int r = command_new(settings, &row->command, &row->item[0], problem);
    if (r == 0)
        row->provider = command_provider(row->command);
    return r;
}

/* How the three kinds of providers differ. */
struct kind {
    bool (*wanted)(const struct row *row, const void *settings);
    int (*make)(struct providers_change *change, struct row *row, const void *settings, struct text *problem);
};
static const struct kind builtin_kind = {wants_builtin, make_builtin};
static const struct kind module_kind = {wants_module, make_module};
static const struct kind command_kind = {wants_command, make_command};

/* `label` names the row of the configuration in refusals. */
static int add_row(struct providers_change *change, const struct kind *kind, const void *settings, const char *label,
                   struct text *problem)
{
    struct row row = {.kept = false};
    struct row *before = find_kept(change, kind->wanted, settings);
    if (before) {
        row = *before;
        row.kept = true;
        provider_ref(row.provider);
    } else {
        CLEANUP(text_done) struct text reason = TEXT(DEFINITION_MAX_PROBLEM_BYTES);
        int r = kind->make(change, &row, settings, &reason);
        if (r < 0) {
            text_addf(problem, "%s: %.*s", label, SPAN_PRINT(reason.size ? text_span(&reason) : span_of(strerror(-r))));
            return r;
        }
    }
    (void)snprintf(row.label, sizeof(row.label), "%s", label);
    change->rows.at[change->rows.count++] = row;
    return 0;
}

static int add_modules(struct providers_change *change, const struct settings *settings, struct text *problem)
{
    int r = 0;
    for (size_t i = 0; i < settings->modules && r == 0; i++) {
        char label[LABEL_BYTES];
        (void)snprintf(label, sizeof(label), "modules[%zu] %.100s", i, settings->module[i].path);
        r = add_row(change, &module_kind, &settings->module[i], label, problem);
    }
    return r;
}

static int add_commands(struct providers_change *change, const struct settings *settings, struct text *problem)
{
    int r = 0;
    for (size_t i = 0; i < settings->commands && r == 0; i++) {
        char label[LABEL_BYTES];
        (void)snprintf(label, sizeof(label), "commands[%zu] %.100s", i, settings->command[i].name);
        r = add_row(change, &command_kind, &settings->command[i], label, problem);
    }
    return r;
}

static int add_rows(struct providers_change *change, const struct settings *settings, struct text *problem)
{
    change->rows.at = calloc(1 + settings->modules + settings->commands, sizeof(*change->rows.at));
    if (!change->rows.at)
        return -ENOMEM;
    int r = settings->builtin ? add_row(change, &builtin_kind, NULL, "builtin", problem) : 0;
    if (r == 0)
        r = add_modules(change, settings, problem);
    return r < 0 ? r : add_commands(change, settings, problem);
}

int providers_prepare(struct providers *providers, const struct settings *settings,
                      struct providers_change **ret_change, struct text *problem)
{
    struct providers_change *change = calloc(1, sizeof(*change));
    if (!change)
        return -ENOMEM;
    change->providers = providers;
    change->problem = TEXT(LABEL_BYTES + DEFINITION_MAX_PROBLEM_BYTES);
    int r = add_rows(change, settings, problem);
    if (r < 0) {
        providers_abandon(change);
        return r;
    }
    *ret_change = change;
    return 0;
}

/* ---- changing -----------------------------------------------------------------------------------------------------
 */

static int offer_item(struct item *item, struct catalogue_builder *builder, struct text *problem)
{
    int r = catalogue_builder_add(builder, item_ref(item));
    if (r < 0)
        item_unref(item);
    if (r == -EEXIST)
        text_addf(problem, "there is another \"%s\" already: rename one of the two", item->key);
    if (r == -ENOSPC)
        text_addf(problem, "the catalogue is full: it holds at most %d items of a kind", CATALOGUE_MAX_ITEMS);
    return r;
}

static int offer_row(const struct row *row, struct catalogue_builder *builder, struct text *problem)
{
    if (row->module)
        return module_offer(row->module, builder, problem);
    int r = 0;
    for (size_t i = 0; i < BUILTIN_ITEMS && row->item[i] && r == 0; i++)
        r = offer_item(row->item[i], builder, problem);
    return r;
}

static void remove_gone(struct providers_change *change, struct catalogue_builder *builder)
{
    struct rows *in_use = &change->providers->rows;
    for (size_t i = 0; i < in_use->count; i++)
        if (!is_claimed(&change->rows, in_use->at[i].provider))
            catalogue_builder_remove_provider(builder, in_use->at[i].provider);
}

int providers_apply(struct catalogue_builder *builder, void *data)
{
    struct providers_change *change = data;
    text_clear(&change->problem);
    remove_gone(change, builder);
    for (size_t i = 0; i < change->rows.count; i++) {
        CLEANUP(text_done) struct text reason = TEXT(DEFINITION_MAX_PROBLEM_BYTES);
        const struct row *row = &change->rows.at[i];
        int r = row->kept ? 0 : offer_row(row, builder, &reason);
        if (r < 0) {
            text_addf(&change->problem, "%s: %.*s", row->label,
                      SPAN_PRINT(reason.size ? text_span(&reason) : span_of(strerror(-r))));
            return r;
        }
    }
    return 0;
}

struct span providers_problem(const struct providers_change *change)
{
    return text_span(&change->problem);
}

static int remove_provider(struct catalogue_builder *builder, void *provider)
{
    catalogue_builder_remove_provider(builder, provider);
    return 0;
}

/* A module that published between providers_apply() and its retirement has put items back. */
static void retire_row(struct row *row, struct gateway *gateway)
{
    if (row->module) {
        module_retire(row->module);
        if (gateway_edit_catalogue(gateway, remove_provider, row->provider, 0) < 0)
            log_error("provider_not_removed", LOG_TEXT("provider", row->label));
    }
    row_done(row);
}

static void change_free(struct providers_change *change)
{
    free(change->rows.at);
    text_done(&change->problem);
    free(change);
}

void providers_commit(struct providers_change *change, struct gateway *gateway)
{
    struct rows before = change->providers->rows;
    for (size_t i = 0; i < before.count; i++)
        if (is_claimed(&change->rows, before.at[i].provider))
            provider_unref(before.at[i].provider); /* the new row has its own reference */
        else
            retire_row(&before.at[i], gateway);
    free(before.at);
    for (size_t i = 0; i < change->rows.count; i++) {
        struct row *row = &change->rows.at[i];
        drop_items(row);
        if (row->module && !row->kept)
            module_attach(row->module, gateway);
        row->kept = false;
    }
    change->providers->rows = change->rows;
    change->rows = (struct rows){NULL, 0};
    change_free(change);
}

void providers_abandon(struct providers_change *change)
{
    if (!change)
        return;
    for (size_t i = 0; i < change->rows.count; i++)
        if (change->rows.at[i].kept)
            provider_unref(change->rows.at[i].provider);
        else
            row_done(&change->rows.at[i]);
    change_free(change);
}

/* ---- the end ------------------------------------------------------------------------------------------------------
 */

bool providers_idle(const struct providers *providers)
{
    return atomic_load_explicit(&providers->registry.rounds, memory_order_acquire) == 0;
}

void providers_retire(struct providers *providers)
{
    for (size_t i = 0; i < providers->rows.count; i++)
        if (providers->rows.at[i].module)
            module_retire(providers->rows.at[i].module);
}

void providers_free(struct providers *providers)
{
    if (!providers)
        return;
    for (size_t i = 0; i < providers->rows.count; i++)
        row_done(&providers->rows.at[i]);
    free(providers->rows.at);
    if (!module_registry_wait(&providers->registry, PROVIDERS_STOP_TIMEOUT_MS)) {
        log_warning("modules_still_running"); /* they keep the registry */
        return;
    }
    module_registry_done(&providers->registry);
    free(providers);
}

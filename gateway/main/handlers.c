/* Makes handlers to see whether they can be made. When the whole is refused, each row is tried alone, so that every
   mistake is found and not just the first. Main thread; owns what it makes until it has looked. */
#include "gateway/main/handlers.h"

#include <errno.h>

#include "gateway/config/config.h"
#include "gateway/config/mistakes.h"
#include "gateway/providers/providers.h"

/* The index in "modules[12] ...", or SIZE_MAX. */
static size_t index_in(struct span problem, struct span list)
{
    uint64_t index;
    struct span name = span_cut(&problem, '[');
    struct span digits = span_cut(&problem, ']');
    return span_equal(name, list) && span_to_uint64(digits, &index) == 0 ? (size_t)index : SIZE_MAX;
}

/* The place of the row that a problem begins with. */
static struct place place_of(const struct settings *settings, struct span problem)
{
    size_t module = index_in(problem, SPAN("modules")), command = index_in(problem, SPAN("commands"));
    if (module < settings->modules)
        return settings->module[module].place;
    return command < settings->commands ? settings->command[command].place : (struct place){0};
}

void handlers_add_mistake(const char *file, const struct settings *settings, struct span problem, struct text *mistakes)
{
    struct mistakes list = {0};
    struct place place = place_of(settings, problem);
    text_add(mistake(&list, (struct position){place.line, place.column}), problem);
    mistakes_write(&list, file, mistakes);
    mistakes_done(&list);
}

/* 0, or -errno and a sentence in `problem`, which begins with the row. */
static int try_all(struct providers *providers, const struct settings *settings, struct text *problem)
{
    struct providers_change *change = NULL;
    struct catalogue_builder *builder = NULL;
    int result = providers_prepare(providers, settings, &change, problem);
    if (result != 0)
        return result;
    result = catalogue_builder_new(NULL, &builder);
    if (result == 0) {
        result = providers_apply(builder, change);
        text_add(problem, providers_problem(change));
    }
    catalogue_builder_free(builder);
    providers_abandon(change);
    return result;
}

/* One row as if it were the only one; its label has the index 0 then, so its own goes in front. */
static int try_row(struct providers *providers, const struct settings *row, const char *list, size_t index,
                   struct place place, struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    int result = try_all(providers, row, &problem);
    if (result == 0 || result == -ENOMEM)
        return result;
    struct span rest = text_span(&problem);
    (void)span_cut(&rest, ']');
    text_addf(mistake(mistakes, (struct position){place.line, place.column}), "%s[%zu]%.*s", list, index,
              SPAN_PRINT(rest));
    return 0;
}

static int try_rows(struct providers *providers, const struct settings *settings, struct mistakes *mistakes)
{
    int result = 0;
    for (size_t i = 0; i < settings->modules && result == 0; i++) {
        struct settings row = {.module = &settings->module[i], .modules = 1};
        result = try_row(providers, &row, "modules", i, settings->module[i].place, mistakes);
    }
    for (size_t i = 0; i < settings->commands && result == 0; i++) {
        struct settings row = {.command = &settings->command[i], .commands = 1};
        result = try_row(providers, &row, "commands", i, settings->command[i].place, mistakes);
    }
    return result;
}

static int find_mistakes(struct providers *providers, const char *file, const struct settings *settings,
                         struct text *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    struct mistakes list = {0};
    int result = try_all(providers, settings, &problem);
    if (result == 0 || result == -ENOMEM)
        return result;
    result = try_rows(providers, settings, &list);
    if (list.count == 0) /* each is fine by itself */
        handlers_add_mistake(file, settings, text_span(&problem), mistakes);
    mistakes_write(&list, file, mistakes);
    mistakes_done(&list);
    return result < 0 ? result : CONFIG_MISTAKES;
}

int handlers_check(const char *file, const struct settings *settings, struct text *mistakes)
{
    struct providers *providers = NULL;
    int result = providers_new(&providers);
    if (result == 0)
        result = find_mistakes(providers, file, settings, mistakes);
    providers_free(providers);
    return result;
}

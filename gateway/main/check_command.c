/* weir check: reads a configuration as `serve` would, and makes its handlers, but serves nothing. */
#include <errno.h>
#include <stdio.h>

#include "gateway/config/config.h"
#include "gateway/main/commands.h"
#include "gateway/providers/providers.h"

/* Makes the catalogue that the settings ask for, and throws it away. 0 or -errno with a sentence in `problem`. */
static int try_providers(struct providers *providers, const struct settings *settings, struct text *problem)
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

static int check_providers(const char *path, const struct settings *settings, struct text *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(CONFIG_MISTAKES_BYTES);
    struct providers *providers = NULL;
    int result = providers_new(&providers);
    if (result == 0)
        result = try_providers(providers, settings, &problem);
    providers_free(providers);
    if (result == 0 || result == -ENOMEM)
        return result;
    text_addf(mistakes, "%s: %.*s\n", path, SPAN_PRINT(text_span(&problem)));
    return CONFIG_MISTAKES;
}

static int check(const char *path, struct text *mistakes)
{
    struct settings *settings = NULL;
    int result = config_load(path, NULL, &settings, mistakes);
    if (result == 0)
        result = check_providers(path, settings, mistakes);
    config_free(settings);
    return result;
}

int check_command(int argc, char **argv)
{
    CLEANUP(text_done) struct text mistakes = TEXT(CONFIG_MISTAKES_BYTES);
    if (argc != 2 || argv[1][0] == '-') {
        (void)fprintf(stderr, "usage: weir check FILE\n");
        return EXIT_USAGE;
    }
    int result = check(argv[1], &mistakes);
    (void)fprintf(stderr, "%.*s", SPAN_PRINT(text_span(&mistakes)));
    if (result < 0) {
        (void)fprintf(stderr, "weir check: %s\n", strerror(-result));
        return EXIT_FAILED;
    }
    if (result == 0)
        (void)printf("%s: no mistakes\n", argv[1]);
    return result == 0 ? EXIT_DONE : EXIT_USAGE;
}

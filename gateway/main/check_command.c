/* weir check: reads a configuration as `serve` would, and makes its handlers, but serves nothing. */
#include <stdio.h>

#include "gateway/config/config.h"
#include "gateway/main/certificates.h"
#include "gateway/main/commands.h"
#include "gateway/main/descriptors.h"
#include "gateway/main/handlers.h"

/* No mistake of the file. */
static void note_descriptors(const char *path, struct settings *settings)
{
    CLEANUP(text_done) struct text note = TEXT(1024);
    if (descriptors_fit(settings, &note) == 0)
        descriptors_add_note(settings, &note);
    if (note.size > 0)
        (void)fprintf(stderr, "%s: note: %.*s\n", path, SPAN_PRINT(text_span(&note)));
}

static int check(const char *path, struct text *mistakes)
{
    struct settings *settings = NULL;
    int result = config_load(path, NULL, &settings, mistakes);
    int judged = result == 0 ? certificates_check(path, settings, mistakes) : 0;
    if (result == 0)
        result = handlers_check(path, settings, mistakes);
    if (result == 0)
        result = judged;
    if (result == 0)
        note_descriptors(path, settings);
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

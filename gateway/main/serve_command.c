/* weir serve: reads the arguments, runs the server. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/main/commands.h"
#include "gateway/main/server.h"

static const char default_path[] = "./weir.yaml";

static int usage(const char *why, const char *word)
{
    (void)fprintf(stderr, "weir serve: %s: %s\n", why, word);
    (void)fprintf(stderr, "usage: weir serve [--config FILE] [--listen ADDRESS]... [--stdio]\n");
    return EXIT_USAGE;
}

int serve_command(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"stdio", no_argument, NULL, 's'},
                                            {0}};
    const char *listen[SETTINGS_MAX_LISTENERS];
    struct server_arguments arguments = {.config = {.listen = listen}};
    int found;
    opterr = 0;
    while ((found = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (found == 'c' && !arguments.path)
            arguments.path = optarg;
        else if (found == 'l' && arguments.config.listens < SETTINGS_MAX_LISTENERS)
            listen[arguments.config.listens++] = optarg;
        else if (found == 's')
            arguments.stdio = arguments.config.no_listeners = true;
        else
            return usage("cannot be understood, or not here", argv[optind - 1]);
    }
    if (optind < argc)
        return usage("takes no such argument", argv[optind]);
    if (!arguments.path && access(default_path, F_OK) == 0)
        arguments.path = default_path;
    return server_run(&arguments);
}

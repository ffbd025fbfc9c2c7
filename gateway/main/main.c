/* weir's command line: finds the command and gives it its arguments. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/defs.h"
#include "gateway/base/span.h"
#include "gateway/main/commands.h"

#define CLIENT_OPTIONS                                                                                                 \
    "options: --header 'NAME: VALUE', --era auto|modern|legacy, --timeout SECONDS (60), --ca FILE, --insecure, --json"

static int version_command(int argc, char **argv);
static int help_command(int argc, char **argv);

static const struct command commands[] = {
    {"serve", "[--config FILE] [--listen ADDRESS]... [--stdio]",
     "run the gateway; without --config: ./weir.yaml, else a demo\n"
     "--listen 127.0.0.1:8080 replaces the configured addresses\n"
     "--stdio serves one client on standard input and output; no address then but those of --listen",
     serve_command},
    {"check", "FILE", "say every mistake of a configuration, with its place", check_command},
    {"explain", "FILE CALLER... WHAT [--endpoint PATH]",
     "say whether the policy of a configuration lets somebody see and use something, by which rule, and why\n"
     "CALLER: --key NAME, or --subject S, --issuer I, --proof P; --scope S, again for each; none: anonymous\n"
     "WHAT: --tool NAME, --resource URI, --template TEXT or --prompt NAME\n"
     "exit status: 0 allowed, 1 denied, 2 wrong usage or configuration",
     explain_command},
    {"options", "[--schema | --manual]",
     "list every option: type, bounds, default, environment variable\n"
     "--schema: as a JSON Schema of the file, for editors; --manual: as the manual page weir.yaml(5)",
     options_command},
    {"hash-key", "[--generate]",
     "the sha256 of an API key (one line on standard input) for auth.api_keys; --generate makes a key",
     hash_key_command},
    {"health", "[URL | unix:PATH] [--config FILE] [--timeout SECONDS]",
     "ask a gateway whether it is ready (/readyz): exit status 0 or 1, within 3 seconds\n"
     "without a place: where the configuration that serve would use listens",
     health_command},
    {"tools", "URL [OPTION]...", "list the tools that a server at URL (http, https, ws or wss) offers\n" CLIENT_OPTIONS,
     client_tools},
    {"call", "URL TOOL [JSON] [OPTION]...", "call one of them with a JSON object of arguments\n" CLIENT_OPTIONS,
     client_call},
    {"completion", "bash | zsh", "print completions for a shell", completion_command},
    {"manual", "", "print the manual page weir(1)", manual_command},
    {"version", "", "say which weir this is", version_command},
    {"help", "", "say this", help_command},
};

const struct command *commands_table(size_t *ret_count)
{
    *ret_count = ARRAY_SIZE(commands);
    return commands;
}

static void print_command(FILE *out, const struct command *command)
{
    struct span rest = span_of(command->help);
    (void)fprintf(out, "  weir %s%s%s\n", command->name, *command->arguments ? " " : "", command->arguments);
    while (!span_absent(rest)) {
        struct span line = span_cut(&rest, '\n');
        (void)fprintf(out, "      %.*s\n", SPAN_PRINT(line));
    }
}

static void print_usage(FILE *out)
{
    (void)fprintf(out, "usage: weir COMMAND [ARGUMENT...]\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        print_command(out, &commands[i]);
    (void)fprintf(out, "\nExit status: 0 done, 1 failed, 2 wrong usage or configuration.\n");
}

static int version_command(int argc, char **argv UNUSED)
{
    if (argc > 1) {
        (void)fprintf(stderr, "usage: weir version\n");
        return EXIT_USAGE;
    }
    (void)printf("weir %s\n", WEIR_VERSION);
    return EXIT_DONE;
}

static int help_command(int argc UNUSED, char **argv UNUSED)
{
    print_usage(stdout);
    return EXIT_DONE;
}

/* The names that people try first. */
static const char *command_name(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    return strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0 ? "version" : word;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Whoever starts us may have closed standard input, output or error. The next sockets would take their numbers: clients
   would get what is meant for the log, and libuv ends the process rather than close one of these. */
static int fill_standard_descriptors(void)
{
    int fd = 0;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        continue;
    return fd < 0 ? fd : close(fd);
}

int main(int argc, char **argv)
{
    if (fill_standard_descriptors() < 0)
        return EXIT_FAILED;
    const struct command *command = argc > 1 ? find_command(command_name(argv[1])) : NULL;
    if (!command) {
        if (argc > 1)
            (void)fprintf(stderr, "weir: there is no command %s\n", argv[1]);
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        print_command(stdout, command);
        return EXIT_DONE;
    }
    return command->run(argc - 1, argv + 1);
}

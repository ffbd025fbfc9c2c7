/* The commands of the program. Each takes its own arguments (argv[0] is the command's name) and returns the exit
 * status. */
#pragma once
#include <stddef.h>

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* at run time */
    EXIT_USAGE = 2,  /* wrong usage or configuration */
};

/* A row of the table in main.c. */
struct command {
    const char *name;
    const char *arguments; /* after the name, as usage says it: "FILE", "[--schema | --manual]" */
    const char *help;      /* lines */
    int (*run)(int argc, char **argv);
};
const struct command *commands_table(size_t *ret_count);

int serve_command(int argc, char **argv);
int check_command(int argc, char **argv);
int explain_command(int argc, char **argv);
int options_command(int argc, char **argv);
int hash_key_command(int argc, char **argv);
int health_command(int argc, char **argv);
int completion_command(int argc, char **argv);
int manual_command(int argc, char **argv);
int client_tools(int argc, char **argv);
int client_call(int argc, char **argv);

/* The commands of the program. Each takes its own arguments (argv[0] is the command's name) and returns the exit
 * status. */
#pragma once

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* at run time */
    EXIT_USAGE = 2,  /* wrong usage or configuration */
};

int serve_command(int argc, char **argv);
int check_command(int argc, char **argv);
int options_command(int argc, char **argv);
int client_tools(int argc, char **argv);
int client_call(int argc, char **argv);

/* The gateway as a process: started phase by phase, run until a signal ends it, stopped in the reverse order. */
#pragma once
#include "gateway/config/config.h"

struct server_arguments {
    const char *path; /* of the configuration; NULL: the built-in demo */
    struct config_arguments config;
    bool stdio; /* one client on standard input and output, too; the end of its input is the end of the server */
};

/* Serves until SIGTERM, SIGINT, or the end of the client on standard input. Returns the exit status; whatever went
 * wrong has been said on standard error. */
int server_run(const struct server_arguments *arguments);

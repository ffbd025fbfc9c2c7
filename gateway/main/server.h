/* The gateway as a process: started phase by phase, run until a signal ends it, stopped in the reverse order. */
#pragma once
#include "gateway/config/config.h"

struct server_arguments {
    const char *path; /* of the configuration; NULL: the built-in demo */
    struct config_arguments config;
};

/* Serves until SIGTERM or SIGINT. Returns the exit status; whatever went wrong has been said on standard error. */
int server_run(const struct server_arguments *arguments);

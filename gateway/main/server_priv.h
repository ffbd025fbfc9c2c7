/* What the phases of the server share (server.c, reload.c). Main thread. */
#pragma once
#include "gateway/core/gateway.h"
#include "gateway/main/fronts.h"
#include "gateway/main/server.h"
#include "gateway/ops/pages.h"
#include "gateway/ops/traces.h"
#include "gateway/providers/command_keeper.h"
#include "gateway/providers/providers.h"

struct server {
    const struct server_arguments *arguments;
    struct command_keeper *keeper;
    struct settings_holder *settings; /* those it runs with */
    struct providers *providers;
    struct gateway *gateway;
    struct traces *traces; /* NULL: nothing is traced */
    struct sources sources;
    struct page pages[PAGES_COUNT];
    struct fronts *fronts;
    struct text problem;     /* why a phase failed: whole lines of mistakes, or one sentence */
    int stdio_in, stdio_out; /* the client's, with --stdio; else -1 */
    bool stuck;              /* a handler did not end: its memory is not free to go */
};

static inline const struct settings *server_settings(const struct server *server)
{
    return settings_holder_get(server->settings);
}

static inline const char *server_config_name(const struct server *server)
{
    return server->arguments->path ? server->arguments->path : "the built-in demo";
}

/* Reads the configuration again and puts it before the clients, or refuses it with its mistakes in the log; the old one
   then stays. */
void server_reload(struct server *server);
/* The configuration of the arguments, fitted to the descriptors, held. 0, CONFIG_MISTAKES with lines in `problem`,
   -EMFILE with a sentence there, or -ENOMEM. */
MUST_USE int server_read_settings(const struct server_arguments *arguments, struct settings_holder **ret_settings,
                                  struct text *problem);
/* Gives new settings their guard; from that of the running ones (NULL: none) it takes over what it knows of the same
   issuers. 0 or -errno. */
MUST_USE int server_make_guard(struct settings_holder *settings, const struct settings_holder *running);
/* Says in the log what in these settings is legal but probably not meant. */
void server_log_settings(const struct settings *settings);

/* weir manual: weir(1), made from the table of commands. */
#include <stdio.h>

#include "gateway/config/troff.h"
#include "gateway/main/commands.h"

enum { PAGE_MAX_BYTES = 1 << 20 };

static const char head[] =
    ".TH WEIR 1 \"\" \"weir " WEIR_VERSION "\" \"User commands\"\n"
    ".SH NAME\nweir \\- MCP gateway\n"
    ".SH SYNOPSIS\n.B weir\n.I COMMAND\n[\\fIARGUMENT\\fR...]\n"
    ".SH DESCRIPTION\n"
    "weir is one small daemon that Model Context Protocol clients reach by streaming HTTP or WebSocket, plain or TLS,\n"
    "by HTTP with SSE, or by newline\\-delimited messages. It knows who is calling, bounds every caller, and runs "
    "their\n"
    "tool, resource and prompt calls through handlers: C modules and programs.\n"
    ".SH COMMANDS\n";

static const char tail[] =
    ".SH SIGNALS\n"
    ".TP\n.B SIGHUP\nA serving gateway reads its configuration and certificates again; what is wrong is said and kept "
    "out.\n"
    ".TP\n.B SIGTERM, SIGINT\nFor limits.drain_grace it serves on while /readyz says 503, so that load balancers turn\n"
    "away. Then it drains: nobody new gets in, requests that are in flight are finished within\n"
    "limits.drain_timeout, then it exits with status 0. A second signal ends the grace, or cuts the drain short.\n"
    ".SH EXIT STATUS\n0 done, 1 failed at run time, 2 wrong usage or configuration.\n"
    ".SH FILES\n.TP\n.I weir.yaml\nThe configuration, in the working directory, when\n.B weir serve\nis not given "
    "another.\n"
    ".SH SEE ALSO\n.BR weir.yaml (5)\n";

static void add_command(struct text *out, const struct command *command)
{
    text_addf(out, ".TP\n.BI \"weir %s \" \"", command->name);
    troff_add(out, span_of(command->arguments));
    text_add_literal(out, "\"\n");
    troff_add(out, span_of(command->help));
    text_add_char(out, '\n');
}

int manual_command(int argc, char **argv UNUSED)
{
    CLEANUP(text_done) struct text page = TEXT(PAGE_MAX_BYTES);
    size_t count;
    const struct command *commands = commands_table(&count);
    if (argc > 1) {
        (void)fprintf(stderr, "usage: weir manual\n");
        return EXIT_USAGE;
    }
    text_add(&page, span_of(head));
    for (size_t i = 0; i < count; i++)
        add_command(&page, &commands[i]);
    text_add(&page, span_of(tail));
    if (page.error || fwrite(page.at, 1, page.size, stdout) != page.size || fflush(stdout) != 0) {
        (void)fprintf(stderr, "weir manual: the page cannot be written\n");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

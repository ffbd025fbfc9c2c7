/* weir options: prints the options table. */
#include <stdio.h>

#include "gateway/config/options.h"
#include "gateway/main/commands.h"

int options_command(int argc, char **argv UNUSED)
{
    CLEANUP(text_done) struct text page = TEXT(1 * MIB);
    if (argc > 1) {
        (void)fprintf(stderr, "usage: weir options\n");
        return EXIT_USAGE;
    }
    options_print(&page);
    if (page.error || fwrite(page.at, 1, page.size, stdout) != page.size || fflush(stdout) != 0) {
        (void)fprintf(stderr, "weir options: the list cannot be written\n");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

/* weir options: prints the options table, in one of its forms. */
#include <stdio.h>

#include "gateway/config/options.h"
#include "gateway/main/commands.h"

enum { PAGE_MAX_BYTES = 4 << 20 };

static int print_list(struct text *out)
{
    options_print(out);
    return out->error;
}

static int print_manual(struct text *out)
{
    options_manual(out);
    return out->error;
}

static const struct form {
    const char *argument; /* NULL: none is given */
    int (*print)(struct text *out);
} forms[] = {
    {NULL, print_list},
    {"--schema", options_schema},
    {"--manual", print_manual},
};

static const struct form *find_form(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (argc == 1 ? !forms[i].argument : argc == 2 && forms[i].argument && strcmp(argv[1], forms[i].argument) == 0)
            return &forms[i];
    return NULL;
}

int options_command(int argc, char **argv)
{
    CLEANUP(text_done) struct text page = TEXT(PAGE_MAX_BYTES);
    const struct form *form = find_form(argc, argv);
    if (!form) {
        (void)fprintf(stderr, "usage: weir options [--schema | --manual]\n");
        return EXIT_USAGE;
    }
    if (form->print(&page) < 0 || fwrite(page.at, 1, page.size, stdout) != page.size || fflush(stdout) != 0) {
        (void)fprintf(stderr, "weir options: the list cannot be written\n");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

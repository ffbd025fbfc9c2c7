/* The page of `weir options`, from the table alone. Pure; owns nothing. */
#include <stdio.h>

#include "gateway/config/types.h"

/* What the type says, with the words it takes. */
static void add_type(const struct option *option, struct text *out)
{
    const char *lead = option->type == &option_type_PATH ? ", or " : " of ";
    text_add(out, span_of(option->type->name));
    for (const struct option_choice *choice = option->choices; choice && choice->name; choice++)
        text_addf(out, "%s%s", choice == option->choices ? lead : "|", choice->name);
}

/* Bounds of numbers, in the type's own unit. */
static void add_bounds(const struct option *option, struct text *out)
{
    bool automatic = option->type == &option_type_COUNT_OR_AUTO; /* its 0 is the word */
    uint64_t low = automatic ? 1 : option->minimum, high = option->maximum;
    struct option lonely = *option;
    bool number = automatic || option->type == &option_type_COUNT || option->type == &option_type_SIZE ||
                  option->type == &option_type_DURATION;
    if (!number)
        return;
    lonely.offset = 0;
    lonely.width = sizeof(uint64_t);
    text_add_literal(out, ", ");
    option_show(&lonely, &low, out);
    text_add_literal(out, " to ");
    option_show(&lonely, &high, out);
}

static void add_row(const struct option_table *table, const struct option *option, struct text *out)
{
    char variable[OPTION_VARIABLE_BYTES];
    text_addf(out, "%s%s%s\n    ", table->name, *table->name ? "[]." : "", option->path);
    add_type(option, out);
    add_bounds(option, out);
    if (option->flags & OPTION_REQUIRED)
        text_add_literal(out, "; required");
    else if (option->fallback)
        text_addf(out, "; default %s", option->fallback);
    else
        text_add_literal(out, "; no default");
    if (option->flags & OPTION_RESTART)
        text_add_literal(out, "; fixed while it runs");
    if (option_variable(option, variable))
        text_addf(out, "; %s", variable);
    text_addf(out, "\n    %s\n", option->help);
}

static void add_table(const struct option_table *table, struct text *out)
{
    for (size_t i = 0; i < table->rows; i++)
        add_row(table, &table->row[i], out);
}

void options_print(struct text *out)
{
    text_add_literal(out, "Options of the configuration file, and the environment variables that beat it.\n"
                          "Dots are nesting: limits.max_payload is max_payload under limits.\n\n");
    options_print_rows(out);
}

void options_print_rows(struct text *out)
{
    size_t count;
    const struct option_list *lists = options_lists(&count);
    add_table(options_top(), out);
    for (size_t i = 0; i < count; i++) {
        text_addf(out, "\n%s\n    list, %zu entries at most\n    %s\n", lists[i].table.name, lists[i].maximum,
                  lists[i].help);
        add_table(&lists[i].table, out);
    }
}

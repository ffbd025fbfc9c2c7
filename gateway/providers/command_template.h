/* The argument vector of a command: compiled once from `run`, then filled in with the arguments of each call. No shell
   ever sees it: an entry of `run` becomes one argument, whatever the values in it hold.

   In an entry, {name} stands for the argument of that name; "{{" and "}}" are literal braces. A string goes in as it
   is; numbers, booleans, arrays and objects as their JSON. Where an argument is absent or null, the `default` of its
   property in the input schema goes in; without a default the whole entry is left out, so an optional argument is
   written in one entry: "--depth={depth}". The first entry is the program and takes no placeholder. A value that begins
   with '-' can be read as an option by the program: put "--" before it where the program knows that, or restrict it
   with a `pattern` in the schema. Any thread. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

struct command_template;

enum {
    COMMAND_MAX_ENTRIES = 256,
    COMMAND_MAX_ENTRY_BYTES = 131071,       /* Linux: MAX_ARG_STRLEN without the NUL */
    COMMAND_MAX_VECTOR_BYTES = 1024 * 1024, /* half of what Linux gives to arguments and environment by default */
};

/* `input_schema`: the JSON text of the schema, whose `properties` are the names that placeholders may have. 0, -EINVAL
   and a sentence in `problem`, -ENOMEM. */
MUST_USE int command_template_compile(const struct name_list *run, struct span input_schema,
                                      struct command_template **ret_template, struct text *problem);
void command_template_free(struct command_template *template); /* NULL is fine */

/* NULL-terminated, each entry on the heap. */
struct command_vector {
    char **argument;
    size_t count;
};
void command_vector_done(struct command_vector *vector);

/* Outcome: these arguments cannot be given to a program (a NUL character, too long). */
enum { COMMAND_TEMPLATE_REFUSED = 1 };
/* `arguments` is a valid JSON object. 0, COMMAND_TEMPLATE_REFUSED and a sentence in `problem`, or -ENOMEM. */
MUST_USE int command_template_expand(const struct command_template *template, struct span arguments,
                                     struct command_vector *ret_vector, struct text *problem);

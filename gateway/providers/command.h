/* Command handlers: a program per call (settings: `commands`). One provider per row, with one tool. The arguments were
   checked against the row's input_schema before; they reach the program as arguments
   (gateway/providers/command_template.h) or as one JSON object on standard input. Standard output is the result, as
   text or as JSON; an exit status that is not 0, a signal, a time-out or too much output is a tool result with isError,
   which quotes the end of standard error. */
#pragma once
#include "gateway/core/provider.h"
#include "gateway/core/settings.h"

struct command;

/* Checks the row and makes its provider and its tool: one reference of each, and the tool has another of the provider.
   The row is copied. 0, -ENOMEM, or -EINVAL and a sentence in `problem` that says what to do: a bad schema, a bad
   template, a program or directory that is not there. */
MUST_USE int command_new(const struct command_settings *settings, struct command **ret_command, struct item **ret_item,
                         struct text *problem);
/* Whether this command is what the row asks for, to the letter. */
bool command_is(const struct command *command, const struct command_settings *settings);
struct provider *command_provider(struct command *command);

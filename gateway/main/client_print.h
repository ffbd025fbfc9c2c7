/* What the client shows: results on standard output, everything else on standard error. Texts come from a server that
   may be anybody's: on a terminal, and on standard error always, control characters are shown as U+FFFD. */
#pragma once
#include <json-c/json.h>
#include <stdio.h>

#include "gateway/base/span.h"

/* Prints text with a line feed behind it, unless it ends with one. */
void client_print_text(FILE *out, struct span text);
/* Pretty JSON. */
void client_print_json(FILE *out, struct json_object *value);
/* A tool: its name, its description and its parameters, for people. */
void client_print_tool(FILE *out, struct json_object *tool);
/* A tool result's content: each text as it is, anything else as one line that says what it is; without content the
   structured content as JSON. */
void client_print_content(FILE *out, struct json_object *result);
/* A notification, as one line on standard error: progress and log messages; others are passed over. */
void client_print_notice(void *context, const char *method, struct json_object *params);

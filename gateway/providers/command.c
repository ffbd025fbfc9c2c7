/* A row of `commands` as a provider with one tool: checked and compiled when the configuration is read, run by
   command_run.c. Any thread may drop it; calls run on their reactors. Owns copies of all it needs of the row. */
#include "gateway/providers/command.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/mcp/errors.h"
#include "gateway/providers/command_environment.h"
#include "gateway/providers/command_run.h"
#include "gateway/providers/command_template.h"
#include "gateway/providers/definition.h"

enum {
    COMMAND_MAX_PROGRAM_BYTES = 4096,        /* a path, as execve() takes it */
    COMMAND_MAX_ROW_BYTES = 4 * 1024 * 1024, /* all of a row's texts together */
};

/* What every program gets of the gateway's environment, besides the names of the row. */
static const char *const common_environment[] = {"PATH", "HOME", "LANG", "LC_ALL", "TZ"};

struct command {
    struct provider provider; /* first */
    char *name;
    char *directory; /* or NULL */
    char *row;       /* all of the settings, for command_is() */
    size_t row_size;
    struct command_template *template;
    char **environment; /* NULL-terminated "NAME=value" */
    bool json_stdin;
    bool json_output;
    uint64_t timeout_ms;
    size_t max_output;
    size_t max_memory;
};

static void command_free(struct provider *provider)
{
    struct command *command = CONTAINER_OF(provider, struct command, provider);
    for (size_t i = 0; command->environment && command->environment[i]; i++)
        free(command->environment[i]);
    free(command->environment);
    command_template_free(command->template);
    free(command->name);
    free(command->directory);
    free(command->row);
    free(command);
}

/* ---- a call -------------------------------------------------------------------------------------------------------
 */

/* 0, or -ENOMEM. */
static int run(struct command *command, struct call *call, const struct command_vector *vector)
{
    CLEANUP(command_environment_done) struct command_environment environment;
    char **variables = command_environment_make(&environment, call, command->environment);
    if (!variables)
        return -ENOMEM;
    const struct command_run_plan plan = {
        .provider = &command->provider,
        .name = command->name,
        .arguments = vector->argument,
        .environment = variables,
        .directory = command->directory,
        .json_stdin = command->json_stdin,
        .json_output = command->json_output,
        .timeout_ms = command->timeout_ms,
        .max_output = command->max_output,
        .cpu_per_second_ms = reactor_snapshot(call_reactor(call))->settings->limits.cpu_per_second_ms,
        .max_memory = command->max_memory,
    };
    command_run_start(&plan, call);
    return 0;
}

/* What the template refuses is the caller's mistake, as a violation of the schema is: the model sees it. */
static int answer_refusal(struct call *call, int outcome, const struct text *problem)
{
    if (outcome == COMMAND_TEMPLATE_REFUSED)
        return call_result_text(call, text_span(problem), true);
    return call_error(call, error_row(ERROR_HANDLER)->code[ERA_MODERN], SPAN("The gateway is out of memory"),
                      (struct span){0});
}

static void command_start(struct provider *provider, struct call *call)
{
    struct command *command = CONTAINER_OF(provider, struct command, provider);
    CLEANUP(command_vector_done) struct command_vector vector = {0};
    CLEANUP(text_done) struct text problem = TEXT(DEFINITION_MAX_PROBLEM_BYTES);
    int r = command_template_expand(command->template, call_request(call)->arguments, &vector, &problem);
    if (r == 0)
        r = run(command, call, &vector);
    if (r == 0)
        return;
    r = answer_refusal(call, r, &problem);
    if (r < 0)
        log_error("command_answer_lost", LOG_TEXT("command", command->name), LOG_NUMBER("error", -r));
}

static void command_cancel(struct provider *provider, struct call *call)
{
    struct command_run *running = call_provider_data(call);
    (void)provider;
    if (running)
        command_run_cancel(running);
}

static const struct provider_ops command_ops = {
    .name = "command",
    .start = command_start,
    .cancel = command_cancel,
    .free = command_free,
};

/* ---- a row --------------------------------------------------------------------------------------------------------
 */

static char empty_schema[] = "{\"type\":\"object\"}"; /* of a row without input_schema */

static void add_field(struct text *row, const char *value)
{
    if (value)
        text_addf(row, "%zu:%s,", strlen(value), value);
    else
        text_add_literal(row, "-,");
}

static void add_list(struct text *row, const struct name_list *list)
{
    text_addf(row, "%zu[", list->count);
    for (size_t i = 0; i < list->count; i++)
        add_field(row, list->name[i]);
}

/* All settings of a row as one unambiguous text. */
static void add_row(struct text *row, const struct command_settings *settings)
{
    add_field(row, settings->name);
    add_field(row, settings->title);
    add_field(row, settings->description);
    add_field(row, settings->input_schema ? settings->input_schema : empty_schema);
    add_field(row, settings->annotations);
    add_list(row, &settings->run);
    add_list(row, &settings->environment);
    add_field(row, settings->directory);
    text_addf(row, "%d %d %llu %zu %zu", settings->json_stdin, settings->json_output,
              (unsigned long long)settings->timeout_ms, settings->max_output, settings->max_memory);
}

bool command_is(const struct command *command, const struct command_settings *settings)
{
    CLEANUP(text_done) struct text row = TEXT(COMMAND_MAX_ROW_BYTES);
    add_row(&row, settings);
    return row.error == 0 && span_equal(text_span(&row), (struct span){command->row, command->row_size});
}

static int copy_row(struct command *command, const struct command_settings *settings, struct text *problem)
{
    struct text row = TEXT(COMMAND_MAX_ROW_BYTES);
    add_row(&row, settings);
    int r = text_take(&row, &command->row, &command->row_size);
    if (r == -EMSGSIZE) {
        text_addf(problem, "its texts are longer than 4 MiB together");
        return -EINVAL;
    }
    command->name = strdup(settings->name);
    command->directory = settings->directory ? strdup(settings->directory) : NULL;
    command->json_stdin = settings->json_stdin;
    command->json_output = settings->json_output;
    command->timeout_ms = settings->timeout_ms;
    command->max_output = settings->max_output;
    command->max_memory = settings->max_memory;
    return r == 0 && (!command->name || (settings->directory && !command->directory)) ? -ENOMEM : r;
}

/* A name that the gateway does not have itself is not passed on. */
static int add_variable(struct command *command, size_t *count, const char *name)
{
    const char *value = getenv(name);
    for (size_t i = 0; value && i < *count; i++)
        if (strncmp(command->environment[i], name, strlen(name)) == 0 && command->environment[i][strlen(name)] == '=')
            return 0;
    if (!value)
        return 0;
    if (asprintf(&command->environment[*count], "%s=%s", name, value) < 0) {
        command->environment[*count] = NULL;
        return -ENOMEM;
    }
    (*count)++;
    return 0;
}

static int copy_environment(struct command *command, const struct name_list *names)
{
    size_t count = 0;
    command->environment = calloc(ARRAY_SIZE(common_environment) + names->count + 1, sizeof(*command->environment));
    int r = command->environment ? 0 : -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(common_environment) && r == 0; i++)
        r = add_variable(command, &count, common_environment[i]);
    for (size_t i = 0; i < names->count && r == 0; i++)
        r = add_variable(command, &count, names->name[i]);
    return r;
}

static bool is_program(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0;
}

static bool in_folder(struct span folder, const char *program)
{
    char path[COMMAND_MAX_PROGRAM_BYTES];
    struct span from = folder.size > 0 ? folder : SPAN(".");
    int length = snprintf(path, sizeof(path), "%.*s/%s", SPAN_PRINT(from), program);
    return length > 0 && (size_t)length < sizeof(path) && is_program(path);
}

/* As execvp() will look for it, once the directory is the working directory. */
static bool find_program(const char *program, const char *directory)
{
    const char *path = getenv("PATH");
    struct span rest = span_of(path ? path : "/bin:/usr/bin");
    if (program[0] == '/')
        return is_program(program);
    if (strchr(program, '/'))
        return in_folder(span_of(directory ? directory : "."), program);
    while (!span_absent(rest))
        if (in_folder(span_cut(&rest, ':'), program))
            return true;
    return false;
}

static int check_surroundings(const struct command_settings *settings, struct text *problem)
{
    struct stat file;
    const char *program = settings->run.name[0], *directory = settings->directory;
    if (directory && (stat(directory, &file) < 0 || !S_ISDIR(file.st_mode))) {
        text_addf(problem, "there is no directory \"%.300s\": create it, or correct `directory`", directory);
        return -EINVAL;
    }
    if (!find_program(program, directory)) {
        text_addf(problem, "run[0] \"%.300s\" is no program that can be run: install it, or correct its path%s",
                  program, strchr(program, '/') ? "" : " (PATH was searched)");
        return -EINVAL;
    }
    return 0;
}

static int make_item(struct command *command, const struct command_settings *settings, struct item **ret_item,
                     struct text *problem)
{
    CLEANUP(definition_freep) struct json_object *definition = definition_new();
    int r = definition ? definition_add_text(definition, "name", settings->name, problem) : -ENOMEM;
    if (r == 0)
        r = definition_add_text(definition, "title", settings->title, problem);
    if (r == 0)
        r = definition_add_text(definition, "description", settings->description, problem);
    if (r == 0)
        r = definition_add_json(definition, "inputSchema", settings->input_schema, DEFINITION_OBJECT, problem);
    if (r == 0)
        r = definition_add_json(definition, "annotations", settings->annotations, DEFINITION_OBJECT, problem);
    if (r < 0)
        return r;
    const struct item_definition full = {
        .kind = ITEM_TOOL, .key = settings->name, .definition = definition, .provider = &command->provider};
    return item_new(&full, ret_item, problem);
}

static int fill(struct command *command, const struct command_settings *settings, struct text *problem)
{
    int r = copy_row(command, settings, problem);
    if (r == 0)
        r = command_template_compile(&settings->run, span_of(settings->input_schema), &command->template, problem);
    if (r == 0)
        r = check_surroundings(settings, problem);
    return r < 0 ? r : copy_environment(command, &settings->environment);
}

int command_new(const struct command_settings *settings, struct command **ret_command, struct item **ret_item,
                struct text *problem)
{
    struct command_settings row = *settings;
    struct command *command = calloc(1, sizeof(*command));
    if (!command)
        return -ENOMEM;
    provider_init(&command->provider, &command_ops);
    row.input_schema = settings->input_schema ? settings->input_schema : empty_schema;
    struct item *item = NULL;
    int r = make_item(command, &row, &item, problem);
    if (r == 0)
        r = fill(command, &row, problem);
    if (r < 0) {
        item_unref(item);
        provider_unref(&command->provider);
        return r;
    }
    *ret_command = command;
    *ret_item = item;
    return 0;
}

struct provider *command_provider(struct command *command)
{
    return &command->provider;
}

/* Puts the variables of the call before those of the row. On the call's reactor; owns the bytes and the array. */
#include "gateway/providers/command_environment.h"

static bool is_ours(const char *variable)
{
    static const struct span names[] = {{"WEIR_CALLER_", 12}, {"TRACEPARENT=", 12}, {"TRACESTATE=", 11}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(variable, names[i].at, names[i].size) == 0)
            return true;
    return false;
}

/* A value with a NUL in it ends there. */
static void add(struct command_environment *environment, const char *name, struct span value)
{
    if (span_absent(value))
        return;
    environment->start[environment->count++] = environment->bytes.size;
    text_addf(&environment->bytes, "%s=%.*s", name, SPAN_PRINT(value));
    text_add_char(&environment->bytes, '\0');
}

static void add_caller(struct command_environment *environment, const struct call *call)
{
    struct caller caller = call_caller(call);
    add(environment, "WEIR_CALLER_PROOF", caller.proof);
    add(environment, "WEIR_CALLER_SUBJECT", caller.subject);
    add(environment, "WEIR_CALLER_ISSUER", caller.issuer);
    add(environment, "WEIR_CALLER_CLIENT_ID", caller.client_id);
}

static void add_trace(struct command_environment *environment, const struct call *call)
{
    struct trace_context context;
    struct span state;
    char parent[TRACE_PARENT_SIZE + 1];
    if (!call_trace(call, &context, &state))
        return;
    trace_context_format(&context, parent);
    add(environment, "TRACEPARENT", (struct span){parent, TRACE_PARENT_SIZE});
    add(environment, "TRACESTATE", state);
}

static size_t count_of(char **variables)
{
    size_t count = 0;
    while (variables[count])
        count++;
    return count;
}

static char **join(struct command_environment *environment, char **base)
{
    size_t count = 0;
    environment->variables = malloc((environment->count + count_of(base) + 1) * sizeof(char *));
    if (!environment->variables)
        return NULL;
    for (; count < environment->count; count++)
        environment->variables[count] = environment->bytes.at + environment->start[count];
    for (char **variable = base; *variable; variable++)
        if (!is_ours(*variable))
            environment->variables[count++] = *variable;
    environment->variables[count] = NULL;
    return environment->variables;
}

char **command_environment_make(struct command_environment *environment, const struct call *call, char **base)
{
    *environment = (struct command_environment){.bytes = TEXT(SIZE_MAX)};
    add_caller(environment, call);
    add_trace(environment, call);
    return environment->bytes.error == 0 ? join(environment, base) : NULL;
}

void command_environment_done(struct command_environment *environment)
{
    text_done(&environment->bytes);
    free(environment->variables);
}

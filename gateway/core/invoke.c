/* The methods that run handlers: tools/call, resources/read, prompts/get, completion/complete. Each finds the item,
   checks what the client sent against what the item declares, and begins a call. Runs on the exchange's reactor. */
#include <errno.h>

#include "gateway/core/call.h"
#include "gateway/core/methods.h"
#include "gateway/core/permission.h"
#include "gateway/core/result.h"
#include "gateway/core/tool_limits.h"
#include "gateway/mcp/json_tree.h"

enum { PROBLEM_BYTES = 1024 };

static const enum envelope_member_id retry_members[] = {MEMBER_INPUT_RESPONSES, MEMBER_REQUEST_STATE};

/* basic/patterns/mrtr: each answer is a result object. */
static bool refuse_inputs(struct exchange *exchange)
{
    struct json_iterator answers;
    struct span key, answer;
    if (exchange_refuse_members(exchange, retry_members, ARRAY_SIZE(retry_members), 0))
        return true;
    json_object_begin(&answers, exchange_member(exchange, MEMBER_INPUT_RESPONSES)->raw);
    while (json_object_next(&answers, &key, &answer))
        if (json_kind(answer) != JSON_OBJECT) {
            exchange_reply_error(exchange, ERROR_INVALID_PARAMS,
                                 "each member of params.inputResponses must be an object");
            return true;
        }
    return false;
}

static void reply_unknown(struct exchange *exchange, enum error_name error, const char *what, struct span name)
{
    CLEANUP(text_done) struct text message = TEXT(PROBLEM_BYTES);
    text_addf(&message, "Unknown %s: %.*s", what, (int)MIN(name.size, 256), name.at);
    exchange_reply_error_full(exchange, error, text_span(&message), (struct span){0});
}

/* ---- tools/call ---- */

/* SEP-1303: what is wrong with the arguments is for the model to see and to mend, so it is a result and no error. */
static void reply_tool_error(struct exchange *exchange, struct span says)
{
    CLEANUP(text_done) struct text result = TEXT(SIZE_MAX);
    text_add_literal(&result, "{\"content\":[{\"type\":\"text\",\"text\":");
    text_add_json_string(&result, says);
    text_add_literal(&result, "}],\"isError\":true}");
    if (result.error)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        exchange_reply_result(exchange, RESULT_COMPLETE, text_span(&result));
}

static struct span look_up_header(void *context, struct span field)
{
    struct exchange *exchange = context;
    return exchange->ops->header(exchange, field.at);
}

static bool refuse_headers(struct exchange *exchange, const struct item *tool)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    if (exchange->era != ERA_MODERN || !exchange->ops->has_headers || !tool->headers)
        return false;
    int r = parameter_headers_check(tool->headers, exchange_member(exchange, MEMBER_ARGUMENTS)->raw, look_up_header,
                                    exchange, &problem);
    if (r == 0)
        return false;
    if (r < 0)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        exchange_reply_error_full(exchange, ERROR_HEADER_MISMATCH, text_span(&problem), (struct span){0});
    return true;
}

static bool refuse_for_want_of_tasks(struct exchange *exchange, const struct item *tool)
{
    if (!(tool->flags & ITEM_TASK_REQUIRED) || exchange->capabilities & CAPABILITY_TASKS)
        return false;
    CLEANUP(text_done) struct text data = TEXT(PROBLEM_BYTES);
    capabilities_add_required(&data, CAPABILITY_TASKS);
    exchange_reply_error_full(exchange, ERROR_MISSING_CAPABILITY, SPAN("This tool runs as a task only"),
                              text_span(&data));
    return true;
}

/* Takes the tree. */
static void begin_tool(struct exchange *exchange, struct item *tool, struct span arguments, struct json_object *tree)
{
    struct call_plan plan = {
        .kind = CALL_TOOL,
        .item = tool,
        .name = exchange_text(exchange, MEMBER_NAME),
        .arguments = arguments,
        .arguments_tree = tree,
    };
    if (tool_limits_refuse_place(exchange, plan.name, &plan.place))
        json_object_put(tree);
    else
        call_begin(exchange, &plan);
}

void method_tools_call(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_NAME, MEMBER_ARGUMENTS};
    struct span arguments = exchange_member(exchange, MEMBER_ARGUMENTS)->raw;
    struct span name = exchange_text(exchange, MEMBER_NAME);
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1) || refuse_inputs(exchange))
        return;
    struct item *tool = catalogue_find(exchange->snapshot->catalogue, ITEM_TOOL, name);
    if (permission_refuses(exchange, &tool, (struct span){0}))
        return;
    if (!tool) {
        reply_unknown(exchange, ERROR_INVALID_PARAMS, "tool", name);
        return;
    }
    exchange->item = tool; /* wrong arguments are an outcome of the tool, too */
    if (refuse_headers(exchange, tool) || refuse_for_want_of_tasks(exchange, tool) ||
        tool_limits_refuse_rate(exchange, name))
        return;
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct json_object *tree = NULL; /* for the schema, and for handlers of our own */
    int r = json_tree(span_absent(arguments) ? SPAN("{}") : arguments, &tree);
    if (r == JSON_TREE_NUL)
        text_add_literal(&problem, "The name of an argument must not hold a NUL character");
    else if (r == 0)
        r = schema_check(tool->schema, tree, &problem);
    if (r == 0) {
        begin_tool(exchange, tool, arguments, tree);
        return;
    }
    json_object_put(tree);
    if (r < 0)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        reply_tool_error(exchange, text_span(&problem));
}

/* ---- resources/read ---- */

static void reply_no_resource(struct exchange *exchange, struct span uri)
{
    CLEANUP(text_done) struct text data = TEXT(uri.size * 6 + 64);
    text_add_literal(&data, "{\"uri\":");
    text_add_json_string(&data, uri);
    text_add_char(&data, '}');
    exchange_reply_error_full(exchange, ERROR_RESOURCE_NOT_FOUND, (struct span){0}, text_span(&data));
}

void method_resources_read(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_URI};
    struct span uri = exchange_text(exchange, MEMBER_URI);
    const struct catalogue *catalogue = exchange->snapshot->catalogue;
    struct uri_match match;
    const struct uri_match *matched = NULL;
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1) || refuse_inputs(exchange))
        return;
    struct item *item = NULL;
    if (catalogue_resource(catalogue, uri, &item, &match) == 0 && item->kind == ITEM_TEMPLATE)
        matched = &match;
    if (permission_refuses(exchange, &item, uri))
        return;
    if (!item)
        reply_no_resource(exchange, uri);
    else
        call_begin(exchange, &(struct call_plan){.kind = CALL_RESOURCE, .item = item, .name = uri, .match = matched});
}

/* ---- prompts/get ---- */

static bool refuse_prompt_arguments(struct exchange *exchange, const struct item *prompt, struct span arguments)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct json_iterator members;
    struct span key, value;
    json_object_begin(&members, arguments);
    while (json_object_next(&members, &key, &value))
        if (json_kind(value) != JSON_STRING && !problem.size) {
            (void)json_string_plain(key, &key);
            text_addf(&problem, "params.arguments.%.*s must be a string", (int)MIN(key.size, 64), key.at);
        }
    for (size_t i = 0; i < prompt->arguments && !problem.size; i++)
        if (prompt->argument[i].required && span_absent(json_find(arguments, prompt->argument[i].name)))
            text_addf(&problem, "params.arguments.%s is required", prompt->argument[i].name);
    if (!problem.size)
        return false;
    exchange_reply_error_full(exchange, ERROR_INVALID_PARAMS, text_span(&problem), (struct span){0});
    return true;
}

void method_prompts_get(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_NAME, MEMBER_ARGUMENTS};
    struct span arguments = exchange_member(exchange, MEMBER_ARGUMENTS)->raw;
    struct span name = exchange_text(exchange, MEMBER_NAME);
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1) || refuse_inputs(exchange))
        return;
    struct item *prompt = catalogue_find(exchange->snapshot->catalogue, ITEM_PROMPT, name);
    if (permission_refuses(exchange, &prompt, (struct span){0}))
        return;
    if (!prompt)
        reply_unknown(exchange, ERROR_INVALID_PARAMS, "prompt", name);
    else if (!refuse_prompt_arguments(exchange, prompt, arguments))
        call_begin(exchange,
                   &(struct call_plan){.kind = CALL_PROMPT, .item = prompt, .name = name, .arguments = arguments});
}

/* ---- completion/complete ---- */

struct completion {
    struct text type, key, argument, value; /* decoded */
};

static void completion_done(struct completion *completion)
{
    text_done(&completion->type);
    text_done(&completion->key);
    text_done(&completion->argument);
    text_done(&completion->value);
}

/* A required string member, decoded. */
static int read_string(struct span object, const char *key, struct text *out)
{
    int r = json_string_decode(json_find(object, key), out);
    return r == JSON_WRONG_TYPE ? -EINVAL : r;
}

static int read_completion(struct exchange *exchange, struct completion *completion)
{
    struct span ref = exchange_member(exchange, MEMBER_REF)->raw;
    struct span argument = exchange_member(exchange, MEMBER_ARGUMENT)->raw;
    *completion =
        (struct completion){TEXT(64), TEXT(CATALOGUE_MAX_URI_BYTES), TEXT(CATALOGUE_MAX_URI_BYTES), TEXT(MIB)};
    int r = read_string(ref, "type", &completion->type);
    if (r == 0)
        r = read_string(ref, span_is(text_span(&completion->type), "ref/resource") ? "uri" : "name", &completion->key);
    if (r == 0)
        r = read_string(argument, "name", &completion->argument);
    if (r == 0)
        r = read_string(argument, "value", &completion->value);
    return r;
}

static struct item *find_completed(const struct exchange *exchange, const struct completion *completion)
{
    const struct catalogue *catalogue = exchange->snapshot->catalogue;
    struct span type = text_span(&completion->type), key = text_span(&completion->key);
    if (span_is(type, "ref/prompt"))
        return catalogue_find(catalogue, ITEM_PROMPT, key);
    if (!span_is(type, "ref/resource"))
        return NULL;
    struct item *item = catalogue_find(catalogue, ITEM_TEMPLATE, key);
    return item ? item : catalogue_find(catalogue, ITEM_RESOURCE, key);
}

static void complete(struct exchange *exchange, struct completion *completion)
{
    struct item *item = find_completed(exchange, completion);
    if (permission_refuses(exchange, &item, (struct span){0}))
        return;
    if (!item)
        exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "params.ref names no prompt and no resource template");
    else if (!(item->flags & ITEM_COMPLETES))
        exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{\"completion\":{\"values\":[]}}"));
    else
        call_begin(exchange,
                   &(struct call_plan){
                       .kind = CALL_COMPLETE,
                       .item = item,
                       .name = span_of(item->key),
                       .completing = text_span(&completion->argument),
                       .completing_value = text_span(&completion->value),
                       .context_arguments = json_find(exchange_member(exchange, MEMBER_CONTEXT)->raw, "arguments"),
                   });
}

void method_complete(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_REF, MEMBER_ARGUMENT, MEMBER_CONTEXT};
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 2))
        return;
    CLEANUP(completion_done) struct completion completion = {0};
    int r = read_completion(exchange, &completion);
    if (r == -ENOMEM)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else if (r < 0)
        exchange_reply_error(
            exchange, ERROR_INVALID_PARAMS,
            "params.ref needs type and name or uri, params.argument needs name and value, all strings");
    else
        complete(exchange, &completion);
}

/* What the gateway of fake.h offers: handlers that ask, fail, report and become tasks, and the catalogue made of them.
 */
#pragma once
#include "tests/unit/gateway/core/fake_parts.h"

/* ---- handlers ---- */

/* Without memory nothing is said, so the answer is still owed: with memory again it is given. */
#define FAKE_ANSWER(expression)                                                                                        \
    do {                                                                                                               \
        int fake_r = (expression);                                                                                     \
        if (fake_r == -ENOMEM) {                                                                                       \
            fake_busy++;                                                                                               \
            fake_r = (expression);                                                                                     \
            fake_busy--;                                                                                               \
        }                                                                                                              \
        assert_int_equal(fake_r, 0);                                                                                   \
    } while (0)

static inline void run_echo(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_result_text(call, call_request(call)->arguments, false));
}

#define FAKE_ELICIT                                                                                                    \
    "{\"method\":\"elicitation/create\",\"params\":{\"message\":\"Who?\",\"requestedSchema\":{\"type\":\"object\","    \
    "\"properties\":{\"name\":{\"type\":\"string\"}}}}}"

/* Asks for "name", then answers with all inputs and the state, as text. */
static inline void run_ask(struct fake *fake UNUSED, struct call *call)
{
    const struct call_request *request = call_request(call);
    if (span_absent(json_find(request->inputs, "name"))) {
        FAKE_ANSWER(call_need_input(call, SPAN("{\"name\":" FAKE_ELICIT "}"), SPAN("S1")));
        return;
    }
    CLEANUP(text_done) struct text says = TEXT(MIB);
    fake_busy++;
    text_add(&says, request->state);
    text_add_char(&says, ' ');
    text_add(&says, request->inputs);
    fake_busy--;
    FAKE_ANSWER(call_result_text(call, text_span(&says), false));
}

/* Two rounds: "one" with state A, then "two" with state B. */
static inline void run_ask_twice(struct fake *fake UNUSED, struct call *call)
{
    struct span inputs = call_request(call)->inputs;
    if (span_absent(json_find(inputs, "one")))
        FAKE_ANSWER(call_need_input(call, SPAN("{\"one\":" FAKE_ELICIT "}"), SPAN("A")));
    else if (span_absent(json_find(inputs, "two")))
        FAKE_ANSWER(call_need_input(call, SPAN("{\"two\":" FAKE_ELICIT "}"), SPAN("B")));
    else
        FAKE_ANSWER(call_result_text(call, call_request(call)->state, false));
}

/* Two things at once. */
static inline void run_ask_two(struct fake *fake UNUSED, struct call *call)
{
    struct span inputs = call_request(call)->inputs;
    if (span_absent(json_find(inputs, "a")) || span_absent(json_find(inputs, "b")))
        FAKE_ANSWER(call_need_input(call, SPAN("{\"b\":" FAKE_ELICIT ",\"a\":{\"method\":\"roots/list\"}}"), SPAN("")));
    else
        FAKE_ANSWER(call_result_text(call, inputs, false));
}

static inline void run_nothing_asked(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_need_input(call, SPAN("{}"), SPAN("")));
}

/* Becomes a task at once and asks two things. */
static inline void run_task_ask(struct fake *fake, struct call *call)
{
    int r = call_task_start(call, 0, 500);
    if (r == -ENOMEM || r == -ENOSPC)
        FAKE_ANSWER(call_error(call, -32000, SPAN("no task"), (struct span){0}));
    else
        run_ask_two(fake, call);
}

static inline void run_progress(struct fake *fake UNUSED, struct call *call)
{
    int r = call_progress(call, 1, 3, SPAN("one"));
    if (r == 0)
        r = call_progress(call, 1, 3, SPAN("again"));
    if (r == 0)
        r = call_progress(call, 0.5, -1, SPAN("back"));
    if (r == 0)
        r = call_progress(call, 2.5, 3, SPAN(""));
    assert_true(r == 0 || r == -ENOMEM);
    FAKE_ANSWER(call_result_text(call, SPAN("done"), false));
}

static inline void run_log(struct fake *fake UNUSED, struct call *call)
{
    static const char *const data[] = {"\"debug\"", "\"info\"", "{\"a\": 1}"};
    for (unsigned level = 0; level < ARRAY_SIZE(data); level++) {
        int r = call_log(call, level, SPAN("here"), span_of(data[level]));
        assert_true(r == 0 || r == -ENOMEM);
    }
    FAKE_ANSWER(call_result_text(call, SPAN("logged"), false));
}

static inline void run_fail(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_error(call, -32050, SPAN("no \"luck\""), SPAN("{\"why\":1}")));
}

static inline void run_missing(struct fake *fake UNUSED, struct call *call)
{
    FAKE_ANSWER(call_missing_capability(call, CAPABILITY_SAMPLING));
}

static inline void run_bad(struct fake *fake UNUSED, struct call *call)
{
    int r = call_result(call, SPAN("[1"));
    if (r == -ENOMEM)
        FAKE_ANSWER(call_error(call, -32000, SPAN("bad"), (struct span){0}));
    else
        assert_int_equal(r, -EINVAL);
    r = call_result_text(call, SPAN("late"), false);
    assert_true(r == -EALREADY || r == -ENOMEM);
}

static inline void run_resource(struct fake *fake UNUSED, struct call *call)
{
    const struct call_request *request = call_request(call);
    CLEANUP(text_done) struct text result = TEXT(MIB);
    fake_busy++;
    text_add_literal(&result, "{\"contents\":[{\"uri\":");
    text_add_json_string(&result, request->name);
    text_add_literal(&result, ",\"text\":");
    text_add_json_string(&result, request->variables ? request->variables->variables[0].value : SPAN("fixed"));
    text_add_literal(&result, "}]}");
    fake_busy--;
    FAKE_ANSWER(call_result(call, text_span(&result)));
}

static inline void run_prompt(struct fake *fake UNUSED, struct call *call)
{
    if (call_request(call)->kind == CALL_COMPLETE)
        FAKE_ANSWER(call_result(call, SPAN("{\"completion\":{\"values\":[\"x\"]}}")));
    else
        FAKE_ANSWER(call_result(call, SPAN(" {\"messages\":[]} ")));
}

/* ---- catalogue ---- */

#define FAKE_TOOL(name) "{\"name\":\"" name "\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\"}}"

static const struct fake_row {
    enum item_kind kind;
    unsigned flags;
    const char *key;
    const char *definition;
    struct fake_item item;
} fake_rows[] = {
    {ITEM_TOOL, 0, "echo", FAKE_TOOL("echo"), {run_echo}},
    {ITEM_TOOL, 0, "hold", FAKE_TOOL("hold"), {0}},
    {ITEM_TOOL, 0, "ask", FAKE_TOOL("ask"), {run_ask}},
    {ITEM_TOOL, 0, "ask_twice", FAKE_TOOL("ask_twice"), {run_ask_twice}},
    {ITEM_TOOL, 0, "ask_two", FAKE_TOOL("ask_two"), {run_ask_two}},
    {ITEM_TOOL, 0, "nothing_asked", FAKE_TOOL("nothing_asked"), {run_nothing_asked}},
    {ITEM_TOOL, 0, "task_ask", FAKE_TOOL("task_ask"), {run_task_ask}},
    {ITEM_TOOL, 0, "progress", FAKE_TOOL("progress"), {run_progress}},
    {ITEM_TOOL, 0, "log", FAKE_TOOL("log"), {run_log}},
    {ITEM_TOOL, 0, "fail", FAKE_TOOL("fail"), {run_fail}},
    {ITEM_TOOL, 0, "missing", FAKE_TOOL("missing"), {run_missing}},
    {ITEM_TOOL, 0, "bad", FAKE_TOOL("bad"), {run_bad}},
    {ITEM_TOOL, ITEM_TASK_REQUIRED, "task_only", FAKE_TOOL("task_only"), {0}},
    {ITEM_TOOL, ITEM_UNLISTED, "hidden", FAKE_TOOL("hidden"), {run_echo}},
    {ITEM_TOOL,
     0,
     "typed",
     "{\"name\":\"typed\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
     "\"integer\"}},\"required\":[\"n\"]}}",
     {run_echo}},
    {ITEM_TOOL,
     0,
     "regional",
     "{\"name\":\"regional\",\"description\":\"d\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"region\":{"
     "\"type\":\"string\",\"x-mcp-header\":\"Region\"}}}}",
     {run_echo}},
    {ITEM_RESOURCE, 0, "note://one", "{\"uri\":\"note://one\",\"name\":\"one\"}", {run_resource}},
    {ITEM_TEMPLATE,
     ITEM_COMPLETES,
     "note://{id}/data",
     "{\"uriTemplate\":\"note://{id}/data\",\"name\":\"many\"}",
     {run_resource}},
    {ITEM_RESOURCE, 0, "note://held", "{\"uri\":\"note://held\",\"name\":\"held\"}", {0}},
    {ITEM_PROMPT,
     ITEM_COMPLETES,
     "greet",
     "{\"name\":\"greet\",\"arguments\":[{\"name\":\"who\",\"required\":true},{\"name\":\"how\"}]}",
     {run_prompt}},
    {ITEM_PROMPT, ITEM_COMPLETES, "slow", "{\"name\":\"slow\"}", {0}},
    {ITEM_PROMPT, 0, "ask", "{\"name\":\"ask\"}", {run_ask}},
};

static inline struct item *fake_item(struct fake *fake, const struct fake_row *row)
{
    struct item *item = NULL;
    struct json_object *definition = json_tokener_parse(row->definition);
    assert_non_null(definition);
    struct text problem = TEXT(1024);
    int r = item_new(&(struct item_definition){.kind = row->kind,
                                               .flags = row->flags,
                                               .key = row->key,
                                               .definition = definition,
                                               .provider = &fake->provider,
                                               .handler = (void *)(uintptr_t)&row->item},
                     &item, &problem);
    if (r != 0)
        fail_msg("%s: %.*s", row->key, SPAN_PRINT(text_span(&problem)));
    json_object_put(definition);
    text_done(&problem);
    return item;
}

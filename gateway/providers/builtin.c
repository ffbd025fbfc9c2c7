/* The built-in handlers: a table of items, each with a function that answers at once on the call's reactor. Their
   results are right by construction and handed over as bytes. Owns nothing but its provider record. */
#include "gateway/providers/builtin.h"

#include <errno.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/core/gateway.h"
#include "gateway/mcp/errors.h"
#include "gateway/mcp/json.h"
#include "gateway/providers/definition.h"

enum {
    SMALL_RESULT_BYTES = 4096, /* what does not depend on the caller's text */
    FRAME_BYTES = 512,         /* what stands around the caller's text */
};

#define ABOUT_URI "weir://about"

static const char *const styles[] = {"bullet points", "one paragraph", "one sentence", "plain language"};

/* ---- answering ----------------------------------------------------------------------------------------------------
 */

static void answered(int r)
{
    if (r < 0)
        log_error("builtin_answer_lost", LOG_NUMBER("error", -r));
}

static void answer(struct call *call, struct text *json)
{
    char *bytes = NULL;
    size_t size = 0;
    if (text_take(json, &bytes, &size) == 0)
        answered(call_result_trusted(call, bytes, size));
    else
        answered(call_error(call, error_row(ERROR_HANDLER)->code[ERA_MODERN], SPAN("The gateway is out of memory"),
                            (struct span){0}));
}

/* The message goes back as it stands in the request, quotes and escapes included: it was validated there. The schema
   has it that it is a string. */
static void echo(struct call *call)
{
    struct span message = json_find(call_request(call)->arguments, "message");
    struct text json = TEXT(message.size + FRAME_BYTES);
    (void)!text_reserve(&json, message.size + 40); /* one allocation */
    text_add_literal(&json, "{\"content\":[{\"type\":\"text\",\"text\":");
    text_add(&json, message);
    text_add_literal(&json, "}]}");
    answer(call, &json);
}

static void tell_time(struct call *call)
{
    char iso[CLOCK_ISO_BYTES];
    struct text json = TEXT(SMALL_RESULT_BYTES);
    uint64_t now_ms = clock_wall_ms();
    clock_format_iso(now_ms, iso);
    text_addf(&json,
              "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"utc\\\":\\\"%s\\\",\\\"unix\\\":%llu}\"}],"
              "\"structuredContent\":{\"utc\":\"%s\",\"unix\":%llu}}",
              iso, (unsigned long long)(now_ms / 1000), iso, (unsigned long long)(now_ms / 1000));
    answer(call, &json);
}

static void read_about(struct call *call)
{
    CLEANUP(text_done) struct text about = TEXT(SMALL_RESULT_BYTES);
    struct text json = TEXT(2 * SMALL_RESULT_BYTES);
    text_add_literal(&about, "{\"name\":\"weir\",\"version\":\"" WEIR_VERSION "\",\"revisions\":");
    revision_add_supported(&about);
    text_add_char(&about, '}');
    text_add_literal(&json, "{\"contents\":[{\"uri\":\"" ABOUT_URI "\",\"mimeType\":\"application/json\",\"text\":");
    text_add_json_string(&json, text_span(&about));
    text_add_literal(&json, "}]}");
    if (about.error)
        json.error = about.error;
    answer(call, &json);
}

static void add_decoded(struct text *out, struct span raw)
{
    if (raw.size > 0 && raw.at[0] == '"')
        (void)!json_string_decode(raw, out); /* out keeps the error */
}

static void get_summarize(struct call *call)
{
    struct span arguments = call_request(call)->arguments;
    struct span text = json_find(arguments, "text"), style = json_find(arguments, "style");
    CLEANUP(text_done) struct text said = TEXT(text.size + style.size + FRAME_BYTES);
    struct text json = TEXT(6 * said.max_bytes + FRAME_BYTES); /* an escape makes six bytes of one */
    text_add_literal(&said, "Summarize the text below");
    if (!span_absent(style)) {
        text_add_literal(&said, " as ");
        add_decoded(&said, style);
    }
    text_add_literal(&said, ". Keep names, numbers and dates exact, and add nothing that it does not say.\n\n");
    add_decoded(&said, text);
    text_add_literal(&json, "{\"description\":\"A summary of the given text\",\"messages\":[{\"role\":\"user\","
                            "\"content\":{\"type\":\"text\",\"text\":");
    text_add_json_string(&json, text_span(&said));
    text_add_literal(&json, "}}]}");
    if (said.error)
        json.error = said.error;
    answer(call, &json);
}

static void complete_summarize(struct call *call)
{
    const struct call_request *request = call_request(call);
    struct text json = TEXT(SMALL_RESULT_BYTES);
    unsigned found = 0;
    text_add_literal(&json, "{\"completion\":{\"values\":[");
    for (size_t i = 0; i < ARRAY_SIZE(styles) && span_is(request->completing, "style"); i++) {
        struct span style = span_of(styles[i]), typed = request->completing_value;
        if (typed.size > style.size || !span_equal_nocase((struct span){style.at, typed.size}, typed))
            continue;
        if (found++ > 0)
            text_add_char(&json, ',');
        text_add_json_string(&json, style);
    }
    text_addf(&json, "],\"total\":%u,\"hasMore\":false}}", found);
    answer(call, &json);
}

/* ---- the items ----------------------------------------------------------------------------------------------------
 */

struct builtin {
    enum item_kind kind;
    const char *key;
    const char *definition; /* a JSON object, as clients see it */
    void (*run)(struct call *call);
    void (*complete)(struct call *call); /* or NULL */
};

static const struct builtin builtins[BUILTIN_ITEMS] = {
    {
        ITEM_TOOL,
        "echo",
        "{\"name\":\"echo\",\"title\":\"Echo\",\"description\":\"Returns the message it was given\","
        "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"message\":{\"type\":\"string\","
        "\"description\":\"What to return\"}},\"required\":[\"message\"]},"
        "\"annotations\":{\"readOnlyHint\":true,\"idempotentHint\":true,\"openWorldHint\":false}}",
        echo,
        NULL,
    },
    {
        ITEM_TOOL,
        "time",
        "{\"name\":\"time\",\"title\":\"Time\",\"description\":\"The gateway's time in UTC: ISO 8601 and seconds since "
        "1970\",\"inputSchema\":{\"type\":\"object\",\"additionalProperties\":false},"
        "\"outputSchema\":{\"type\":\"object\",\"properties\":{\"utc\":{\"type\":\"string\",\"format\":\"date-time\"},"
        "\"unix\":{\"type\":\"integer\",\"minimum\":0}},\"required\":[\"utc\",\"unix\"]},"
        "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}}",
        tell_time,
        NULL,
    },
    {
        ITEM_RESOURCE,
        ABOUT_URI,
        "{\"uri\":\"" ABOUT_URI
        "\",\"name\":\"about\",\"title\":\"About this gateway\",\"description\":\"Name, version and "
        "the protocol revisions served\",\"mimeType\":\"application/json\"}",
        read_about,
        NULL,
    },
    {
        ITEM_PROMPT,
        "summarize",
        "{\"name\":\"summarize\",\"title\":\"Summarize\",\"description\":\"Asks for a summary of a "
        "text\",\"arguments\":["
        "{\"name\":\"text\",\"description\":\"The text to summarize\",\"required\":true},"
        "{\"name\":\"style\",\"description\":\"How the summary shall look, such as bullet "
        "points\",\"required\":false}]}",
        get_summarize,
        complete_summarize,
    },
};

static void builtin_start(struct provider *provider, struct call *call)
{
    const struct call_request *request = call_request(call);
    const struct builtin *builtin = request->item->handler;
    (void)provider;
    if (request->kind == CALL_COMPLETE && builtin->complete)
        builtin->complete(call);
    else
        builtin->run(call);
}

static void builtin_free(struct provider *provider)
{
    free(provider);
}

static const struct provider_ops builtin_ops = {
    .name = "builtin",
    .start = builtin_start,
    .free = builtin_free,
};

static int make_item(const struct builtin *builtin, struct provider *provider, struct item **ret_item)
{
    CLEANUP(definition_freep) struct json_object *definition = definition_new();
    CLEANUP(text_done) struct text problem = TEXT(DEFINITION_MAX_PROBLEM_BYTES);
    int r = definition ? definition_add_members(definition, builtin->definition, &problem) : -ENOMEM;
    if (r < 0)
        return r;
    const struct item_definition full = {
        .kind = builtin->kind,
        .flags = builtin->complete ? ITEM_COMPLETES : 0,
        .key = builtin->key,
        .definition = definition,
        .provider = provider,
        .handler = (void *)(uintptr_t)builtin, /* constant: nobody writes to it, nobody frees it */
    };
    return item_new(&full, ret_item, &problem);
}

int builtin_new(struct provider **ret_provider, struct item *ret_items[BUILTIN_ITEMS])
{
    struct item *made[BUILTIN_ITEMS] = {NULL};
    struct provider *provider = calloc(1, sizeof(*provider));
    int r = provider ? 0 : -ENOMEM;
    if (r == 0)
        provider_init(provider, &builtin_ops);
    for (size_t i = 0; i < BUILTIN_ITEMS && r == 0; i++)
        r = make_item(&builtins[i], provider, &made[i]);
    if (r < 0) {
        for (size_t i = 0; i < BUILTIN_ITEMS; i++)
            item_unref(made[i]);
        if (provider)
            provider_unref(provider);
        return r;
    }
    memcpy(ret_items, made, sizeof(made));
    *ret_provider = provider;
    return 0;
}

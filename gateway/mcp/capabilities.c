/* The two directions between ClientCapabilities and bits, and what an input request needs. Any thread; owns nothing. */
#include "gateway/mcp/capabilities.h"

#include "gateway/mcp/json.h"

static bool declares(struct span json, const char *key)
{
    return json_kind(json_find(json, key)) == JSON_OBJECT;
}

/* An object that names no mode means forms: clients from before 2025-11-25 know no modes (client/elicitation,
   "Capabilities"). */
static unsigned read_elicitation(struct span elicitation)
{
    unsigned modes = 0;
    if (declares(elicitation, "form"))
        modes |= CAPABILITY_ELICITATION;
    if (declares(elicitation, "url"))
        modes |= CAPABILITY_ELICITATION_URL;
    return modes ? modes : CAPABILITY_ELICITATION;
}

unsigned capabilities_read(struct span json)
{
    unsigned capabilities = 0;
    if (declares(json, "sampling"))
        capabilities |= CAPABILITY_SAMPLING;
    if (declares(json_find(json, "sampling"), "tools"))
        capabilities |= CAPABILITY_SAMPLING_TOOLS;
    if (declares(json, "elicitation"))
        capabilities |= read_elicitation(json_find(json, "elicitation"));
    if (declares(json, "roots"))
        capabilities |= CAPABILITY_ROOTS;
    if (declares(json_find(json, "extensions"), "io.modelcontextprotocol/tasks"))
        capabilities |= CAPABILITY_TASKS;
    return capabilities;
}

/* One member of the object, and the members inside of it: each is there when one of its bits is. */
static const struct row {
    unsigned any;
    const char *name;
    struct {
        unsigned bit;
        const char *name;
    } inside[2];
} rows[] = {
    {CAPABILITY_SAMPLING | CAPABILITY_SAMPLING_TOOLS, "sampling", {{CAPABILITY_SAMPLING_TOOLS, "tools"}}},
    {CAPABILITY_ELICITATION | CAPABILITY_ELICITATION_URL,
     "elicitation",
     {{CAPABILITY_ELICITATION, "form"}, {CAPABILITY_ELICITATION_URL, "url"}}},
    {CAPABILITY_ROOTS, "roots", {{0}}},
    {CAPABILITY_TASKS, "extensions", {{CAPABILITY_TASKS, "io.modelcontextprotocol/tasks"}}},
};

/* Forms alone are declared by the empty object, which clients of every revision understand. */
static unsigned written_inside(unsigned capabilities)
{
    return capabilities & CAPABILITY_ELICITATION_URL ? capabilities : capabilities & ~(unsigned)CAPABILITY_ELICITATION;
}

static void add_row(struct text *out, const struct row *row, unsigned capabilities)
{
    const char *separator = "";
    text_addf(out, "\"%s\":{", row->name);
    for (size_t i = 0; i < ARRAY_SIZE(row->inside); i++) {
        if (!(row->inside[i].bit & written_inside(capabilities)))
            continue;
        text_addf(out, "%s\"%s\":{}", separator, row->inside[i].name);
        separator = ",";
    }
    text_add_char(out, '}');
}

void capabilities_add(struct text *out, unsigned capabilities)
{
    bool first = true;
    text_add_char(out, '{');
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!(rows[i].any & capabilities))
            continue;
        if (!first)
            text_add_char(out, ',');
        add_row(out, &rows[i], capabilities);
        first = false;
    }
    text_add_char(out, '}');
}

static int mode_of_elicitation(struct span params, unsigned *ret_needed)
{
    struct span mode = json_find(params, "mode");
    if (span_absent(mode) || json_string_equal(mode, SPAN("form")))
        *ret_needed = CAPABILITY_ELICITATION;
    else if (json_string_equal(mode, SPAN("url")))
        *ret_needed = CAPABILITY_ELICITATION_URL;
    else
        return CAPABILITY_UNKNOWN;
    return 0;
}

int capability_of_request(struct span method, struct span params, unsigned *ret_needed)
{
    if (span_is(method, "elicitation/create"))
        return mode_of_elicitation(params, ret_needed);
    if (span_is(method, "sampling/createMessage")) {
        bool tools = !span_absent(json_find(params, "tools")) || !span_absent(json_find(params, "toolChoice"));
        *ret_needed = CAPABILITY_SAMPLING | (tools ? CAPABILITY_SAMPLING_TOOLS : 0);
        return 0;
    }
    if (span_is(method, "roots/list")) {
        *ret_needed = CAPABILITY_ROOTS;
        return 0;
    }
    return CAPABILITY_UNKNOWN;
}

void capabilities_add_required(struct text *out, unsigned capabilities)
{
    text_add_literal(out, "{\"requiredCapabilities\":");
    capabilities_add(out, capabilities);
    text_add_char(out, '}');
}

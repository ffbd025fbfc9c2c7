/* weir tools and weir call: the command line of the client. Main thread. */
#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#include "gateway/main/client_mcp.h"
#include "gateway/main/client_parameters.h"
#include "gateway/main/client_print.h"
#include "gateway/main/commands.h"
#include "gateway/mcp/json.h"
#include "transports/wire/http_head.h"

enum {
    MAX_HEADERS = 64,
    DEFAULT_TIMEOUT_S = 60,
    MAX_TIMEOUT_S = 24 * 60 * 60,
    PROBLEM_BYTES = 8192,
    SAID = CLIENT_FAILED + 1, /* outcome: failed, and what was to be said has been said */
};

struct client_arguments {
    const char *command;
    const char *header[MAX_HEADERS];
    struct client_mcp_settings settings;
    bool json;
    char **words; /* what is no option */
    int count;
    struct span object; /* the arguments of a call, as JSON */
};

/* ---- the command line ---- */

static int usage(const struct client_arguments *arguments, const char *why)
{
    static const char options[] = "[--header 'NAME: VALUE']... [--era auto|modern|legacy] [--timeout SECONDS] [--json] "
                                  "[--ca FILE | --insecure]";
    if (why)
        (void)fprintf(stderr, "weir %s: %s\n", arguments->command, why);
    (void)fprintf(stderr, "usage: weir %s URL%s %s\n", arguments->command,
                  strcmp(arguments->command, "call") == 0 ? " TOOL [JSON]" : "", options);
    return EXIT_USAGE;
}

/* Fields that the protocol has a say in. */
static bool is_own_field(struct span name)
{
    static const char *const names[] = {"Accept",         "Content-Type", "Content-Length", "Transfer-Encoding",
                                        "Mcp-Session-Id", "Mcp-Method",   "Mcp-Name",       "MCP-Protocol-Version",
                                        "Last-Event-ID",  "Expect",       "Connection"};
    struct span prefix = SPAN("Mcp-Param-");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (span_equal_nocase(name, span_of(names[i])))
            return true;
    return name.size >= prefix.size && span_equal_nocase((struct span){name.at, prefix.size}, prefix);
}

static const char *add_header(struct client_arguments *arguments, const char *header)
{
    struct span value = span_of(header);
    struct span name = span_cut(&value, ':');
    if (!http_is_token(name) || span_absent(value) || span_trim(value).size == 0)
        return "--header wants 'NAME: VALUE'";
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.at[i] < 0x20 && value.at[i] != '\t')
            return "--header: a value has no control characters";
    if (is_own_field(name))
        return "--header: the client sets this field itself";
    if (arguments->settings.http.fields_count == MAX_HEADERS)
        return "too many --header";
    arguments->header[arguments->settings.http.fields_count++] = header;
    return NULL;
}

static const char *set_era(struct client_arguments *arguments, const char *word)
{
    static const char *const names[] = {
        [CLIENT_ERA_AUTO] = "auto", [CLIENT_ERA_LEGACY] = "legacy", [CLIENT_ERA_MODERN] = "modern"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(word, names[i]) == 0) {
            arguments->settings.era = (enum client_era)i;
            return NULL;
        }
    }
    return "--era is auto, modern or legacy";
}

static const char *set_timeout(struct client_arguments *arguments, const char *word)
{
    uint64_t seconds = 0;
    struct span number = span_of(word);
    if (span_ends(number, SPAN("s")))
        number.size--;
    if (span_to_uint64(number, &seconds) != 0 || seconds < 1 || seconds > MAX_TIMEOUT_S)
        return "--timeout is a number of seconds, 1 to 86400";
    arguments->settings.http.timeout_ms = seconds * 1000;
    return NULL;
}

static const char *set_ca(struct client_arguments *arguments, const char *word)
{
    arguments->settings.http.ca = word;
    return access(word, R_OK) == 0 ? NULL : "--ca: this file cannot be read";
}

/* NULL, or what is wrong; "" where getopt has said it. */
static const char *take_option(struct client_arguments *arguments, int option, const char *word)
{
    switch (option) {
    case 'h':
        return add_header(arguments, word);
    case 'e':
        return set_era(arguments, word);
    case 't':
        return set_timeout(arguments, word);
    case 'j':
        arguments->json = true;
        return NULL;
    case 'c':
        return set_ca(arguments, word);
    case 'i':
        arguments->settings.http.insecure = true;
        return NULL;
    default:
        return "";
    }
}

static int read_url(const struct client_arguments *arguments)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    int result = client_http_check_url(arguments->settings.http.url, &problem);
    text_terminate(&problem);
    return result == 0 ? EXIT_DONE : usage(arguments, problem.at);
}

static int read_arguments(int argc, char **argv, int least, int most, struct client_arguments *arguments)
{
    static const struct option options[] = {{"header", required_argument, NULL, 'h'},
                                            {"era", required_argument, NULL, 'e'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"ca", required_argument, NULL, 'c'},
                                            {"insecure", no_argument, NULL, 'i'},
                                            {0}};
    int option;
    *arguments = (struct client_arguments){
        .command = argv[0],
        .settings = {.http.timeout_ms = (uint64_t)DEFAULT_TIMEOUT_S * 1000, .notice = client_print_notice},
    };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const char *wrong = take_option(arguments, option, optarg);
        if (wrong)
            return usage(arguments, *wrong ? wrong : NULL);
    }
    if (arguments->settings.http.ca && arguments->settings.http.insecure)
        return usage(arguments, "--ca and --insecure: one of them");
    arguments->words = argv + optind;
    arguments->count = argc - optind;
    if (arguments->count < least || arguments->count > most)
        return usage(arguments, NULL);
    arguments->settings.http.url = arguments->words[0];
    arguments->settings.http.fields = arguments->header;
    return read_url(arguments);
}

/* ---- running a command ---- */

/* `problem` may hold what a server said: shown as the client shows all such text. */
static int failed(const struct client_arguments *arguments, int result, const struct text *problem)
{
    CLEANUP(text_done) struct text line = TEXT(PROBLEM_BYTES + 100);
    if (result == 0 || result == SAID)
        return result == 0 ? EXIT_DONE : EXIT_FAILED;
    text_addf(&line, "weir %s: ", arguments->command);
    text_add(&line,
             result < 0 || problem->size == 0 ? span_of(strerror(result < 0 ? -result : EPROTO)) : text_span(problem));
    client_print_text(stderr, text_span(&line));
    return EXIT_FAILED;
}

/* Opens the client, lets `work` use it, closes it. */
static int run(struct client_arguments *arguments,
               int (*work)(struct client_arguments *arguments, struct client_mcp *mcp, struct text *problem))
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct client_mcp *mcp = NULL;
    if (arguments->settings.http.insecure)
        (void)fprintf(stderr, "weir %s: --insecure: the server's certificate is not checked, it may be anybody's\n",
                      arguments->command);
    int result = client_mcp_open(&arguments->settings, &mcp, &problem);
    if (result == 0)
        result = work(arguments, mcp, &problem);
    client_mcp_close(mcp);
    if (result == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        text_addf(&problem, "standard output: %s", strerror(errno));
        result = CLIENT_FAILED;
    }
    return failed(arguments, result, &problem);
}

/* ---- tools ---- */

/* "Clients MUST exclude the invalid tool ... SHOULD log a warning" (basic/transports/streamable-http). */
static bool is_sound(struct json_object *tool)
{
    CLEANUP(text_done) struct text rule = TEXT(PROBLEM_BYTES);
    CLEANUP(text_done) struct text line = TEXT(2 * PROBLEM_BYTES);
    if (client_parameters_check(json_object_object_get(tool, "inputSchema"), &rule) == 0)
        return true;
    text_addf(&line, "weir tools: left out %s: %.*s", json_object_get_string(json_object_object_get(tool, "name")),
              SPAN_PRINT(text_span(&rule)));
    client_print_text(stderr, text_span(&line));
    return false;
}

struct listing {
    bool modern;
    struct json_object *all; /* for --json; NULL: printed one by one */
};

static bool show_tool(void *context, struct json_object *tool)
{
    struct listing *listing = context;
    if (listing->modern && !is_sound(tool))
        return true;
    if (listing->all)
        (void)json_object_array_add(listing->all, json_object_get(tool));
    else
        client_print_tool(stdout, tool);
    return true;
}

static void print_listing(struct json_object *tools)
{
    struct json_object *whole = json_object_new_object();
    (void)json_object_object_add(whole, "tools", tools);
    client_print_json(stdout, whole);
    json_object_put(whole);
}

static int list_tools(struct client_arguments *arguments, struct client_mcp *mcp, struct text *problem)
{
    struct listing listing = {
        .modern = client_mcp_era(mcp) == ERA_MODERN,
        .all = arguments->json ? json_object_new_array() : NULL,
    };
    int result = client_mcp_list(mcp, show_tool, &listing, problem);
    if (result == 0 && listing.all)
        print_listing(json_object_get(listing.all));
    json_object_put(listing.all);
    return result;
}

int client_tools(int argc, char **argv)
{
    struct client_arguments arguments;
    int status = read_arguments(argc, argv, 1, 1, &arguments);
    return status == EXIT_DONE ? run(&arguments, list_tools) : status;
}

/* ---- call ---- */

/* What the tool wants to know first; the client has declared that it cannot be asked, but a server may ask all the
   same. */
static int say_input_required(struct json_object *result, struct text *problem)
{
    struct json_object *requests = json_object_object_get(result, "inputRequests");
    text_add_literal(problem, "the tool asks for input, which this client cannot give");
    if (!json_object_is_type(requests, json_type_object))
        return CLIENT_FAILED;
    json_object_object_foreach(requests, key, request)
    {
        struct json_object *params = json_object_object_get(request, "params");
        const char *method = json_object_get_string(json_object_object_get(request, "method"));
        const char *message = json_object_get_string(json_object_object_get(params, "message"));
        text_addf(problem, "\n  %s: %s%s%s", key, method ? method : "?", message ? ": " : "", message ? message : "");
    }
    return CLIENT_FAILED;
}

static int take_result(struct client_arguments *arguments, struct json_object *result, struct text *problem)
{
    struct json_object *type = json_object_object_get(result, "resultType");
    const char *kind = type ? json_object_get_string(type) : "complete";
    if (arguments->json)
        client_print_json(stdout, result);
    if (kind && strcmp(kind, "input_required") == 0)
        return say_input_required(result, problem);
    if (!kind || strcmp(kind, "complete") != 0) {
        text_addf(problem, "the server answered with a result of type %.100s, which this client does not know",
                  kind ? kind : "null");
        return CLIENT_FAILED;
    }
    return 0;
}

static int call_tool(struct client_arguments *arguments, struct client_mcp *mcp, struct text *problem)
{
    struct json_object *result = NULL;
    int r = client_mcp_call(mcp, arguments->words[1], arguments->object, &result, problem);
    if (r == 0)
        r = take_result(arguments, result, problem);
    bool is_error = r == 0 && json_object_get_boolean(json_object_object_get(result, "isError"));
    if (is_error)
        client_print_content(stderr, result);
    else if (r == 0 && !arguments->json)
        client_print_content(stdout, result);
    json_object_put(result);
    return is_error ? SAID : r;
}

static const char *read_object(struct client_arguments *arguments)
{
    const char *text = arguments->count > 2 ? arguments->words[2] : "{}";
    int reason = client_wire_value(span_of(text), &arguments->object);
    if (reason != 0)
        return json_reason(reason);
    return json_kind(arguments->object) == JSON_OBJECT
               ? NULL
               : "the arguments are one JSON object, such as '{\"message\": \"hi\"}'";
}

int client_call(int argc, char **argv)
{
    struct client_arguments arguments;
    int status = read_arguments(argc, argv, 2, 3, &arguments);
    if (status != EXIT_DONE)
        return status;
    const char *wrong = read_object(&arguments);
    return wrong ? usage(&arguments, wrong) : run(&arguments, call_tool);
}

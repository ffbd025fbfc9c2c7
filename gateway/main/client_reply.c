/* Takes replies apart, and says in a sentence what is wrong with one. Main thread; owns nothing. */
#include "gateway/main/client_reply.h"

enum { SHOWN_BYTES = 400 }; /* of a server's words in a sentence of ours */

int client_reply_error_code(const struct client_reply *reply)
{
    struct json_object *error = json_object_object_get(reply->message, "error");
    return json_object_get_int(json_object_object_get(error, "code"));
}

struct span client_reply_shown(const char *text)
{
    return (struct span){text, text ? strnlen(text, SHOWN_BYTES) : 0};
}

static void say_error(const struct client_reply *reply, struct text *problem)
{
    struct json_object *error = json_object_object_get(reply->message, "error");
    struct json_object *data = json_object_object_get(error, "data");
    text_addf(problem, "the server answered with error %d: %.*s", client_reply_error_code(reply),
              SPAN_PRINT(client_reply_shown(json_object_get_string(json_object_object_get(error, "message")))));
    if (data)
        text_addf(problem, " (%.*s)",
                  SPAN_PRINT(client_reply_shown(
                      json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE))));
}

/* A status that speaks for itself; NULL: none of these. */
static const char *explain_status(long status)
{
    switch (status) {
    case 401:
        return "the server wants credentials: --header 'Authorization: Bearer ...'";
    case 403:
        return "the server does not let this client in";
    case 404:
        return "there is no MCP server at this URL: is its path right?";
    case 405:
        return "what is at this URL takes no messages: is its path right?";
    case 429:
        return "too many requests: try again later";
    case 503:
        return "the server is at a limit or shutting down: try again later";
    default:
        return status >= 500 ? "the server failed" : NULL;
    }
}

static void say_status(const struct client_http_answer *http, struct text *problem)
{
    const char *why = explain_status(http->status);
    if (http->status >= 300 && http->status < 400 && http->location[0])
        text_addf(problem, "HTTP %ld: the server has moved to %s: use that URL", http->status, http->location);
    else if (why)
        text_addf(problem, "HTTP %ld: %s", http->status, why);
    else if (http->status >= 200 && http->status < 300)
        text_addf(problem, "HTTP %ld, but the answer ended without a JSON-RPC response: is this an MCP server?",
                  http->status);
    else
        text_addf(problem, "HTTP %ld without a JSON-RPC response: is this an MCP server?", http->status);
}

void client_reply_say_why(const struct client_reply *reply, struct text *problem)
{
    if (json_object_object_get(reply->message, "error"))
        say_error(reply, problem);
    else if (reply->message)
        text_add_literal(problem, "the server's response has no result object");
    else
        say_status(&reply->http, problem);
}

int client_reply_result(const struct client_reply *reply, struct json_object **ret_result, struct text *problem)
{
    struct json_object *result = json_object_object_get(reply->message, "result");
    if (!json_object_is_type(result, json_type_object)) {
        client_reply_say_why(reply, problem);
        return CLIENT_FAILED;
    }
    *ret_result = json_object_get(result);
    return 0;
}

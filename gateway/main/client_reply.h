/* What a reply means: a result, a JSON-RPC error, or an HTTP status that has to speak for itself. Pure. */
#pragma once
#include "gateway/main/client_wire.h"

/* The code of its JSON-RPC error; 0: it is none. */
int client_reply_error_code(const struct client_reply *reply);
/* Why there is no result in it. */
void client_reply_say_why(const struct client_reply *reply, struct text *problem);
/* 0 and its result object, counted; or CLIENT_FAILED. */
MUST_USE int client_reply_result(const struct client_reply *reply, struct json_object **ret_result,
                                 struct text *problem);
/* A server's words, cut to what fits into a sentence. NULL is fine. */
struct span client_reply_shown(const char *text);

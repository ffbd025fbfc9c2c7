/* A refusal written straight to a socket: a whole HTTP/1.1 response with a JSON-RPC error as its body, for the moments
   when no HTTP machinery has the connection, or has it but cannot answer any more. Any thread. */
#pragma once
#include "gateway/mcp/errors.h"

/* Sends it as far as the socket takes it at once, without blocking; what does not fit is lost (it is a few hundred
   bytes). `retry_after_s` 0: no Retry-After. The caller closes. */
void refusal_send(int fd, enum error_name error, unsigned retry_after_s);
/* The error alone, on a line: for connections of newline-delimited messages. */
void refusal_send_line(int fd, enum error_name error);

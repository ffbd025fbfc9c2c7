/* Writes refusals to sockets. The size is bounded by the rows of errors.def, so a stack buffer would do; a text keeps
   it in one idiom. Owns nothing. */
#include "transports/serve/refusal.h"

#include <sys/socket.h>

enum { REFUSAL_MAX_BYTES = 2048 };

static const char *reason_phrase(int status)
{
    switch (status) {
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Refused";
    }
}

static void add_error(struct text *out, const struct error_row *row)
{
    error_add_response(out, (struct span){NULL, 0}, row->code[ERA_MODERN], span_of(row->text), (struct span){NULL, 0});
}

static void add_response(struct text *out, enum error_name error, unsigned retry_after_s)
{
    const struct error_row *row = error_row(error);
    CLEANUP(text_done) struct text body = TEXT(REFUSAL_MAX_BYTES);
    add_error(&body, row);
    int status = row->status[ERA_MODERN];
    text_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", status,
              reason_phrase(status), body.size);
    if (retry_after_s > 0)
        text_addf(out, "Retry-After: %u\r\n", retry_after_s);
    text_add_literal(out, "Connection: close\r\n\r\n");
    text_add(out, text_span(&body));
}

static void send_now(int fd, const struct text *out)
{
    if (out->error == 0)
        (void)!send(fd, out->at, out->size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void refusal_send(int fd, enum error_name error, unsigned retry_after_s)
{
    CLEANUP(text_done) struct text out = TEXT(REFUSAL_MAX_BYTES);
    add_response(&out, error, retry_after_s);
    send_now(fd, &out);
}

void refusal_send_line(int fd, enum error_name error)
{
    CLEANUP(text_done) struct text out = TEXT(REFUSAL_MAX_BYTES);
    add_error(&out, error_row(error));
    text_add_char(&out, '\n');
    send_now(fd, &out);
}

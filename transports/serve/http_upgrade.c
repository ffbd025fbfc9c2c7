/* From HTTP to the WebSocket front (transports/serve/upgrade.h): a first head that asks for it goes there unread, a
   later one is answered here with what that front says, and after a 101 the front gets a copy of the descriptor, so
   that libmicrohttpd can close its own at once and forget the connection. On one reactor; owns nothing. */
#include "transports/serve/http_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { ANSWER_MAX_BYTES = 64 * 1024 };

bool http_upgrade_served(const struct http_connection *connection)
{
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    return connection->front->upgrade.adopt && connection->listener != ARRIVAL_ADMIN && listener &&
           (listener->transports & TRANSPORT_WEBSOCKET);
}

/* ---- the first head ---- */

static void add_lines(struct forwarded *forwarded, const void *head)
{
    struct span rest = *(const struct span *)head;
    while (!span_absent(rest)) {
        struct span value = span_trim(span_cut(&rest, '\n'));
        if (value.size > 0 && value.at[value.size - 1] == '\r')
            value.size--;
        if (value.size == 0)
            return; /* the blank line */
        struct span name = span_cut(&value, ':');
        if (!span_absent(value))
            forwarded_add(forwarded, name, span_trim(value));
    }
}

void http_upgrade_first(struct http_connection *connection, char *bytes, size_t size)
{
    const struct upgrade_front *front = &connection->front->upgrade;
    ssize_t taken = recv(connection->fd, bytes, size, MSG_DONTWAIT); /* what was peeked at, once more */
    if (taken != (ssize_t)size) {
        http_connection_drop(connection);
        return;
    }
    struct upgrade upgrade = {.received = {bytes, size}};
    struct address client = http_request_client(connection, add_lines, &upgrade.received);
    upgrade.arrival = http_connection_leave(connection, connection->fd);
    upgrade.arrival.client = client;
    http_connection_drop(connection);
    front->adopt(front->context, &upgrade);
}

/* ---- a later head ---- */

bool http_upgrade_asked(const struct http_connection *connection, struct span method, const struct http_head *head)
{
    const struct http_framing *framing = &connection->request->framing;
    return !span_absent(head->field[HTTP_FIELD_UPGRADE]) && http_asks_for_websocket(head->field[HTTP_FIELD_UPGRADE]) &&
           span_is(method, "GET") && !framing->chunked && framing->length == 0 && connection->route == HTTP_ROUTE_MCP &&
           http_upgrade_served(connection);
}

static bool add_field(void *context, struct span name, struct span value)
{
    struct text *head = context;
    text_add(head, name);
    text_add_literal(head, ": ");
    text_add(head, value);
    text_add_literal(head, "\r\n");
    return true;
}

/* In the place where a stream has its events. */
static struct span remake_head(struct http_request *request)
{
    const struct http_connection *connection = request->connection;
    const struct listener_settings *listener = http_route_listener(connection, http_connection_settings(connection));
    struct text *head = &request->queue;
    text_clear(head);
    text_addf(head, "GET %s HTTP/1.1\r\n", listener ? listener->path : "/");
    http_fields_each(connection, add_field, head);
    text_add_literal(head, "\r\n");
    return text_span(head);
}

/* libmicrohttpd wants to be through with the descriptor before anybody else closes it; a copy has its own life. */
static void on_upgraded(void *cls UNUSED, struct MHD_Connection *mhd UNUSED, void *context, const char *extra,
                        size_t extra_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_connection *connection = context;
    struct http_front *front = connection->front;
    struct text *head = &connection->request->queue;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    text_add(head, (struct span){extra, extra_size});
    if (copy >= 0 && head->error == 0) {
        struct upgrade upgrade = {.arrival = http_connection_leave(connection, copy),
                                  .received = text_span(head),
                                  .answered = true,
                                  .identity = TAKE(connection->request->identity)};
        upgrade.arrival.client = *http_request_source(connection->request);
        front->upgrade.adopt(front->upgrade.context, &upgrade);
    } else if (copy >= 0) {
        close(copy);
    }
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    http_front_want(connection);
}

/* ---- the answer ---- */

static char *cut_line(char **rest)
{
    char *line = *rest, *end = strstr(line, "\r\n");
    if (!end)
        return NULL;
    *end = '\0';
    *rest = end + 2;
    return line;
}

/* libmicrohttpd writes these itself. */
static bool is_own(const char *name)
{
    return span_equal_nocase(span_of(name), SPAN("connection")) ||
           span_equal_nocase(span_of(name), SPAN("content-length")) || span_equal_nocase(span_of(name), SPAN("date"));
}

static int add_fields(struct http_request *request, char *fields)
{
    int result = 0;
    for (char *line = cut_line(&fields); line && *line && result == 0; line = cut_line(&fields)) {
        char *colon = strchr(line, ':');
        if (!colon)
            return -EINVAL;
        *colon = '\0';
        if (!is_own(line))
            result = http_reply_field(request->response, line, colon + 1 + strspn(colon + 1, " \t"));
    }
    return result;
}

/* `answer` is NUL-terminated and begins with the status line. */
static int make_response(struct http_request *request, unsigned status, char *answer)
{
    char *fields = answer, *blank = strstr(answer, "\r\n\r\n");
    if (!blank || !cut_line(&fields))
        return -EINVAL;
    request->status = status;
    if (status == MHD_HTTP_SWITCHING_PROTOCOLS) {
        request->response = MHD_create_response_for_upgrade(on_upgraded, NULL);
        return request->response ? add_fields(request, fields) : -ENOMEM;
    }
    struct span body = span_of(blank + 4);
    char *copy = span_copy(body);
    int result = copy ? http_reply_make(request, status, NULL, copy, body.size) : -ENOMEM;
    return result == 0 ? add_fields(request, fields) : result;
}

int http_upgrade_answer(struct http_request *request)
{
    CLEANUP(text_done) struct text answer = TEXT(ANSWER_MAX_BYTES);
    struct http_connection *connection = request->connection;
    const struct upgrade_front *front = &connection->front->upgrade;
    struct upgrade upgrade = {.arrival = {.fd = -1,
                                          .client = *http_request_source(request),
                                          .facts = connection->facts,
                                          .listener = connection->listener},
                              .received = remake_head(request),
                              .visit = &request->visit};
    int status = request->queue.error ? request->queue.error
                                      : front->judge(front->context, &upgrade, &answer, &request->identity);
    if (status == UPGRADE_PENDING)
        return 0;
    text_terminate(&answer);
    if (status < 0 || answer.error != 0)
        return status < 0 ? status : answer.error;
    return make_response(request, (unsigned)status, answer.at);
}

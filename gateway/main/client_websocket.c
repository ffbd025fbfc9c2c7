/* One libwebsockets context with one connection, whose loop runs only while somebody waits for something. Main thread;
   owns the context, the messages that wait to be sent, and the one that is coming. */
#include "gateway/main/client_websocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>

#include <curl/curl.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>

#include "gateway/main/client_reply.h"

enum { HOST_BYTES = 300, PORT_BYTES = 8, WHY_BYTES = 256, GOODBYE_BYTES = 128, US_PER_MS = 1000 };

struct outgoing {
    struct outgoing *next;
    size_t size;
    unsigned char bytes[]; /* LWS_PRE of them are libwebsockets' own */
};

enum state { CONNECTING, OPEN, CLOSED };

struct client_websocket {
    const struct client_http_settings *settings;
    struct lws_context *context;
    struct lws *wsi;
    enum state state;
    void (*old_pipe)(int signal);
    struct outgoing *first, *last;
    struct text coming;
    int (*take)(void *context, struct span message);
    void *take_context;
    int result; /* of take */
    bool late;
    bool leaving;
    long status;         /* of a refused upgrade */
    char why[WHY_BYTES]; /* the connection failed, or ended */
    struct {
        lws_sorted_usec_list_t list;
        struct client_websocket *websocket;
    } timer;
    /* The URL's parts, as libwebsockets wants them. */
    char host[HOST_BYTES]; /* without brackets */
    char host_field[HOST_BYTES];
    int port;
    bool tls;
    char *path; /* curl's */
};

/* ---- the URL ---- */

bool client_websocket_is(const char *url)
{
    return strncasecmp(url, "ws:", 3) == 0 || strncasecmp(url, "wss:", 4) == 0;
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static void set_host(struct client_websocket *websocket, const char *host, const char *port)
{
    size_t size = strlen(host);
    bool brackets = size > 1 && host[0] == '[' && host[size - 1] == ']';
    uint64_t number = websocket->tls ? 443 : 80;
    if (port)
        (void)!span_to_uint64(span_of(port), &number); /* curl has read it as one */
    websocket->port = (int)number;
    (void)snprintf(websocket->host, HOST_BYTES, "%.*s", (int)(brackets ? size - 2 : size), host + brackets);
    (void)snprintf(websocket->host_field, HOST_BYTES, "%s%s%s", host, port ? ":" : "", port ? port : "");
}

static void set_path(struct client_websocket *websocket, const char *path, const char *query)
{
    size_t size = strlen(path) + (query ? strlen(query) : 0) + 2;
    websocket->path = malloc(size);
    if (websocket->path)
        (void)snprintf(websocket->path, size, "%s%s%s", path, query ? "?" : "", query ? query : "");
}

static int read_url(struct client_websocket *websocket, const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL, *path = NULL, *query = NULL;
    websocket->tls = strncasecmp(url, "wss:", 4) == 0;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
        (void)curl_url_get(parts, CURLUPART_PORT, &port, 0);
        (void)curl_url_get(parts, CURLUPART_QUERY, &query, 0);
        set_host(websocket, host, port);
        set_path(websocket, path, query);
    }
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(parts);
    return websocket->path ? 0 : -ENOMEM;
}

/* ---- TLS ---- */

/* Names are checked by libwebsockets; it would look for an address among the names. */
static int set_up_tls(struct client_websocket *websocket, SSL_CTX *tls)
{
    const struct client_http_settings *settings = websocket->settings;
    if (settings->insecure)
        SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    else if (is_address(websocket->host))
        (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(tls), websocket->host);
    if (settings->ca ? SSL_CTX_load_verify_locations(tls, settings->ca, NULL) : SSL_CTX_set_default_verify_paths(tls))
        return 0;
    (void)snprintf(websocket->why, WHY_BYTES, "no certificates can be read from %s",
                   settings->ca ? settings->ca : "the system's store");
    return 1;
}

static void judge_certificate(struct client_websocket *websocket, X509_STORE_CTX *store, bool good)
{
    int error = X509_STORE_CTX_get_error(store);
    if (!good)
        (void)snprintf(websocket->why, WHY_BYTES, "SSL certificate problem: %s%s", X509_verify_cert_error_string(error),
                       CLIENT_HTTP_TRUST_HINT);
}

/* A redirection is not followed: credentials stay with the URL. */
static unsigned connection_flags(const struct client_websocket *websocket)
{
    unsigned flags = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
    if (!websocket->tls)
        return flags;
    flags |= LCCSCF_USE_SSL;
    if (is_address(websocket->host))
        flags |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    if (websocket->settings->insecure)
        flags |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED |
                 LCCSCF_ALLOW_INSECURE;
    return flags;
}

/* ---- what libwebsockets tells ---- */

static int add_fields(const struct client_websocket *websocket, unsigned char **at, size_t room)
{
    const struct client_http_settings *settings = websocket->settings;
    CLEANUP(text_done) struct text lines = TEXT(room - 1);
    text_add_literal(&lines, "User-Agent: weir/" WEIR_VERSION "\r\n");
    for (size_t i = 0; i < settings->fields_count; i++)
        text_addf(&lines, "%s\r\n", settings->fields[i]);
    if (lines.error)
        return -1; /* the upgrade fails, and so says the reason */
    memcpy(*at, lines.at, lines.size);
    *at += lines.size;
    return 0;
}

/* libwebsockets' reasons, where they say too little. */
static const char *explain(struct span reason)
{
    static const struct {
        struct span begins;
        const char *means;
    } rows[] = {
        {{"read failed", 11}, "the server hung up instead of answering: does it want wss:// instead of ws://?"},
        {{"connect SSL err", 15}, "no TLS with this server: does it want ws:// instead of wss://?"},
        {{"SSL", 3}, "no TLS with this server: does it want ws:// instead of wss://?"},
        {{"Unable to connect", 17}, "nobody listens there, or the way is closed"},
        {{"Timed out", 9}, "no answer in time"},
        {{"HS: ", 4}, "what answers there does not speak WebSocket with this client: is the path right?"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (span_starts(reason, rows[i].begins))
            return rows[i].means;
    return NULL;
}

static void failed(struct client_websocket *websocket, struct lws *wsi, struct span reason)
{
    const char *means = explain(reason);
    websocket->state = CLOSED;
    websocket->status = wsi ? lws_http_client_http_response(wsi) : 0;
    if (websocket->why[0] || !reason.at)
        return;
    if (means)
        (void)snprintf(websocket->why, WHY_BYTES, "%s (%.*s)", means, SPAN_PRINT(reason));
    else
        (void)snprintf(websocket->why, WHY_BYTES, "%.*s", SPAN_PRINT(reason));
}

/* A reason says more than its number, and libwebsockets takes numbers that it does not know (1013) for 1002. */
static void note_goodbye(struct client_websocket *websocket, const unsigned char *bytes, size_t size)
{
    if (size > 2)
        (void)snprintf(websocket->why, WHY_BYTES, "the server closed the connection: %.*s",
                       (int)MIN(size - 2, (size_t)GOODBYE_BYTES), (const char *)bytes + 2);
    else if (size == 2)
        (void)snprintf(websocket->why, WHY_BYTES, "the server closed the connection (%u)", bytes[0] * 256U + bytes[1]);
}

static int fail(struct client_websocket *websocket, int result)
{
    if (websocket->result == 0)
        websocket->result = result;
    return -1;
}

static int received(struct client_websocket *websocket, struct lws *wsi, struct span bytes)
{
    if (lws_frame_is_binary(wsi)) {
        (void)snprintf(websocket->why, WHY_BYTES, "the server sent a binary message, which is not MCP");
        return -1;
    }
    text_add(&websocket->coming, bytes);
    if (websocket->coming.error == -EMSGSIZE)
        (void)snprintf(websocket->why, WHY_BYTES, "the server's message is longer than this client takes");
    if (websocket->coming.error)
        return websocket->coming.error == -ENOMEM ? fail(websocket, -ENOMEM) : -1;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return 0;
    struct text message = websocket->coming;
    websocket->coming = TEXT(CLIENT_WEBSOCKET_MAX_MESSAGE_BYTES);
    int result = websocket->take ? websocket->take(websocket->take_context, text_span(&message)) : 0;
    text_done(&message);
    if (websocket->result == 0)
        websocket->result = result;
    return 0;
}

static int write_next(struct client_websocket *websocket, struct lws *wsi)
{
    struct outgoing *message = websocket->first;
    if (!message) {
        if (websocket->leaving)
            lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return websocket->leaving ? -1 : 0;
    }
    websocket->first = message->next;
    int written = lws_write(wsi, message->bytes + LWS_PRE, message->size, LWS_WRITE_TEXT);
    free(message);
    if (written < 0)
        return -1;
    if (websocket->first || websocket->leaving)
        lws_callback_on_writable(wsi);
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct client_websocket *websocket = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS:
        return set_up_tls(websocket, user);
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
        judge_certificate(websocket, user, size != 0);
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_fields(websocket, in, size);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        websocket->state = OPEN;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        failed(websocket, wsi, (struct span){in, in ? size : 0});
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return received(websocket, wsi, (struct span){in, size});
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_next(websocket, wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        note_goodbye(websocket, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        websocket->state = CLOSED;
        return 0;
    default:
        return 0;
    }
}

/* ---- running the loop ---- */

static void on_late(lws_sorted_usec_list_t *list)
{
    struct client_websocket *websocket = lws_container_of(list, struct client_websocket, timer.list);
    websocket->late = true;
    lws_cancel_service(websocket->context); /* timers run before it sleeps, and it would sleep */
}

static void run_until(struct client_websocket *websocket, bool (*done)(const struct client_websocket *websocket),
                      uint64_t timeout_ms)
{
    websocket->late = false;
    lws_sul_schedule(websocket->context, 0, &websocket->timer.list, on_late, (lws_usec_t)timeout_ms * US_PER_MS);
    while (!done(websocket) && !websocket->late)
        if (lws_service(websocket->context, 0) < 0)
            break;
    lws_sul_schedule(websocket->context, 0, &websocket->timer.list, on_late, LWS_SET_TIMER_USEC_CANCEL);
}

static bool is_settled(const struct client_websocket *websocket)
{
    return websocket->state != CONNECTING;
}

static bool is_over(const struct client_websocket *websocket)
{
    return websocket->state == CLOSED || websocket->result != 0 || (!websocket->take && !websocket->first);
}

static bool is_closed(const struct client_websocket *websocket)
{
    return websocket->state == CLOSED;
}

/* ---- connecting ---- */

static const struct lws_protocols protocols[] = {{"mcp", on_event, 0, 16 * 1024, 0, NULL, 0}, {0}};

static int open_context(struct client_websocket *websocket)
{
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .user = websocket,
        .timeout_secs = CLIENT_CONNECT_MS / 1000,
        .connect_timeout_secs = CLIENT_CONNECT_MS / 1000,
        .pt_serv_buf_size = 64 * 1024, /* the head of the upgrade, with the user's fields */
    };
    lws_set_log_level(0, NULL);
    websocket->context = lws_create_context(&info);
    return websocket->context ? 0 : -ENOMEM;
}

static void connect_now(struct client_websocket *websocket)
{
    struct lws_client_connect_info info = {
        .context = websocket->context,
        .address = websocket->host,
        .host = websocket->host_field,
        .port = websocket->port,
        .path = websocket->path,
        .protocol = "mcp",
        .local_protocol_name = "mcp",
        .ssl_connection = (int)connection_flags(websocket),
        .alpn = "http/1.1",
        .pwsi = &websocket->wsi,
    };
    if (!lws_client_connect_via_info(&info) && websocket->state == CONNECTING)
        websocket->state = CLOSED;
}

static void say_why_not(const struct client_websocket *websocket, struct text *problem)
{
    const struct client_reply refused = {.http.status = websocket->status};
    text_addf(problem, "%s: ", websocket->settings->url);
    if (websocket->status > 0 && websocket->status != 101)
        client_reply_say_why(&refused, problem);
    else if (websocket->why[0])
        text_addf(problem, "%s", websocket->why);
    else
        text_add(problem, websocket->late ? SPAN("no connection in time")
                                          : SPAN("no connection: is the name of the host right?"));
}

static int open_connection(struct client_websocket *websocket, struct text *problem)
{
    int result = read_url(websocket, websocket->settings->url);
    if (result == 0)
        result = open_context(websocket);
    if (result <= 0 && websocket->why[0]) { /* --ca */
        say_why_not(websocket, problem);
        return CLIENT_FAILED;
    }
    if (result < 0)
        return result;
    connect_now(websocket);
    run_until(websocket, is_settled, MIN(websocket->settings->timeout_ms, (uint64_t)CLIENT_CONNECT_MS));
    if (websocket->state == OPEN)
        return 0;
    say_why_not(websocket, problem);
    return CLIENT_FAILED;
}

int client_websocket_new(const struct client_http_settings *settings, struct client_websocket **ret_websocket,
                         struct text *problem)
{
    struct client_websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket)
        return -ENOMEM;
    websocket->settings = settings;
    websocket->coming = TEXT(CLIENT_WEBSOCKET_MAX_MESSAGE_BYTES);
    websocket->old_pipe = signal(SIGPIPE, SIG_IGN);
    int result = open_connection(websocket, problem);
    if (result != 0) {
        client_websocket_free(websocket);
        return result;
    }
    *ret_websocket = websocket;
    return 0;
}

static void say_goodbye(struct client_websocket *websocket)
{
    websocket->take = NULL;
    websocket->leaving = true;
    lws_callback_on_writable(websocket->wsi);
    run_until(websocket, is_closed, CLIENT_WEBSOCKET_CLOSE_MS);
}

void client_websocket_free(struct client_websocket *websocket)
{
    if (!websocket)
        return;
    if (websocket->state == OPEN)
        say_goodbye(websocket);
    if (websocket->context)
        lws_context_destroy(websocket->context);
    while (websocket->first) {
        struct outgoing *message = websocket->first;
        websocket->first = message->next;
        free(message);
    }
    (void)signal(SIGPIPE, websocket->old_pipe);
    text_done(&websocket->coming);
    free(websocket->path);
    free(websocket);
}

/* ---- messages ---- */

int client_websocket_send(struct client_websocket *websocket, struct span message)
{
    struct outgoing *outgoing = malloc(sizeof(*outgoing) + LWS_PRE + message.size);
    if (!outgoing)
        return -ENOMEM;
    *outgoing = (struct outgoing){.size = message.size};
    memcpy(outgoing->bytes + LWS_PRE, message.at, message.size);
    if (websocket->first)
        websocket->last->next = outgoing;
    else
        websocket->first = outgoing;
    websocket->last = outgoing;
    if (websocket->state == OPEN)
        lws_callback_on_writable(websocket->wsi);
    return 0;
}

int client_websocket_wait(struct client_websocket *websocket, int (*take)(void *context, struct span message),
                          void *context, struct text *problem)
{
    websocket->take = take;
    websocket->take_context = context;
    websocket->result = 0;
    run_until(websocket, is_over, websocket->settings->timeout_ms);
    websocket->take = NULL;
    if (websocket->result != 0 || (!take && !websocket->first && websocket->state == OPEN))
        return websocket->result;
    if (websocket->late)
        text_addf(problem, "%s did not answer within %u s: --timeout allows more", websocket->settings->url,
                  (unsigned)(websocket->settings->timeout_ms / 1000));
    else
        text_addf(problem, "%s: %s", websocket->settings->url,
                  websocket->why[0] ? websocket->why : "the connection ended before the answer");
    return CLIENT_FAILED;
}

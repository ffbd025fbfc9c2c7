/* One libcurl handle keeps the connection between requests; a request made while another is under way gets a handle of
   its own. Main thread; owns the handles. */
#include "gateway/main/client_http.h"

#include <errno.h>
#include <stdio.h>

#include <curl/curl.h>

struct client_http {
    struct client_http_settings settings;
    CURL *easy;
    bool busy;
};

/* ---- making ---- */

int client_http_check_url(const char *url, struct text *problem)
{
    char *scheme = NULL;
    CURLU *parts = curl_url();
    CURLUcode r = parts ? curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) : CURLUE_OUT_OF_MEMORY;
    if (r == CURLUE_OK)
        r = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (r != CURLUE_OK)
        text_addf(problem, "%s is no URL (%s): give one like http://127.0.0.1:8080/mcp", url, curl_url_strerror(r));
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0 && strcmp(scheme, "ws") != 0 &&
             strcmp(scheme, "wss") != 0)
        text_addf(problem, "%s: the URL must begin with http://, https://, ws:// or wss://", url);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return problem->size > 0 ? CLIENT_FAILED : problem->error;
}

int client_http_new(const struct client_http_settings *settings, struct client_http **ret_http)
{
    struct client_http *http = calloc(1, sizeof(*http));
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return -ENOMEM;
    }
    http->settings = *settings;
    http->easy = curl_easy_init();
    if (!http->easy) {
        client_http_free(http);
        return -ENOMEM;
    }
    *ret_http = http;
    return 0;
}

void client_http_free(struct client_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->easy);
    free(http);
    curl_global_cleanup();
}

/* ---- fields ---- */

static int add_line(struct curl_slist **fields, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*fields, line);
    if (!longer)
        return -ENOMEM;
    *fields = longer;
    return 0;
}

int client_http_add_field(struct curl_slist **fields, const char *name, struct span value)
{
    CLEANUP(text_done) struct text line = TEXT(value.size + CLIENT_HTTP_VALUE_BYTES);
    text_addf(&line, "%s", name);
    if (value.size > 0)
        text_addf(&line, ": %.*s", SPAN_PRINT(value));
    else
        text_add_char(&line, ';'); /* how libcurl is told to send an empty value */
    text_terminate(&line);
    return line.error ? -ENOMEM : add_line(fields, line.at);
}

void client_http_done_fields(struct curl_slist **fields)
{
    curl_slist_free_all(*fields);
    *fields = NULL;
}

/* The request's own fields and the user's, in a list of its own. */
static int all_fields(const struct client_http *http, const struct client_http_request *request,
                      struct curl_slist **ret_fields)
{
    int result = add_line(ret_fields, "Expect:"); /* no waiting for 100 */
    for (const struct curl_slist *field = request->fields; field && result == 0; field = field->next)
        result = add_line(ret_fields, field->data);
    for (size_t i = 0; i < http->settings.fields_count && result == 0; i++)
        result = add_line(ret_fields, http->settings.fields[i]);
    return result;
}

/* ---- one request ---- */

struct transfer {
    CURL *easy;
    const struct client_http_request *request;
    struct client_http_answer *answer;
    bool known; /* the answer's head was read */
    bool stopped;
};

static void copy_field(CURL *easy, const char *name, char out[CLIENT_HTTP_VALUE_BYTES])
{
    struct curl_header *field;
    out[0] = '\0';
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &field) == CURLHE_OK)
        (void)snprintf(out, CLIENT_HTTP_VALUE_BYTES, "%s", field->value);
}

static void read_head(struct transfer *transfer)
{
    if (transfer->known)
        return;
    transfer->known = true;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->answer->status);
    copy_field(transfer->easy, "Content-Type", transfer->answer->content_type);
    copy_field(transfer->easy, "Mcp-Session-Id", transfer->answer->session);
    copy_field(transfer->easy, "Location", transfer->answer->location);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    const struct client_http_request *request = transfer->request;
    read_head(transfer);
    if (request->receive && request->receive(request->context, transfer->answer, (struct span){bytes, one * size}) != 0)
        transfer->stopped = true;
    return transfer->stopped ? 0 : one * size;
}

static void set_trust(const struct client_http_settings *settings, CURL *easy)
{
    const char *authorities = getenv("SSL_CERT_FILE"); /* as OpenSSL itself, and curl's command, have it */
    if (settings->insecure) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (settings->ca) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca);
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    } else if (authorities) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
    }
}

static void set_options(const struct client_http *http, struct transfer *transfer, struct curl_slist *fields,
                        char *error)
{
    CURL *easy = transfer->easy;
    curl_easy_reset(easy); /* keeps the connection */
    (void)curl_easy_setopt(easy, CURLOPT_URL, http->settings.url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)http->settings.timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->request->method);
    if (strcmp(transfer->request->method, "POST") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->request->body.size);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request->body.at);
    }
    set_trust(&http->settings, easy);
}

static int judge(const struct client_http *http, const struct transfer *transfer, CURLcode code, const char *error,
                 struct text *problem)
{
    if (code == CURLE_OK || transfer->stopped)
        return 0;
    if (code == CURLE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (code == CURLE_OPERATION_TIMEDOUT && transfer->known)
        text_addf(problem, "%s did not finish its answer within %u s: --timeout allows more", http->settings.url,
                  (unsigned)(http->settings.timeout_ms / 1000));
    else if (code == CURLE_OPERATION_TIMEDOUT)
        text_addf(problem, "%s did not answer in time (%s): --timeout allows more", http->settings.url, error);
    else
        text_addf(problem, "%s: %s%s", http->settings.url, *error ? error : curl_easy_strerror(code),
                  code == CURLE_PEER_FAILED_VERIFICATION ? CLIENT_HTTP_TRUST_HINT : "");
    return CLIENT_FAILED;
}

static int transfer_all(const struct client_http *http, struct transfer *transfer, struct text *problem)
{
    char error[CURL_ERROR_SIZE] = "";
    CLEANUP(client_http_done_fields) struct curl_slist *fields = NULL;
    int result = all_fields(http, transfer->request, &fields);
    if (result < 0)
        return result;
    set_options(http, transfer, fields, error);
    CURLcode code = curl_easy_perform(transfer->easy);
    if (code == CURLE_OK)
        read_head(transfer); /* there was no body */
    return judge(http, transfer, code, error, problem);
}

int client_http_send(struct client_http *http, const struct client_http_request *request,
                     struct client_http_answer *ret_answer, struct text *problem)
{
    bool nested = http->busy;
    struct transfer transfer = {
        .easy = nested ? curl_easy_init() : http->easy,
        .request = request,
        .answer = ret_answer,
    };
    if (!transfer.easy)
        return -ENOMEM;
    *ret_answer = (struct client_http_answer){0};
    http->busy = true;
    int result = transfer_all(http, &transfer, problem);
    http->busy = nested;
    if (nested)
        curl_easy_cleanup(transfer.easy);
    return result;
}

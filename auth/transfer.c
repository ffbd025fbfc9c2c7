/* Where may be fetched from, and how libcurl is told the bounds. On the fetcher's thread, but for fetcher_check_url(),
   which is pure. Owns the handle and the bytes that came. */
#include "auth/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BLOCK_BYTES = 65536 };

/* ---- addresses of issuers ---- */

static const struct span file_prefix = {"file:", 5};

static const char *file_path(const char *url)
{
    const char *path = url + file_prefix.size;
    return strncmp(path, "//", 2) == 0 ? path + 2 : path;
}

static bool is_file(const char *url)
{
    return span_starts(span_of(url), file_prefix);
}

static bool host_is_loopback(const char *host)
{
    char name[ADDRESS_BYTES];
    struct address address;
    int size = snprintf(name, sizeof(name), "%s:0", host);
    if (strcmp(host, "localhost") == 0)
        return true;
    return size < (int)sizeof(name) && address_parse(span_of(name), &address) == 0 && address_is_loopback(&address);
}

enum reach { REACH_BAD, REACH_HTTPS, REACH_LOOPBACK };

static enum reach judge_parts(const char *scheme, const char *host, const char *user)
{
    if (user)
        return REACH_BAD;
    if (host_is_loopback(host) && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0))
        return REACH_LOOPBACK;
    return strcmp(scheme, "https") == 0 ? REACH_HTTPS : REACH_BAD;
}

static enum reach judge_url(const char *url)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    enum reach reach = REACH_BAD;
    CURLU *parts = curl_url();
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        (void)curl_url_get(parts, CURLUPART_USER, &user, 0);
        reach = judge_parts(scheme, host, user);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    return reach;
}

int fetcher_check_url(struct span url, bool may_be_file)
{
    if (span_starts(url, file_prefix))
        return may_be_file && url.size > file_prefix.size ? 0 : -EINVAL;
    char *text = span_copy(url);
    if (!text)
        return -ENOMEM;
    bool good = strlen(text) == url.size && judge_url(text) != REACH_BAD;
    free(text);
    return good ? 0 : -EINVAL;
}

/* ---- setting up ---- */

static size_t take_bytes(char *at, size_t one, size_t size, void *data)
{
    struct transfer *transfer = data;
    text_add(&transfer->body, (struct span){at, one * size});
    return transfer->body.error ? 0 : one * size;
}

void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->fields);
    text_done(&transfer->body);
    free(transfer);
}

static bool set_bounds(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* No waiting for a name that is still being looked up when its time is over. */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FETCHER_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCHER_CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)transfer->body.max_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
}

/* What is on this machine is not asked for through a proxy that the environment names. */
static bool set_address(CURL *easy, const struct fetch_request *request)
{
    bool loopback = judge_url(request->url) == REACH_LOOPBACK;
    return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, loopback ? "http,https" : "https") == CURLE_OK &&
           (!loopback || curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK) &&
           (!request->ca || curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca) == CURLE_OK) &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
}

static bool set_request(struct transfer *transfer, const struct fetch_request *request)
{
    CURL *easy = transfer->easy;
    transfer->fields = curl_slist_append(NULL, "Accept: application/json");
    if (!transfer->fields || curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->fields) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir/" WEIR_VERSION) != CURLE_OK)
        return false;
    if (request->user && (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) != CURLE_OK ||
                          curl_easy_setopt(easy, CURLOPT_USERNAME, request->user) != CURLE_OK ||
                          curl_easy_setopt(easy, CURLOPT_PASSWORD, request->password) != CURLE_OK))
        return false;
    return span_absent(request->form) ||
           (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->form.size) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->form.at) == CURLE_OK);
}

struct transfer *transfer_new(struct fetch *fetch)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    transfer->fetch = fetch;
    transfer->body = TEXT(fetch->request.max_bytes);
    if (is_file(fetch->request.url))
        return transfer;
    transfer->easy = curl_easy_init();
    if (transfer->easy && set_bounds(transfer) && set_address(transfer->easy, &fetch->request) &&
        set_request(transfer, &fetch->request))
        return transfer;
    transfer_free(transfer);
    return NULL;
}

/* ---- files ---- */

/* 0 or -errno; -EMSGSIZE: too large. */
static int read_all(int descriptor, struct text *out)
{
    for (;;) {
        char *to = text_reserve(out, 1);
        if (!to)
            return out->error;
        ssize_t got = read(descriptor, to, MIN(out->room - out->size, (size_t)FILE_BLOCK_BYTES));
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return 0;
        out->size += got > 0 ? (size_t)got : 0;
    }
}

/* Not to hang on a pipe that nobody writes to, only files are read. 0 or -errno. */
static int read_file(const char *path, struct text *out)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return -errno;
    int result = fstat(descriptor, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    if (result == 0)
        result = read_all(descriptor, out);
    close(descriptor);
    return result;
}

int transfer_read_file(struct transfer *transfer)
{
    return read_file(file_path(transfer->fetch->request.url), &transfer->body);
}

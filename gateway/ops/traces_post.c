/* One libcurl handle, which keeps the connection between batches. On the exporter's thread; owns the handle and the
   header lines. */
#include "gateway/ops/traces_post.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>

#include "gateway/ops/traces_json.h"

enum { ANSWER_MAX_BYTES = 64 * 1024, PROBLEM_BYTES = CURL_ERROR_SIZE + 64 };

struct traces_post {
    CURL *easy;
    struct curl_slist *fields;
    struct text answer;
    bool (*give_up)(void *context);
    void *context;
    char curl_problem[CURL_ERROR_SIZE];
    char problem[PROBLEM_BYTES];
};

/* What is beyond the bound is not kept, and no reason to fail. */
static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct traces_post *post = context;
    text_add(&post->answer, (struct span){bytes, size * count});
    return size * count;
}

static int on_progress(void *context, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t c UNUSED,
                       curl_off_t d UNUSED)
{
    struct traces_post *post = context;
    return post->give_up(post->context);
}

/* "Name: value", a line each. */
static int add_fields(struct traces_post *post, struct span lines)
{
    int result = 0;
    post->fields = curl_slist_append(NULL, "Content-Type: application/json");
    while (!span_absent(lines) && post->fields && result == 0) {
        CLEANUP_FREE char *line = span_copy(span_trim(span_cut(&lines, '\n')));
        struct curl_slist *longer = line && *line ? curl_slist_append(post->fields, line) : post->fields;
        result = line && longer ? 0 : -ENOMEM;
        post->fields = longer ? longer : post->fields;
    }
    return post->fields ? result : -ENOMEM;
}

static void set_options(struct traces_post *post, const char *endpoint)
{
    CURL *easy = post->easy;
    curl_easy_setopt(easy, CURLOPT_URL, endpoint);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* what is configured is where it goes */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->fields);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, post->curl_problem);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, post);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

int traces_post_new(const struct trace_settings *settings, struct traces_post **ret_post)
{
    struct traces_post *post = calloc(1, sizeof(*post));
    if (!post || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(post);
        return -ENOMEM;
    }
    post->answer = TEXT(ANSWER_MAX_BYTES);
    post->easy = curl_easy_init();
    if (!post->easy || add_fields(post, span_of(settings->headers)) < 0) {
        traces_post_free(post);
        return -ENOMEM;
    }
    set_options(post, settings->endpoint);
    *ret_post = post;
    return 0;
}

void traces_post_free(struct traces_post *post)
{
    if (!post)
        return;
    curl_easy_cleanup(post->easy);
    curl_slist_free_all(post->fields);
    text_done(&post->answer);
    free(post);
    curl_global_cleanup();
}

/* ---- an answer ---- */

static bool comes_back(long status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static enum traces_answer judge(struct traces_post *post, uint64_t *ret_rejected, uint64_t *ret_wait_ms)
{
    long status = 0;
    curl_off_t wait_s = 0;
    curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &wait_s);
    *ret_wait_ms = (uint64_t)MAX(wait_s, 0) * 1000;
    *ret_rejected = 0;
    if (status == 200) {
        *ret_rejected = traces_json_rejected(text_span(&post->answer));
        return TRACES_TAKEN;
    }
    (void)snprintf(post->problem, sizeof(post->problem), "the collector answered %ld", status);
    return comes_back(status) ? TRACES_LATER : TRACES_REFUSED;
}

enum traces_answer traces_post_send(struct traces_post *post, struct span body, uint64_t timeout_ms,
                                    bool (*give_up)(void *context), void *context, uint64_t *ret_rejected,
                                    uint64_t *ret_wait_ms)
{
    post->give_up = give_up;
    post->context = context;
    post->problem[0] = post->curl_problem[0] = '\0';
    text_clear(&post->answer);
    curl_easy_setopt(post->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, body.at);
    CURLcode r = curl_easy_perform(post->easy);
    *ret_rejected = *ret_wait_ms = 0;
    if (r == CURLE_OK)
        return judge(post, ret_rejected, ret_wait_ms);
    (void)snprintf(post->problem, sizeof(post->problem), "%s",
                   post->curl_problem[0] ? post->curl_problem : curl_easy_strerror(r));
    return TRACES_LATER;
}

const char *traces_post_problem(const struct traces_post *post)
{
    return post->problem;
}

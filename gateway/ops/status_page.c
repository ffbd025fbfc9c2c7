/* Serves the page, and says what a browser may do for it. Any thread; owns nothing. */
#include "gateway/ops/status_page.h"

#include <errno.h>
#include <openssl/evp.h>

#include "gateway/base/encoding.h"

/* Made by the build from status_page.html (weir_embed() in CMakeLists.txt). */
extern const unsigned char status_page_html[];
extern const size_t status_page_html_bytes;

static struct span page(void)
{
    return (struct span){(const char *)status_page_html, status_page_html_bytes};
}

/* What stands between two marks; absent: they are not there. */
static struct span between(struct span text, struct span from, struct span to)
{
    const char *start = memmem(text.at, text.size, from.at, from.size);
    if (!start)
        return (struct span){0};
    start += from.size;
    const char *end = memmem(start, (size_t)(text.at + text.size - start), to.at, to.size);
    return end ? (struct span){start, (size_t)(end - start)} : (struct span){0};
}

/* 'sha256-…' (CSP Level 3, 2.3.1). */
static int add_digest(struct text *out, struct span content)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (span_absent(content) || EVP_Digest(content.at, content.size, digest, &size, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    text_add_literal(out, "'sha256-");
    base64_encode(BASE64_STANDARD, (struct span){(const char *)digest, size}, out);
    text_add_literal(out, "'");
    return out->error;
}

int status_page_policy(char *out, size_t room)
{
    CLEANUP(text_done) struct text policy = TEXT(room - 1);
    text_add_literal(&policy, "default-src 'none'; style-src ");
    int result = add_digest(&policy, between(page(), SPAN("<style>"), SPAN("</style>")));
    text_add_literal(&policy, "; script-src ");
    if (result == 0)
        result = add_digest(&policy, between(page(), SPAN("<script>"), SPAN("</script>")));
    text_add_literal(&policy, "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                              "frame-ancestors 'none'");
    if (result < 0 || policy.error < 0)
        return result < 0 ? result : policy.error;
    memcpy(out, policy.at, policy.size);
    out[policy.size] = '\0';
    return 0;
}

int status_page_render(void *context UNUSED, struct text *body, int *ret_status)
{
    text_add(body, page());
    *ret_status = 200;
    return body->error;
}

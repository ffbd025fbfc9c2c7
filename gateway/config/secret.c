/* Fetches secrets from files and the environment. What was read is wiped before its memory is given back. Blocking; at
   start and reload only. */
#include "gateway/config/secret.h"

#include <errno.h>

#include "gateway/config/file.h"

static int from_environment(struct span name, struct text *problem, char **ret_secret)
{
    CLEANUP_FREE char *copy = span_copy(name);
    if (!copy)
        return -ENOMEM;
    const char *value = getenv(copy);
    if (!value) {
        text_addf(problem, "the environment variable %s, which should hold the secret, is not set", copy);
        return SECRET_MISSING;
    }
    char *secret = span_copy(span_of(value));
    if (!secret)
        return -ENOMEM;
    *ret_secret = secret;
    return 0;
}

static int keep(struct text *content, const char *path, struct text *problem, char **ret_secret)
{
    if (content->size > 0 && content->at[content->size - 1] == '\n')
        content->size--;
    if (content->size > 0 && memchr(content->at, '\0', content->size)) {
        text_addf(problem, "the secret in %s holds a NUL byte: store it as text, hexadecimal or base64", path);
        return SECRET_MISSING;
    }
    char *secret = span_copy(content->size ? text_span(content) : SPAN(""));
    if (!secret)
        return -ENOMEM;
    *ret_secret = secret;
    return 0;
}

static int from_file(struct span name, const char *directory, struct text *problem, char **ret_secret)
{
    CLEANUP_FREE char *path = file_path(directory, name);
    CLEANUP(text_done) struct text content = TEXT(SECRET_MAX_BYTES);
    if (!path || !text_reserve(&content, SECRET_MAX_BYTES)) /* at once: growing would leave copies behind */
        return -ENOMEM;
    int result = file_read(path, &content);
    if (result == 0)
        result = keep(&content, path, problem, ret_secret);
    else if (result != -ENOMEM) {
        text_addf(problem, "the secret cannot be read from %s: %s", path, strerror(-result));
        result = SECRET_MISSING;
    }
    explicit_bzero(content.at, content.room);
    return result;
}

int secret_read(struct span reference, const char *directory, struct text *problem, char **ret_secret)
{
    struct span rest = reference;
    struct span scheme = span_cut(&rest, ':');
    if (!span_absent(rest) && span_is(scheme, "file"))
        return from_file(rest, directory, problem, ret_secret);
    if (!span_absent(rest) && span_is(scheme, "env"))
        return from_environment(rest, problem, ret_secret);
    char *secret = span_copy(reference);
    if (!secret)
        return -ENOMEM;
    *ret_secret = secret;
    return 0;
}

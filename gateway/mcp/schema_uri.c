/* URI references, resolved as RFC 3986, section 5.2, has it: what `$id` and `$ref` need and no more. Any thread. */
#include <errno.h>

#include "gateway/mcp/schema_priv.h"

struct uri {
    struct span scheme, authority, path, query, fragment; /* absent, or without their delimiter */
};

struct span schema_uri_split(struct span uri, struct span *ret_fragment)
{
    struct span rest = uri;
    struct span before = span_cut(&rest, '#');
    *ret_fragment = rest;
    return before;
}

static struct span skip(struct span span, size_t size)
{
    return (struct span){span.at + size, span.size - size};
}

static bool is_alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static struct span cut_scheme(struct span *rest)
{
    struct span scheme = {NULL, 0};
    for (size_t i = 0; i < rest->size; i++) {
        char c = rest->at[i];
        if (c == ':' && i > 0) {
            scheme = (struct span){rest->at, i};
            *rest = skip(*rest, i + 1);
            break;
        }
        bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_alpha(c) && (i == 0 || !later))
            break;
    }
    return scheme;
}

static struct uri uri_parse(struct span text)
{
    struct uri uri = {0};
    struct span rest = schema_uri_split(text, &uri.fragment);
    uri.scheme = cut_scheme(&rest);
    struct span query = rest;
    rest = span_cut(&query, '?');
    uri.query = query;
    if (span_starts(rest, SPAN("//"))) {
        rest = skip(rest, 2);
        size_t size = 0;
        while (size < rest.size && rest.at[size] != '/')
            size++;
        uri.authority = (struct span){rest.at, size};
        rest = skip(rest, size);
    }
    uri.path = rest;
    return uri;
}

/* 5.2.4: `path` with its "." and ".." segments taken out, added to `out`. */
static void add_path(struct text *out, struct span path)
{
    size_t start = out->size;
    struct span rest = path;
    while (rest.size > 0 && !out->error) {
        size_t size = 1;
        while (size < rest.size && rest.at[size] != '/')
            size++;
        struct span segment = {rest.at, size};
        rest = skip(rest, size);
        bool up = span_is(segment, "/..") || span_is(segment, "..");
        bool here = span_is(segment, "/.") || span_is(segment, ".");
        if (!up && !here) {
            text_add(out, segment);
            continue;
        }
        while (up && out->size > start && out->at[--out->size] != '/')
            ;
        if (rest.size == 0 && segment.at[0] == '/')
            text_add_char(out, '/');
    }
}

/* 5.2.3 */
static int merge(const struct uri *base, struct span path, struct text *out)
{
    size_t keep = base->path.size;
    while (keep > 0 && base->path.at[keep - 1] != '/')
        keep--;
    CLEANUP(text_done) struct text merged = TEXT(SCHEMA_MAX_URI_BYTES);
    if (!span_absent(base->authority) && base->path.size == 0)
        text_add_char(&merged, '/');
    text_add(&merged, (struct span){base->path.at, keep});
    text_add(&merged, path);
    if (merged.error)
        return merged.error;
    add_path(out, text_span(&merged));
    return 0;
}

static void add_part(struct text *out, const char *before, struct span part, const char *after)
{
    if (span_absent(part))
        return;
    text_add(out, span_of(before));
    text_add(out, part);
    text_add(out, span_of(after));
}

int schema_uri_resolve(struct span base_text, struct span reference, struct text *out)
{
    struct uri base = uri_parse(base_text), uri = uri_parse(reference);
    bool same_scheme = span_absent(uri.scheme);
    bool same_authority = same_scheme && span_absent(uri.authority);
    bool same_path = same_authority && uri.path.size == 0;
    bool same_query = same_path && span_absent(uri.query);
    add_part(out, "", same_scheme ? base.scheme : uri.scheme, ":");
    add_part(out, "//", same_authority ? base.authority : uri.authority, "");
    int result = 0;
    if (same_path)
        text_add(out, base.path);
    else if (same_authority && uri.path.at[0] != '/')
        result = merge(&base, uri.path, out);
    else
        add_path(out, uri.path);
    add_part(out, "?", same_query ? base.query : uri.query, "");
    add_part(out, "#", uri.fragment, "");
    return result ? result : out->error;
}

/* uri_template.h: the input is a template, a line feed, a URI, and lines with values. What a URI is matched as expands
   to a URI that matches again; what good values expand to always matches. */
#include <stdlib.h>

#include "gateway/mcp/uri_template.h"

enum { PROBLEM_BYTES = 500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What can be read back. {+x} leaves "%41" in a value as it is, so that it comes back as "A". */
static bool is_good(struct span value)
{
    if (value.size == 0 || memchr(value.at, '\0', value.size) || memchr(value.at, '%', value.size))
        return false;
    while (value.size > 0) {
        size_t size = span_utf8(value);
        if (size == 0)
            return false;
        value = (struct span){value.at + size, value.size - size};
    }
    return true;
}

static bool within(struct span inner, const struct uri_match *match)
{
    return inner.at >= match->bytes && inner.at + inner.size <= match->bytes + sizeof(match->bytes);
}

static void match(const struct uri_template *parsed, struct span uri, bool must)
{
    struct uri_match found, again;
    if (uri_template_match(parsed, uri, &found) != 0) {
        require(!must || uri.size > URI_TEMPLATE_MAX_BYTES);
        return;
    }
    struct span values[URI_TEMPLATE_MAX_VARIABLES];
    bool good = true;
    require(found.count == uri_template_variable_count(parsed));
    for (size_t i = 0; i < found.count; i++) {
        values[i] = found.variables[i].value;
        require(span_equal(found.variables[i].name, uri_template_variable(parsed, i)));
        require(span_absent(values[i]) || within(values[i], &found));
        good = good && (values[i].size == 0 || is_good(values[i]));
    }
    CLEANUP(text_done) struct text expanded = TEXT(10 * (size_t)URI_TEMPLATE_MAX_BYTES);
    require(uri_template_expand(parsed, values, &expanded) == 0);
    int result = uri_template_match(parsed, text_span(&expanded), &again);
    require(result == 0 || !good || expanded.size > URI_TEMPLATE_MAX_BYTES);
}

static void match_values(const struct uri_template *parsed, struct span rest)
{
    struct span values[URI_TEMPLATE_MAX_VARIABLES];
    for (size_t i = 0; i < uri_template_variable_count(parsed); i++) {
        values[i] = span_absent(rest) ? SPAN("v") : span_cut(&rest, '\n');
        if (!is_good(values[i]))
            return;
    }
    CLEANUP(text_done) struct text expanded = TEXT(10 * (size_t)URI_TEMPLATE_MAX_BYTES);
    if (uri_template_expand(parsed, values, &expanded) == 0)
        match(parsed, text_span(&expanded), true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct span source = span_cut(&rest, '\n');
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct uri_template *parsed = NULL;
    int result = uri_template_compile(source, &parsed, &problem);
    require(result == 0 || (result == URI_TEMPLATE_INVALID && problem.size > 0));
    if (result)
        return 0;
    if (!span_absent(rest))
        match(parsed, span_cut(&rest, '\n'), false);
    match_values(parsed, rest);
    uri_template_free(parsed);
    return 0;
}

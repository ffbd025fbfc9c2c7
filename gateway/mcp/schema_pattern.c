/* Regular expressions of `pattern` and `patternProperties`: ECMA-262 with the `u` flag, rewritten where PCRE2 reads the
   same text otherwise, compiled once, matched with limits. Compiled patterns are immutable; a matcher is one check's.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <errno.h>

#include "gateway/mcp/schema_priv.h"

enum {
    SCHEMA_PATTERN_GROWTH = 8,       /* a rewritten pattern is at most this much longer */
    SCHEMA_PATTERN_FIRST_LIMIT = 32, /* PCRE2 match steps of the first try; each next one gets 8 times as many */
    SCHEMA_PATTERN_STEP_SHARE = 512, /* PCRE2 match steps times bytes that cost one step of the check */
};

struct schema_pattern {
    pcre2_code *code;
    size_t source_size;
    char source[];
};

/* ---- from ECMA-262 to PCRE2 ------------------------------------------------------------------------------- */

/* PCRE2 has only the short names of the general categories (Unicode, PropertyValueAliases.txt). */
static const struct {
    const char *name, *category;
} CATEGORIES[] = {
    {"Any", "Any"},
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"LC", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
};

/* \s of ECMA-262 beyond ASCII. */
#define ECMA_SPACES "\\s\\u00a0\\ufeff\\u2028\\u2029\\p{Zs}"

struct rewrite {
    struct span rest;
    struct text *out;
    bool in_class;
};

static struct span take(struct rewrite *rewrite, size_t size)
{
    struct span taken = {rewrite->rest.at, MIN(size, rewrite->rest.size)};
    rewrite->rest.at += taken.size;
    rewrite->rest.size -= taken.size;
    return taken;
}

/* The four digits of \uXXXX at the start of `text`. */
static bool four_digits(struct span text, unsigned *ret_value)
{
    unsigned value = 0;
    if (text.size < 6 || text.at[0] != '\\' || text.at[1] != 'u')
        return false;
    for (size_t i = 2; i < 6; i++) {
        char digit = text.at[i];
        if (digit >= '0' && digit <= '9')
            value = value * 16 + (unsigned)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            value = value * 16 + (unsigned)((digit | 0x20) - 'a') + 10;
        else
            return false;
    }
    *ret_value = value;
    return true;
}

/* \ud83d\ude00 is one character. */
static bool rewrite_surrogates(struct rewrite *rewrite)
{
    unsigned high, low;
    if (!four_digits(rewrite->rest, &high) || high < 0xd800 || high > 0xdbff)
        return false;
    struct span second = {rewrite->rest.at + 6, rewrite->rest.size - 6};
    if (!four_digits(second, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    take(rewrite, 12);
    text_addf(rewrite->out, "\\u{%x}", 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    return true;
}

/* \p{Letter}, \p{General_Category=Letter}, \p{Script=Greek} */
static bool rewrite_property(struct rewrite *rewrite)
{
    struct span rest = rewrite->rest;
    const char *end = rest.size > 3 && rest.at[2] == '{' ? memchr(rest.at, '}', rest.size) : NULL;
    if (!end || (rest.at[1] != 'p' && rest.at[1] != 'P'))
        return false;
    struct span name = {rest.at + 3, (size_t)(end - rest.at - 3)};
    struct span value = name;
    span_cut(&value, '=');
    if (!span_absent(value))
        name = value;
    for (size_t i = 0; i < ARRAY_SIZE(CATEGORIES); i++) {
        if (span_is(name, CATEGORIES[i].name))
            name = span_of(CATEGORIES[i].category);
    }
    text_add(rewrite->out, (struct span){rest.at, 3});
    text_add(rewrite->out, name);
    text_add_char(rewrite->out, '}');
    take(rewrite, (size_t)(end - rest.at) + 1);
    return true;
}

static void rewrite_escape(struct rewrite *rewrite)
{
    if (rewrite->rest.size < 2) {
        text_add(rewrite->out, take(rewrite, 1));
        return;
    }
    if (rewrite_surrogates(rewrite) || rewrite_property(rewrite))
        return;
    struct span escape = take(rewrite, 2);
    if (escape.at[1] == 's' && rewrite->in_class)
        text_add_literal(rewrite->out, ECMA_SPACES);
    else if (escape.at[1] == 's')
        text_add_literal(rewrite->out, "[" ECMA_SPACES "]");
    else if (escape.at[1] == 'S' && !rewrite->in_class)
        text_add_literal(rewrite->out, "[^" ECMA_SPACES "]");
    else
        text_add(rewrite->out, escape);
}

/* A '[' inside of a class is itself, never "[:alpha:]". */
static void rewrite_bracket(struct rewrite *rewrite, char bracket)
{
    if (rewrite->in_class && bracket == '[')
        text_add_char(rewrite->out, '\\');
    rewrite->in_class = bracket == '[';
    text_add(rewrite->out, take(rewrite, 1));
}

static void rewrite_pattern(struct span source, struct text *out)
{
    struct rewrite rewrite = {.rest = source, .out = out};
    while (rewrite.rest.size > 0) {
        char next = rewrite.rest.at[0];
        if (next == '\\')
            rewrite_escape(&rewrite);
        else if (next == '[' || next == ']')
            rewrite_bracket(&rewrite, next);
        else
            text_add(out, take(&rewrite, 1));
    }
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

static const uint32_t COMPILE_OPTIONS = PCRE2_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
                                        PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS;

static int compile_code(struct span source, const struct schema_limits *limits, pcre2_code **ret_code,
                        struct text *reason)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return -ENOMEM;
    pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    pcre2_set_max_pattern_length(context, limits->max_pattern_bytes * SCHEMA_PATTERN_GROWTH);
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)(source.at ? source.at : ""), source.size, COMPILE_OPTIONS, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (code) {
        *ret_code = code;
        return 0;
    }
    if (error == PCRE2_ERROR_HEAP_FAILED)
        return -ENOMEM;
    char message[128] = "";
    pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
    schema_addf(reason, "%s at offset %zu", message, offset);
    return SCHEMA_INVALID;
}

int schema_pattern_compile(struct span source, const struct schema_limits *limits, struct schema_pattern **ret_pattern,
                           struct text *reason)
{
    if (source.size > limits->max_pattern_bytes) {
        schema_addf(reason, "longer than %zu bytes", limits->max_pattern_bytes);
        return SCHEMA_INVALID;
    }
    CLEANUP(text_done) struct text rewritten = TEXT(limits->max_pattern_bytes * SCHEMA_PATTERN_GROWTH);
    rewrite_pattern(source, &rewritten);
    if (rewritten.error == -ENOMEM)
        return -ENOMEM;
    if (rewritten.error) {
        schema_addf(reason, "too long");
        return SCHEMA_INVALID;
    }
    CLEANUP_FREE struct schema_pattern *pattern = calloc(1, sizeof(*pattern) + source.size + 1);
    if (!pattern)
        return -ENOMEM;
    int result = compile_code(text_span(&rewritten), limits, &pattern->code, reason);
    if (result)
        return result;
    if (source.size)
        memcpy(pattern->source, source.at, source.size);
    pattern->source_size = source.size;
    *ret_pattern = TAKE(pattern);
    return 0;
}

void schema_pattern_free(struct schema_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

struct span schema_pattern_source(const struct schema_pattern *pattern)
{
    return (struct span){pattern->source, pattern->source_size};
}

/* ---- matching --------------------------------------------------------------------------------------------- */

static int matcher_init(struct schema_matcher *matcher, const struct schema_limits *limits)
{
    if (!matcher->data)
        matcher->data = pcre2_match_data_create(1, NULL);
    if (!matcher->context)
        matcher->context = pcre2_match_context_create(NULL);
    if (!matcher->data || !matcher->context)
        return -ENOMEM;
    pcre2_set_heap_limit(matcher->context, (uint32_t)(limits->max_pattern_memory / KIB));
    return 0;
}

void schema_matcher_done(struct schema_matcher *matcher)
{
    if (matcher->data)
        pcre2_match_data_free(matcher->data);
    if (matcher->context)
        pcre2_match_context_free(matcher->context);
    *matcher = (struct schema_matcher){0};
}

static int match_once(const struct schema_pattern *pattern, struct schema_matcher *matcher, struct span subject,
                      uint32_t limit)
{
    pcre2_set_match_limit(matcher->context, limit);
    return pcre2_match(pattern->code, (PCRE2_SPTR)(subject.at ? subject.at : ""), subject.size, 0, 0, matcher->data,
                       matcher->context);
}

static int outcome_of(int matched, bool *ret_matches)
{
    if (matched >= 0 || matched == PCRE2_ERROR_NOMATCH) {
        *ret_matches = matched >= 0;
        return 0;
    }
    if (matched == PCRE2_ERROR_NOMEMORY)
        return -ENOMEM;
    if (matched <= PCRE2_ERROR_UTF8_ERR1 && matched >= PCRE2_ERROR_UTF8_ERR21)
        return SCHEMA_PATTERN_NOT_UTF8;
    return SCHEMA_PATTERN_LIMIT;
}

/* PCRE2 does not say how much it worked, so the limit of a try is paid before it: a small one first, which nearly every
   match fits in, then larger ones. One step of PCRE2 may look at the whole subject. */
int schema_pattern_match(const struct schema_pattern *pattern, const struct schema_limits *limits,
                         struct schema_matcher *matcher, struct span subject, size_t *steps, bool *ret_matches)
{
    int result = matcher_init(matcher, limits);
    if (result)
        return result;
    size_t limit = SCHEMA_PATTERN_FIRST_LIMIT;
    for (;; limit *= 8) {
        limit = MIN(limit, limits->max_pattern_steps);
        size_t cost = 1 + (size_t)((unsigned __int128)limit * (64 + subject.size) / SCHEMA_PATTERN_STEP_SHARE);
        if (cost > *steps)
            return SCHEMA_TOO_COMPLEX;
        *steps -= cost;
        int matched = match_once(pattern, matcher, subject, (uint32_t)MIN(limit, (size_t)UINT32_MAX));
        if (matched != PCRE2_ERROR_MATCHLIMIT || limit >= limits->max_pattern_steps)
            return outcome_of(matched, ret_matches);
    }
}

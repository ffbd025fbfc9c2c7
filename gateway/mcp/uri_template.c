/* RFC 6570 templates as a list of parts (literals and expressions), compiled once; uri_match.c holds URIs against them.
   Any thread; a template owns its bytes and never changes. */
#include "gateway/mcp/uri_template_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_BYTES = 400 };

/* RFC 6570, appendix A. */
static const struct uri_operator OPERATORS[] = {
    {.sign = 0, .separator = ','},
    {.sign = '+', .separator = ',', .reserved = true},
    {.sign = '#', .first = '#', .separator = ',', .reserved = true},
    {.sign = '.', .first = '.', .separator = '.'},
    {.sign = '/', .first = '/', .separator = '/'},
    {.sign = ';', .first = ';', .separator = ';', .named = true},
    {.sign = '?', .first = '?', .separator = '&', .named = true, .equals_always = true},
    {.sign = '&', .first = '&', .separator = '&', .named = true, .equals_always = true},
};

struct parser {
    struct uri_template *parsed;
    struct span rest;
    struct text *problem;
};

PRINTF(2, 3)
static int refuse(const struct parser *parser, const char *format, ...)
{
    if (!parser->problem)
        return URI_TEMPLATE_INVALID;
    char sentence[SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    text_add(parser->problem, span_of(sentence));
    return URI_TEMPLATE_INVALID;
}

/* ---- literals --------------------------------------------------------------------------------------------- */

bool uri_is_unreserved(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

bool uri_is_reserved(char c)
{
    return c && strchr(":/?#[]@!$&'()*+,;=", c);
}

static bool starts_escape(struct span text)
{
    return text.size >= 3 && text.at[0] == '%' && uri_hex_value(text.at[1]) >= 0 && uri_hex_value(text.at[2]) >= 0;
}

void uri_add_encoded(struct text *out, struct span value, bool reserved)
{
    for (size_t i = 0; i < value.size; i++) {
        char c = value.at[i];
        bool escape = reserved && starts_escape((struct span){value.at + i, value.size - i});
        if (uri_is_unreserved(c) || (reserved && uri_is_reserved(c)) || escape)
            text_add_char(out, c);
        else
            text_addf(out, "%%%02X", (unsigned char)c);
    }
}

/* A literal that is half a character could be found in the middle of a value. */
static bool is_utf8_when_decoded(struct span encoded)
{
    char bytes[3 * URI_TEMPLATE_MAX_BYTES];
    struct span decoded = {bytes, 0};
    for (size_t i = 0; i < encoded.size; i++) {
        char *out = &bytes[decoded.size++];
        *out = encoded.at[i];
        if (*out == '%') {
            *out = (char)(uri_hex_value(encoded.at[i + 1]) * 16 + uri_hex_value(encoded.at[i + 2]));
            i += 2;
        }
    }
    return span_is_utf8(decoded);
}

/* RFC 6570, 2.1; characters above ASCII stand for their UTF-8 in percent-encoding, as they do in a URI. */
static int parse_literal(struct parser *parser, struct text *bytes)
{
    struct uri_part *part = &parser->parsed->parts[parser->parsed->part_count++];
    size_t size = 0, start = bytes->size;
    while (size < parser->rest.size && parser->rest.at[size] != '{') {
        unsigned char c = (unsigned char)parser->rest.at[size];
        struct span here = {parser->rest.at + size, parser->rest.size - size};
        if (c <= 0x20 || c == 0x7f || strchr("\"<>\\^`|}", c) || (c == '%' && !starts_escape(here)))
            return refuse(parser, "has a character outside of an expression that no URI may hold, at offset %zu",
                          (size_t)(here.at - parser->parsed->source));
        size++;
    }
    uri_add_encoded(bytes, (struct span){parser->rest.at, size}, true);
    if (bytes->error)
        return bytes->error;
    if (!is_utf8_when_decoded((struct span){bytes->at + start, bytes->size - start}))
        return refuse(parser, "has characters outside of an expression that are not UTF-8");
    *part = (struct uri_part){.kind = URI_LITERAL, .offset = start, .size = bytes->size - start};
    parser->rest = (struct span){parser->rest.at + size, parser->rest.size - size};
    return 0;
}

/* ---- expressions ------------------------------------------------------------------------------------------ */

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_';
        bool dot = c == '.' && i > 0 && i + 1 < name.size && name.at[i - 1] != '.';
        if (!letter && !dot && c != '-')
            return false;
    }
    return name.size > 0;
}

static bool is_known(const struct uri_template *parsed, struct span name)
{
    for (size_t i = 0; i < parsed->variable_count; i++) {
        if (span_equal(parsed->names[i], name))
            return true;
    }
    return false;
}

static int add_variable(struct parser *parser, struct span name)
{
    char last = name.size ? name.at[name.size - 1] : '\0';
    if (last == '*')
        return refuse(parser,
                      "{%.*s} has the modifier '*', which is not supported: a list cannot be told from a text; "
                      "use {+name} for a value with '/'",
                      SPAN_PRINT(name));
    if (name.size && memchr(name.at, ':', name.size))
        return refuse(parser, "{%.*s} has a prefix modifier, which cuts the value: it cannot be read back",
                      SPAN_PRINT(name));
    if (!is_name(name))
        return refuse(parser, "{%.*s} is not a variable name (letters, digits, '_', '-', and '.' between them)",
                      SPAN_PRINT(name));
    if (is_known(parser->parsed, name))
        return refuse(parser, "has the variable %.*s twice", SPAN_PRINT(name));
    if (parser->parsed->variable_count == URI_TEMPLATE_MAX_VARIABLES)
        return refuse(parser, "has more than %d variables", URI_TEMPLATE_MAX_VARIABLES);
    parser->parsed->names[parser->parsed->variable_count++] = name;
    return 0;
}

static const struct uri_operator *take_operator(struct span *body)
{
    for (size_t i = 1; body->size && i < ARRAY_SIZE(OPERATORS); i++) {
        if (OPERATORS[i].sign == body->at[0]) {
            *body = (struct span){body->at + 1, body->size - 1};
            return &OPERATORS[i];
        }
    }
    return &OPERATORS[0];
}

static int parse_expression(struct parser *parser)
{
    const char *end = memchr(parser->rest.at, '}', parser->rest.size);
    if (!end)
        return refuse(parser, "has a '{' without '}'");
    struct span body = {parser->rest.at + 1, (size_t)(end - parser->rest.at - 1)};
    parser->rest = (struct span){end + 1, parser->rest.size - body.size - 2};
    struct uri_part *part = &parser->parsed->parts[parser->parsed->part_count++];
    *part = (struct uri_part){.kind = URI_EXPRESSION, .first_variable = parser->parsed->variable_count};
    part->how = take_operator(&body);
    struct span rest = body;
    do {
        int result = add_variable(parser, span_cut(&rest, ','));
        if (result)
            return result;
        part->variable_count++;
    } while (!span_absent(rest));
    bool unclear = part->how->reserved || part->how->separator == '.'; /* a '.' is never encoded */
    if (unclear && part->variable_count > 1)
        return refuse(parser, "{%c%.*s} lists several variables whose values may hold the '%c' between them",
                      part->how->sign, SPAN_PRINT(body), part->how->separator);
    return 0;
}

/* ---- what could not be read back -------------------------------------------------------------------------- */

static int judge_pair(const struct parser *parser, const struct uri_part *part, const struct uri_part *next)
{
    char first = next->kind == URI_EXPRESSION ? next->how->first : parser->parsed->bytes[next->offset];
    bool form = part->how->sign == '?' || part->how->sign == '&';
    if (form && first != '#')
        return refuse(parser, "has {%c...} before the end; only a fragment may follow it", part->how->sign);
    bool goes_on = first && (first == part->how->separator || uri_value_may_hold(part, first));
    if (part->how->named && goes_on)
        return refuse(parser, "has {%c...} with nothing behind it that tells where it ends", part->how->sign);
    if (next->kind == URI_EXPRESSION && (!first || uri_value_may_hold(part, first)))
        return refuse(parser, "has two expressions side by side and nothing that tells where the first one ends");
    return 0;
}

static int judge(const struct parser *parser)
{
    const struct uri_template *parsed = parser->parsed;
    for (size_t i = 0; i + 1 < parsed->part_count; i++) {
        int result =
            parsed->parts[i].kind == URI_EXPRESSION ? judge_pair(parser, &parsed->parts[i], &parsed->parts[i + 1]) : 0;
        if (result)
            return result;
    }
    return 0;
}

static int parse(struct parser *parser, struct text *bytes)
{
    while (parser->rest.size > 0) {
        if (parser->parsed->part_count == URI_MAX_PARTS)
            return refuse(parser, "has more than %d parts", URI_MAX_PARTS);
        int result = parser->rest.at[0] == '{' ? parse_expression(parser) : parse_literal(parser, bytes);
        if (result)
            return result;
    }
    return 0;
}

int uri_template_compile(struct span source, struct uri_template **ret_template, struct text *problem)
{
    struct parser parser = {.problem = problem};
    if (source.size == 0 || source.size > URI_TEMPLATE_MAX_BYTES)
        return refuse(&parser, "must have 1 to %d bytes", URI_TEMPLATE_MAX_BYTES);
    CLEANUP(uri_template_freep) struct uri_template *parsed = calloc(1, sizeof(*parsed) + source.size);
    if (!parsed)
        return -ENOMEM;
    memcpy(parsed->source, source.at, source.size);
    parser.parsed = parsed;
    parser.rest = (struct span){parsed->source, source.size};
    CLEANUP(text_done) struct text bytes = TEXT(3 * (size_t)URI_TEMPLATE_MAX_BYTES);
    int result = parse(&parser, &bytes);
    if (result == 0)
        result = bytes.error;
    if (result)
        return result;
    size_t size;
    result = text_take(&bytes, &parsed->bytes, &size);
    if (result == 0)
        result = judge(&parser);
    if (result == 0)
        *ret_template = TAKE(parsed);
    return result;
}

void uri_template_free(struct uri_template *uri_template)
{
    if (!uri_template)
        return;
    free(uri_template->bytes);
    free(uri_template);
}

size_t uri_template_variable_count(const struct uri_template *uri_template)
{
    return uri_template->variable_count;
}

struct span uri_template_variable(const struct uri_template *uri_template, size_t index)
{
    return uri_template->names[index];
}

/* ---- expansion -------------------------------------------------------------------------------------------- */

static void expand_expression(const struct uri_template *uri_template, const struct uri_part *part,
                              const struct span *values, struct text *out)
{
    const struct uri_operator *how = part->how;
    char before = how->first;
    for (size_t i = 0; i < part->variable_count; i++) {
        struct span value = values[part->first_variable + i];
        if (span_absent(value))
            continue;
        if (before)
            text_add_char(out, before);
        before = how->separator;
        if (how->named)
            text_add(out, uri_template->names[part->first_variable + i]);
        if (how->named && (how->equals_always || value.size))
            text_add_char(out, '=');
        uri_add_encoded(out, value, how->reserved);
    }
}

int uri_template_expand(const struct uri_template *uri_template, const struct span *values, struct text *out)
{
    for (size_t i = 0; i < uri_template->part_count; i++) {
        const struct uri_part *part = &uri_template->parts[i];
        if (part->kind == URI_LITERAL)
            text_add(out, (struct span){uri_template->bytes + part->offset, part->size});
        else
            expand_expression(uri_template, part, values, out);
    }
    return out->error;
}

/* Holds a URI against a compiled template: parts from left to right, each expression as short as the rest allows, with
   a memory of what has failed, so that no place is tried twice. Any thread; lives on the stack. */
#include <string.h>

#include "gateway/mcp/uri_template_priv.h"

/* Templates of single values stay far below; lists in lists could be made to go over the URI again and again. */
enum { URI_MAX_STEPS = 100 * URI_TEMPLATE_MAX_BYTES };

struct matcher {
    const struct uri_template *uri_template;
    struct span uri;
    size_t steps;                /* left; what takes more is no match */
    size_t ends[URI_MAX_PARTS];  /* where each part ended */
    size_t tried[URI_MAX_PARTS]; /* a single value that begins before here has been tried to its last character */
    uint8_t failed[URI_MAX_PARTS + 1][URI_TEMPLATE_MAX_BYTES / 8 + 1]; /* from this part and place on */
};

static bool match_from(struct matcher *matcher, size_t part, size_t place);

/* ---- characters ------------------------------------------------------------------------------------------- */

int uri_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Raw UTF-8 is no URI, but clients send it and it means only one thing. */
bool uri_value_may_hold(const struct uri_part *part, char c)
{
    bool legal = uri_is_unreserved(c) || uri_is_reserved(c) || c == '%' || (unsigned char)c >= 0x80;
    const struct uri_operator *how = part->how;
    bool form = how->sign == '?' || how->sign == '&';
    if (!legal)
        return false;
    if (how->reserved)
        return true;
    if (strchr(form ? "#[]" : "/?#[]", c))
        return false;
    return c != how->separator || (!how->named && part->variable_count == 1 && how->sign != '/');
}

/* The bytes of one character of a value at `place`: 3 for "%41", 0 when none can be there. */
static size_t step(struct matcher *matcher, const struct uri_part *part, size_t place)
{
    if (matcher->steps == 0)
        return 0;
    matcher->steps--;
    if (place >= matcher->uri.size || !uri_value_may_hold(part, matcher->uri.at[place]))
        return 0;
    if (matcher->uri.at[place] != '%')
        return 1;
    bool escape = place + 2 < matcher->uri.size && uri_hex_value(matcher->uri.at[place + 1]) >= 0 &&
                  uri_hex_value(matcher->uri.at[place + 2]) >= 0;
    return escape ? 3 : 0;
}

/* ---- parts ------------------------------------------------------------------------------------------------ */

static bool match_end(struct matcher *matcher, size_t part, size_t end)
{
    matcher->ends[part] = end;
    return match_from(matcher, part + 1, end);
}

/* The hexadecimal digits of an escape have no case. */
static bool match_literal(struct matcher *matcher, size_t index, size_t place)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    const char *literal = matcher->uri_template->bytes + part->offset;
    if (matcher->uri.size - place < part->size)
        return false;
    for (size_t i = 0; i < part->size; i++) {
        char there = matcher->uri.at[place + i];
        bool digit = (i >= 1 && literal[i - 1] == '%') || (i >= 2 && literal[i - 2] == '%');
        if (there != literal[i] &&
            !(digit && uri_hex_value(there) >= 0 && uri_hex_value(there) == uri_hex_value(literal[i])))
            return false;
    }
    return match_end(matcher, index, place + part->size);
}

/* Which variable of the part has this name; part->variable_count when none has. */
static size_t find_named(const struct uri_template *uri_template, const struct uri_part *part, struct span name)
{
    size_t i = 0;
    while (i < part->variable_count && !span_equal(uri_template->names[part->first_variable + i], name))
        i++;
    return i;
}

/* Only names that are known, each at most once. */
static bool are_named(const struct uri_template *uri_template, const struct uri_part *part, struct span region)
{
    unsigned seen = 0;
    while (!span_absent(region)) {
        struct span rest = span_cut(&region, part->how->separator);
        size_t i = find_named(uri_template, part, span_cut(&rest, '='));
        if (i == part->variable_count || seen >> i & 1)
            return false;
        seen |= 1U << i;
    }
    return true;
}

/* name=value pairs: as far as they can go, since what follows is nothing that they could hold. */
static bool match_named(struct matcher *matcher, size_t index, size_t place)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    if (place >= matcher->uri.size || matcher->uri.at[place] != part->how->first)
        return match_end(matcher, index, place);
    size_t end = place + 1, size;
    do {
        size = step(matcher, part, end);
        if (size == 0 && end < matcher->uri.size && matcher->uri.at[end] == part->how->separator)
            size = 1;
        end += size;
    } while (size);
    struct span region = {matcher->uri.at + place + 1, end - place - 1};
    return are_named(matcher->uri_template, part, region) && match_end(matcher, index, end);
}

/* Shortest first. What follows has no use for the ends that failed, wherever the value begins; starts only grow. */
static bool match_single(struct matcher *matcher, size_t index, size_t start)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    if (start < matcher->tried[index])
        return false;
    size_t place = start, size;
    while ((size = step(matcher, part, place))) {
        place += size;
        if (match_end(matcher, index, place))
            return true;
    }
    matcher->tried[index] = MAX(place, matcher->tried[index]);
    return false;
}

/* One value for each variable, none of them empty; shortest first. */
static bool match_list(struct matcher *matcher, size_t index, size_t start)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    size_t complete = 0;
    for (size_t place = start; place < matcher->uri.size;) {
        size_t size = step(matcher, part, place);
        bool separator = size == 0 && matcher->uri.at[place] == part->how->separator;
        if (size == 0 && (!separator || place == start || ++complete == part->variable_count))
            return false;
        place += separator ? 1 : size;
        if (separator)
            start = place;
        else if (complete + 1 == part->variable_count && match_end(matcher, index, place))
            return true;
    }
    return false;
}

/* With an operator that begins with a character of its own, all variables may be missing. */
static bool match_values(struct matcher *matcher, size_t index, size_t place)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    char first = part->how->first;
    if (first && match_end(matcher, index, place))
        return true;
    if (first && (place >= matcher->uri.size || matcher->uri.at[place++] != first))
        return false;
    return part->variable_count == 1 ? match_single(matcher, index, place) : match_list(matcher, index, place);
}

static bool match_part(struct matcher *matcher, size_t index, size_t place)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    if (part->kind == URI_LITERAL)
        return match_literal(matcher, index, place);
    return part->how->named ? match_named(matcher, index, place) : match_values(matcher, index, place);
}

static bool match_from(struct matcher *matcher, size_t part, size_t place)
{
    if (part == matcher->uri_template->part_count)
        return place == matcher->uri.size;
    uint8_t *failed = &matcher->failed[part][place / 8], bit = (uint8_t)(1U << place % 8);
    if (*failed & bit)
        return false;
    if (match_part(matcher, part, place))
        return true;
    *failed |= bit;
    return false;
}

/* ---- values ----------------------------------------------------------------------------------------------- */

static bool decode(struct span raw, struct uri_match *match, size_t *used, struct span *ret_value)
{
    char *start = match->bytes + *used, *at = start;
    for (size_t i = 0; !span_absent(raw) && i < raw.size; i++, at++) {
        *at = raw.at[i];
        if (*at == '%') {
            *at = (char)(uri_hex_value(raw.at[i + 1]) * 16 + uri_hex_value(raw.at[i + 2]));
            i += 2;
        }
        if (*at == '\0')
            return false;
    }
    *ret_value = (struct span){start, (size_t)(at - start)};
    *used += ret_value->size;
    struct span rest = *ret_value;
    while (rest.size > 0) {
        size_t size = span_utf8(rest);
        if (size == 0)
            return false;
        rest = (struct span){rest.at + size, rest.size - size};
    }
    return true;
}

static bool read_named(const struct uri_template *uri_template, const struct uri_part *part, struct span region,
                       struct uri_match *match, size_t *used)
{
    while (!span_absent(region)) {
        struct span value = span_cut(&region, part->how->separator);
        size_t i = part->first_variable + find_named(uri_template, part, span_cut(&value, '='));
        if (!decode(value, match, used, &match->variables[i].value))
            return false;
    }
    return true;
}

static bool read_values(const struct uri_part *part, struct span region, struct uri_match *match, size_t *used)
{
    for (size_t i = 0; i < part->variable_count; i++) {
        struct span value = part->variable_count == 1 ? region : span_cut(&region, part->how->separator);
        if (!decode(value, match, used, &match->variables[part->first_variable + i].value))
            return false;
    }
    return true;
}

static bool read_part(const struct matcher *matcher, size_t index, struct uri_match *match, size_t *used)
{
    const struct uri_part *part = &matcher->uri_template->parts[index];
    size_t start = index ? matcher->ends[index - 1] : 0;
    if (part->kind == URI_LITERAL || start == matcher->ends[index])
        return true;
    start += part->how->first != 0;
    struct span region = {matcher->uri.at + start, matcher->ends[index] - start};
    if (part->how->named)
        return read_named(matcher->uri_template, part, region, match, used);
    return read_values(part, region, match, used);
}

int uri_template_match(const struct uri_template *uri_template, struct span uri, struct uri_match *ret_match)
{
    struct matcher matcher = {.uri_template = uri_template, .uri = uri, .steps = URI_MAX_STEPS};
    if (uri.size > URI_TEMPLATE_MAX_BYTES || !match_from(&matcher, 0, 0))
        return URI_TEMPLATE_NO_MATCH;
    ret_match->count = uri_template->variable_count;
    for (size_t i = 0; i < ret_match->count; i++)
        ret_match->variables[i] = (struct uri_match_variable){.name = uri_template->names[i]};
    size_t used = 0;
    for (size_t i = 0; i < uri_template->part_count; i++) {
        if (!read_part(&matcher, i, ret_match, &used))
            return URI_TEMPLATE_NO_MATCH;
    }
    return 0;
}

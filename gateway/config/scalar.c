/* What YAML 1.2's core schema makes of a scalar (YAML 1.2.2, 10.3.2). Pure; any thread. */
#include "gateway/config/document.h"

static bool is_one_of(struct span text, const char *const *names)
{
    while (*names && !span_is(text, *names))
        names++;
    return *names != NULL;
}

/* How many bytes from `at` on are of the set. */
static size_t run_of(struct span text, size_t at, const char *set)
{
    size_t end = at;
    while (end < text.size && text.at[end] != '\0' && strchr(set, text.at[end]))
        end++;
    return end - at;
}

static bool is_prefixed_integer(struct span text)
{
    const char *digits = span_starts(text, SPAN("0x"))   ? "0123456789abcdefABCDEF"
                         : span_starts(text, SPAN("0o")) ? "01234567"
                                                         : NULL;
    return digits && text.size > 2 && run_of(text, 2, digits) == text.size - 2;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static enum scalar_type number_type(struct span text)
{
    static const char digits[] = "0123456789";
    size_t at = text.size > 0 && strchr("+-", text.at[0]) ? 1 : 0;
    size_t whole = run_of(text, at, digits);
    at += whole;
    bool integer = whole > 0 && at == text.size;
    if (at < text.size && text.at[at] == '.') {
        size_t fraction = run_of(text, at + 1, digits);
        if (whole == 0 && fraction == 0)
            return SCALAR_STRING;
        at += 1 + fraction;
    } else if (whole == 0) {
        return SCALAR_STRING;
    }
    if (at < text.size && strchr("eE", text.at[at])) {
        at += 1 + (at + 1 < text.size && strchr("+-", text.at[at + 1]) ? 1 : 0);
        size_t exponent = run_of(text, at, digits);
        if (exponent == 0)
            return SCALAR_STRING;
        at += exponent;
    }
    return at != text.size ? SCALAR_STRING : integer ? SCALAR_INTEGER : SCALAR_FLOAT;
}

enum scalar_type node_scalar_type(const struct node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const booleans[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    static const char *const not_finite[] = {".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                             "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL};
    if (!node->plain)
        return SCALAR_STRING;
    if (is_one_of(node->text, nulls))
        return SCALAR_NULL;
    if (is_one_of(node->text, booleans))
        return SCALAR_BOOLEAN;
    if (is_one_of(node->text, not_finite))
        return SCALAR_NOT_FINITE;
    return is_prefixed_integer(node->text) ? SCALAR_INTEGER : number_type(node->text);
}

bool node_is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && node_scalar_type(node) == SCALAR_NULL;
}

/* The judgement of URIs that clients make up. On the stack; owns nothing. */
#include "auth/policy_priv.h"

static int digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What is no escape stays as it is. */
static struct span decode(struct span uri, char *out)
{
    size_t size = 0;
    for (size_t i = 0; i < uri.size; i++) {
        bool escape = uri.at[i] == '%' && i + 2 < uri.size && digit(uri.at[i + 1]) >= 0 && digit(uri.at[i + 2]) >= 0;
        out[size++] = escape ? (char)(digit(uri.at[i + 1]) * 16 + digit(uri.at[i + 2])) : uri.at[i];
        i += escape ? 2 : 0;
    }
    return (struct span){out, size};
}

/* Backslashes separate, too: for some readers they do. */
static bool has_dot_segment(struct span uri)
{
    size_t start = 0;
    for (size_t i = 0; i <= uri.size; i++) {
        if (i < uri.size && uri.at[i] != '/' && uri.at[i] != '\\')
            continue;
        struct span segment = {uri.at + start, i - start};
        if (start > 0 && (span_is(segment, ".") || span_is(segment, "..")))
            return true;
        start = i + 1;
    }
    return false;
}

enum policy_verdict policy_check_uri(const struct policy_view *view, struct span uri, struct policy_reason *ret_reason)
{
    char bytes[POLICY_MAX_NAME_BYTES];
    struct policy_reason reason, deeper;
    enum policy_verdict verdict = policy_check(view, POLICY_RESOURCE, uri, &reason);
    if (ret_reason)
        *ret_reason = reason;
    if (!view->policy || verdict == POLICY_HIDDEN)
        return verdict;
    struct span decoded = decode(uri, bytes); /* fits: a longer one is hidden */
    if (has_dot_segment(decoded))
        reason = (struct policy_reason){0};
    if (ret_reason)
        *ret_reason = reason;
    if (!reason.rule)
        return POLICY_HIDDEN;
    enum policy_verdict of_decoded = policy_check(view, POLICY_RESOURCE, decoded, &deeper);
    bool exact = glob_of(reason.pattern).literal == reason.pattern.size;
    if (of_decoded <= verdict || (exact && !deeper.rule))
        return verdict;
    if (ret_reason)
        *ret_reason = deeper;
    return of_decoded;
}

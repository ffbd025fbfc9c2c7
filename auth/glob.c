/* Matching with one point to go back to, the newest star: what an earlier star took need never be looked at again,
   because a later one can take whatever is left over. Owns nothing. */
#include "auth/glob.h"

struct glob glob_of(struct span pattern)
{
    size_t literal = 0;
    while (literal < pattern.size && pattern.at[literal] != '*' && pattern.at[literal] != '?')
        literal++;
    return (struct glob){
        .pattern = pattern, .literal = literal, .tail = literal + 1 == pattern.size && pattern.at[literal] == '*'};
}

/* Of the character at `at`; a byte that is no UTF-8 is one of its own. */
static size_t step(struct span text, size_t at)
{
    size_t size = span_utf8((struct span){text.at + at, text.size - at});
    return size ? size : 1;
}

static bool match(struct span pattern, struct span text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;
    while (t < text.size) {
        char wanted = p < pattern.size ? pattern.at[p] : '\0';
        if (p < pattern.size && wanted == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size && (wanted == '?' || wanted == text.at[t])) {
            t += wanted == '?' ? step(text, t) : 1;
            p++;
        } else if (star != SIZE_MAX) {
            resume += step(text, resume);
            p = star + 1;
            t = resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.at[p] == '*')
        p++;
    return p == pattern.size;
}

bool glob_matches(const struct glob *glob, struct span text)
{
    size_t literal = glob->literal;
    if (text.size < literal || (literal > 0 && memcmp(glob->pattern.at, text.at, literal) != 0))
        return false;
    if (literal == glob->pattern.size)
        return text.size == literal;
    struct span pattern = {glob->pattern.at + literal, glob->pattern.size - literal};
    return glob->tail || match(pattern, (struct span){text.at + literal, text.size - literal});
}

bool glob_reaches(const struct glob *glob, struct span start)
{
    size_t shared = MIN(glob->literal, start.size);
    if (glob->literal == glob->pattern.size && start.size > glob->literal)
        return false;
    return shared == 0 || memcmp(glob->pattern.at, start.at, shared) == 0;
}

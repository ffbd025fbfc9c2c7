/* Patterns and policies of anybody's making: lines of input become the patterns of two rules, the last line is the
   name. The matcher is held against the definition of its patterns; the judgement of URIs is never milder than the
   plain one, what is denied is never allowed, and what is said of a name is what is explained of it. */
#include <stdint.h>

#include "auth/glob.h"
#include "auth/policy.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            __builtin_trap();                                                                                          \
    } while (0)

enum { MAX_PATTERNS = 8, SLOW_BYTES = 24, SLOW_STARS = 4 };

/* As auth/glob.h says it, and no faster. */
static bool defined(struct span pattern, struct span text)
{
    struct span rest = {pattern.at + 1, pattern.size - 1};
    if (pattern.size == 0)
        return text.size == 0;
    if (pattern.at[0] != '*' && text.size == 0)
        return false;
    size_t character = text.size ? span_utf8(text) : 0;
    struct span behind = {text.at + MAX(character, 1), text.size - MAX(character, 1)};
    if (pattern.at[0] == '*')
        return defined(rest, text) || (text.size > 0 && defined(pattern, behind));
    if (pattern.at[0] == '?')
        return defined(rest, behind);
    return pattern.at[0] == text.at[0] && defined(rest, (struct span){text.at + 1, text.size - 1});
}

static size_t stars(struct span pattern)
{
    size_t count = 0;
    for (size_t i = 0; i < pattern.size; i++)
        count += pattern.at[i] == '*';
    return count;
}

static void check_glob(struct span pattern, struct span name)
{
    struct glob glob = glob_of(pattern);
    bool matches = glob_matches(&glob, name);
    for (size_t size = 0; matches && size <= name.size; size++)
        CHECK(glob_reaches(&glob, (struct span){name.at, size}));
    if (pattern.size <= SLOW_BYTES && name.size <= SLOW_BYTES && stars(pattern) <= SLOW_STARS)
        CHECK(matches == defined(pattern, name));
}

static void check_policy(char **pattern, size_t count, struct span name)
{
    size_t half = count / 2;
    struct name_list allowed = {pattern, half}, denied = {pattern + half, count - half};
    char title[] = "r";
    struct policy_rule_settings rules[] = {
        {.name = title, .allow = {allowed, allowed, allowed}},
        {.name = title, .deny = {denied, denied, denied}},
    };
    struct policy *policy = NULL;
    struct policy_view view;
    struct policy_reason reason;
    struct policy_caller caller = {.path = SPAN("/mcp")};
    if (policy_new(rules, ARRAY_SIZE(rules), &policy) != 0)
        return;
    policy_view(policy, &caller, &view);
    for (unsigned kind = 0; kind < POLICY_KINDS; kind++) {
        CLEANUP(text_done) struct text out = TEXT(1 << 20);
        enum policy_verdict verdict = policy_check(&view, (enum policy_kind)kind, name, &reason);
        CHECK(verdict != POLICY_ALLOWED || reason.rule == &rules[0]);
        CHECK(reason.rule != &rules[1] || verdict == POLICY_HIDDEN);
        enum policy_verdict said = policy_explain(policy, &caller, (enum policy_kind)kind, name, "f", &out);
        CHECK(out.error == 0 && (said == verdict || (kind == POLICY_RESOURCE && said > verdict)));
    }
    CHECK(policy_check_uri(&view, name, &reason) >= policy_check(&view, POLICY_RESOURCE, name, NULL));
    policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *pattern[MAX_PATTERNS];
    size_t count = 0;
    struct span rest = {size ? (const char *)data : "", size}, line = {0};
    for (;;) {
        line = span_cut(&rest, '\n');
        if (span_absent(rest) || count == MAX_PATTERNS)
            break;
        if (memchr(line.at, '\0', line.size) || line.size > POLICY_MAX_PATTERN_BYTES)
            continue;
        pattern[count] = span_copy(line);
        if (!pattern[count++])
            abort();
    }
    for (size_t i = 0; i < count; i++)
        check_glob(span_of(pattern[i]), line);
    check_policy(pattern, count, line);
    while (count > 0)
        free(pattern[--count]);
    return 0;
}

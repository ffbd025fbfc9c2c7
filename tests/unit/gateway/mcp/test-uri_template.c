/* uri_template.h: which templates are taken, what a URI is read as, and what values expand to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/mcp/uri_template.h"

enum { PROBLEM_BYTES = 500 };

static struct uri_template *compile(const char *source)
{
    CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
    struct uri_template *parsed = NULL;
    if (uri_template_compile(span_of(source), &parsed, &problem))
        fail_msg("%s: %.*s", source, SPAN_PRINT(text_span(&problem)));
    return parsed;
}

/* `expected`: "name=value" with '|' between them, in order; a name without '=' is absent. NULL: no match. */
static const struct {
    const char *source, *uri, *expected, *comment;
} match_rows[] = {
    {"test://static", "test://static", "", "no variable"},
    {"test://static", "test://statics", NULL, "too long"},
    {"test://static", "test://stati", NULL, "too short"},
    {"test://template/{id}/data", "test://template/123/data", "id=123", "one variable"},
    {"test://template/{id}/data", "test://template//data", NULL, "nothing in it"},
    {"test://template/{id}/data", "test://template/1/2/data", NULL, "a '/' in it"},
    {"test://template/{id}/data", "test://template/1%2F2/data", "id=1/2", "an encoded '/' in it"},
    {"test://template/{id}/data", "test://template/1/data?x", NULL, "a query that was not asked for"},
    {"test://{id}", "test://a%20b", "id=a b", "a space"},
    {"test://{id}", "test://caf%C3%A9", "id=caf\xc3\xa9", "UTF-8"},
    {"test://{id}", "test://caf\xc3\xa9", "id=caf\xc3\xa9", "UTF-8 that is not encoded"},
    {"test://{id}", "test://%ff", NULL, "not UTF-8"},
    {"test://{id}", "test://a%00b", NULL, "NUL"},
    {"test://{id}", "test://a%2", NULL, "half an escape"},
    {"test://{id}", "test://a%zz", NULL, "no escape"},
    {"test://{id}", "test://a b", NULL, "a raw space"},
    {"test://{id}", "test://user@host:1", "id=user@host:1", "characters that clients leave alone"},
    {"test://{id}", "test://a,b", "id=a,b", "a ',' when there is one variable"},
    {"test://{id}", "test://a?b", NULL, "a query"},
    {"test://{id}", "test://a#b", NULL, "a fragment"},
    {"Test://{id}", "test://1", NULL, "literals have a case"},
    {"a:%c3%A9{x}", "a:%C3%a91", "x=1", "the digits of an escape have none"},
    {"a:\xc3\xa9{x}", "a:%C3%A91", "x=1", "a literal above ASCII is encoded"},
    {"repo://{owner}/{name}/issues/{number}", "repo://a/b/issues/7", "owner=a|name=b|number=7", "three"},
    {"repo://{owner}/{name}/issues/{number}", "repo://a/b/issue/7", NULL, "another literal"},
    {"f://{name}.{extension}", "f://a.tar.gz", "name=a|extension=tar.gz", "the left takes as little as it can"},
    {"d://{year}-{month}-{day}", "d://2026-11-23", "year=2026|month=11|day=23", "dashes"},
    {"x://{a}aab{b}", "x://aaaab!", "a=aa|b=!", "a literal that begins like the value"},
    {"x://{a}/{b}", "x:///b", NULL, "the first is empty"},
    {"file:///{+path}", "file:///a/b/c.txt", "path=a/b/c.txt", "reserved"},
    {"file:///{+path}", "file:///a/b?c=d#e", "path=a/b?c=d#e", "all that is reserved"},
    {"file:///{+path}", "file:///a%2Fb", "path=a/b", "reserved and encoded"},
    {"file:///{+path}", "file:///../../etc/passwd", "path=../../etc/passwd", "dots are the handler's business"},
    {"file:///{+path}", "file:///", NULL, "nothing"},
    {"{+a}/x/{+b}", "1/x/2/x/3", "a=1|b=2/x/3", "the first place that does"},
    {"m://{x,y}", "m://1,2", "x=1|y=2", "a list"},
    {"m://{x,y}", "m://1", NULL, "half a list"},
    {"m://{x,y}", "m://1,2,3", NULL, "too long a list"},
    {"m://{x,y}", "m://,2", NULL, "an empty value"},
    {"m://{x,y}", "m://1%2C2,3", "x=1,2|y=3", "an encoded ','"},
    {"p://a{/b}", "p://a/1", "b=1", "a segment"},
    {"p://a{/b}", "p://a", "b", "without the segment"},
    {"p://a{/b}", "p://a/", NULL, "an empty segment"},
    {"p://a{/b}", "p://a/1/2", NULL, "two segments"},
    {"p://a{/b,c}/d", "p://a/1/2/d", "b=1|c=2", "two segments asked for"},
    {"p://a{/b,c}/d", "p://a/1/d", NULL, "one of them"},
    {"p://a{/b,c}/d", "p://a/d", "b|c", "none of them"},
    {"p://a{/b}{/c}", "p://a/1/2", "b=1|c=2", "segment after segment"},
    {"p://a{/b}{/c}", "p://a/1", "b|c=1", "the left takes as little as it can: nothing"},
    {"l://www{.d}", "l://www.example", "d=example", "a label"},
    {"l://www{.d}", "l://www.example.com", "d=example.com", "a '.' is nothing special to one label"},
    {"s://p{;x,y}", "s://p;x=1;y=2", "x=1|y=2", "parameters"},
    {"s://p{;x,y}", "s://p;y=2;x=1", "x=1|y=2", "in any order"},
    {"s://p{;x,y}", "s://p;y", "x|y=", "without value"},
    {"s://p{;x,y}/z", "s://p/z", "x|y", "without parameters"},
    {"s://p{;x,y}", "s://p;z=1", NULL, "an unknown parameter"},
    {"q://s{?q,limit}", "q://s?q=a%20b&limit=3", "q=a b|limit=3", "a query"},
    {"q://s{?q,limit}", "q://s?limit=3&q=1", "q=1|limit=3", "in any order"},
    {"q://s{?q,limit}", "q://s?limit=3", "q|limit=3", "one of it"},
    {"q://s{?q,limit}", "q://s", "q|limit", "none of it"},
    {"q://s{?q,limit}", "q://s?q=", "q=|limit", "an empty value"},
    {"q://s{?q,limit}", "q://s?q=a/b?c=d", "q=a/b?c=d|limit", "what a query may hold"},
    {"q://s{?q,limit}", "q://s?q=1&q=2", NULL, "twice"},
    {"q://s{?q,limit}", "q://s?q=1&x=2", NULL, "unknown"},
    {"q://s{?q,limit}", "q://s?", NULL, "an empty query"},
    {"q://s{?q,limit}", "q://s?q=1&", NULL, "an empty pair"},
    {"q://s{?q}", "q://s?q=1#f", NULL, "a fragment behind it"},
    {"q://s{?q}{#f}", "q://s?q=1#f/g", "q=1|f=f/g", "a fragment asked for"},
    {"q://s{?q}{#f}", "q://s#f", "q|f=f", "only the fragment"},
    {"q://s?fixed=1{&q}", "q://s?fixed=1&q=2", "q=2", "a query that goes on"},
    {"q://s?fixed=1{&q}", "q://s?fixed=1", "q", "a query that does not"},
    {"q://s?fixed=1{&q}", "q://s&q=2", NULL, "without what is fixed"},
    {"x://{+p}s{?q}", "x://as?z=1s?q=2", "p=as?z=1|q=2", "the first place whose query is one"},
    {"n://{a_b.c-1}", "n://x", "a_b.c-1=x", "a name"},
};

static bool show(const struct uri_match *match, struct text *out)
{
    for (size_t i = 0; i < match->count; i++) {
        if (i)
            text_add_char(out, '|');
        text_add(out, match->variables[i].name);
        if (span_absent(match->variables[i].value))
            continue;
        text_add_char(out, '=');
        text_add(out, match->variables[i].value);
    }
    return out->error == 0;
}

static void test_matches(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(match_rows); i++) {
        struct uri_template *parsed = compile(match_rows[i].source);
        struct uri_match match;
        CLEANUP(text_done) struct text shown = TEXT(PROBLEM_BYTES);
        int result = uri_template_match(parsed, span_of(match_rows[i].uri), &match);
        if (result != (match_rows[i].expected ? 0 : URI_TEMPLATE_NO_MATCH))
            fail_msg("%s: %s is %d", match_rows[i].comment, match_rows[i].uri, result);
        if (result == 0 && (!show(&match, &shown) || !span_is(text_span(&shown), match_rows[i].expected)))
            fail_msg("%s: %s is %.*s", match_rows[i].comment, match_rows[i].uri, SPAN_PRINT(text_span(&shown)));
        uri_template_free(parsed);
    }
    print_message("%zu rows\n", ARRAY_SIZE(match_rows));
}

static const struct {
    const char *source, *problem;
} refusal_rows[] = {
    {"", "must have 1 to 2048 bytes"},
    {"a:{x", "has a '{' without '}'"},
    {"a:x}", "has a character outside of an expression that no URI may hold, at offset 3"},
    {"a: {x}", "has a character outside of an expression that no URI may hold, at offset 2"},
    {"a:%4{x}", "has a character outside of an expression that no URI may hold, at offset 2"},
    {"a:\xff{x}", "has characters outside of an expression that are not UTF-8"},
    {"a:%9b{x}", "has characters outside of an expression that are not UTF-8"},
    {"a:{}", "{} is not a variable name (letters, digits, '_', '-', and '.' between them)"},
    {"a:{x y}", "{x y} is not a variable name (letters, digits, '_', '-', and '.' between them)"},
    {"a:{x,}", "{} is not a variable name (letters, digits, '_', '-', and '.' between them)"},
    {"a:{.}", "{} is not a variable name (letters, digits, '_', '-', and '.' between them)"},
    {"a:{=x}", "{=x} is not a variable name (letters, digits, '_', '-', and '.' between them)"},
    {"a:{x..y}", "{x..y} is not a variable name (letters, digits, '_', '-', and '.' between them)"},
    {"a:{x*}",
     "{x*} has the modifier '*', which is not supported: a list cannot be told from a text; use {+name} for a "
     "value with '/'"},
    {"a:{x:3}", "{x:3} has a prefix modifier, which cuts the value: it cannot be read back"},
    {"a:{x}/{x}", "has the variable x twice"},
    {"a:{x}{y}", "has two expressions side by side and nothing that tells where the first one ends"},
    {"a:{+x}{/y}", "has two expressions side by side and nothing that tells where the first one ends"},
    {"a:{x}{.y}", "has two expressions side by side and nothing that tells where the first one ends"},
    {"a:{x}{+y}", "has two expressions side by side and nothing that tells where the first one ends"},
    {"a:{+x,y}", "{+x,y} lists several variables whose values may hold the ',' between them"},
    {"a:{.x,y}", "{.x,y} lists several variables whose values may hold the '.' between them"},
    {"a:{?x}/b", "has {?...} before the end; only a fragment may follow it"},
    {"a:{?x}{&y}", "has {?...} before the end; only a fragment may follow it"},
    {"a:{;x};y", "has {;...} with nothing behind it that tells where it ends"},
    {"a:{;x}y", "has {;...} with nothing behind it that tells where it ends"},
    {"{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}", "has more than 16 variables"},
};

static void test_refusals(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusal_rows); i++) {
        CLEANUP(text_done) struct text problem = TEXT(PROBLEM_BYTES);
        struct uri_template *parsed = NULL;
        int result = uri_template_compile(span_of(refusal_rows[i].source), &parsed, &problem);
        if (result != URI_TEMPLATE_INVALID || !span_is(text_span(&problem), refusal_rows[i].problem))
            fail_msg("%s: %d, %.*s", refusal_rows[i].source, result, SPAN_PRINT(text_span(&problem)));
        assert_int_equal(uri_template_compile(span_of(refusal_rows[i].source), &parsed, NULL), URI_TEMPLATE_INVALID);
        assert_null(parsed);
    }
}

/* Values: x="1024", y="768", e="", path="/foo/bar", u absent (RFC 6570, 1.2). */
static const struct {
    const char *source, *values[3], *expanded;
} expand_rows[] = {
    {"{var}", {"value"}, "value"},
    {"{hello}", {"Hello World!"}, "Hello%20World%21"},
    {"{+var}", {"value"}, "value"},
    {"{+hello}", {"Hello World!"}, "Hello%20World!"},
    {"{+path}/here", {"/foo/bar"}, "/foo/bar/here"},
    {"here?ref={+path}", {"/foo/bar"}, "here?ref=/foo/bar"},
    {"X{#var}", {"value"}, "X#value"},
    {"X{#hello}", {"Hello World!"}, "X#Hello%20World!"},
    {"map?{x,y}", {"1024", "768"}, "map?1024,768"},
    {"{x,hello,y}", {"1024", "Hello World!", "768"}, "1024,Hello%20World%21,768"},
    {"X{.x}", {"1024"}, "X.1024"},
    {"{/var,x}/here", {"value", "1024"}, "/value/1024/here"},
    {"{;x,y}", {"1024", "768"}, ";x=1024;y=768"},
    {"{;x,y,empty}", {"1024", "768", ""}, ";x=1024;y=768;empty"},
    {"{?x,y}", {"1024", "768"}, "?x=1024&y=768"},
    {"{?x,y,empty}", {"1024", "768", ""}, "?x=1024&y=768&empty="},
    {"?fixed=yes{&x}", {"1024"}, "?fixed=yes&x=1024"},
    {"{&x,y,empty}", {"1024", "768", ""}, "&x=1024&y=768&empty="},
    {"{x,u,y}", {"1024", NULL, "768"}, "1024,768"},
    {"a{/u}", {NULL}, "a"},
    {"{?u,x}", {NULL, "1024"}, "?x=1024"},
    {"{x}", {"\xc3\xa9%"}, "%C3%A9%25"},
    {"{+x}", {"a%20b%"}, "a%20b%25"},
    {"\xc3\xa9{x}", {"1"}, "%C3%A91"},
};

static void test_expansions(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(expand_rows); i++) {
        struct uri_template *parsed = compile(expand_rows[i].source);
        struct span values[3];
        for (size_t v = 0; v < ARRAY_SIZE(values); v++)
            values[v] = span_of(expand_rows[i].values[v]);
        CLEANUP(text_done) struct text out = TEXT(PROBLEM_BYTES);
        assert_int_equal(uri_template_expand(parsed, values, &out), 0);
        if (!span_is(text_span(&out), expand_rows[i].expanded))
            fail_msg("%s is %.*s", expand_rows[i].source, SPAN_PRINT(text_span(&out)));
        CLEANUP(text_done) struct text small = TEXT(out.size - 1);
        assert_true(uri_template_expand(parsed, values, &small) < 0);
        uri_template_free(parsed);
    }
}

static void test_bounds(void **state UNUSED)
{
    char longest[URI_TEMPLATE_MAX_BYTES + 1];
    memset(longest, 'a', sizeof(longest));
    struct uri_template *parsed = NULL;
    assert_int_equal(uri_template_compile((struct span){longest, sizeof(longest)}, &parsed, NULL),
                     URI_TEMPLATE_INVALID);
    assert_int_equal(uri_template_compile((struct span){longest, sizeof(longest) - 1}, &parsed, NULL), 0);
    uri_template_free(parsed);
    parsed = compile("{x}");
    struct uri_match match;
    assert_int_equal(uri_template_match(parsed, (struct span){longest, sizeof(longest)}, &match),
                     URI_TEMPLATE_NO_MATCH);
    assert_int_equal(uri_template_match(parsed, (struct span){longest, sizeof(longest) - 1}, &match), 0);
    assert_int_equal(match.variables[0].value.size, URI_TEMPLATE_MAX_BYTES);
    uri_template_free(parsed);
    uri_template_free(NULL);
}

/* What a naive matcher would spend ages on. */
static void test_hostile_uri(void **state UNUSED)
{
    static const char *sources[] = {"{a}-{b}-{c}-{d}-{e}-{f}-{g}-{h}-{i}-{j}-{k}-{l}-{m}-{n}-{o}!",
                                    "{a,b}-{c,d}-{e,f}-{g,h}-{i,j}-{k,l}-{m,n}!",
                                    "{+a}-{+b}-{+c}-{+d}-{+e}-{+f}-{+g}!"};
    char uri[URI_TEMPLATE_MAX_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        for (size_t at = 0; at < sizeof(uri); at++)
            uri[at] = "-,-a"[at % 4];
        struct uri_template *parsed = compile(sources[i]);
        struct uri_match match;
        uint64_t start = clock_now_ns();
        assert_int_equal(uri_template_match(parsed, (struct span){uri, sizeof(uri)}, &match), URI_TEMPLATE_NO_MATCH);
        print_message("%s: %llu us\n", sources[i], (unsigned long long)(clock_now_ns() - start) / 1000);
        uri_template_free(parsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches), cmocka_unit_test(test_refusals),    cmocka_unit_test(test_expansions),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_hostile_uri),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Resource templates: RFC 6570 URI templates, matched against the URI of resources/read, and expanded. Compiled once
   and immutable; any thread.

   All eight operators are known. What cannot be read back from a URI without guessing is refused when the template is
   compiled: the modifiers ':n' and '*', several variables in {+...}, {#...} or {....}, two expressions with nothing
   between them that tells where the first ends, and a {?...} or {&...} that is not at the end (only {#...} may follow).

   Matching: {var} takes at least one character, none of them "/?#[]" (nor ',' when the expression lists several
   variables); {+var} at least one character of any kind; {/a,b} and {.a} all of their variables or nothing; {?a,b},
   {&a,b} and {;a,b} any of theirs, in any order, each at most once and no others. Where more than one reading is
   left, as with "{name}.{extension}", the variables to the left take as little as they can. */
#pragma once
#include "gateway/base/text.h"

struct uri_template;

enum {
    URI_TEMPLATE_MAX_BYTES = 2048, /* of a template, and of a URI that is matched */
    URI_TEMPLATE_MAX_VARIABLES = 16,
};
/* Outcomes. */
enum { URI_TEMPLATE_INVALID = 1 };
enum { URI_TEMPLATE_NO_MATCH = 1 };

/* 0, URI_TEMPLATE_INVALID and one sentence in `problem`, or -ENOMEM. */
MUST_USE int uri_template_compile(struct span source, struct uri_template **ret_template, struct text *problem);
void uri_template_free(struct uri_template *uri_template);
size_t uri_template_variable_count(const struct uri_template *uri_template);
/* In the order of the template; valid as long as it is. */
struct span uri_template_variable(const struct uri_template *uri_template, size_t index);

struct uri_match {
    size_t count; /* = uri_template_variable_count() */
    struct uri_match_variable {
        struct span name;  /* of the template */
        struct span value; /* percent-decoded UTF-8 without NUL, in `bytes`; absent when the URI does not have it. A
                              value may hold any other character, '/' and ".." included: a handler must not use it as a
                              path unseen. */
    } variables[URI_TEMPLATE_MAX_VARIABLES];
    char bytes[URI_TEMPLATE_MAX_BYTES];
};
/* 0 or URI_TEMPLATE_NO_MATCH (also: a URI longer than the maximum, a '%' without two digits, a value that is not
   UTF-8). The spans point into *ret_match: do not copy it. Does not allocate; O(expressions * URI bytes). */
MUST_USE int uri_template_match(const struct uri_template *uri_template, struct span uri, struct uri_match *ret_match);

/* Level 3 expansion: `values` has one span per variable, in order; an absent one is undefined. 0 or out's error. */
MUST_USE int uri_template_expand(const struct uri_template *uri_template, const struct span *values, struct text *out);

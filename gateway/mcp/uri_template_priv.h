/* The compiled template, shared by uri_template.c (makes and expands it) and uri_match.c. */
#pragma once
#include "gateway/mcp/uri_template.h"

enum { URI_MAX_PARTS = 2 * URI_TEMPLATE_MAX_VARIABLES + 1 };

struct uri_operator {
    char sign;
    char first; /* what an expansion begins with; 0: with the value */
    char separator;
    bool reserved;      /* reserved characters stand for themselves */
    bool named;         /* name=value */
    bool equals_always; /* also before an empty value */
};

struct uri_part {
    enum uri_part_kind { URI_LITERAL, URI_EXPRESSION } kind;
    size_t offset, size; /* of a literal, in `bytes`, percent-encoded */
    const struct uri_operator *how;
    size_t first_variable, variable_count;
};

struct uri_template {
    size_t part_count, variable_count;
    struct uri_part parts[URI_MAX_PARTS];
    struct span names[URI_TEMPLATE_MAX_VARIABLES]; /* in `source` */
    char *bytes;
    char source[];
};
static inline void uri_template_freep(struct uri_template **uri_template)
{
    uri_template_free(*uri_template);
}

/* 0..15, or -1 (uri_match.c). */
int uri_hex_value(char c);
bool uri_is_unreserved(char c);
bool uri_is_reserved(char c);
void uri_add_encoded(struct text *out, struct span value, bool reserved);
/* Whether a value in this expression may hold `c` as it stands (uri_match.c). */
bool uri_value_may_hold(const struct uri_part *part, char c);

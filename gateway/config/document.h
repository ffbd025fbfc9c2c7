/* A YAML document as a tree of nodes, each with its place in the file. YAML 1.2's core schema (so JSON, too), less what
   a configuration does not need and a reader can be hurt with: anchors, aliases, merge keys, tags other than !!str,
   keys that are no scalars, several documents. One thread. */
#pragma once
#include "gateway/config/mistakes.h"

enum {
    DOCUMENT_MAX_BYTES = 4 * 1024 * 1024,
    DOCUMENT_MAX_DEPTH = 60, /* sequences and mappings open at once */
    DOCUMENT_MAX_NODES = 200000,
};

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
    enum node_kind kind;
    bool plain; /* a scalar without quotes: it may be a number, a boolean or null */
    struct position at;
    struct span text;   /* of a scalar; NUL-terminated */
    struct node *first; /* items, or the values of members, in the file's order */
    struct node *next;
    size_t children;
    struct span key; /* of a member of a mapping; NUL-terminated, without NUL bytes in it */
    struct position key_at;
    struct node *last, *parent, *allocated; /* document.c's own */
};

/* What the core schema makes of a scalar (YAML 1.2.2, 10.3.2): `yes`, `on` and 0777 are no YAML 1.1 here. */
enum scalar_type {
    SCALAR_STRING,
    SCALAR_NULL,
    SCALAR_BOOLEAN,
    SCALAR_INTEGER,
    SCALAR_FLOAT,
    SCALAR_NOT_FINITE, /* .inf, .nan */
};

struct document;

/* Reads one document. 0; DOCUMENT_INVALID (mistakes say why; duplicate keys and what is refused are all reported, a
   syntax error ends the reading); or -ENOMEM. */
enum { DOCUMENT_INVALID = 1 };
MUST_USE int document_parse(struct span yaml, struct mistakes *mistakes, struct document **ret_document);
void document_free(struct document *document);
static inline void document_freep(struct document **document)
{
    document_free(*document);
}
/* NULL when the document is empty. */
const struct node *document_root(const struct document *document);

enum scalar_type node_scalar_type(const struct node *node);
/* Nothing was written: a key without value, or null. */
bool node_is_null(const struct node *node);
/* A member's value, or NULL. */
const struct node *node_find(const struct node *mapping, struct span key);

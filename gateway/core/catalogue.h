/* The catalogue: every tool, resource, resource template and prompt that the gateway offers. Items are immutable and
   counted, a catalogue is an immutable list of them; a change makes a new catalogue that shares the unchanged items.
   Any thread. */
#pragma once
#include <json-c/json.h>

#include "gateway/base/text.h"
#include "gateway/core/counters.h"
#include "gateway/mcp/parameter_headers.h"
#include "gateway/mcp/schema.h"
#include "gateway/mcp/uri_template.h"

struct provider;
struct catalogue;

enum item_kind { ITEM_TOOL, ITEM_RESOURCE, ITEM_TEMPLATE, ITEM_PROMPT, ITEM_KINDS };

enum item_flags {
    ITEM_UNLISTED = 1 << 0,
    ITEM_TASK_REQUIRED = 1 << 1,
    ITEM_COMPLETES = 1 << 2, /* has a completion handler */
};

enum {
    CATALOGUE_MAX_ITEMS = 10000,
    CATALOGUE_MAX_DEFINITION_BYTES = 1024 * 1024, /* of one item */
    CATALOGUE_MAX_NAME_BYTES = 128,
    CATALOGUE_MAX_URI_BYTES = 4096,
};

/* One thing that can be listed and called. */
struct item {
    enum item_kind kind;
    unsigned flags;
    uint64_t ordinal;                  /* its place in lists, for life; set by the builder */
    char *key;                         /* name of a tool or prompt, URI of a resource, URI template */
    struct span json;                  /* the definition exactly as clients see it */
    struct schema *schema;             /* tools: of the arguments; else NULL */
    struct parameter_headers *headers; /* tools with x-mcp-header annotations; else NULL */
    struct uri_template *uri_template; /* templates */
    struct name_flags {
        char *name;
        bool required;
    } * argument; /* prompts: the declared arguments */
    size_t arguments;
    struct provider *provider; /* counted */
    void *handler;             /* the provider's own */
    void (*handler_free)(void *handler);
};

/* What a provider says of an item. Borrowed texts. `definition` is the json-c object that clients shall see, complete
   with name, description, inputSchema ...; it is serialised with its members in their order. */
struct item_definition {
    enum item_kind kind;
    unsigned flags;
    const char *key;
    struct json_object *definition;
    struct provider *provider;
    void *handler;
    void (*handler_free)(void *handler); /* called when the item dies, and not if item_new fails */
};

/* Checks the definition (name, schema, annotations, template, prompt arguments) and makes the item with one reference.
   0, or -EINVAL with a sentence in `problem` that says what to do, or -ENOMEM. */
MUST_USE int item_new(const struct item_definition *definition, struct item **ret_item, struct text *problem);
struct item *item_ref(struct item *item);
void item_unref(struct item *item); /* NULL is fine */

/* What has become of the requests for an item, since it was made: the one thing of it that changes. Shared by all
   reactors. */
struct item_use {
    _Atomic uint64_t requests[OUTCOME_COUNT];
    _Atomic uint64_t duration_ns; /* of all of them */
};
void item_count(struct item *item, enum outcome outcome, uint64_t duration_ns);
const struct item_use *item_use(const struct item *item);
/* "tool", "resource", "template", "prompt". */
const char *item_kind_name(enum item_kind kind);

/* A change to a catalogue: begun from an old one (or NULL), then added to and removed from, then finished. Not shared.
 */
struct catalogue_builder;
MUST_USE int catalogue_builder_new(struct catalogue *from, struct catalogue_builder **ret_builder);
void catalogue_builder_free(struct catalogue_builder *builder);
/* Takes everything out, for a reload that puts in what stays (those items keep their places) and what is new. */
void catalogue_builder_clear(struct catalogue_builder *builder);
/* Takes the reference if it succeeds. 0, -EEXIST (the key is taken, in its kind), -ENOSPC (CATALOGUE_MAX_ITEMS),
 * -ENOMEM. */
MUST_USE int catalogue_builder_add(struct catalogue_builder *builder, struct item *item);
/* 0 or -ENOENT (also when it belongs to another provider). */
MUST_USE int catalogue_builder_remove(struct catalogue_builder *builder, enum item_kind kind, struct span key,
                                      const struct provider *provider);
/* Takes out all that belongs to one provider. */
void catalogue_builder_remove_provider(struct catalogue_builder *builder, const struct provider *provider);
/* The new catalogue with one reference; the builder is empty then. `ret_changed` has a bit (1 << kind) for each kind
   whose list differs from that of `from`. */
MUST_USE int catalogue_builder_finish(struct catalogue_builder *builder, struct catalogue **ret_catalogue,
                                      unsigned *ret_changed);

struct catalogue *catalogue_ref(struct catalogue *catalogue);
void catalogue_unref(struct catalogue *catalogue); /* NULL is fine */

/* By key, listed or not; NULL if there is none. Borrowed. */
struct item *catalogue_find(const struct catalogue *catalogue, enum item_kind kind, struct span key);
/* The template that matches a URI (the first in order), with its variables. 0 or CATALOGUE_NONE. */
enum { CATALOGUE_NONE = 1 };
MUST_USE int catalogue_match(const struct catalogue *catalogue, struct span uri, struct item **ret_item,
                             struct uri_match *ret_match);
/* The resource of that URI, or the template that matches it (only then *ret_match is set). 0 or CATALOGUE_NONE. */
MUST_USE int catalogue_resource(const struct catalogue *catalogue, struct span uri, struct item **ret_item,
                                struct uri_match *ret_match);
/* Appends a record for each item that one of the two has and the other has not: its kind as one byte, '0' + kind, its
   key, a NUL. If there are more than CATALOGUE_MAX_CHANGES, or there is no memory, nothing: then nobody knows what
   changed. */
enum { CATALOGUE_MAX_CHANGES = 64 };
void catalogue_add_changes(const struct catalogue *before, const struct catalogue *after, struct text *out);
/* Takes the first record off `changes`. False: there is none. */
bool catalogue_next_change(struct span *changes, enum item_kind *ret_kind, struct span *ret_key);

/* The items of a kind in the order of their ordinals. */
size_t catalogue_count(const struct catalogue *catalogue, enum item_kind kind);
struct item *catalogue_at(const struct catalogue *catalogue, enum item_kind kind, size_t index);

/* libyaml's events become a tree. The parser runs within document_parse() on the caller's thread; the document owns its
   nodes, chained in the order they were made, so that neither building nor freeing recurses. */
#include "gateway/config/document.h"

#include <errno.h>
#include <yaml.h>

struct document {
    struct node *root;
    struct node *newest; /* chain of all nodes */
    size_t nodes;
};

struct builder {
    struct document *document;
    struct mistakes *mistakes;
    struct node *open; /* innermost sequence or mapping */
    unsigned depth;
    unsigned documents;
    bool has_key;    /* a key of `open` was read, its value was not */
    struct span key; /* owned until a node takes it */
    struct position key_at;
    bool refused;
};

void document_free(struct document *document)
{
    if (!document)
        return;
    while (document->newest) {
        struct node *node = document->newest;
        document->newest = node->allocated;
        free((void *)(uintptr_t)node->text.at);
        free((void *)(uintptr_t)node->key.at);
        free(node);
    }
    free(document);
}

const struct node *document_root(const struct document *document)
{
    return document->root;
}

const struct node *node_find(const struct node *mapping, struct span key)
{
    const struct node *member = mapping && mapping->kind == NODE_MAPPING ? mapping->first : NULL;
    while (member && !span_equal(member->key, key))
        member = member->next;
    return member;
}

static struct position position_of(yaml_mark_t mark)
{
    return (struct position){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static void refuse(struct builder *builder, yaml_mark_t mark, const char *sentence)
{
    builder->refused = true;
    text_add(mistake(builder->mistakes, position_of(mark)), span_of(sentence));
}

/* ---- duplicate keys ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct node *first = *(struct node *const *)a, *second = *(struct node *const *)b;
    int order = memcmp(first->key.at, second->key.at, MIN(first->key.size, second->key.size));
    if (order == 0)
        order = (first->key.size > second->key.size) - (first->key.size < second->key.size);
    if (order == 0)
        order = (first->key_at.line > second->key_at.line) - (first->key_at.line < second->key_at.line);
    if (order == 0)
        order = (first->key_at.column > second->key_at.column) - (first->key_at.column < second->key_at.column);
    return order;
}

static int check_duplicates(struct builder *builder, const struct node *mapping)
{
    size_t count = 0;
    if (mapping->children < 2)
        return 0;
    CLEANUP_FREE struct node **members = malloc(mapping->children * sizeof(struct node *));
    if (!members)
        return -ENOMEM;
    for (struct node *member = mapping->first; member; member = member->next)
        members[count++] = member;
    qsort(members, count, sizeof(struct node *), compare_keys);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (!span_equal(members[first]->key, members[i]->key)) {
            first = i;
            continue;
        }
        struct text *sentence = mistake(builder->mistakes, members[i]->key_at);
        text_add_literal(sentence, "the key ");
        mistake_add_value(sentence, members[i]->key);
        text_addf(sentence, " is here twice; the first is in line %u", members[first]->key_at.line);
        builder->refused = true;
    }
    return 0;
}

/* ---- nodes ---- */

static struct node *new_node(struct builder *builder, enum node_kind kind, yaml_mark_t mark)
{
    struct document *document = builder->document;
    struct node *node = calloc(1, sizeof(*node));
    if (!node)
        return NULL;
    *node = (struct node){.kind = kind, .at = position_of(mark), .allocated = document->newest};
    document->newest = node;
    document->nodes++;
    return node;
}

/* Hangs the node under what is open, with the key that was read before it. */
static void attach(struct builder *builder, struct node *node)
{
    struct node *parent = builder->open;
    node->parent = parent;
    if (!parent) {
        builder->document->root = node;
        return;
    }
    if (parent->kind == NODE_MAPPING) {
        node->key = builder->key;
        node->key_at = builder->key_at;
        builder->key = (struct span){0};
        builder->has_key = false;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->children++;
}

static bool wants_key(const struct builder *builder)
{
    return builder->open && builder->open->kind == NODE_MAPPING && !builder->has_key;
}

static int take_key(struct builder *builder, struct span text, bool plain, yaml_mark_t mark)
{
    char *copy = span_copy(text);
    if (!copy)
        return -ENOMEM;
    if (plain && span_is(text, "<<"))
        refuse(builder, mark, "merge keys (<<) are not supported: write the members out");
    if (strlen(copy) != text.size)
        refuse(builder, mark, "a key must not hold a NUL character");
    builder->key = (struct span){copy, strlen(copy)};
    builder->key_at = position_of(mark);
    builder->has_key = true;
    return 0;
}

static int add_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct span text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    const char *tag = (const char *)event->data.scalar.tag;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;
    if (wants_key(builder))
        return take_key(builder, text, plain, event->start_mark);
    struct node *node = new_node(builder, NODE_SCALAR, event->start_mark);
    if (!node)
        return -ENOMEM;
    attach(builder, node);
    node->plain = plain;
    node->text = (struct span){span_copy(text), text.size};
    return node->text.at ? 0 : -ENOMEM;
}

static int open_collection(struct builder *builder, enum node_kind kind, yaml_mark_t mark)
{
    if (wants_key(builder)) {
        refuse(builder, mark, "a key must be a scalar, not a list or a mapping");
        return DOCUMENT_INVALID;
    }
    if (builder->depth == DOCUMENT_MAX_DEPTH) {
        refuse(builder, mark, "lists and mappings are nested too deeply (60 at most)");
        return DOCUMENT_INVALID;
    }
    struct node *node = new_node(builder, kind, mark);
    if (!node)
        return -ENOMEM;
    attach(builder, node);
    builder->open = node;
    builder->depth++;
    return 0;
}

static int close_collection(struct builder *builder)
{
    struct node *node = builder->open;
    if (!node) /* libyaml closes only what it has opened */
        return DOCUMENT_INVALID;
    builder->open = node->parent;
    builder->depth--;
    return node->kind == NODE_MAPPING ? check_duplicates(builder, node) : 0;
}

/* ---- events ---- */

static bool tag_is_known(const yaml_char_t *tag, const char *plain_tag)
{
    return !tag || strcmp((const char *)tag, "!") == 0 || strcmp((const char *)tag, plain_tag) == 0;
}

/* Anchors and tags of whatever the event begins. */
static void check_properties(struct builder *builder, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    const char *known = YAML_STR_TAG;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        known = YAML_SEQ_TAG;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        known = YAML_MAP_TAG;
    }
    if (anchor)
        refuse(builder, event->start_mark, "anchors (&) are not supported: write the value out where it is used");
    if (!tag_is_known(tag, known))
        refuse(builder, event->start_mark, "tags are not supported, except !!str");
}

static int take_event(struct builder *builder, const yaml_event_t *event)
{
    check_properties(builder, event);
    if (builder->document->nodes >= DOCUMENT_MAX_NODES) {
        refuse(builder, event->start_mark, "there are too many values (200000 at most)");
        return DOCUMENT_INVALID;
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->documents++ == 0)
            return 0;
        refuse(builder, event->start_mark, "a second document (---) begins here: a configuration is one");
        return DOCUMENT_INVALID;
    case YAML_ALIAS_EVENT:
        refuse(builder, event->start_mark, "aliases (*) are not supported: write the value out");
        return DOCUMENT_INVALID; /* without the value, what follows would be misread */
    case YAML_SCALAR_EVENT:
        return add_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(builder, NODE_SEQUENCE, event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_collection(builder, NODE_MAPPING, event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(builder);
    default:
        return 0;
    }
}

/* Where byte `offset` stands; the reader's errors come without a line. */
static struct position position_at(struct span yaml, size_t offset)
{
    struct position at = {1, 1};
    for (size_t i = 0; i < MIN(offset, yaml.size); i++) {
        if (yaml.at[i] == '\n')
            at = (struct position){at.line + 1, 1};
        else if (((unsigned char)yaml.at[i] & 0xc0) != 0x80)
            at.column++;
    }
    return at;
}

static int report_syntax(struct builder *builder, const yaml_parser_t *parser, struct span yaml)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    struct position at = parser->error == YAML_READER_ERROR ? position_at(yaml, parser->problem_offset)
                                                            : position_of(parser->problem_mark);
    struct text *sentence = mistake(builder->mistakes, at);
    text_addf(sentence, "not YAML: %s", parser->problem ? parser->problem : "it cannot be read");
    if (parser->context)
        text_addf(sentence, " (%s in line %zu)", parser->context, parser->context_mark.line + 1);
    return DOCUMENT_INVALID;
}

static int read_events(struct builder *builder, yaml_parser_t *parser, struct span yaml)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return report_syntax(builder, parser, yaml);
        bool end = event.type == YAML_STREAM_END_EVENT;
        int result = take_event(builder, &event);
        yaml_event_delete(&event);
        if (result != 0 || end)
            return result;
    }
}

static int build(struct builder *builder, struct span yaml)
{
    yaml_parser_t parser;
    if (yaml.size > DOCUMENT_MAX_BYTES) {
        text_add_literal(mistake(builder->mistakes, (struct position){1, 1}), "the file is larger than 4 MiB");
        return DOCUMENT_INVALID;
    }
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.at, yaml.size);
    int result = read_events(builder, &parser, yaml);
    yaml_parser_delete(&parser);
    free((void *)(uintptr_t)builder->key.at);
    return result;
}

int document_parse(struct span yaml, struct mistakes *mistakes, struct document **ret_document)
{
    CLEANUP(document_freep) struct document *document = calloc(1, sizeof(*document));
    if (!document)
        return -ENOMEM;
    struct builder builder = {.document = document, .mistakes = mistakes};
    int result = build(&builder, yaml.size > 0 ? yaml : SPAN(""));
    if (result == 0 && builder.refused)
        result = DOCUMENT_INVALID;
    if (result == 0)
        *ret_document = TAKE(document);
    return result;
}

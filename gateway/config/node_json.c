/* Writes YAML nodes as JSON. Recursion is bounded by DOCUMENT_MAX_DEPTH. Owns nothing. */
#include "gateway/config/node_json.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/base/encoding.h"

/* 0x1f and 0o17 in decimal. False: larger than 64 bits. */
static bool add_prefixed_integer(struct span text, struct text *out)
{
    unsigned base = text.at[1] == 'x' ? 16 : 8;
    uint64_t value = 0;
    for (size_t i = 2; i < text.size; i++) {
        char byte = text.at[i];
        unsigned digit = byte <= '9' ? (unsigned)(byte - '0') : (unsigned)((byte | 0x20) - 'a') + 10;
        if (value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    text_add_uint64(out, value);
    return true;
}

/* A decimal number in JSON's grammar (RFC 8259, 6): no plus, no leading zeros, digits on both sides of the point. */
static void add_decimal(struct span text, struct text *out)
{
    struct span rest = text;
    if (text.at[0] == '-' || text.at[0] == '+')
        rest = (struct span){text.at + 1, text.size - 1};
    if (text.at[0] == '-')
        text_add_char(out, '-');
    while (rest.size > 1 && rest.at[0] == '0' && rest.at[1] >= '0' && rest.at[1] <= '9')
        rest = (struct span){rest.at + 1, rest.size - 1};
    if (rest.at[0] == '.')
        text_add_char(out, '0');
    const char *point = memchr(rest.at, '.', rest.size);
    size_t whole = point ? (size_t)(point - rest.at) + 1 : rest.size;
    text_add(out, (struct span){rest.at, whole});
    rest = (struct span){rest.at + whole, rest.size - whole};
    if (point && (rest.size == 0 || rest.at[0] == 'e' || rest.at[0] == 'E'))
        text_add_char(out, '0');
    text_add(out, rest);
}

static int add_scalar(const struct node *node, struct mistakes *mistakes, struct text *out)
{
    switch (node_scalar_type(node)) {
    case SCALAR_NULL:
        text_add_literal(out, "null");
        return 0;
    case SCALAR_BOOLEAN:
        text_add(out, (node->text.at[0] | 0x20) == 't' ? SPAN("true") : SPAN("false"));
        return 0;
    case SCALAR_INTEGER:
        if (node->text.size > 2 && (node->text.at[1] == 'x' || node->text.at[1] == 'o')) {
            if (add_prefixed_integer(node->text, out))
                return 0;
            text_add_literal(mistake(mistakes, node->at), "the number does not fit into 64 bits: write it in decimal");
            return NODE_JSON_INVALID;
        }
        add_decimal(node->text, out);
        return 0;
    case SCALAR_FLOAT:
        add_decimal(node->text, out);
        return 0;
    case SCALAR_NOT_FINITE:
        text_add_literal(mistake(mistakes, node->at),
                         "infinity and not-a-number have no JSON: use a number, or quotes");
        return NODE_JSON_INVALID;
    case SCALAR_STRING:
        break;
    }
    text_add_json_string(out, node->text);
    return 0;
}

int node_json(const struct node *node, struct mistakes *mistakes, struct text *out)
{
    int result = 0;
    if (node->kind == NODE_SCALAR)
        return add_scalar(node, mistakes, out);
    bool mapping = node->kind == NODE_MAPPING;
    text_add_char(out, mapping ? '{' : '[');
    for (const struct node *child = node->first; child; child = child->next) {
        if (child != node->first)
            text_add_char(out, ',');
        if (mapping) {
            text_add_json_string(out, child->key);
            text_add_char(out, ':');
        }
        result |= node_json(child, mistakes, out);
    }
    text_add_char(out, mapping ? '}' : ']');
    return result;
}

/* One reference token: percent-decoded (RFC 6901, 6), then ~1 and ~0 (RFC 6901, 4). */
static bool decode_token(struct span token, struct text *out)
{
    size_t kept = 0;
    if (percent_decode(token, out) < 0)
        return false;
    for (size_t i = 0; i < out->size; i++) {
        char byte = out->at[i];
        if (byte == '~' && i + 1 < out->size && (out->at[i + 1] == '0' || out->at[i + 1] == '1'))
            byte = out->at[++i] == '0' ? '~' : '/';
        out->at[kept++] = byte;
    }
    out->size = kept;
    return true;
}

static const struct node *child_named(const struct node *node, struct span name)
{
    uint64_t index;
    if (node->kind == NODE_MAPPING)
        return node_find(node, name);
    if (node->kind != NODE_SEQUENCE || span_to_uint64(name, &index) < 0)
        return NULL;
    const struct node *child = node->first;
    while (child && index-- > 0)
        child = child->next;
    return child;
}

const struct node *node_at_pointer(const struct node *root, struct span pointer)
{
    CLEANUP(text_done) struct text name = TEXT(4096);
    (void)span_cut(&pointer, '/');
    while (!span_absent(pointer)) {
        text_clear(&name);
        struct span token = span_cut(&pointer, '/');
        const struct node *child = decode_token(token, &name) ? child_named(root, text_span(&name)) : NULL;
        if (!child)
            break;
        root = child;
    }
    return root;
}

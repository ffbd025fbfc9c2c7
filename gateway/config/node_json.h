/* YAML nodes as JSON text, member for member and in their order. Any thread. */
#pragma once
#include "gateway/config/document.h"

/* Appends the node. Numbers keep their digits (YAML's other spellings become JSON's: 0x1f, +1, .5, 007); .inf and .nan
   have no JSON and become mistakes. 0 or NODE_JSON_INVALID; `out` fails by itself. */
enum { NODE_JSON_INVALID = 1 };
MUST_USE int node_json(const struct node *node, struct mistakes *mistakes, struct text *out);
/* The node that a JSON pointer in fragment form ("#/properties/age") leads to, or the last one on its way. */
const struct node *node_at_pointer(const struct node *root, struct span pointer);

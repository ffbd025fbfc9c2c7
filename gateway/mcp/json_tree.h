/* json-c trees from text that has been validated (json_check, envelope_scan): the same reading of a text as that of the
   spans, and without the tokener's locale work, which costs more than the tree. Any thread. */
#pragma once
#include <json-c/json.h>

#include "gateway/mcp/json.h"

/* The tree of a raw value; a NULL in *ret_tree is JSON null, as json-c has it. Numbers keep their digits: integers as
   int64 or uint64 where they fit, all else as doubles that print as they came. Of duplicate keys the last counts. 0,
   JSON_TREE_NUL or -ENOMEM. */
enum { JSON_TREE_NUL = 1 /* a member's name holds a NUL character, which json-c's names cannot */ };
MUST_USE int json_tree(struct span raw, struct json_object **ret_tree);
/* About how many bytes json_tree() would take for it, rather too many than too few: small things make large trees. */
size_t json_tree_bytes(struct span raw);

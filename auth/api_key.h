/* The API keys of the configuration. Only SHA-256 digests are kept: a key is long and random (weir hash-key's reader is
   told so), so there is nothing that a slow hash would make harder. A look costs the same whichever key was right, or
   none: one digest, compared with every row in constant time. Immutable; any thread. */
#pragma once
#include "auth/settings.h"
#include "gateway/base/text.h"

struct api_key_table;

enum {
    API_KEY_MAX_BYTES = 512,  /* of a key that is shown */
    API_KEY_MIN_BYTES = 16,   /* of one that is hashed for the configuration */
    API_KEY_HEX_BYTES = 64,   /* of its digest there */
    API_KEY_MAX_SCOPES = 256, /* of one key */
    API_KEY_MAX_ROWS = 10000, /* a look at all of them takes about 0.1 ms */
};

/* Copies the rows. 0, -ENOMEM, or -EINVAL (a digest that is not 64 hex digits, no name, too many rows or
   scopes). */
MUST_USE int api_key_table_new(const struct api_key_settings *row, size_t rows, struct api_key_table **ret_table);
void api_key_table_free(struct api_key_table *table); /* NULL is fine */

enum { API_KEY_UNKNOWN = 1 };
/* 0 and the first row with this key, borrowed; API_KEY_UNKNOWN; or -ENOMEM. */
MUST_USE int api_key_find(const struct api_key_table *table, struct span key, const struct api_key_settings **ret_row);

/* What a configuration says of a key: lower-case hex and a NUL. 0, -EINVAL (shorter than API_KEY_MIN_BYTES, longer than
   API_KEY_MAX_BYTES, or with blanks or control characters, which no header can carry), or -ENOMEM. */
MUST_USE int api_key_hash(struct span key, char out[API_KEY_HEX_BYTES + 1]);

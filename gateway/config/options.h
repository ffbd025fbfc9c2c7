/* The options table (options.def) and what can be asked of it. Constant; any thread. */
#pragma once
#include "gateway/config/mistakes.h"
#include "gateway/core/settings.h"

struct node;
struct option_type;

enum option_flags {
    OPTION_REQUIRED = 1 << 0, /* an entry of a list without it is a mistake */
    OPTION_RESTART = 1 << 1,  /* cannot change while the gateway runs */
    OPTION_UNIQUE = 1 << 2,   /* no two entries of a list may have the same */
};

struct option_choice {
    const char *name; /* NULL: end of the table */
    unsigned value;
};

struct option {
    const char *path; /* "limits.max_payload"; in a list's entry the member's name */
    const struct option_type *type;
    size_t offset;        /* of the field in its record */
    size_t width;         /* bytes of the field */
    const char *fallback; /* the default as the file would have it; NULL: none */
    uint64_t minimum, maximum;
    unsigned flags;
    const char *help;
    const struct option_choice *choices; /* of a path: words that are none */
    /* Further rules of a text or of each item of a list: false, and a sentence in `problem`. NULL: none. */
    bool (*check)(struct span value, struct text *problem);
};

/* The rows of one kind of record: struct settings itself, or an entry of a list. */
struct option_table {
    const char *name; /* "" or "listen" */
    const struct option *row;
    size_t rows;
};

struct option_list {
    const char *owner;         /* the name of the table whose records have it: "" or "listen" */
    const char *path;          /* "listen"; in a list's entry the member's name, "tls.sni" */
    struct option_table table; /* its name is that of the list, "listen[].tls.sni" */
    size_t entry_bytes;
    size_t place_offset; /* of the struct place in an entry */
    size_t array_offset; /* of the pointer to the entries in the owner's record */
    size_t count_offset; /* of their size_t count */
    size_t maximum;
    const char *help;
    /* Rules of an entry as a whole; `entry` is its node, a mapping, and may be looked into for places. NULL: none. */
    void (*check)(const struct node *entry, void *record, const char *label, struct mistakes *mistakes);
};

const struct option_table *options_top(void);
const struct option_list *options_lists(size_t *ret_count);
/* The list of that path in the table's records; NULL if there is none. */
const struct option_list *option_find_list(const struct option_table *table, struct span path);

/* By whole path; NULL if there is none. */
const struct option *option_find(const struct option_table *table, struct span path);
/* Whether the path is a section of the table: "limits", "limits.requests". */
bool option_is_section(const struct option_table *table, struct span path);
/* What was probably meant: the nearest path of a row, section or list; absent if none is near. */
struct span option_nearest(const struct option_table *table, struct span path);
/* "limits.max_payload" → "WEIR_LIMITS_MAX_PAYLOAD". False: it has none (lists). */
enum { OPTION_VARIABLE_BYTES = 96 };
bool option_variable(const struct option *option, char out[OPTION_VARIABLE_BYTES]);

/* The option in a record, as the file would have it; "(secret)" instead of a secret, "" if it is not set. */
void option_show(const struct option *option, const void *record, struct text *out);
/* The same value in both. */
bool option_equal(const struct option *option, const void *record, const void *other);
/* Sets all rows of a table to their defaults in a record of zeros. 0 or -ENOMEM. */
MUST_USE int option_defaults(const struct option_table *table, void *record);
/* Calls `each` for every number of the section `limits`, with what it is set to in the settings: bytes, seconds,
   shares, or how many. */
void options_each_limit(const struct settings *settings, void (*each)(void *out, const char *option, double value),
                        void *out);
/* Frees what the rows' fields hold, and the table's lists. */
void option_release(const struct option_table *table, void *record);

/* The page of `weir options`; and its rows alone: a name at the beginning of a line, what is said of it indented. */
void options_print(struct text *out);
void options_print_rows(struct text *out);
/* The manual page weir.yaml(5), in troff. */
void options_manual(struct text *out);
/* The JSON Schema (2020-12) of the file, for editors. 0, or out's error, or -ENOMEM. */
MUST_USE int options_schema(struct text *out);

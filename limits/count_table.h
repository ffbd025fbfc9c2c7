/* How many of a thing each caller has at this moment: connections of a network, calls of a tool under way. A key is in
   the table while it has any, so the table is as large as the number of things, which has a limit of its own. Exact:
   what is taken is given back as it was handed out. Any thread. */
#pragma once
#include "limits/limit_key.h"

struct count_table;
struct counted; /* a key that counts something: whoever has taken one holds it, and gives it back */

/* 0 or -errno. */
MUST_USE int count_table_new(struct count_table **ret_table);
void count_table_free(struct count_table *table); /* NULL is fine */
enum { COUNT_TABLE_FULL = 1 };
/* One more, if the key has fewer than `limit`. 0, COUNT_TABLE_FULL or -ENOMEM. */
MUST_USE int count_table_take(struct count_table *table, const struct limit_key *key, uint64_t limit,
                              struct counted **ret_counted);
void count_table_give(struct count_table *table, struct counted *counted); /* NULL is fine */
uint64_t count_table_count(struct count_table *table, const struct limit_key *key);

/* Patterns over names: `*` is any run of characters, also none, `?` is exactly one (a UTF-8 character), all else is
   itself. There is no escape: names that hold a star or a question mark are matched by `?`. Pure; any thread. */
#pragma once
#include "gateway/base/span.h"

/* Borrows the pattern. */
struct glob {
    struct span pattern;
    size_t literal; /* bytes before the first wildcard */
    bool tail;      /* the one wildcard is a star at the end */
};

struct glob glob_of(struct span pattern);
/* No memory, no recursion; at most about as many steps as the pattern has bytes for each byte of the text. */
bool glob_matches(const struct glob *glob, struct span text);
/* Whether it could match a text that begins with `start`, as far as its own beginning tells: never false for one that
   it does match. */
bool glob_reaches(const struct glob *glob, struct span start);

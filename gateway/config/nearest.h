/* "Did you mean": how far two words are apart. Pure; any thread. */
#pragma once
#include "gateway/base/span.h"

/* Letters to insert, delete, replace, or swap with their neighbour (optimal string alignment), up to NEAREST_FAR, which
   also stands for words longer than NEAREST_MAX_BYTES. ASCII case counts for nothing. */
enum { NEAREST_MAX_BYTES = 80, NEAREST_FAR = 1000 };
unsigned nearest_distance(struct span a, struct span b);
/* Whether a word at that distance is worth naming: a third of the letters, at most. */
bool nearest_is_close(struct span word, unsigned distance);

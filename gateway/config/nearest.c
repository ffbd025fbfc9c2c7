/* Optimal string alignment distance with three rows of the table. Pure; owns nothing. */
#include "gateway/config/nearest.h"

static char fold(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static bool same(struct span a, size_t i, struct span b, size_t j)
{
    return fold(a.at[i]) == fold(b.at[j]);
}

unsigned nearest_distance(struct span a, struct span b)
{
    unsigned rows[3][NEAREST_MAX_BYTES + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    if (a.size > NEAREST_MAX_BYTES || b.size > NEAREST_MAX_BYTES)
        return NEAREST_FAR;
    for (size_t j = 0; j <= b.size; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.size; j++) {
            unsigned replaced = last[j - 1] + (same(a, i - 1, b, j - 1) ? 0 : 1);
            row[j] = MIN(replaced, MIN(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a, i - 1, b, j - 2) && same(a, i - 2, b, j - 1))
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.size];
}

bool nearest_is_close(struct span word, unsigned distance)
{
    return distance <= MAX(word.size / 3, (size_t)1);
}

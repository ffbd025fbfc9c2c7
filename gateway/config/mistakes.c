/* The list of mistakes of one configuration. Owns the sentences until mistakes_done(). One thread. */
#include "gateway/config/mistakes.h"

#include <errno.h>

/* Room for one more row, or NULL: the bound or the memory is reached. */
static struct mistake *add_row(struct mistakes *mistakes)
{
    size_t kept = mistakes->count;
    if (kept >= MISTAKES_MAX)
        return NULL;
    struct mistake *row = realloc(mistakes->row, (kept + 1) * sizeof(*row));
    if (!row) {
        mistakes->error = -ENOMEM;
        return NULL;
    }
    mistakes->row = row;
    return &row[kept];
}

struct text *mistake(struct mistakes *mistakes, struct position at)
{
    struct mistake *row = mistakes->error ? NULL : add_row(mistakes);
    if (!row) {
        mistakes->count += mistakes->error ? 0 : 1;
        mistakes->beyond = TEXT(0);
        return &mistakes->beyond;
    }
    *row = (struct mistake){.at = at, .sentence = TEXT(MISTAKE_MAX_BYTES)};
    mistakes->count++;
    return &row->sentence;
}

void mistake_add_value(struct text *sentence, struct span value)
{
    size_t fits = MIN(value.size, (size_t)MISTAKE_VALUE_BYTES);
    while (fits > 0 && fits < value.size && ((unsigned char)value.at[fits] & 0xc0) == 0x80)
        fits--;
    text_add_json_string(sentence, (struct span){value.at, fits});
    if (fits < value.size)
        text_add_literal(sentence, "...");
}

/* By place; what stands in no file comes last. */
static bool stands_before(struct position a, struct position b)
{
    if ((a.line == 0) != (b.line == 0))
        return b.line == 0;
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* The rows in the order of the file; equals stay in the order they were found. */
static void sort(const struct mistakes *mistakes, size_t kept, size_t *order)
{
    for (size_t i = 0; i < kept; i++) {
        size_t at = i;
        for (; at > 0 && stands_before(mistakes->row[i].at, mistakes->row[order[at - 1]].at); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

/* The code point of a well-formed character. */
static uint32_t code_point(struct span character)
{
    const unsigned char *at = (const unsigned char *)character.at;
    uint32_t value = character.size == 1 ? at[0] : at[0] & (0x7fu >> character.size);
    for (size_t i = 1; i < character.size; i++)
        value = value << 6 | (at[i] & 0x3f);
    return value;
}

/* C0, DEL, C1, line separators and bidirectional controls: what could forge or hide something on a terminal. */
static bool is_dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 || point == 0x061c ||
           point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/* Sentences quote the file, by way of others, too: whatever they hold, the line is one line of visible text. */
static void add_visible(struct span sentence, struct text *out)
{
    while (sentence.size > 0) {
        struct span character = {sentence.at, span_utf8(sentence)};
        bool shown = character.size > 0 && !is_dangerous(code_point(character));
        text_add(out, shown ? character : SPAN("\xef\xbf\xbd")); /* U+FFFD */
        size_t length = MAX(character.size, (size_t)1);
        sentence = (struct span){sentence.at + length, sentence.size - length};
    }
}

void mistakes_write(const struct mistakes *mistakes, const char *source, struct text *out)
{
    size_t order[MISTAKES_MAX], kept = MIN(mistakes->count, (size_t)MISTAKES_MAX);
    sort(mistakes, kept, order);
    for (size_t i = 0; i < kept; i++) {
        const struct mistake *row = &mistakes->row[order[i]];
        if (row->at.line > 0)
            text_addf(out, "%s:%u:%u: ", source, row->at.line, row->at.column);
        add_visible(text_span(&row->sentence), out);
        text_add_char(out, '\n');
    }
    if (mistakes->count > kept)
        text_addf(out, "%s: and %zu mistakes more\n", source, mistakes->count - kept);
    if (mistakes->error)
        text_addf(out, "%s: there is not enough memory to read it\n", source);
}

void mistakes_done(struct mistakes *mistakes)
{
    for (size_t i = 0; i < MIN(mistakes->count, (size_t)MISTAKES_MAX); i++)
        text_done(&mistakes->row[i].sentence);
    free(mistakes->row);
    *mistakes = (struct mistakes){0};
}

/* What is wrong with a configuration: every mistake, not just the first, each with the place where it stands. Written
   out in the order of the file as FILE:LINE:COLUMN: sentence. One thread. */
#pragma once
#include "gateway/base/text.h"

enum { MISTAKES_MAX = 200, MISTAKE_MAX_BYTES = 2048, MISTAKE_VALUE_BYTES = 80 };

/* Both from 1; line 0: it stands in no file (an environment variable, an argument). */
struct position {
    unsigned line;
    unsigned column;
};

struct mistakes {
    struct mistake {
        struct position at;
        struct text sentence;
    } * row;
    size_t count; /* all of them; rows beyond MISTAKES_MAX are counted and not kept */
    struct text beyond;
    int error; /* 0 or -ENOMEM */
};

/* A new mistake: the caller writes its sentence, without a newline, into what is returned. Never NULL. */
struct text *mistake(struct mistakes *mistakes, struct position at);
/* A value as it stands in the file, quoted, escaped and cut at MISTAKE_VALUE_BYTES, so that it cannot spoil a terminal.
 */
void mistake_add_value(struct text *sentence, struct span value);
/* Appends all of them, one line each. `source` is the file's name. */
void mistakes_write(const struct mistakes *mistakes, const char *source, struct text *out);
void mistakes_done(struct mistakes *mistakes);

/* The one growing buffer: made with a maximum, builds bytes, fails once and stays failed (the caller checks at the end).
   Also the one place that knows how to write JSON strings. Not shared between threads. */
#pragma once
#include <stdarg.h>

#include "gateway/base/span.h"

struct text {
    char *at;      /* not NUL-terminated unless text_terminate() was called; NULL while empty */
    size_t size;   /* bytes in use, <= max_bytes */
    size_t room;   /* bytes allocated */
    size_t max_bytes;
    int error;     /* 0, -ENOMEM, or -EMSGSIZE once max_bytes would have been passed; later additions do nothing */
};

#define TEXT(maximum) ((struct text){.max_bytes = (maximum)})

/* Releases the bytes; the text can be used again with the same maximum. */
void text_done(struct text *text);
/* Empties it but keeps the memory, and forgets an error. */
void text_clear(struct text *text);
void text_add(struct text *text, struct span span);
void text_add_char(struct text *text, char byte);
void text_addf(struct text *text, const char *format, ...) PRINTF(2, 3);
void text_add_uint64(struct text *text, uint64_t value);
/* "value" with quotes and RFC 8259 escapes (", \, control characters; nothing else). The bytes must be UTF-8: what is not
   is replaced by U+FFFD, so the output is always valid JSON. */
void text_add_json_string(struct text *text, struct span value);
#define text_add_literal(text, literal) text_add((text), SPAN(literal))
/* Room for at least `bytes` more; returns where they go, or NULL (and text->error is set). Then text->size is the caller's to raise. */
char *text_reserve(struct text *text, size_t bytes);
/* Appends a NUL that is not counted in size. */
void text_terminate(struct text *text);
static inline struct span text_span(const struct text *text)
{
    return (struct span){text->at, text->size};
}
/* 0 and the bytes (the caller frees them), or text->error. The text is empty afterwards. */
MUST_USE int text_take(struct text *text, char **ret_bytes, size_t *ret_size);

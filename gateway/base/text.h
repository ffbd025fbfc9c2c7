/* The one growing buffer: made with a maximum, builds bytes, fails once and stays failed (the caller checks at the
   end). Also the one place that knows how to write JSON strings. Not shared between threads. */
#pragma once
#include <stdarg.h>

#include "gateway/base/span.h"

struct text {
    char *at;    /* not NUL-terminated unless text_terminate() was called; NULL while empty */
    size_t size; /* bytes in use, <= max_bytes */
    size_t room; /* bytes that fit without growing; one more is allocated, for text_terminate() */
    size_t max_bytes;
    int error; /* 0, -ENOMEM, or -EMSGSIZE once max_bytes would have been passed; later additions do nothing */
};

#define TEXT(maximum) ((struct text){.max_bytes = (maximum)})

/* Releases the bytes; the text can be used again with the same maximum. */
void text_done(struct text *text);
/* Empties it but keeps the memory, and forgets an error. */
void text_clear(struct text *text);
/* The same for what lives long: memory of more than `most` bytes is released. */
void text_clear_to(struct text *text, size_t most);
/* The whole span or nothing of it. `span` must not lie in `text` itself. */
static inline void text_add(struct text *text, struct span span);
static inline void text_add_char(struct text *text, char byte);
void text_addf(struct text *text, const char *format, ...) PRINTF(2, 3);
void text_add_uint64(struct text *text, uint64_t value);
/* "value" with quotes and RFC 8259 escapes (", \, control characters; nothing else). The bytes must be UTF-8: each byte
   that is not is replaced by U+FFFD, so the output is always valid JSON. */
void text_add_json_string(struct text *text, struct span value);
#define text_add_literal(text, literal) text_add((text), SPAN(literal))
/* Room for at least `bytes` more; returns where they go, or NULL (and text->error is set). Then text->size is the
   caller's to raise. */
char *text_reserve(struct text *text, size_t bytes);
/* Appends a NUL that is not counted in size. */
void text_terminate(struct text *text);
static inline struct span text_span(const struct text *text)
{
    return (struct span){text->at, text->size};
}
/* 0 and the bytes (the caller frees them; NULL for an empty text that was never terminated), or text->error. Either way
   the text is as after text_done(). */
MUST_USE int text_take(struct text *text, char **ret_bytes, size_t *ret_size);

/* What text_add() does when there is no room: grows, or fails. Not to be called directly. */
void text_add_grow(struct text *text, struct span span);

static inline void text_add(struct text *text, struct span span)
{
    /* 1 <= size <= what is left: an empty span wraps round, so that its start, which may be NULL, is never touched. */
    if (span.size - 1 < text->room - text->size && text->error == 0 && text->at) {
        memcpy(text->at + text->size, span.at, span.size);
        text->size += span.size;
    } else {
        text_add_grow(text, span);
    }
}

static inline void text_add_char(struct text *text, char byte)
{
    if (text->size < text->room && text->error == 0)
        text->at[text->size++] = byte;
    else
        text_add_grow(text, (struct span){&byte, 1});
}

/* One line per event on stderr, logfmt or JSON: time, level, event, then fields. Library code does not log; the edges
   do, once, with context. Any thread; a line is one write(2). Field values may be hostile: control characters (C0, C1,
   DEL), line separators and bidirectional controls are written as JSON escapes, what is not UTF-8 as U+FFFD. A value is
   cut at LOG_VALUE_BYTES, so that it does not push out the fields behind it, and the line at LOG_LINE_BYTES, both with
   "…"; a cut line is still well-formed. Keys and events are ours and written as they are. */
#pragma once
#include "gateway/base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_OFF };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum { LOG_LINE_BYTES = 4096, LOG_VALUE_BYTES = 1024 };

struct log_field {
    const char *key;
    enum log_field_type { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_THOUSANDTHS } type;
    struct span text;
    int64_t number;
};
#define LOG_TEXT(field_key, value)                                                                                     \
    {                                                                                                                  \
        .key = (field_key), .type = LOG_FIELD_TEXT, .text = span_of(value)                                             \
    }
#define LOG_SPAN(field_key, value)                                                                                     \
    {                                                                                                                  \
        .key = (field_key), .type = LOG_FIELD_TEXT, .text = (value)                                                    \
    }
#define LOG_NUMBER(field_key, value)                                                                                   \
    {                                                                                                                  \
        .key = (field_key), .type = LOG_FIELD_NUMBER, .number = (int64_t)(value)                                       \
    }
/* A number of thousandths: LOG_THOUSANDTHS("ms", 1500) is ms=1.500. */
#define LOG_THOUSANDTHS(field_key, value)                                                                              \
    {                                                                                                                  \
        .key = (field_key), .type = LOG_FIELD_THOUSANDTHS, .number = (int64_t)(value)                                  \
    }

/* Process-wide; the level may change at any time from any thread. Default: info, logfmt, stderr. */
void log_set_level(enum log_level level);
enum log_level log_minimum(void);
/* "debug", "info", "warning", "error", "off". */
const char *log_level_word(enum log_level level);
void log_set_format(enum log_format format);
/* A descriptor other than 2, for tests; -1 silences. */
void log_set_descriptor(int descriptor);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

/* For whoever gathers lines, or has a file of its own: the line as log_write() would write it. Returns its bytes. */
size_t log_line(enum log_format format, enum log_level level, const char *event, const struct log_field *fields,
                size_t count, char out[LOG_LINE_BYTES]);
enum log_format log_format(void);
int log_descriptor(void); /* < 0: silenced */

/* log_info("listening", LOG_TEXT("url", url), LOG_NUMBER("reactors", 2)); */
#define LOG_EVENT(level, event, ...)                                                                                   \
    do {                                                                                                               \
        if (log_enabled(level)) {                                                                                      \
            const struct log_field log_fields[] = {{.key = NULL}, ##__VA_ARGS__};                                      \
            log_write(level, event, log_fields + 1, ARRAY_SIZE(log_fields) - 1);                                       \
        }                                                                                                              \
    } while (0)
#define log_debug(event, ...)   LOG_EVENT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)    LOG_EVENT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warning(event, ...) LOG_EVENT(LOG_WARNING, event, ##__VA_ARGS__)
#define log_error(event, ...)   LOG_EVENT(LOG_ERROR, event, ##__VA_ARGS__)

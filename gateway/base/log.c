/* The log: makes one line in a buffer on the stack and writes it with one write(2), so lines of several threads do not
   mix and logging works without memory. Any thread; the three settings are atomic. All that decides what a hostile
   value looks like is in add_value(). */
#include "gateway/base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"

enum {
    LINE_TAIL = 24, /* kept free for the end of a cut line: ,"cut":"…"} and the newline */
    VALUE_TAIL = 4, /* kept free for the end of a cut value: … and a quote */
    NUMBER_BYTES = 24,
};

struct line {
    enum log_format format;
    bool cut; /* a field did not fit; none is added behind it */
    size_t size;
    char *at; /* LOG_LINE_BYTES of the caller's */
};

static _Atomic int minimum = LOG_INFO;
static _Atomic int line_format = LOG_LOGFMT;
static _Atomic int output = STDERR_FILENO;

void log_set_level(enum log_level level)
{
    atomic_store(&minimum, level);
}

enum log_level log_minimum(void)
{
    return (enum log_level)atomic_load(&minimum);
}

const char *log_level_word(enum log_level level)
{
    static const char *const words[] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error", [LOG_OFF] = "off",
    };
    return words[level];
}

void log_set_format(enum log_format format)
{
    atomic_store(&line_format, format);
}

void log_set_descriptor(int descriptor)
{
    atomic_store(&output, descriptor);
}

enum log_format log_format(void)
{
    return (enum log_format)atomic_load_explicit(&line_format, memory_order_relaxed);
}

int log_descriptor(void)
{
    return atomic_load_explicit(&output, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return level < LOG_OFF && (int)level >= atomic_load_explicit(&minimum, memory_order_relaxed) &&
           atomic_load_explicit(&output, memory_order_relaxed) >= 0;
}

/* Adds the bytes if the line stays below `limit`. */
static bool add(struct line *line, struct span added, size_t limit)
{
    if (line->size > limit || added.size > limit - line->size)
        return false;
    if (added.size > 0)
        memcpy(line->at + line->size, added.at, added.size);
    line->size += added.size;
    return true;
}

/* What only an end of a line or value may do: it goes into the bytes kept free for it. */
static void add_end(struct line *line, struct span added)
{
    (void)add(line, added, LOG_LINE_BYTES);
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

/* Characters that could forge or hide something on the reader's screen. */
static bool is_dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || /* C0, DEL, C1 */
           point == 0x2028 || point == 0x2029 ||              /* line and paragraph separator */
           point == 0x061c || point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069); /* bidirectional controls */
}

/* One character as it is, escaped, or U+FFFD for a byte that is no UTF-8. Takes it off `value`. */
static bool add_character(struct line *line, struct span *value, size_t limit)
{
    struct span character = {value->at, span_utf8(*value)};
    struct span written = character.size ? character : SPAN("\xef\xbf\xbd");
    uint32_t point = character.size ? code_point(character) : 0xfffd;
    char escape[8];
    if (point == '"' || point == '\\')
        written = point == '"' ? SPAN("\\\"") : SPAN("\\\\");
    else if (is_dangerous(point))
        written = (struct span){escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)point)};
    if (!add(line, written, limit))
        return false;
    value->at += MAX(character.size, 1);
    value->size -= MAX(character.size, 1);
    return true;
}

/* Nearly all that is logged are such bytes, so they are not looked at one by one. */
enum { BYTE_PLAIN = 1 /* stands for itself in quotes */, BYTE_BARE = 2 /* and without them, in logfmt */ };
static const unsigned char bytes[256] = {
    [' '] = BYTE_PLAIN, ['!'] = BYTE_PLAIN | BYTE_BARE,         ['#' ... '<'] = BYTE_PLAIN | BYTE_BARE,
    ['='] = BYTE_PLAIN, ['>' ... '['] = BYTE_PLAIN | BYTE_BARE, [']' ... '~'] = BYTE_PLAIN | BYTE_BARE,
};

/* How many bytes of that kind the value begins with. */
static size_t run_of(struct span value, unsigned kind)
{
    size_t run = 0;
    while (run < value.size && bytes[(unsigned char)value.at[run]] & kind)
        run++;
    return run;
}

/* logfmt: whether the value can stand without quotes. */
static bool is_bare(struct span value)
{
    return value.size > 0 && run_of(value, BYTE_BARE) == value.size;
}

/* As many plain bytes as fit. Takes them off `value`. */
static void add_plain(struct line *line, struct span *value, size_t limit)
{
    size_t run = MIN(run_of(*value, BYTE_PLAIN), limit > line->size ? limit - line->size : 0);
    (void)add(line, (struct span){value->at, run}, limit);
    value->at += run;
    value->size -= run;
}

static void add_value(struct line *line, struct span value)
{
    bool bare = line->format == LOG_LOGFMT && value.size <= LOG_VALUE_BYTES && is_bare(value);
    size_t line_limit = LOG_LINE_BYTES - LINE_TAIL;
    if (bare && add(line, value, line_limit))
        return;
    add_end(line, SPAN("\""));
    size_t limit = MIN(line->size + LOG_VALUE_BYTES, line_limit);
    size_t fits = line->size; /* where the value can still be cut so that the mark fits as well */
    do {
        size_t start = line->size;
        add_plain(line, &value, limit);
        if (start <= limit - VALUE_TAIL) /* a run can be cut anywhere */
            fits = MIN(line->size, limit - VALUE_TAIL);
        if (value.size == 0 || !add_character(line, &value, limit))
            break;
        fits = line->size <= limit - VALUE_TAIL ? line->size : fits;
    } while (value.size > 0);
    if (value.size > 0) {
        line->size = fits;
        add_end(line, SPAN("\xe2\x80\xa6"));
        line->cut = limit == line_limit;
    }
    add_end(line, SPAN("\""));
}

static bool add_key(struct line *line, const char *key)
{
    bool json = line->format == LOG_JSON;
    size_t before = line->size, limit = LOG_LINE_BYTES - LINE_TAIL - VALUE_TAIL - 2;
    struct span start = json ? SPAN(",\"") : SPAN(" "), end = json ? SPAN("\":") : SPAN("=");
    if (add(line, start, limit) && add(line, span_of(key), limit) && add(line, end, limit))
        return true;
    line->size = before;
    return false;
}

/* Backwards, from the end of `digits`: what snprintf() takes longer for than all else in a line. */
static struct span format_number(const struct log_field *field, char digits[NUMBER_BYTES])
{
    uint64_t rest = field->number < 0 ? 0 - (uint64_t)field->number : (uint64_t)field->number;
    unsigned written = 0, least = field->type == LOG_FIELD_THOUSANDTHS ? 4 : 1;
    char *at = digits + NUMBER_BYTES;
    while (rest > 0 || written < least) {
        if (least == 4 && written == 3)
            *--at = '.';
        *--at = (char)('0' + rest % 10);
        rest /= 10;
        written++;
    }
    if (field->number < 0)
        *--at = '-';
    return (struct span){at, (size_t)(digits + NUMBER_BYTES - at)};
}

static bool add_number(struct line *line, const struct log_field *field)
{
    char digits[NUMBER_BYTES];
    return add(line, format_number(field, digits), LOG_LINE_BYTES - LINE_TAIL);
}

static void add_field(struct line *line, const struct log_field *field)
{
    size_t before = line->size;
    line->cut = !add_key(line, field->key);
    if (line->cut)
        return;
    if (field->type == LOG_FIELD_TEXT)
        add_value(line, field->text);
    else if (!add_number(line, field)) {
        line->size = before;
        line->cut = true;
    }
}

static void start_line(struct line *line, enum log_level level, const char *event)
{
    char time[CLOCK_ISO_BYTES];
    bool json = line->format == LOG_JSON;
    clock_format_iso(clock_wall_ms(), time);
    add_end(line, json ? SPAN("{\"time\":\"") : SPAN("time="));
    add_end(line, span_of(time));
    add_end(line, json ? SPAN("\"") : SPAN(""));
    add_field(line, &(struct log_field)LOG_TEXT("level", log_level_word(level)));
    add_field(line, &(struct log_field)LOG_TEXT("event", event));
}

static void end_line(struct line *line)
{
    bool json = line->format == LOG_JSON;
    if (line->cut)
        add_end(line, json ? SPAN(",\"cut\":\"\xe2\x80\xa6\"") : SPAN(" \xe2\x80\xa6"));
    add_end(line, json ? SPAN("}\n") : SPAN("\n"));
}

size_t log_line(enum log_format format, enum log_level level, const char *event, const struct log_field *fields,
                size_t count, char out[LOG_LINE_BYTES])
{
    struct line line = {.format = format, .at = out};
    start_line(&line, level, event);
    for (size_t i = 0; i < count && !line.cut; i++)
        add_field(&line, &fields[i]);
    end_line(&line);
    return line.size;
}

/* A line that cannot be written is lost: there is nobody left to tell. The caller's errno survives. */
static void write_line(struct span line)
{
    int saved = errno;
    ssize_t written;
    do
        written = write(log_descriptor(), line.at, line.size);
    while (written < 0 && errno == EINTR);
    errno = saved;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    char line[LOG_LINE_BYTES]; /* not zeroed: only what was added is read */
    if (log_enabled(level))
        write_line((struct span){line, log_line(log_format(), level, event, fields, count, line)});
}

/* The tables made from options.def, and the questions about them. Constant data; owns nothing but what defaults put
   into a record. */
#include "gateway/config/options.h"

#include <errno.h>
#include <stdio.h>

#include "auth/identity.h"
#include "gateway/config/checks.h"
#include "gateway/config/nearest.h"
#include "gateway/config/types.h"

enum { SECOND = 1000, MINUTE = 60 * 1000, HOUR = 3600 * 1000, DAY = 24 * 3600 * 1000 };
#define MONTH    (30ull * DAY)
#define REQUIRED OPTION_REQUIRED
#define RESTART  OPTION_RESTART
#define UNIQUE   OPTION_UNIQUE

static const struct option_choice log_levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warning", LOG_WARNING}, {"error", LOG_ERROR}, {"off", LOG_OFF}, {0},
};
static const struct option_choice log_formats[] = {{"logfmt", LOG_LOGFMT}, {"json", LOG_JSON}, {0}};
static const struct option_choice audit_targets[] = {{"stderr", 0}, {"off", 0}, {0}};
static const struct option_choice transport_names[] = {
    {"http", TRANSPORT_HTTP},
    {"websocket", TRANSPORT_WEBSOCKET},
    {"sse", TRANSPORT_SSE},
    {"stream", TRANSPORT_STREAM},
    {0},
};
static const struct option_choice tls_versions[] = {{"1.2", TLS_VERSION_1_2}, {"1.3", TLS_VERSION_1_3}, {0}};
static const struct option_choice client_auths[] = {
    {"none", TLS_CLIENT_NONE}, {"request", TLS_CLIENT_REQUEST}, {"require", TLS_CLIENT_REQUIRE}, {0}};
static const struct option_choice stdin_forms[] = {{"none", false}, {"json", true}, {0}};
static const struct option_choice proof_names[] = {
    {"anonymous", 1U << IDENTITY_ANONYMOUS},
    {"local", 1U << IDENTITY_LOCAL},
    {"certificate", 1U << IDENTITY_CERTIFICATE},
    {"api_key", 1U << IDENTITY_API_KEY},
    {"jwt", 1U << IDENTITY_JWT},
    {"introspection", 1U << IDENTITY_INTROSPECTION},
    {0},
};
static const struct option_choice output_forms[] = {{"text", false}, {"json", true}, {0}};

#define ROW(record, row_path, row_type, field, row_default, low, high, row_flags, row_help, ...)                       \
    {.path = (row_path),                                                                                               \
     .type = &option_type_##row_type,                                                                                  \
     .offset = offsetof(record, field),                                                                                \
     .width = sizeof(((record *)NULL)->field),                                                                         \
     .fallback = (row_default),                                                                                        \
     .minimum = (low),                                                                                                 \
     .maximum = (high),                                                                                                \
     .flags = (row_flags),                                                                                             \
     .help = (row_help),                                                                                               \
     __VA_ARGS__},

static const struct option top_rows[] = {
#define OPTION(...) ROW(struct settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option api_key_rows[] = {
#define API_KEY(...) ROW(struct api_key_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option issuer_rows[] = {
#define ISSUER(...) ROW(struct issuer_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option listener_rows[] = {
#define LISTENER(...) ROW(struct listener_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option sni_rows[] = {
#define SNI(...) ROW(struct tls_sni_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option module_rows[] = {
#define MODULE(...) ROW(struct module_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option command_rows[] = {
#define COMMAND(...) ROW(struct command_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option policy_rows[] = {
#define POLICY(...) ROW(struct policy_rule_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};
static const struct option tool_limit_rows[] = {
#define TOOL_LIMIT(...) ROW(struct tool_limit_settings, __VA_ARGS__)
#include "gateway/config/options.def"
};

#define API_KEY_ROWS    api_key_rows
#define ISSUER_ROWS     issuer_rows
#define LISTENER_ROWS   listener_rows
#define SNI_ROWS        sni_rows
#define MODULE_ROWS     module_rows
#define COMMAND_ROWS    command_rows
#define TOOL_LIMIT_ROWS tool_limit_rows
#define POLICY_ROWS     policy_rows
#define INNER_LIST(list_owner, record, list_path, list_name, rows_of, entry, array, count, most, list_help, ...)       \
    {.owner = (list_owner),                                                                                            \
     .path = (list_path),                                                                                              \
     .table = {.name = (list_name), .row = rows_of##_ROWS, .rows = ARRAY_SIZE(rows_of##_ROWS)},                        \
     .entry_bytes = sizeof(entry),                                                                                     \
     .place_offset = offsetof(entry, place),                                                                           \
     .array_offset = offsetof(record, array),                                                                          \
     .count_offset = offsetof(record, count),                                                                          \
     .maximum = (most),                                                                                                \
     .help = (list_help),                                                                                              \
     __VA_ARGS__},
#define LIST(list_name, ...) INNER_LIST("", struct settings, list_name, list_name, __VA_ARGS__)
static const struct option_list lists[] = {
#include "gateway/config/options.def"
};

const struct option_table *options_top(void)
{
    static const struct option_table top = {.name = "", .row = top_rows, .rows = ARRAY_SIZE(top_rows)};
    return &top;
}

const struct option_list *options_lists(size_t *ret_count)
{
    *ret_count = ARRAY_SIZE(lists);
    return lists;
}

const struct option *option_find(const struct option_table *table, struct span path)
{
    for (size_t i = 0; i < table->rows; i++)
        if (span_is(path, table->row[i].path))
            return &table->row[i];
    return NULL;
}

const struct option_list *option_find_list(const struct option_table *table, struct span path)
{
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (strcmp(lists[i].owner, table->name) == 0 && span_is(path, lists[i].path))
            return &lists[i];
    return NULL;
}

static bool in_section(const char *path, struct span section)
{
    return section.size > 0 && span_starts(span_of(path), section) && path[section.size] == '.';
}

bool option_is_section(const struct option_table *table, struct span path)
{
    for (size_t i = 0; i < table->rows; i++)
        if (in_section(table->row[i].path, path))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (strcmp(lists[i].owner, table->name) == 0 && in_section(lists[i].path, path))
            return true;
    return false;
}

bool option_variable(const struct option *option, char out[OPTION_VARIABLE_BYTES])
{
    if (!option->type->read || option < top_rows || option >= top_rows + ARRAY_SIZE(top_rows))
        return false;
    int size = snprintf(out, OPTION_VARIABLE_BYTES, "WEIR_%s", option->path);
    for (char *at = out; *at; at++)
        *at = *at == '.' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    return size < OPTION_VARIABLE_BYTES;
}

/* ---- did you mean ---- */

struct guess {
    struct span path;
    unsigned distance;
};

static void consider(struct guess *guess, struct span word, struct span path, unsigned distance)
{
    if (path.size > 0 && distance < guess->distance && nearest_is_close(word, distance))
        *guess = (struct guess){path, distance};
}

static void consider_row(struct guess *guess, struct span word, const char *path)
{
    const char *dot = strrchr(path, '.');
    bool misplaced = dot && span_is(word, dot + 1); /* the right name outside of its section */
    consider(guess, word, span_of(path), misplaced ? 0 : nearest_distance(word, span_of(path)));
    for (dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        struct span section = {path, (size_t)(dot - path)};
        consider(guess, word, section, nearest_distance(word, section));
    }
}

struct span option_nearest(const struct option_table *table, struct span path)
{
    struct guess guess = {.distance = NEAREST_FAR};
    for (size_t i = 0; i < table->rows; i++)
        consider_row(&guess, path, table->row[i].path);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (strcmp(lists[i].owner, table->name) == 0)
            consider(&guess, path, span_of(lists[i].path), nearest_distance(path, span_of(lists[i].path)));
    return guess.path;
}

/* ---- records ---- */

void option_show(const struct option *option, const void *record, struct text *out)
{
    option->type->show(option, record, out);
}

bool option_equal(const struct option *option, const void *record, const void *other)
{
    CLEANUP(text_done) struct text a = TEXT(SIZE_MAX), b = TEXT(SIZE_MAX);
    if (option->type->secret) {
        const char *first = *(char *const *)option_field_const(option, record);
        const char *second = *(char *const *)option_field_const(option, other);
        return first && second ? strcmp(first, second) == 0 : first == second;
    }
    option_show(option, record, &a);
    option_show(option, other, &b);
    return a.error == 0 && b.error == 0 && span_equal(text_span(&a), text_span(&b));
}

/* Defaults of types that take nodes are YAML of their own. */
static int read_default_node(const struct option *option, void *record)
{
    struct mistakes mistakes = {0};
    CLEANUP(document_freep) struct document *document = NULL;
    int result = document_parse(span_of(option->fallback), &mistakes, &document);
    if (result == 0)
        result = option->type->read_node(option, record, document_root(document), option->path, &mistakes);
    mistakes_done(&mistakes);
    return result == 0 ? 0 : -ENOMEM;
}

static int read_default(const struct option *option, void *record)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    if (!option->type->read)
        return read_default_node(option, record);
    int result = option->type->read(option, record, span_of(option->fallback), NULL, &problem);
    return result == 0 ? 0 : -ENOMEM;
}

int option_defaults(const struct option_table *table, void *record)
{
    int result = 0;
    for (size_t i = 0; i < table->rows && result == 0; i++)
        if (table->row[i].fallback)
            result = read_default(&table->row[i], record);
    return result;
}

/* As deep as lists are in lists: two levels. */
static void release_list(const struct option_list *list, void *record)
{
    char *entries = *(void **)(void *)((char *)record + list->array_offset);
    size_t *count = (size_t *)(void *)((char *)record + list->count_offset);
    for (size_t i = 0; i < *count; i++)
        option_release(&list->table, entries + i * list->entry_bytes);
    *count = 0;
    *(void **)(void *)((char *)record + list->array_offset) = NULL;
    free(entries);
}

void option_release(const struct option_table *table, void *record)
{
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (strcmp(lists[i].owner, table->name) == 0)
            release_list(&lists[i], record);
    for (size_t i = 0; i < table->rows; i++)
        if (table->row[i].type->release)
            table->row[i].type->release(&table->row[i], record);
}

/* ---- numbers ---- */

static const struct number_unit {
    const struct option_type *type;
    double per_unit; /* of a field, in what is said outside */
} number_units[] = {
    {&option_type_COUNT, 1},
    {&option_type_SIZE, 1},
    {&option_type_DURATION, 1e3},
    {&option_type_FRACTION, 1e6},
};

void options_each_limit(const struct settings *settings, void (*each)(void *out, const char *option, double value),
                        void *out)
{
    const struct option_table *top = options_top();
    for (size_t i = 0; i < top->rows; i++) {
        const struct option *row = &top->row[i];
        if (!span_starts(span_of(row->path), SPAN("limits.")))
            continue;
        for (size_t unit = 0; unit < ARRAY_SIZE(number_units); unit++)
            if (row->type == number_units[unit].type)
                each(out, row->path, (double)option_number(row, settings) / number_units[unit].per_unit);
    }
}

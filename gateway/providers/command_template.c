/* Argument vectors from templates. Each entry is cut into pieces when it is compiled: literal bytes and names. Owns
   copies of all of them; immutable afterwards. */
#include "gateway/providers/command_template.h"

#include <errno.h>

#include "gateway/mcp/json.h"

enum {
    TEMPLATE_MAX_DEPTH = 128,
    SHOWN_BYTES = 100, /* of what people wrote, in a refusal */
    REASON_BYTES = 512,
};

struct piece {
    char *literal;  /* or NULL: a placeholder */
    char *name;     /* or NULL: literal */
    char *fallback; /* a placeholder's default, a raw JSON value; or NULL */
};

struct entry {
    struct piece *piece;
    size_t pieces;
};

struct command_template {
    struct entry *entry;
    size_t entries;
};

static void entry_done(struct entry *entry)
{
    for (size_t i = 0; i < entry->pieces; i++) {
        free(entry->piece[i].literal);
        free(entry->piece[i].name);
        free(entry->piece[i].fallback);
    }
    free(entry->piece);
}

void command_template_free(struct command_template *template)
{
    if (!template)
        return;
    for (size_t i = 0; i < template->entries; i++)
        entry_done(&template->entry[i]);
    free(template->entry);
    free(template);
}

static void command_template_freep(struct command_template **template)
{
    command_template_free(*template);
}

/* Takes what the piece holds; on failure, too. */
static int add_piece(struct entry *entry, struct piece piece)
{
    struct piece *grown = realloc(entry->piece, (entry->pieces + 1) * sizeof(*grown));
    if (grown)
        entry->piece = grown;
    if (grown && (piece.literal || piece.name)) {
        entry->piece[entry->pieces++] = piece;
        return 0;
    }
    free(piece.literal);
    free(piece.name);
    free(piece.fallback);
    return -ENOMEM;
}

static int add_literal(struct entry *entry, const struct text *literal)
{
    if (literal->error)
        return literal->error == -EMSGSIZE ? -EINVAL : literal->error;
    return literal->size == 0 ? 0 : add_piece(entry, (struct piece){.literal = span_copy(text_span(literal))});
}

static int add_placeholder(struct entry *entry, struct span name, struct span properties, struct text *problem)
{
    struct span property = json_find_span(properties, name);
    struct span fallback = json_find(property, "default");
    struct piece piece = {.name = span_copy(name)};
    if (span_absent(property)) {
        free(piece.name);
        text_addf(problem,
                  "{%.*s} is no property of input_schema: add it there, or write {{ and }} for braces that are meant "
                  "as they are",
                  (int)MIN(name.size, SHOWN_BYTES), name.at);
        return -EINVAL;
    }
    if (!span_absent(fallback) && fallback.at[0] != 'n') {
        piece.fallback = span_copy(fallback);
        if (!piece.fallback) {
            free(piece.name);
            return -ENOMEM;
        }
    }
    return add_piece(entry, piece);
}

/* One {name} at the start of *rest, which moves past it. */
static int read_placeholder(struct entry *entry, struct span *rest, struct span properties, struct text *problem)
{
    struct span after = {rest->at + 1, rest->size - 1};
    struct span name = span_cut(&after, '}');
    if (span_absent(after) || name.size == 0 || memchr(name.at, '{', name.size)) {
        text_addf(problem, "a brace opens no {name}: write {{ and }} for braces that are meant as they are");
        return -EINVAL;
    }
    *rest = after;
    return add_placeholder(entry, name, properties, problem);
}

static bool doubled(struct span rest)
{
    return rest.size >= 2 && rest.at[0] == rest.at[1];
}

/* Literal bytes up to the next placeholder. */
static int read_literal(struct span *rest, struct text *literal, struct text *problem)
{
    while (rest->size > 0) {
        bool brace = rest->at[0] == '{' || rest->at[0] == '}';
        size_t step = brace && doubled(*rest) ? 2 : 1;
        if (brace && step == 1 && rest->at[0] == '{')
            return 0;
        if (brace && step == 1) {
            text_addf(problem, "a brace closes nothing: write }} for one that is meant as it is");
            return -EINVAL;
        }
        text_add_char(literal, rest->at[0]);
        rest->at += step;
        rest->size -= step;
    }
    return 0;
}

static int compile_entry(struct entry *entry, struct span source, struct span properties, struct text *problem)
{
    struct span rest = source;
    int r = 0;
    while (rest.size > 0 && r == 0) {
        CLEANUP(text_done) struct text literal = TEXT(COMMAND_MAX_ENTRY_BYTES);
        r = read_literal(&rest, &literal, problem);
        if (r == 0)
            r = add_literal(entry, &literal);
        if (r == 0 && rest.size > 0)
            r = read_placeholder(entry, &rest, properties, problem);
    }
    return r;
}

static bool has_placeholder(const struct entry *entry)
{
    for (size_t i = 0; i < entry->pieces; i++)
        if (entry->piece[i].name)
            return true;
    return false;
}

static int check_run(const struct name_list *run, struct text *problem)
{
    if (run->count > 0 && run->count <= COMMAND_MAX_ENTRIES && run->name[0][0] != '\0')
        return 0;
    if (run->count > COMMAND_MAX_ENTRIES)
        text_addf(problem, "run has more than %d entries", COMMAND_MAX_ENTRIES);
    else
        text_addf(problem, "run is empty: name the program first, then its arguments");
    return -EINVAL;
}

static int compile_entries(struct command_template *template, const struct name_list *run, struct span properties,
                           struct text *problem)
{
    for (size_t i = 0; i < run->count; i++) {
        CLEANUP(text_done) struct text reason = TEXT(REASON_BYTES);
        int r = compile_entry(&template->entry[template->entries++], span_of(run->name[i]), properties, &reason);
        if (r == -EINVAL)
            text_addf(problem, "run[%zu] \"%.100s\": %.*s", i, run->name[i],
                      SPAN_PRINT(reason.size ? text_span(&reason) : SPAN("it is too long")));
        if (r < 0)
            return r;
    }
    if (has_placeholder(&template->entry[0])) {
        text_addf(problem, "run[0] \"%.100s\" is the program and takes no placeholder", run->name[0]);
        return -EINVAL;
    }
    return 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* A raw value of a text that people wrote. */
static struct span without_blanks(struct span json)
{
    while (json.size > 0 && is_blank(json.at[0])) {
        json.at++;
        json.size--;
    }
    while (json.size > 0 && is_blank(json.at[json.size - 1]))
        json.size--;
    return json;
}

int command_template_compile(const struct name_list *run, struct span input_schema,
                             struct command_template **ret_template, struct text *problem)
{
    int r = check_run(run, problem);
    if (r < 0)
        return r;
    if (json_check(input_schema, TEMPLATE_MAX_DEPTH) != 0) {
        text_addf(problem, "input_schema is not JSON");
        return -EINVAL;
    }
    CLEANUP(command_template_freep) struct command_template *template = calloc(1, sizeof(*template));
    if (!template)
        return -ENOMEM;
    template->entry = calloc(run->count, sizeof(*template->entry));
    if (!template->entry)
        return -ENOMEM;
    r = compile_entries(template, run, json_find(without_blanks(input_schema), "properties"), problem);
    if (r < 0)
        return r;
    *ret_template = TAKE(template);
    return 0;
}

/* ---- filling in ---------------------------------------------------------------------------------------------------
 */

void command_vector_done(struct command_vector *vector)
{
    for (size_t i = 0; i < vector->count; i++)
        free(vector->argument[i]);
    free(vector->argument);
    *vector = (struct command_vector){0};
}

/* The raw value of a placeholder, or absent. */
static struct span value_of(const struct piece *piece, struct span arguments)
{
    struct span raw = json_find(arguments, piece->name);
    if (raw.size > 0 && raw.at[0] != 'n')
        return raw;
    return span_of(piece->fallback);
}

static int refuse(struct text *problem, const char *name, const char *why)
{
    text_addf(problem, "/%.*s: %s", SHOWN_BYTES, name, why);
    return COMMAND_TEMPLATE_REFUSED;
}

static int add_value(struct text *out, struct span raw, const char *name, struct text *problem)
{
    size_t before = out->size;
    if (raw.at[0] != '"')
        text_add(out, raw);
    else if (json_string_decode(raw, out) == -ENOMEM)
        return -ENOMEM;
    if (out->error == -ENOMEM)
        return -ENOMEM;
    if (out->error)
        return refuse(problem, name, "is too long for an argument of a program");
    if (out->size > before && memchr(out->at + before, '\0', out->size - before))
        return refuse(problem, name, "holds a NUL character, which no argument of a program can");
    return 0;
}

static bool left_out(const struct entry *entry, struct span arguments)
{
    for (size_t i = 0; i < entry->pieces; i++)
        if (entry->piece[i].name && span_absent(value_of(&entry->piece[i], arguments)))
            return true;
    return false;
}

static int expand_entry(const struct entry *entry, struct span arguments, struct text *out, struct text *problem)
{
    int r = 0;
    for (size_t i = 0; i < entry->pieces && r == 0; i++) {
        const struct piece *piece = &entry->piece[i];
        if (piece->name)
            r = add_value(out, value_of(piece, arguments), piece->name, problem);
        else
            text_add(out, span_of(piece->literal));
    }
    return r;
}

static int expand_next(const struct entry *entry, struct span arguments, struct command_vector *vector, size_t *left,
                       struct text *problem)
{
    CLEANUP(text_done) struct text out = TEXT(MIN(*left, (size_t)COMMAND_MAX_ENTRY_BYTES));
    int r = expand_entry(entry, arguments, &out, problem);
    if (r != 0)
        return r;
    text_terminate(&out);
    if (out.error == -EMSGSIZE) {
        text_addf(problem, "The arguments are too long for a program");
        return COMMAND_TEMPLATE_REFUSED;
    }
    *left -= out.size;
    size_t size;
    r = text_take(&out, &vector->argument[vector->count], &size);
    vector->count += r == 0;
    return r;
}

int command_template_expand(const struct command_template *template, struct span arguments,
                            struct command_vector *ret_vector, struct text *problem)
{
    CLEANUP(command_vector_done) struct command_vector vector = {0};
    size_t left = COMMAND_MAX_VECTOR_BYTES;
    vector.argument = calloc(template->entries + 1, sizeof(*vector.argument));
    if (!vector.argument)
        return -ENOMEM;
    for (size_t i = 0; i < template->entries; i++) {
        const struct entry *entry = &template->entry[i];
        int r = left_out(entry, arguments) ? 0 : expand_next(entry, arguments, &vector, &left, problem);
        if (r != 0)
            return r;
    }
    *ret_vector = vector;
    vector = (struct command_vector){0};
    return 0;
}

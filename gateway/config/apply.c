/* Walks a document beside the options table. Recursion is as deep as lists and sections are: six levels. Owns nothing.
 */
#include "gateway/config/apply.h"

#include <errno.h>
#include <stdio.h>

#include "gateway/config/nearest.h"
#include "gateway/config/types.h"

enum { LABEL_BYTES = 160, INDEX_BYTES = 24 }; /* of a path; of its "[NUMBER]" at the end */

struct walk {
    const char *directory;
    struct mistakes *mistakes;
};

/* The members of one table that are being set, in the file and in memory. */
struct target {
    const struct option_table *table;
    void *record;
    const char *label;   /* "" or "listen[0]" */
    struct span section; /* "limits", or empty */
};

static void make_path(struct span section, struct span key, char out[LABEL_BYTES])
{
    (void)snprintf(out, LABEL_BYTES, "%.*s%s%.*s", SPAN_PRINT(section), section.size ? "." : "", SPAN_PRINT(key));
}

static void report_unknown(struct walk *walk, const struct target *target, const struct node *member, const char *path)
{
    struct span near = option_nearest(target->table, span_of(path));
    struct text *sentence = mistake(walk->mistakes, member->key_at);
    if (*target->label)
        text_addf(sentence, "%s: ", target->label);
    text_add_literal(sentence, "unknown key ");
    mistake_add_value(sentence, span_of(path));
    if (!span_absent(near) && memchr(member->key.at, '.', member->key.size))
        text_addf(sentence, "; dots are nesting: write %.*s as a member of its section", SPAN_PRINT(near));
    else if (!span_absent(near))
        text_addf(sentence, ", did you mean %.*s?", SPAN_PRINT(near));
}

/* One scalar, into its field. */
static int read_scalar(struct walk *walk, const struct option *option, void *record, const struct node *node,
                       const char *label)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    int result = OPTION_WRONG;
    if (node->kind != NODE_SCALAR)
        text_addf(&problem, "must be a single value (%s)", option->type->name);
    else if (node_is_null(node))
        text_addf(&problem, "has no value (%s)", option->type->name);
    else
        result = option->type->read(option, record, node->text, walk->directory, &problem);
    if (result == OPTION_WRONG)
        text_addf(mistake(walk->mistakes, node->at), "%s: %.*s", label, SPAN_PRINT(text_span(&problem)));
    return result;
}

static int read_option(struct walk *walk, const struct target *target, const struct option *option,
                       const struct node *node)
{
    char label[LABEL_BYTES];
    (void)snprintf(label, sizeof(label), "%s%s%s", target->label, *target->label ? "." : "", option->path);
    int result = option->type->read ? read_scalar(walk, option, target->record, node, label)
                                    : option->type->read_node(option, target->record, node, label, walk->mistakes);
    return MIN(result, 0);
}

static int read_list(struct walk *walk, const struct option_list *list, void *owner, const char *label,
                     const struct node *node);

static int read_members(struct walk *walk, const struct target *target, const struct node *node);

static int read_section(struct walk *walk, const struct target *target, const struct node *member, const char *path)
{
    struct target inner = *target;
    inner.section = span_of(path);
    if (node_is_null(member)) /* everything in it is commented out */
        return 0;
    if (member->kind == NODE_MAPPING)
        return read_members(walk, &inner, member);
    text_addf(mistake(walk->mistakes, member->at), "%s%s%s: must be a mapping: its options are indented below it",
              target->label, *target->label ? "." : "", path);
    return 0;
}

static int read_member(struct walk *walk, const struct target *target, const struct node *member)
{
    char path[LABEL_BYTES], label[LABEL_BYTES];
    make_path(target->section, member->key, path);
    bool dotted = memchr(member->key.at, '.', member->key.size) != NULL;
    const struct option *option = dotted ? NULL : option_find(target->table, span_of(path));
    const struct option_list *list = dotted ? NULL : option_find_list(target->table, span_of(path));
    if (option)
        return read_option(walk, target, option, member);
    if (list) {
        make_path(span_of(target->label), span_of(path), label);
        return read_list(walk, list, target->record, label, member);
    }
    if (!dotted && option_is_section(target->table, span_of(path)))
        return read_section(walk, target, member, path);
    report_unknown(walk, target, member, path);
    return 0;
}

static int read_members(struct walk *walk, const struct target *target, const struct node *node)
{
    int result = 0;
    for (const struct node *member = node->first; member && result == 0; member = member->next)
        result = read_member(walk, target, member);
    return result;
}

/* ---- lists of records ---- */

static void check_required(struct walk *walk, const struct target *target, const struct node *entry)
{
    for (size_t i = 0; i < target->table->rows; i++) {
        const struct option *option = &target->table->row[i];
        if ((option->flags & OPTION_REQUIRED) && !node_find(entry, span_of(option->path)))
            text_addf(mistake(walk->mistakes, entry->at), "%s: %s is missing", target->label, option->path);
    }
}

static int read_entry(struct walk *walk, const struct option_list *list, void *record, const struct node *entry,
                      const char *label)
{
    struct target target = {.table = &list->table, .record = record, .label = label};
    int result = option_defaults(&list->table, record);
    if (result < 0)
        return result;
    *(struct place *)(void *)((char *)record + list->place_offset) = (struct place){entry->at.line, entry->at.column};
    if (entry->kind != NODE_MAPPING) {
        text_addf(mistake(walk->mistakes, entry->at), "%s: must be a mapping: {%s: ...}", label,
                  list->table.row[0].path);
        return 0;
    }
    check_required(walk, &target, entry);
    result = read_members(walk, &target, entry);
    if (result == 0 && list->check)
        list->check(entry, record, label, walk->mistakes);
    return result;
}

/* The entries whose value of a UNIQUE row an earlier one has. Quadratic, in at most SETTINGS_MAX_COMMANDS entries. */
static void check_unique(struct walk *walk, const char *label, const struct option *option, const struct node *node)
{
    struct span path = span_of(option->path);
    for (const struct node *entry = node->first; entry; entry = entry->next) {
        const struct node *value = node_find(entry, path), *earlier = node->first;
        while (value && earlier != entry) {
            const struct node *other = node_find(earlier, path);
            if (other && span_equal(other->text, value->text) && value->kind == NODE_SCALAR)
                break;
            earlier = earlier->next;
        }
        if (!value || earlier == entry)
            continue;
        struct text *sentence = mistake(walk->mistakes, value->at);
        text_addf(sentence, "%s: the %s ", label, option->path);
        mistake_add_value(sentence, value->text);
        text_addf(sentence, " is taken by the entry in line %u", earlier->at.line);
    }
}

static int read_entries(struct walk *walk, const struct option_list *list, void *owner, const char *label,
                        const struct node *node)
{
    char entry_label[LABEL_BYTES];
    char *records = calloc(node->children + 1, list->entry_bytes);
    size_t *count = (size_t *)(void *)((char *)owner + list->count_offset);
    int result = 0;
    if (!records)
        return -ENOMEM;
    *(void **)(void *)((char *)owner + list->array_offset) = records;
    for (const struct node *entry = node->first; entry && result == 0; entry = entry->next) {
        void *record = records + *count * list->entry_bytes;
        (void)snprintf(entry_label, sizeof(entry_label), "%.*s[%zu]", LABEL_BYTES - INDEX_BYTES, label, (*count)++);
        result = read_entry(walk, list, record, entry, entry_label);
    }
    for (size_t i = 0; i < list->table.rows; i++)
        if (list->table.row[i].flags & OPTION_UNIQUE)
            check_unique(walk, label, &list->table.row[i], node);
    return result;
}

static int read_list(struct walk *walk, const struct option_list *list, void *owner, const char *label,
                     const struct node *node)
{
    if (node_is_null(node)) /* everything in it is commented out */
        return 0;
    if (node->kind != NODE_SEQUENCE) {
        text_addf(mistake(walk->mistakes, node->at), "%s: must be a list: each entry begins with a dash", label);
        return 0;
    }
    if (node->children > list->maximum) {
        text_addf(mistake(walk->mistakes, node->at), "%s: has %zu entries: %zu at most", label, node->children,
                  list->maximum);
        return 0;
    }
    return read_entries(walk, list, owner, label, node);
}

int apply_document(const struct document *document, const char *directory, struct settings *settings,
                   struct mistakes *mistakes)
{
    const struct node *root = document_root(document);
    struct walk walk = {directory, mistakes};
    struct target target = {.table = options_top(), .record = settings, .label = ""};
    if (!root || node_is_null(root))
        return 0;
    if (root->kind == NODE_MAPPING)
        return read_members(&walk, &target, root);
    text_add_literal(mistake(mistakes, root->at), "a configuration is a mapping, as in \"page_size: 50\"");
    return 0;
}

/* ---- environment ---- */

static const struct option *find_variable(struct span name)
{
    char variable[OPTION_VARIABLE_BYTES];
    const struct option_table *top = options_top();
    for (size_t i = 0; i < top->rows; i++)
        if (option_variable(&top->row[i], variable) && span_is(name, variable))
            return &top->row[i];
    return NULL;
}

/* Somebody else's names may begin with WEIR_ too (Kubernetes makes WEIR_SERVICE_HOST for a service "weir"), so only
   what is nearly one of ours is a slip. */
static void report_variable(struct span name, struct mistakes *mistakes)
{
    enum { SLIP = 2 };
    char variable[OPTION_VARIABLE_BYTES];
    const struct option_table *top = options_top();
    for (size_t i = 0; i < top->rows; i++)
        if (option_variable(&top->row[i], variable) && nearest_distance(name, span_of(variable)) <= SLIP) {
            struct text *sentence = mistake(mistakes, (struct position){0});
            text_add_literal(sentence, "environment: unknown variable ");
            mistake_add_value(sentence, name);
            text_addf(sentence, ", did you mean %s?", variable);
            return;
        }
}

static int apply_variable(struct span name, struct span value, const char *directory, struct settings *settings,
                          struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    const struct option *option = find_variable(name);
    if (!option) {
        report_variable(name, mistakes);
        return 0;
    }
    int result = option->type->read(option, settings, value, directory, &problem);
    if (result == OPTION_WRONG)
        text_addf(mistake(mistakes, (struct position){0}), "environment: %.*s: %.*s", SPAN_PRINT(name),
                  SPAN_PRINT(text_span(&problem)));
    return MIN(result, 0);
}

int apply_environment(char *const *environment, const char *directory, struct settings *settings,
                      struct mistakes *mistakes)
{
    int result = 0;
    for (; environment && *environment && result == 0; environment++) {
        struct span value = span_of(*environment);
        struct span name = span_cut(&value, '=');
        if (span_starts(name, SPAN("WEIR_")) && !span_absent(value))
            result = apply_variable(name, value, directory, settings, mistakes);
    }
    return result;
}

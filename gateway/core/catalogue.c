/* Catalogues: per kind a hash table by key that also keeps the order of registration, and an array in that order. A
   catalogue is immutable once it is finished and may be read by any thread; a builder belongs to whoever made it. */
#include "gateway/core/catalogue.h"

#include <errno.h>
#include <stdatomic.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct slot {
    struct item *item;
    UT_hash_handle hh;
};

struct shelf {
    struct slot *table; /* in the order of ordinals */
    struct item **row;  /* of a finished catalogue: the same, by index */
    size_t rows;
};

struct catalogue {
    _Atomic unsigned references;
    uint64_t next_ordinal;
    struct shelf shelf[ITEM_KINDS];
};

struct catalogue_builder {
    struct catalogue *made; /* not yet seen by anybody */
    struct catalogue *from; /* counted, or NULL */
};

static int shelf_add(struct shelf *shelf, struct item *item)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    if (!slot)
        return -ENOMEM;
    slot->item = item;
    HASH_ADD_KEYPTR(hh, shelf->table, item->key, strlen(item->key), slot);
    if (slot->hh.tbl)
        return 0;
    free(slot);
    return -ENOMEM;
}

static struct slot *shelf_find(const struct shelf *shelf, struct span key)
{
    struct slot *slot = NULL;
    if (key.size > 0)
        HASH_FIND(hh, shelf->table, key.at, key.size, slot);
    return slot;
}

static void shelf_remove(struct shelf *shelf, struct slot *slot)
{
    HASH_DEL(shelf->table, slot);
    item_unref(slot->item);
    free(slot);
}

static void catalogue_free(struct catalogue *catalogue)
{
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++) {
        struct shelf *shelf = &catalogue->shelf[kind];
        while (shelf->table)
            shelf_remove(shelf, shelf->table);
        free(shelf->row);
    }
    free(catalogue);
}

static int copy_shelf(struct shelf *to, const struct shelf *from)
{
    for (size_t i = 0; i < from->rows; i++) {
        int r = shelf_add(to, from->row[i]);
        if (r < 0)
            return r;
        item_ref(from->row[i]);
    }
    return 0;
}

int catalogue_builder_new(struct catalogue *from, struct catalogue_builder **ret_builder)
{
    struct catalogue_builder *builder = calloc(1, sizeof(*builder));
    struct catalogue *made = calloc(1, sizeof(*made));
    int r = builder && made ? 0 : -ENOMEM;
    if (r == 0) {
        builder->made = made;
        builder->from = from ? catalogue_ref(from) : NULL;
        made->references = 1;
        made->next_ordinal = from ? from->next_ordinal : 1;
        for (unsigned kind = 0; from && kind < ITEM_KINDS && r == 0; kind++)
            r = copy_shelf(&made->shelf[kind], &from->shelf[kind]);
    }
    if (r < 0) {
        if (made)
            catalogue_free(made);
        if (builder)
            catalogue_unref(builder->from);
        free(builder);
        return r;
    }
    *ret_builder = builder;
    return 0;
}

void catalogue_builder_free(struct catalogue_builder *builder)
{
    if (!builder)
        return;
    if (builder->made)
        catalogue_free(builder->made);
    catalogue_unref(builder->from);
    free(builder);
}

void catalogue_builder_clear(struct catalogue_builder *builder)
{
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++)
        while (builder->made->shelf[kind].table)
            shelf_remove(&builder->made->shelf[kind], builder->made->shelf[kind].table);
}

int catalogue_builder_add(struct catalogue_builder *builder, struct item *item)
{
    struct shelf *shelf = &builder->made->shelf[item->kind];
    if (shelf_find(shelf, span_of(item->key)))
        return -EEXIST;
    if (HASH_COUNT(shelf->table) >= CATALOGUE_MAX_ITEMS)
        return -ENOSPC;
    int r = shelf_add(shelf, item);
    if (r < 0)
        return r;
    if (item->ordinal == 0) /* an item that is carried over to another catalogue keeps its place */
        item->ordinal = builder->made->next_ordinal++;
    return 0;
}

int catalogue_builder_remove(struct catalogue_builder *builder, enum item_kind kind, struct span key,
                             const struct provider *provider)
{
    struct slot *slot = shelf_find(&builder->made->shelf[kind], key);
    if (!slot || slot->item->provider != provider)
        return -ENOENT;
    shelf_remove(&builder->made->shelf[kind], slot);
    return 0;
}

void catalogue_builder_remove_provider(struct catalogue_builder *builder, const struct provider *provider)
{
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++) {
        struct slot *slot, *next;
        HASH_ITER(hh, builder->made->shelf[kind].table, slot, next)
        if (slot->item->provider == provider)
            shelf_remove(&builder->made->shelf[kind], slot);
    }
}

static int by_ordinal(struct slot *a, struct slot *b)
{
    return a->item->ordinal < b->item->ordinal ? -1 : a->item->ordinal > b->item->ordinal;
}

static int fill_rows(struct shelf *shelf)
{
    HASH_SORT(shelf->table, by_ordinal);
    size_t count = HASH_COUNT(shelf->table);
    shelf->row = calloc(count ? count : 1, sizeof(*shelf->row));
    if (!shelf->row)
        return -ENOMEM;
    for (struct slot *slot = shelf->table; slot; slot = slot->hh.next)
        shelf->row[shelf->rows++] = slot->item;
    return 0;
}

/* Items are what they are for life, so that the same items in the same order are the same list. */
static bool same_rows(const struct shelf *a, const struct shelf *b)
{
    return a->rows == b->rows && memcmp(a->row, b->row, a->rows * sizeof(*a->row)) == 0;
}

static unsigned changed_kinds(const struct catalogue_builder *builder)
{
    static const struct shelf empty;
    unsigned changed = 0;
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++) {
        const struct shelf *before = builder->from ? &builder->from->shelf[kind] : &empty;
        const struct shelf *after = &builder->made->shelf[kind];
        if (before->rows + after->rows > 0 && !same_rows(before, after))
            changed |= 1U << kind;
    }
    return changed;
}

int catalogue_builder_finish(struct catalogue_builder *builder, struct catalogue **ret_catalogue, unsigned *ret_changed)
{
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++) {
        int r = fill_rows(&builder->made->shelf[kind]);
        if (r < 0)
            return r;
    }
    *ret_changed = changed_kinds(builder);
    *ret_catalogue = TAKE(builder->made);
    return 0;
}

struct catalogue *catalogue_ref(struct catalogue *catalogue)
{
    atomic_fetch_add_explicit(&catalogue->references, 1, memory_order_relaxed);
    return catalogue;
}

void catalogue_unref(struct catalogue *catalogue)
{
    if (catalogue && atomic_fetch_sub_explicit(&catalogue->references, 1, memory_order_acq_rel) == 1)
        catalogue_free(catalogue);
}

struct item *catalogue_find(const struct catalogue *catalogue, enum item_kind kind, struct span key)
{
    struct slot *slot = shelf_find(&catalogue->shelf[kind], key);
    return slot ? slot->item : NULL;
}

int catalogue_match(const struct catalogue *catalogue, struct span uri, struct item **ret_item,
                    struct uri_match *ret_match)
{
    const struct shelf *shelf = &catalogue->shelf[ITEM_TEMPLATE];
    for (size_t i = 0; i < shelf->rows; i++)
        if (uri_template_match(shelf->row[i]->uri_template, uri, ret_match) == 0) {
            *ret_item = shelf->row[i];
            return 0;
        }
    return CATALOGUE_NONE;
}

int catalogue_resource(const struct catalogue *catalogue, struct span uri, struct item **ret_item,
                       struct uri_match *ret_match)
{
    struct item *found = catalogue_find(catalogue, ITEM_RESOURCE, uri);
    if (!found)
        return catalogue_match(catalogue, uri, ret_item, ret_match);
    *ret_item = found;
    return 0;
}

/* ---- what changed ---- */

static void add_change(const struct item *item, unsigned *left, struct text *out)
{
    if (*left == 0) {
        out->error = -EMSGSIZE;
        return;
    }
    --*left;
    text_add_char(out, (char)('0' + item->kind));
    text_add(out, span_of(item->key));
    text_add_char(out, '\0');
}

/* Rows are in the order of ordinals, which items keep. */
static void compare_shelves(const struct shelf *before, const struct shelf *after, unsigned *left, struct text *out)
{
    size_t b = 0, a = 0;
    while ((b < before->rows || a < after->rows) && out->error == 0) {
        const struct item *old = b < before->rows ? before->row[b] : NULL;
        const struct item *new = a < after->rows ? after->row[a] : NULL;
        bool gone = old && (!new || old->ordinal < new->ordinal), came = new && (!old || new->ordinal < old->ordinal);
        if (gone || came)
            add_change(gone ? old : new, left, out);
        b += !came;
        a += !gone;
    }
}

void catalogue_add_changes(const struct catalogue *before, const struct catalogue *after, struct text *out)
{
    unsigned left = CATALOGUE_MAX_CHANGES;
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++)
        compare_shelves(&before->shelf[kind], &after->shelf[kind], &left, out);
    if (out->error)
        text_done(out);
}

bool catalogue_next_change(struct span *changes, enum item_kind *ret_kind, struct span *ret_key)
{
    if (changes->size == 0)
        return false;
    struct span record = span_cut(changes, '\0');
    *ret_kind = (enum item_kind)(record.at[0] - '0');
    *ret_key = (struct span){record.at + 1, record.size - 1};
    return true;
}

size_t catalogue_count(const struct catalogue *catalogue, enum item_kind kind)
{
    return catalogue->shelf[kind].rows;
}

struct item *catalogue_at(const struct catalogue *catalogue, enum item_kind kind, size_t index)
{
    return catalogue->shelf[kind].row[index];
}

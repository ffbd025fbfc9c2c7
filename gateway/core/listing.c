/* tools/list, resources/list, resources/templates/list, prompts/list: pages of the catalogue, in the order of
   registration. Runs on the exchange's reactor. The definitions were written out when they were registered; a page is
   their concatenation. */
#include <errno.h>

#include "gateway/core/methods.h"
#include "gateway/core/permission.h"
#include "gateway/core/result.h"
#include "gateway/core/seal.h"
#include "gateway/mcp/cursor.h"

enum { CURSOR_BYTES = 256, SEALED_CURSOR_MS = 24 * 3600 * 1000 };

static const struct list_row {
    enum method method;
    enum item_kind kind;
    const char *member;
    char cursor;
} lists[] = {
    {METHOD_TOOLS_LIST, ITEM_TOOL, "tools", 't'},
    {METHOD_RESOURCES_LIST, ITEM_RESOURCE, "resources", 'r'},
    {METHOD_TEMPLATES_LIST, ITEM_TEMPLATE, "resourceTemplates", 'u'},
    {METHOD_PROMPTS_LIST, ITEM_PROMPT, "prompts", 'p'},
};

static const struct list_row *list_of(enum method method)
{
    size_t i = 0;
    while (lists[i].method != method)
        i++;
    return &lists[i];
}

/* The index of the first item after `ordinal`; items are sorted by it. */
static size_t first_after(const struct catalogue *catalogue, enum item_kind kind, uint64_t ordinal)
{
    size_t low = 0, high = catalogue_count(catalogue, kind);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (catalogue_at(catalogue, kind, middle)->ordinal > ordinal)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* An ordinal tells how many items there are that its reader does not see, so that with a policy it is sealed. */
static void add_cursor(struct text *out, const struct exchange *exchange, const struct list_row *list, uint64_t ordinal)
{
    CLEANUP(text_done) struct text plain = TEXT(CURSOR_BYTES);
    if (!exchange->snapshot->policy) {
        cursor_add(out, list->cursor, ordinal);
        return;
    }
    cursor_add(&plain, list->cursor, ordinal);
    int result =
        seal_add(exchange_gateway(exchange)->seal, exchange, SEALED_CURSOR_MS, SPAN(""), text_span(&plain), out);
    if (result < 0)
        out->error = result;
}

/* 0, CURSOR_INVALID or -ENOMEM. */
static int read_cursor(const struct exchange *exchange, const struct list_row *list, struct span cursor,
                       uint64_t *ret_ordinal)
{
    CLEANUP(text_done) struct text none = TEXT(0), plain = TEXT(CURSOR_BYTES);
    if (!exchange->snapshot->policy)
        return cursor_read(cursor, list->cursor, ret_ordinal);
    if (cursor.size > CURSOR_BYTES)
        return CURSOR_INVALID;
    int result = seal_open(exchange_gateway(exchange)->seal, exchange, cursor, &none, &plain);
    if (result == -ENOMEM)
        return result;
    return result == 0 ? cursor_read(text_span(&plain), list->cursor, ret_ordinal) : CURSOR_INVALID;
}

static bool is_seen(const struct permission *permission, const struct item *item)
{
    return !(item->flags & ITEM_UNLISTED) && (!permission->view.policy || permission_lists(permission, item));
}

static void add_page(struct text *out, const struct exchange *exchange, const struct list_row *list, uint64_t after)
{
    const struct catalogue *catalogue = exchange->snapshot->catalogue;
    const struct settings *settings = exchange_settings(exchange);
    size_t count = catalogue_count(catalogue, list->kind);
    unsigned shown = 0;
    uint64_t last = 0;
    bool more = false;
    struct permission permission;
    permission_of(exchange, &permission);
    text_addf(out, "{\"%s\":[", list->member);
    for (size_t i = first_after(catalogue, list->kind, after); i < count && !more; i++) {
        const struct item *item = catalogue_at(catalogue, list->kind, i);
        if (!is_seen(&permission, item))
            continue;
        if (shown == settings->page_size) {
            more = true;
            continue;
        }
        if (shown++ > 0)
            text_add_char(out, ',');
        text_add(out, item->json);
        last = item->ordinal;
    }
    text_add_char(out, ']');
    if (more) {
        text_add_literal(out, ",\"nextCursor\":\"");
        add_cursor(out, exchange, list, last);
        text_add_char(out, '"');
    }
    if (exchange->era == ERA_MODERN)
        text_addf(out, ",\"ttlMs\":%llu,\"cacheScope\":\"%s\"", (unsigned long long)settings->list_ttl_ms,
                  permission.view.policy ? "private" : "public");
    text_add_char(out, '}');
}

void method_list(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_CURSOR};
    const struct list_row *list = list_of(exchange->method);
    struct span cursor = exchange_text(exchange, MEMBER_CURSOR);
    uint64_t after = 0;
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 0))
        return;
    int result = span_absent(cursor) ? 0 : read_cursor(exchange, list, cursor, &after);
    if (result == CURSOR_INVALID) {
        exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "params.cursor is not one that this list gave");
        return;
    }
    CLEANUP(text_done) struct text page = TEXT(SIZE_MAX);
    if (result == 0)
        add_page(&page, exchange, list, after);
    if (result < 0 || page.error)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        exchange_reply_result(exchange, RESULT_COMPLETE, text_span(&page));
}

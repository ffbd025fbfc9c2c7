/* tools/list, resources/list, resources/templates/list, prompts/list: pages of the catalogue, in the order of
   registration. Runs on the exchange's reactor. The definitions were written out when they were registered; a page is
   their concatenation. */
#include "gateway/core/methods.h"
#include "gateway/core/result.h"
#include "gateway/mcp/cursor.h"

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

static void add_page(struct text *out, const struct exchange *exchange, const struct list_row *list, uint64_t after)
{
    const struct catalogue *catalogue = exchange->snapshot->catalogue;
    const struct settings *settings = exchange_settings(exchange);
    size_t count = catalogue_count(catalogue, list->kind);
    unsigned shown = 0;
    uint64_t last = 0;
    bool more = false;
    text_addf(out, "{\"%s\":[", list->member);
    for (size_t i = first_after(catalogue, list->kind, after); i < count && !more; i++) {
        const struct item *item = catalogue_at(catalogue, list->kind, i);
        if (item->flags & ITEM_UNLISTED)
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
        cursor_add(out, list->cursor, last);
        text_add_char(out, '"');
    }
    if (exchange->era == ERA_MODERN)
        text_addf(out, ",\"ttlMs\":%llu,\"cacheScope\":\"public\"", (unsigned long long)settings->list_ttl_ms);
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
    if (!span_absent(cursor) && cursor_read(cursor, list->cursor, &after) != 0) {
        exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "params.cursor is not one that this list gave");
        return;
    }
    CLEANUP(text_done) struct text result = TEXT(SIZE_MAX);
    add_page(&result, exchange, list, after);
    if (result.error)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        exchange_reply_result(exchange, RESULT_COMPLETE, text_span(&result));
}

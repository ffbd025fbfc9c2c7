/* Walks the newest catalogue once per metric, so that the series of a metric stand together. Any thread; owns nothing.
 */
#include "gateway/ops/metrics_items.h"

#include <inttypes.h>

#include "gateway/ops/totals.h"

void metrics_add_label_value(struct text *out, struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] == '\n')
            text_add_literal(out, "\\n");
        else if (value.at[i] == '"' || value.at[i] == '\\')
            text_addf(out, "\\%c", value.at[i]);
        else
            text_add_char(out, value.at[i]);
    }
}

/* "weir_…{kind="tool",name="echo" */
static void begin_series(struct text *out, const char *metric, const struct item *item)
{
    text_addf(out, "%s{kind=\"%s\",name=\"", metric, item_kind_name(item->kind));
    metrics_add_label_value(out, span_of(item->key));
    text_add_char(out, '"');
}

static bool was_asked_for(const struct item *item)
{
    uint64_t sum = 0;
    for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        sum += totals_load(&item_use(item)->requests[outcome]);
    return sum > 0 && strlen(item->key) <= METRICS_MAX_ITEM_NAME;
}

static void add_requests(void *out, const struct item *item)
{
    for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        uint64_t count = totals_load(&item_use(item)->requests[outcome]);
        if (count == 0)
            continue;
        begin_series(out, "weir_item_requests_total", item);
        text_addf(out, ",outcome=\"%s\"} %" PRIu64 "\n", outcome_name((enum outcome)outcome), count);
    }
}

static void add_duration(void *out, const struct item *item)
{
    begin_series(out, "weir_item_request_duration_seconds_total", item);
    text_addf(out, "} %.9f\n", (double)totals_load(&item_use(item)->duration_ns) / 1e9);
}

void metrics_items_each(const struct catalogue *catalogue, void (*each)(void *context, const struct item *item),
                        void *context)
{
    size_t room = METRICS_MAX_ITEMS;
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++) {
        size_t count = catalogue_count(catalogue, (enum item_kind)kind);
        for (size_t i = 0; i < count && room > 0; i++) {
            const struct item *item = catalogue_at(catalogue, (enum item_kind)kind, i);
            if (!was_asked_for(item))
                continue;
            each(context, item);
            room--;
        }
    }
}

void metrics_items_add(struct text *out, struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    text_add_literal(out, "# HELP weir_item_requests_total Requests that have ended, by what they asked for\n"
                          "# TYPE weir_item_requests_total counter\n");
    metrics_items_each(snapshot->catalogue, add_requests, out);
    text_add_literal(out, "# HELP weir_item_request_duration_seconds_total Time that requests took, by what they asked "
                          "for\n# TYPE weir_item_request_duration_seconds_total counter\n");
    metrics_items_each(snapshot->catalogue, add_duration, out);
    snapshot_unref(snapshot);
}

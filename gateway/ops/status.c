/* Renders the status page from sums taken once at its start. On the reactor that got the request; owns nothing. */
#include "gateway/ops/status.h"

#include <inttypes.h>

#include "gateway/base/clock.h"
#include "gateway/core/guard.h"
#include "gateway/ops/metrics_items.h"
#include "gateway/ops/sources.h"
#include "gateway/ops/totals.h"
#include "gateway/ops/usage.h"

/* "name": with a comma before all but the first member of an object. The names are ours: no escapes. */
static void add_name(struct text *out, const char *name)
{
    if (out->size > 0 && out->at[out->size - 1] != '{')
        text_add_char(out, ',');
    text_addf(out, "\"%s\":", name);
}

static void add_count(struct text *out, const char *name, uint64_t value)
{
    add_name(out, name);
    text_add_uint64(out, value);
}

static void open_object(struct text *out, const char *name)
{
    add_name(out, name);
    text_add_char(out, '{');
}

static void close_object(struct text *out)
{
    text_add_char(out, '}');
}

/* ---- the gateway ---- */

static void add_gateway(struct text *out, struct gateway *gateway)
{
    char started[CLOCK_ISO_BYTES];
    uint64_t now_ms = clock_wall_ms();
    clock_format_iso(gateway->started_wall_ms, started);
    text_addf(out, "\"version\":\"%s\",\"phase\":\"%s\",\"started\":\"%s\"", WEIR_VERSION,
              gateway_phase_name(gateway_phase(gateway)), started);
    add_count(out, "uptime_seconds", (now_ms - MIN(now_ms, gateway->started_wall_ms)) / 1000);
    add_count(out, "threads", gateway->reactors);
}

/* ---- requests ---- */

/* The sum over everything that is not pinned; a pin is an index, or ANY. */
enum { ANY = -1 };
static uint64_t requests(const struct counters *totals, int method, int era, int outcome)
{
    uint64_t sum = 0;
    for (int m = 0; m < METHOD_COUNT; m++)
        for (int e = 0; e < ERA_COUNT; e++)
            for (int o = 0; o < OUTCOME_COUNT; o++)
                if ((method == ANY || method == m) && (era == ANY || era == e) && (outcome == ANY || outcome == o))
                    sum += totals_load(&totals->requests[m][e][o]);
    return sum;
}

static void add_method(struct text *out, const struct counters *totals, int method)
{
    if (requests(totals, method, ANY, ANY) == 0)
        return;
    open_object(out, method_name((enum method)method));
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        uint64_t count = requests(totals, method, ANY, outcome);
        if (count > 0)
            add_count(out, outcome_name((enum outcome)outcome), count);
    }
    close_object(out);
}

static void add_requests(struct text *out, const struct counters *totals)
{
    open_object(out, "requests");
    add_count(out, "total", requests(totals, ANY, ANY, ANY));
    open_object(out, "by_era");
    for (int era = 0; era < ERA_COUNT; era++)
        add_count(out, era_name((enum era)era), requests(totals, ANY, era, ANY));
    close_object(out);
    open_object(out, "by_outcome");
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        add_count(out, outcome_name((enum outcome)outcome), requests(totals, ANY, ANY, outcome));
    close_object(out);
    open_object(out, "by_method");
    for (int method = 0; method < METHOD_COUNT; method++)
        add_method(out, totals, method);
    close_object(out);
    close_object(out);
}

/* Seconds, or null for a negative number. */
static void add_seconds(struct text *out, const char *name, double seconds)
{
    add_name(out, name);
    if (seconds < 0)
        text_add_literal(out, "null");
    else
        text_addf(out, "%.6f", seconds);
}

static void add_latency(struct text *out, const struct counters *totals)
{
    open_object(out, "latency_seconds");
    for (unsigned i = 0; i < ERA_COUNT; i++) {
        enum era era = (enum era)i;
        uint64_t count = totals_requests(totals, era);
        double sum = (double)totals_load(&totals->latency_sum_ns[era]) / 1e9;
        open_object(out, era_name(era));
        add_count(out, "count", count);
        add_seconds(out, "mean", count > 0 ? sum / (double)count : -1);
        add_seconds(out, "p50", totals_quantile(totals, era, 0.50));
        add_seconds(out, "p95", totals_quantile(totals, era, 0.95));
        add_seconds(out, "p99", totals_quantile(totals, era, 0.99));
        close_object(out);
    }
    close_object(out);
}

/* The buckets themselves: whoever looks twice has the latency of the time between. */
static void add_buckets(struct text *out, const struct counters *totals)
{
    text_add_literal(out, ",\"latency_buckets\":{\"bounds_seconds\":[");
    for (unsigned i = 0; i < LATENCY_BUCKETS - 1; i++)
        text_addf(out, "%s%g", i ? "," : "", (double)counters_latency_bound_ns(i) / 1e9);
    text_add_literal(out, "],\"counts\":[");
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        text_addf(out, "%s%" PRIu64, i ? "," : "",
                  totals_load(&totals->latency[ERA_LEGACY][i]) + totals_load(&totals->latency[ERA_MODERN][i]));
    text_add_literal(out, "]}");
}

/* "reason=\"payload\"" of the table → payload */
static void add_refusals(struct text *out, const struct counters *totals)
{
    open_object(out, "refusals");
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        uint64_t count = totals_load(&totals->event[i]);
        struct span labels = span_of(counter_labels((enum counter)i));
        if (count == 0 || strcmp(counter_metric((enum counter)i), "weir_refusals_total") != 0)
            continue;
        (void)span_cut(&labels, '"');
        struct span reason = span_cut(&labels, '"');
        text_addf(out, "%s\"%.*s\":%" PRIu64, out->at[out->size - 1] == '{' ? "" : ",", SPAN_PRINT(reason), count);
    }
    close_object(out);
}

/* ---- what is in use ---- */

static void add_limit(struct text *out, struct quotas *quotas, enum quota_name name)
{
    struct quota *row = &quotas->row[name];
    uint64_t limit = totals_load(&row->limit);
    open_object(out, quota_label(name));
    add_count(out, "used", totals_load(&row->used));
    add_name(out, "limit");
    if (limit == UINT64_MAX)
        text_add_literal(out, "null");
    else
        text_add_uint64(out, limit);
    add_count(out, "highest", totals_load(&row->highest));
    add_count(out, "refused", totals_load(&row->refused));
    add_count(out, "evicted", totals_load(&row->evicted));
    text_addf(out, ",\"option\":\"%s\"", quota_option(name));
    close_object(out);
}

static void add_limits(struct text *out, struct gateway *gateway)
{
    open_object(out, "limits");
    for (unsigned name = 0; name < QUOTA_COUNT; name++)
        add_limit(out, &gateway->quotas, (enum quota_name)name);
    close_object(out);
}

static void add_catalogue(struct text *out, struct gateway *gateway)
{
    static const char *const kinds[ITEM_KINDS] = {
        [ITEM_TOOL] = "tools",
        [ITEM_RESOURCE] = "resources",
        [ITEM_TEMPLATE] = "templates",
        [ITEM_PROMPT] = "prompts",
    };
    struct snapshot *snapshot = gateway_snapshot(gateway);
    open_object(out, "catalogue");
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++)
        add_count(out, kinds[kind], catalogue_count(snapshot->catalogue, (enum item_kind)kind));
    close_object(out);
    snapshot_unref(snapshot);
}

static void add_item(void *out_, const struct item *item)
{
    struct text *out = out_;
    text_addf(out, "%s{\"kind\":\"%s\",\"name\":", out->at[out->size - 1] == '[' ? "" : ",",
              item_kind_name(item->kind));
    text_add_json_string(out, span_of(item->key));
    for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        add_count(out, outcome_name((enum outcome)outcome), totals_load(&item_use(item)->requests[outcome]));
    add_seconds(out, "seconds", (double)totals_load(&item_use(item)->duration_ns) / 1e9);
    text_add_char(out, '}');
}

static void add_items(struct text *out, struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    text_add_literal(out, ",\"items\":[");
    metrics_items_each(snapshot->catalogue, add_item, out);
    text_add_char(out, ']');
    snapshot_unref(snapshot);
}

static void add_certificate(void *out_, const char *address, int64_t expires_s)
{
    struct text *out = out_;
    char expires[CLOCK_ISO_BYTES];
    clock_format_iso((uint64_t)MAX(expires_s, 0) * 1000, expires);
    text_addf(out, "%s{\"listener\":\"%s\",\"expires\":\"%s\"}", out->at[out->size - 1] == '[' ? "" : ",", address,
              expires);
}

static void add_certificates(struct text *out, const struct sources *sources)
{
    text_add_literal(out, ",\"certificates\":[");
    sources_certificates(sources, add_certificate, out);
    text_add_char(out, ']');
}

/* ---- who is calling ---- */

static void add_cache(struct text *out, struct authenticator *authenticator)
{
    struct authenticator_counts counts;
    authenticator_read_counts(authenticator, &counts);
    open_object(out, "cache");
    add_count(out, "entries", counts.cached);
    add_count(out, "found", counts.found);
    add_count(out, "missed", counts.missed);
    add_count(out, "evicted", counts.evicted);
    close_object(out);
}

static void add_issuer(struct text *out, const struct authenticator_issuer *issuer)
{
    char success[CLOCK_ISO_BYTES];
    clock_format_iso(issuer->good_wall_ms, success);
    text_addf(out, "%s{\"issuer\":", out->at[out->size - 1] == '[' ? "" : ",");
    text_add_json_string(out, span_of(issuer->issuer));
    text_addf(out, ",\"introspected\":%s", issuer->introspected ? "true" : "false");
    add_count(out, "keys", issuer->keys);
    add_name(out, "last_success");
    if (issuer->good_wall_ms == 0)
        text_add_literal(out, "null");
    else
        text_addf(out, "\"%s\"", success);
    add_count(out, "failures", issuer->failures);
    add_name(out, "error");
    text_add_json_string(out, span_of(issuer->error));
    text_add_char(out, '}');
}

static void add_authentication(struct text *out, struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    struct authenticator *authenticator = guard_authenticator(snapshot->guard);
    struct authenticator_issuer issuer;
    add_name(out, "authentication");
    if (authenticator) {
        text_add_char(out, '{');
        add_cache(out, authenticator);
        text_add_literal(out, ",\"issuers\":[");
        for (size_t i = 0; authenticator_read_issuer(authenticator, i, &issuer); i++)
            add_issuer(out, &issuer);
        text_add_literal(out, "]}");
    } else {
        text_add_literal(out, "null");
    }
    snapshot_unref(snapshot);
}

/* ---- the process ---- */

static void add_process(struct text *out)
{
    struct usage usage;
    usage_read(&usage);
    open_object(out, "process");
    add_count(out, "resident_bytes", usage.resident_bytes);
    add_count(out, "virtual_bytes", usage.virtual_bytes);
    add_count(out, "open_descriptors", usage.open_descriptors);
    add_count(out, "max_descriptors", usage.max_descriptors);
    add_count(out, "threads", usage.threads);
    add_seconds(out, "cpu_seconds", usage.cpu_seconds);
    close_object(out);
}

int status_render(void *context, struct text *body, int *ret_status)
{
    const struct sources *sources = context;
    struct gateway *gateway = sources->gateway;
    struct counters totals;
    totals_take(gateway, &totals);
    text_add_char(body, '{');
    add_gateway(body, gateway);
    add_requests(body, &totals);
    add_latency(body, &totals);
    add_buckets(body, &totals);
    add_refusals(body, &totals);
    add_limits(body, gateway);
    add_catalogue(body, gateway);
    add_items(body, gateway);
    add_certificates(body, sources);
    add_authentication(body, gateway);
    add_process(body);
    text_add_literal(body, "}\n");
    *ret_status = 200;
    return body->error;
}

/* Renders the metrics page from sums taken once at its start. On the reactor that got the request; owns nothing. */
#include "gateway/ops/metrics.h"

#include <inttypes.h>

#include "gateway/core/tool_limits.h"
#include "gateway/ops/metrics_auth.h"
#include "gateway/ops/metrics_items.h"
#include "gateway/ops/sources.h"
#include "gateway/ops/totals.h"
#include "gateway/ops/traces.h"
#include "gateway/ops/usage.h"

/* HELP and TYPE, once before the series of a metric. Our help texts hold neither backslash nor line feed. */
static void add_head(struct text *out, const char *metric, const char *type, const char *help)
{
    text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

static void add_number(struct text *out, const char *metric, const char *type, const char *help, double value)
{
    add_head(out, metric, type, help);
    text_addf(out, "%s %.17g\n", metric, value);
}

/* ---- what happened ---- */

static void add_event(struct text *out, enum counter name, const struct counters *totals)
{
    const char *labels = counter_labels(name);
    text_add(out, span_of(counter_metric(name)));
    if (*labels)
        text_addf(out, "{%s}", labels);
    text_addf(out, " %" PRIu64 "\n", totals_load(&totals->event[name]));
}

static void add_events(struct text *out, const struct counters *totals)
{
    const char *before = "";
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        const char *metric = counter_metric((enum counter)i);
        if (strcmp(metric, before) != 0)
            add_head(out, metric, "counter", counter_help((enum counter)i));
        add_event(out, (enum counter)i, totals);
        before = metric;
    }
}

static void add_request(struct text *out, enum method method, enum era era, enum outcome outcome, uint64_t count)
{
    if (count > 0)
        text_addf(out, "weir_requests_total{method=\"%s\",era=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                  method_name(method), era_name(era), outcome_name(outcome), count);
}

static void add_requests(struct text *out, const struct counters *totals)
{
    add_head(out, "weir_requests_total", "counter", "Requests that have ended, by method, era and outcome");
    for (unsigned method = 0; method < METHOD_COUNT; method++)
        for (unsigned era = 0; era < ERA_COUNT; era++)
            for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
                add_request(out, (enum method)method, (enum era)era, (enum outcome)outcome,
                            totals_load(&totals->requests[method][era][outcome]));
}

/* The bucket counts are cumulative, and the last one is the count: all from one reading, so that they agree. */
static void add_durations_of(struct text *out, const struct counters *totals, enum era era)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS - 1; i++) {
        sum += totals_load(&totals->latency[era][i]);
        text_addf(out, "weir_request_duration_seconds_bucket{era=\"%s\",le=\"%g\"} %" PRIu64 "\n", era_name(era),
                  (double)counters_latency_bound_ns(i) / 1e9, sum);
    }
    sum += totals_load(&totals->latency[era][LATENCY_BUCKETS - 1]);
    text_addf(out, "weir_request_duration_seconds_bucket{era=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", era_name(era), sum);
    text_addf(out, "weir_request_duration_seconds_sum{era=\"%s\"} %.9f\n", era_name(era),
              (double)totals_load(&totals->latency_sum_ns[era]) / 1e9);
    text_addf(out, "weir_request_duration_seconds_count{era=\"%s\"} %" PRIu64 "\n", era_name(era), sum);
}

static void add_durations(struct text *out, const struct counters *totals)
{
    add_head(out, "weir_request_duration_seconds", "histogram", "Time from a request to the end of its answer, by era");
    for (unsigned era = 0; era < ERA_COUNT; era++)
        add_durations_of(out, totals, (enum era)era);
}

/* ---- what is in use ---- */

static const struct limit_metric {
    const char *metric, *type, *help;
    size_t field; /* of struct quota */
} limit_metrics[] = {
    {"weir_limit_used", "gauge", "In use now, by limit", offsetof(struct quota, used)},
    {"weir_limit_max", "gauge", "How many there may be, by limit", offsetof(struct quota, limit)},
    {"weir_limit_highest", "gauge", "Most that ever were in use, by limit", offsetof(struct quota, highest)},
    {"weir_limit_refused_total", "counter", "Refusals because there may be no more, by limit",
     offsetof(struct quota, refused)},
    {"weir_limit_evicted_total", "counter", "Forgotten to make room, though there was something to remember, by limit",
     offsetof(struct quota, evicted)},
};

static void add_limit(struct text *out, const struct limit_metric *metric, struct gateway *gateway,
                      enum quota_name name)
{
    const char *row = (const char *)&gateway->quotas.row[name];
    uint64_t value = totals_load((const _Atomic uint64_t *)(const void *)(row + metric->field));
    text_addf(out, "%s{limit=\"%s\"} ", metric->metric, quota_label(name));
    if (value == UINT64_MAX)
        text_add_literal(out, "+Inf");
    else
        text_add_uint64(out, value);
    text_add_char(out, '\n');
}

static void add_limits(struct text *out, struct gateway *gateway)
{
    for (size_t i = 0; i < ARRAY_SIZE(limit_metrics); i++) {
        add_head(out, limit_metrics[i].metric, limit_metrics[i].type, limit_metrics[i].help);
        for (unsigned name = 0; name < QUOTA_COUNT; name++)
            add_limit(out, &limit_metrics[i], gateway, (enum quota_name)name);
    }
}

static void add_setting(void *out, const char *option, double value)
{
    text_addf(out, "weir_setting{option=\"%s\"} %.17g\n", option, value);
}

/* Sizes and times are not used up: what they are set to says how far what is counted above can go. */
static void add_settings(struct text *out, const struct sources *sources)
{
    if (!sources->limits)
        return;
    struct snapshot *snapshot = gateway_snapshot(sources->gateway);
    add_head(out, "weir_setting", "gauge", "What limits are set to, by option: bytes, seconds, shares, or how many");
    sources->limits(snapshot->settings, add_setting, out);
    snapshot_unref(snapshot);
}

/* The patterns are made of what labels may hold as it is (check_tool_pattern()). */
static void add_tool_limits(struct text *out, struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    const struct settings *settings = snapshot->settings;
    if (settings->limits.tools > 0)
        add_head(out, "weir_tool_limit_used", "gauge", "Calls under way, by entry of limits.tools");
    for (size_t i = 0; i < settings->limits.tools; i++)
        text_addf(out, "weir_tool_limit_used{match=\"%s\"} %" PRIu64 "\n", settings->limits.tool[i].match,
                  tool_limits_used(gateway, &settings->limits.tool[i]));
    if (settings->limits.tools > 0)
        add_head(out, "weir_tool_limit_max", "gauge", "Most calls under way, by entry of limits.tools; 0: any number");
    for (size_t i = 0; i < settings->limits.tools; i++)
        text_addf(out, "weir_tool_limit_max{match=\"%s\"} %" PRIu64 "\n", settings->limits.tool[i].match,
                  settings->limits.tool[i].in_flight);
    snapshot_unref(snapshot);
}

static void add_catalogue(struct text *out, struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    add_head(out, "weir_catalogue_items", "gauge", "What clients are offered, by kind");
    for (unsigned kind = 0; kind < ITEM_KINDS; kind++)
        text_addf(out, "weir_catalogue_items{kind=\"%s\"} %zu\n", item_kind_name((enum item_kind)kind),
                  catalogue_count(snapshot->catalogue, (enum item_kind)kind));
    snapshot_unref(snapshot);
}

/* ---- the gateway's own state ---- */

/* One series per phase, of which one is 1: an alert on a phase needs no number to be known. */
static void add_phase(struct text *out, struct gateway *gateway)
{
    add_head(out, "weir_phase", "gauge", "1 for the phase that the gateway is in");
    for (unsigned phase = 0; phase <= GATEWAY_STOPPED; phase++)
        text_addf(out, "weir_phase{phase=\"%s\"} %d\n", gateway_phase_name((enum gateway_phase)phase),
                  gateway_phase(gateway) == phase);
}

static void add_certificate(void *out, const char *address, int64_t expires_s)
{
    text_addf(out, "weir_certificate_expiry_timestamp_seconds{listener=\"%s\"} %" PRId64 "\n", address, expires_s);
}

static void add_certificates(struct text *out, const struct sources *sources)
{
    CLEANUP(text_done) struct text series = TEXT(64 * KIB);
    sources_certificates(sources, add_certificate, &series);
    if (series.size == 0)
        return; /* a head without a series is no metric */
    add_head(out, "weir_certificate_expiry_timestamp_seconds", "gauge",
             "When the first certificate of a listener expires, in seconds since 1970");
    text_add(out, text_span(&series));
}

static void add_dropped(struct text *out, const char *reason, uint64_t count)
{
    text_addf(out, "weir_trace_spans_dropped_total{reason=\"%s\"} %" PRIu64 "\n", reason, count);
}

static void add_traces(struct text *out, const struct sources *sources)
{
    struct traces_use use;
    traces_read(sources->traces, &use);
    add_number(out, "weir_trace_spans_exported_total", "counter", "Spans that the collector has taken",
               (double)use.exported);
    add_head(out, "weir_trace_spans_dropped_total", "counter", "Spans that are lost, by reason");
    add_dropped(out, "queue", use.dropped_queue);
    add_dropped(out, "memory", use.dropped_memory);
    add_dropped(out, "refused", use.dropped_refused);
    add_dropped(out, "unreachable", use.dropped_unreachable);
    add_number(out, "weir_trace_export_failures_total", "counter", "Requests to the collector that failed",
               (double)use.failures);
    add_number(out, "weir_trace_queue_spans", "gauge", "Spans that wait for the collector", (double)use.queued);
}

/* ---- the process, under the names that Prometheus's own client libraries use ---- */

static void add_process(struct text *out, const struct gateway *gateway)
{
    struct usage usage;
    usage_read(&usage);
    add_number(out, "process_cpu_seconds_total", "counter", "User and system CPU time", usage.cpu_seconds);
    add_number(out, "process_resident_memory_bytes", "gauge", "Resident memory", (double)usage.resident_bytes);
    add_number(out, "process_virtual_memory_bytes", "gauge", "Virtual memory", (double)usage.virtual_bytes);
    add_number(out, "process_open_fds", "gauge", "Open file descriptors", (double)usage.open_descriptors);
    add_number(out, "process_max_fds", "gauge", "Most file descriptors that may be open",
               (double)usage.max_descriptors);
    add_number(out, "process_start_time_seconds", "gauge", "Start of the gateway, in seconds since 1970",
               (double)gateway->started_wall_ms / 1e3);
}

static void add_build(struct text *out, const struct gateway *gateway)
{
    add_head(out, "weir_build_info", "gauge", "Always 1; its labels say what runs");
    text_add_literal(out, "weir_build_info{version=\"" WEIR_VERSION "\"} 1\n");
    add_number(out, "weir_threads", "gauge", "Reactors, each a thread with its own event loop", gateway->reactors);
}

int metrics_render(void *context, struct text *body, int *ret_status)
{
    const struct sources *sources = context;
    struct gateway *gateway = sources->gateway;
    struct counters totals;
    totals_take(gateway, &totals);
    add_build(body, gateway);
    add_requests(body, &totals);
    add_durations(body, &totals);
    add_events(body, &totals);
    add_limits(body, gateway);
    add_settings(body, sources);
    add_tool_limits(body, gateway);
    add_catalogue(body, gateway);
    metrics_items_add(body, gateway);
    metrics_auth_add(body, gateway);
    add_phase(body, gateway);
    add_certificates(body, sources);
    add_traces(body, sources);
    add_process(body, gateway);
    *ret_status = 200;
    return body->error;
}

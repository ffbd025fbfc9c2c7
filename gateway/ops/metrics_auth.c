/* Reads the authenticator of the newest snapshot, once per metric of issuers, so that the series of a metric stand
   together. Any thread; owns nothing. */
#include "gateway/ops/metrics_auth.h"

#include <inttypes.h>

#include "gateway/core/guard.h"
#include "gateway/ops/metrics_items.h"

/* ---- the table ---- */

static const struct count_series {
    const char *metric, *labels, *type, *help; /* without help: one more series of the metric above */
    size_t field;                              /* of struct authenticator_counts */
} counts_shown[] = {
    {"weir_credential_cache_entries", "", "gauge", "Credentials that are remembered as verified",
     offsetof(struct authenticator_counts, cached)},
    {"weir_credential_cache_lookups_total", "{outcome=\"found\"}", "counter",
     "Looks for a credential that was verified lately, by outcome", offsetof(struct authenticator_counts, found)},
    {"weir_credential_cache_lookups_total", "{outcome=\"missed\"}", NULL, NULL,
     offsetof(struct authenticator_counts, missed)},
    {"weir_credential_cache_evicted_total", "", "counter", "Verified credentials that made room for others",
     offsetof(struct authenticator_counts, evicted)},
    {"weir_issuer_fetches_total", "{outcome=\"ok\"}", "counter", "Keys and introspections asked of issuers, by outcome",
     offsetof(struct authenticator_counts, fetched)},
    {"weir_issuer_fetches_total", "{outcome=\"failed\"}", NULL, NULL, offsetof(struct authenticator_counts, failed)},
    {"weir_issuer_questions_refused_total", "", "counter", "Questions to issuers not asked: too many were open",
     offsetof(struct authenticator_counts, full)},
};

static void add_head(struct text *out, const char *metric, const char *type, const char *help)
{
    text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

static void add_counts(struct text *out, struct authenticator *authenticator)
{
    struct authenticator_counts counts;
    authenticator_read_counts(authenticator, &counts);
    for (size_t i = 0; i < ARRAY_SIZE(counts_shown); i++) {
        const struct count_series *row = &counts_shown[i];
        uint64_t value;
        memcpy(&value, (const char *)&counts + row->field, sizeof(value));
        if (row->help)
            add_head(out, row->metric, row->type, row->help);
        text_addf(out, "%s%s %" PRIu64 "\n", row->metric, row->labels, value);
    }
}

/* ---- the issuers ---- */

static double keys_of(const struct authenticator_issuer *issuer)
{
    return (double)issuer->keys;
}

static double success_of(const struct authenticator_issuer *issuer)
{
    return (double)issuer->good_wall_ms / 1e3;
}

static double failures_of(const struct authenticator_issuer *issuer)
{
    return (double)issuer->failures;
}

static const struct issuer_metric {
    const char *metric, *type, *help;
    double (*value)(const struct authenticator_issuer *issuer);
} issuer_metrics[] = {
    {"weir_issuer_keys", "gauge", "Usable keys of an issuer; 0 of one that is asked about each token", keys_of},
    {"weir_issuer_last_success_timestamp_seconds", "gauge",
     "Last good answer of an issuer, in seconds since 1970; 0: none yet", success_of},
    {"weir_issuer_failures_total", "counter", "Answers of an issuer that were no good, or did not come", failures_of},
};

static void add_issuers(struct text *out, const struct issuer_metric *metric, struct authenticator *authenticator)
{
    struct authenticator_issuer issuer;
    if (!authenticator_read_issuer(authenticator, 0, &issuer))
        return; /* a head without a series is no metric */
    add_head(out, metric->metric, metric->type, metric->help);
    for (size_t i = 0; authenticator_read_issuer(authenticator, i, &issuer); i++) {
        if (strlen(issuer.issuer) > METRICS_MAX_ISSUER_NAME)
            continue;
        text_addf(out, "%s{entry=\"%zu\",issuer=\"", metric->metric, i);
        metrics_add_label_value(out, span_of(issuer.issuer));
        text_addf(out, "\"} %.17g\n", metric->value(&issuer));
    }
}

void metrics_auth_add(struct text *out, struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_snapshot(gateway);
    struct authenticator *authenticator = guard_authenticator(snapshot->guard);
    if (authenticator) {
        add_counts(out, authenticator);
        for (size_t i = 0; i < ARRAY_SIZE(issuer_metrics); i++)
            add_issuers(out, &issuer_metrics[i], authenticator);
    }
    snapshot_unref(snapshot);
}

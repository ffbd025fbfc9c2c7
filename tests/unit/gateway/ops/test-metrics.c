/* Unit tests of gateway/ops/metrics.h. */
#include "tests/unit/gateway/ops/observed.h"

#include <stdio.h>

#include "gateway/ops/metrics.h"
#include "gateway/ops/metrics_items.h"

enum { MAX_METRICS = 100, MS = 1000000 };

static void assert_line(const char *page, const char *line)
{
    struct span rest = span_of(page);
    while (!span_absent(rest))
        if (span_is(span_cut(&rest, '\n'), line))
            return;
    print_error("no line %s in\n%s", line, page);
    fail();
}

static void assert_no_line_begins(const char *page, const char *start)
{
    struct span rest = span_of(page);
    while (!span_absent(rest))
        assert_false(span_starts(span_cut(&rest, '\n'), span_of(start)));
}

static void test_an_idle_gateway(void **state)
{
    struct observed *observed = *state;
    const char *page = observed_render(observed, metrics_render);
    assert_int_equal(observed->status, 200);
    assert_line(page, "weir_build_info{version=\"" WEIR_VERSION "\"} 1");
    assert_line(page, "weir_threads 2");
    assert_line(page, "weir_connections_total 0");
    assert_line(page, "weir_refusals_total{reason=\"payload\"} 0");
    assert_line(page, "weir_catalogue_items{kind=\"tool\"} 0");
    assert_line(page, "weir_limit_max{limit=\"sessions\"} 10");
    assert_line(page, "weir_limit_max{limit=\"tasks\"} +Inf");
    assert_line(page, "weir_request_duration_seconds_count{era=\"modern\"} 0");
    assert_no_line_begins(page, "weir_requests_total{");
}

static void two_limits(const struct settings *settings, void (*each)(void *out, const char *option, double value),
                       void *out)
{
    each(out, "limits.max_sessions", (double)settings->limits.max_sessions);
    each(out, "limits.memory_high", 0.8);
}

static void test_what_is_set(void **state)
{
    struct observed *observed = *state;
    assert_no_line_begins(observed_render(observed, metrics_render), "# TYPE weir_setting ");
    observed->sources.limits = two_limits;
    const char *page = observed_render(observed, metrics_render);
    assert_line(page, "# TYPE weir_setting gauge");
    assert_line(page, "weir_setting{option=\"limits.max_sessions\"} 10");
    assert_line(page, "weir_setting{option=\"limits.memory_high\"} 0.80000000000000004");
}

static void test_what_was_counted(void **state)
{
    struct observed *observed = *state;
    struct quotas *quotas = &observed->gateway->quotas;
    for (unsigned reactor = 0; reactor < 2; reactor++) {
        counter_add(observed_counters(observed, reactor), COUNTER_REFUSED_PAYLOAD, 2 + reactor);
        counters_request(observed_counters(observed, reactor), METHOD_TOOLS_CALL, ERA_MODERN, OUTCOME_OK, 3 * MS);
    }
    counters_request(observed_counters(observed, 0), METHOD_UNKNOWN, ERA_LEGACY, OUTCOME_REFUSED, 90000 * (uint64_t)MS);
    assert_int_equal(quota_take(quotas, QUOTA_SESSIONS, 7), 0);
    quota_give(quotas, QUOTA_SESSIONS, 4);
    assert_int_equal(quota_take(quotas, QUOTA_SESSIONS, 8), QUOTA_REFUSED);

    const char *page = observed_render(observed, metrics_render);
    assert_line(page, "weir_refusals_total{reason=\"payload\"} 5");
    assert_line(page, "weir_requests_total{method=\"tools/call\",era=\"modern\",outcome=\"ok\"} 2");
    assert_line(page, "weir_requests_total{method=\"unknown\",era=\"legacy\",outcome=\"refused\"} 1");
    assert_no_line_begins(page, "weir_requests_total{method=\"ping\"");
    assert_line(page, "weir_limit_used{limit=\"sessions\"} 3");
    assert_line(page, "weir_limit_highest{limit=\"sessions\"} 7");
    assert_line(page, "weir_limit_refused_total{limit=\"sessions\"} 1");
    /* 3 ms is above 2.5 ms; buckets are cumulative. */
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"modern\",le=\"5e-05\"} 0");
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"modern\",le=\"0.0025\"} 0");
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"modern\",le=\"0.005\"} 2");
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"modern\",le=\"60\"} 2");
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"modern\",le=\"+Inf\"} 2");
    assert_line(page, "weir_request_duration_seconds_sum{era=\"modern\"} 0.006000000");
    assert_line(page, "weir_request_duration_seconds_count{era=\"modern\"} 2");
    /* Slower than all bounds. */
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"legacy\",le=\"60\"} 0");
    assert_line(page, "weir_request_duration_seconds_bucket{era=\"legacy\",le=\"+Inf\"} 1");
    quota_give(quotas, QUOTA_SESSIONS, 3);
}

static const char tool[] = "{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}";

static void test_items(void **state)
{
    struct observed *observed = *state;
    char long_uri[METRICS_MAX_ITEM_NAME + 2] = "x:";
    memset(long_uri + 2, 'a', sizeof(long_uri) - 3);
    struct item *echo = observed_offer(observed, ITEM_TOOL, "echo", tool);
    struct item *odd = observed_offer(observed, ITEM_RESOURCE, "x:a\"b\\c\nd", "{\"name\":\"odd\"}");
    struct item *endless = observed_offer(observed, ITEM_RESOURCE, long_uri, "{\"name\":\"long\"}");
    observed_offer(observed, ITEM_RESOURCE, "x:unused", "{\"name\":\"unused\"}");
    assert_no_line_begins(observed_render(observed, metrics_render), "weir_item_requests_total{");
    item_count(echo, OUTCOME_OK, 3 * MS);
    item_count(echo, OUTCOME_OK, 4 * MS);
    item_count(echo, OUTCOME_TOOL_ERROR, 1 * MS);
    item_count(odd, OUTCOME_OK, 1);
    item_count(endless, OUTCOME_OK, 1);
    const char *page = observed_render(observed, metrics_render);
    assert_line(page, "weir_item_requests_total{kind=\"tool\",name=\"echo\",outcome=\"ok\"} 2");
    assert_line(page, "weir_item_requests_total{kind=\"tool\",name=\"echo\",outcome=\"tool_error\"} 1");
    assert_line(page, "weir_item_request_duration_seconds_total{kind=\"tool\",name=\"echo\"} 0.008000000");
    assert_line(page, "weir_item_requests_total{kind=\"resource\",name=\"x:a\\\"b\\\\c\\nd\",outcome=\"ok\"} 1");
    assert_no_line_begins(page, "weir_item_requests_total{kind=\"resource\",name=\"x:unused");
    assert_no_line_begins(page, "weir_item_requests_total{kind=\"resource\",name=\"x:aaaa");
}

/* There are more items than series: the first ones have theirs, each of them in every metric. */
static void test_items_are_bounded(void **state)
{
    struct observed *observed = *state;
    for (unsigned i = 0; i <= METRICS_MAX_ITEMS; i++) {
        char uri[32];
        (void)snprintf(uri, sizeof(uri), "x:%u", i);
        item_count(observed_offer(observed, ITEM_RESOURCE, uri, "{\"name\":\"one\"}"), OUTCOME_OK, 1);
    }
    const char *page = observed_render(observed, metrics_render);
    assert_line(page, "weir_item_requests_total{kind=\"resource\",name=\"x:999\",outcome=\"ok\"} 1");
    assert_line(page, "weir_item_request_duration_seconds_total{kind=\"resource\",name=\"x:999\"} 0.000000001");
    assert_no_line_begins(page, "weir_item_requests_total{kind=\"resource\",name=\"x:1000\"");
    assert_line(page, "weir_catalogue_items{kind=\"resource\"} 1001");
}

static void two_certificates(void *context UNUSED, void (*each)(void *out, const char *address, int64_t expires_s),
                             void *out)
{
    each(out, "127.0.0.1:8443", 1800000000);
    each(out, "[::1]:8443", 0);
}

static void test_state(void **state)
{
    struct observed *observed = *state;
    const char *page = observed_render(observed, metrics_render);
    assert_line(page, "weir_phase{phase=\"ready\"} 1");
    assert_line(page, "weir_phase{phase=\"draining\"} 0");
    assert_no_line_begins(page, "# HELP weir_certificate_expiry_timestamp_seconds");
    atomic_store(&observed->gateway->phase, GATEWAY_DRAINING);
    observed->sources.certificates = two_certificates;
    page = observed_render(observed, metrics_render);
    assert_line(page, "weir_phase{phase=\"ready\"} 0");
    assert_line(page, "weir_phase{phase=\"draining\"} 1");
    assert_line(page, "weir_certificate_expiry_timestamp_seconds{listener=\"127.0.0.1:8443\"} 1800000000");
    assert_line(page, "weir_certificate_expiry_timestamp_seconds{listener=\"[::1]:8443\"} 0");
}

/* One key, shown twice, and an issuer whose keys cannot be fetched: nothing listens on the port of its URL. */
static void test_authentication(void **state)
{
    struct observed *observed = *state;
    char name[] = "alice", digest[] = "69caea651ae3c840b1299c866af70f93510abf1a331a089d82ff40bbda2df6bc";
    char url[] = "https://i.example/a\"b", audience[] = "https://gw.example", keys[] = "http://127.0.0.1:1/jwks";
    struct api_key_settings api_key = {.name = name, .sha256 = digest};
    struct issuer_settings issuer = {.issuer = url, .audience = audience, .jwks = keys};
    struct address address = {.size = 0};
    const struct credentials shown = {.api_key = SPAN("alice-alice-alice-alice-alice-alice-alice"),
                                      .address = &address};
    struct identity *identity = NULL;
    const char *why;
    assert_no_line_begins(observed_render(observed, metrics_render), "# HELP weir_credential_cache");
    observed->settings.auth = (struct auth_settings){.api_key = &api_key, .api_keys = 1, .max_cached = 10};
    observed->settings.auth.cache_ms = observed->settings.auth.jwks_ttl_ms = 60000;
    struct authenticator *authenticator = observed_reload(observed);
    assert_no_line_begins(observed_render(observed, metrics_render), "# HELP weir_issuer_keys");
    assert_int_equal(authenticator_verify(authenticator, &shown, NULL, &identity, &why), 0);
    identity_unref(identity);
    assert_int_equal(authenticator_find(authenticator, &shown, &identity), 0);
    identity_unref(identity);
    const char *page = observed_render(observed, metrics_render);
    assert_line(page, "weir_credential_cache_entries 1");
    assert_line(page, "weir_credential_cache_lookups_total{outcome=\"found\"} 1");
    assert_line(page, "weir_credential_cache_lookups_total{outcome=\"missed\"} 1");
    assert_line(page, "weir_credential_cache_evicted_total 0");
    observed->settings.auth.issuer = &issuer;
    observed->settings.auth.issuers = 1;
    observed_reload(observed);
    page = observed_render(observed, metrics_render);
    assert_line(page, "weir_issuer_keys{entry=\"0\",issuer=\"https://i.example/a\\\"b\"} 0");
    assert_line(page, "weir_issuer_last_success_timestamp_seconds{entry=\"0\",issuer=\"https://i.example/a\\\"b\"} 0");
}

/* The metric that a series belongs to: without the suffixes of a histogram. */
static struct span family(struct span line, const char *type)
{
    struct span rest = line;
    struct span name = span_cut(&rest, ' ');
    rest = name;
    name = span_cut(&rest, '{');
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; i < ARRAY_SIZE(suffixes) && strcmp(type, "histogram") == 0; i++)
        if (span_ends(name, span_of(suffixes[i])))
            name.size -= strlen(suffixes[i]);
    return name;
}

/* Text exposition format: HELP and TYPE once per metric, then its series and nobody else's, each ending in a number. */
static void test_form(void **state)
{
    static char seen[MAX_METRICS][128], name[128], type[16];
    struct observed *observed = *state;
    struct span rest = span_of(observed_render(observed, metrics_render));
    size_t metrics = 0;
    assert_true(span_ends(rest, SPAN("\n")));
    rest.size--;
    while (!span_absent(rest)) {
        struct span line = span_cut(&rest, '\n');
        char copy[512], end[2];
        assert_true(line.size < sizeof(copy));
        (void)snprintf(copy, sizeof(copy), "%.*s", SPAN_PRINT(line));
        if (sscanf(copy, "# HELP %127s %1s", name, end) == 2) {
            for (size_t i = 0; i < metrics; i++)
                assert_string_not_equal(seen[i], name);
            assert_true(metrics < MAX_METRICS);
            (void)snprintf(seen[metrics++], sizeof(seen[0]), "%s", name);
            char before[128];
            (void)snprintf(before, sizeof(before), "%s", name);
            line = span_cut(&rest, '\n');
            (void)snprintf(copy, sizeof(copy), "%.*s", SPAN_PRINT(line));
            assert_int_equal(sscanf(copy, "# TYPE %127s %15s", name, type), 2);
            assert_string_equal(before, name);
            assert_int_equal(strcmp(type, "counter") == 0, span_ends(span_of(name), SPAN("_total")));
            continue;
        }
        assert_true(span_is(family(line, type), name));
        char *number = strrchr(copy, ' ');
        char *stop = NULL;
        assert_non_null(number);
        (void)strtod(number + 1, &stop);
        assert_true(stop != number + 1 && *stop == '\0');
    }
    assert_true(metrics > 20);
}

/* A body without room is an error, not a cut page. */
static void test_no_room(void **state)
{
    struct observed *observed = *state;
    CLEANUP(text_done) struct text small = TEXT(1000);
    int status = 0;
    assert_true(metrics_render(&observed->sources, &small, &status) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_idle_gateway, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_set, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_counted, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_items, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_items_are_bounded, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_state, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_authentication, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_form, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_no_room, observed_setup, observed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

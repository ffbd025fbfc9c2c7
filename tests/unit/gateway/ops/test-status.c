/* Unit tests of gateway/ops/status.h: the page read back by json-c. */
#include "tests/unit/gateway/ops/observed.h"

#include <json-c/json.h>

#include "gateway/base/clock.h"
#include "gateway/ops/status.h"

enum { MS = 1000000 };

static struct json_object *render(struct observed *observed)
{
    struct json_tokener *strict = json_tokener_new();
    json_tokener_set_flags(strict, JSON_TOKENER_STRICT);
    const char *page = observed_render(observed, status_render);
    struct json_object *root = json_tokener_parse_ex(strict, page, (int)observed->body.size);
    assert_int_equal(json_tokener_get_error(strict), json_tokener_success);
    json_tokener_free(strict);
    assert_int_equal(observed->status, 200);
    return root;
}

/* "requests by_era modern"; fails where there is no such member. */
static struct json_object *at(struct json_object *root, const char *path)
{
    struct span rest = span_of(path);
    while (!span_absent(rest)) {
        char *key = span_copy(span_cut(&rest, ' '));
        assert_true(json_object_object_get_ex(root, key, &root));
        free(key);
    }
    return root;
}

static void assert_number(struct json_object *root, const char *path, int64_t number)
{
    print_message("%s\n", path);
    assert_true(json_object_is_type(at(root, path), json_type_int));
    assert_true(json_object_get_int64(at(root, path)) == number);
}

static void assert_text(struct json_object *root, const char *path, const char *text)
{
    assert_string_equal(json_object_get_string(at(root, path)), text);
}

static void test_an_idle_gateway(void **state)
{
    struct observed *observed = *state;
    struct json_object *root = render(observed);
    assert_text(root, "version", WEIR_VERSION);
    assert_text(root, "phase", "ready");
    assert_number(root, "threads", 2);
    assert_number(root, "requests total", 0);
    assert_number(root, "requests by_outcome cancelled", 0);
    assert_int_equal(json_object_object_length(at(root, "requests by_method")), 0);
    assert_null(at(root, "latency_seconds modern p50"));
    assert_null(at(root, "latency_seconds legacy mean"));
    assert_number(root, "limits sessions limit", 10);
    assert_text(root, "limits sessions option", "limits.max_sessions");
    assert_null(at(root, "limits tasks limit"));
    assert_number(root, "catalogue tools", 0);
    assert_true(json_object_get_int64(at(root, "process resident_bytes")) > 0);
    assert_true(json_object_get_int64(at(root, "process open_descriptors")) > 0);
    json_object_put(root);
}

static void test_what_was_counted(void **state)
{
    struct observed *observed = *state;
    counters_request(observed_counters(observed, 0), METHOD_TOOLS_CALL, ERA_MODERN, OUTCOME_OK, 60000);
    counters_request(observed_counters(observed, 1), METHOD_TOOLS_CALL, ERA_LEGACY, OUTCOME_TOOL_ERROR, 3 * MS);
    counters_request(observed_counters(observed, 1), METHOD_PING, ERA_LEGACY, OUTCOME_OK, 1 * MS);
    assert_int_equal(quota_take(&observed->gateway->quotas, QUOTA_STREAMS, 3), 0);
    assert_int_equal(quota_take(&observed->gateway->quotas, QUOTA_STREAMS, 30), QUOTA_REFUSED);
    quota_give(&observed->gateway->quotas, QUOTA_STREAMS, 1);
    counter_add(observed_counters(observed, 0), COUNTER_REFUSED_PAYLOAD, 2);
    counter_add(observed_counters(observed, 1), COUNTER_REFUSED_MEDIA, 1);
    struct json_object *root = render(observed);
    assert_int_equal(json_object_object_length(at(root, "refusals")), 2);
    assert_number(root, "refusals payload", 2);
    assert_number(root, "refusals media", 1);
    struct json_object *counts = at(root, "latency_buckets counts");
    assert_int_equal(json_object_array_length(counts), LATENCY_BUCKETS);
    assert_int_equal(json_object_array_length(at(root, "latency_buckets bounds_seconds")), LATENCY_BUCKETS - 1);
    assert_int_equal(json_object_get_int(json_object_array_get_idx(counts, 1)), 1); /* 60 µs */
    assert_int_equal(json_object_get_int(json_object_array_get_idx(counts, 4)), 1); /* 1 ms */
    assert_int_equal(json_object_get_int(json_object_array_get_idx(counts, 6)), 1); /* 3 ms */
    assert_number(root, "requests total", 3);
    assert_number(root, "requests by_era modern", 1);
    assert_number(root, "requests by_era legacy", 2);
    assert_number(root, "requests by_outcome ok", 2);
    assert_number(root, "requests by_outcome tool_error", 1);
    assert_int_equal(json_object_object_length(at(root, "requests by_method")), 2);
    assert_number(root, "requests by_method tools/call ok", 1);
    assert_number(root, "requests by_method tools/call tool_error", 1);
    assert_int_equal(json_object_object_length(at(root, "requests by_method ping")), 1);
    assert_number(root, "latency_seconds modern count", 1);
    assert_text(root, "latency_seconds modern mean", "0.000060");
    assert_text(root, "latency_seconds modern p50", "0.000075");
    assert_text(root, "latency_seconds legacy mean", "0.002000");
    assert_number(root, "limits streams used", 2);
    assert_number(root, "limits streams highest", 3);
    assert_number(root, "limits streams refused", 1);
    json_object_put(root);
    quota_give(&observed->gateway->quotas, QUOTA_STREAMS, 2);
}

static void one_certificate(void *context UNUSED, void (*each)(void *out, const char *address, int64_t expires_s),
                            void *out)
{
    each(out, "127.0.0.1:8443", 90);
    each(out, "unix:/run/weir.sock", 1800000000);
}

static void test_items_and_certificates(void **state)
{
    struct observed *observed = *state;
    struct json_object *root = render(observed);
    assert_int_equal(json_object_array_length(at(root, "items")), 0);
    assert_int_equal(json_object_array_length(at(root, "certificates")), 0);
    json_object_put(root);
    observed->sources.certificates = one_certificate;
    struct item *echo =
        observed_offer(observed, ITEM_TOOL, "echo", "{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}}");
    item_count(echo, OUTCOME_OK, 2 * MS);
    item_count(echo, OUTCOME_ERROR, 1 * MS);
    item_count(observed_offer(observed, ITEM_RESOURCE, "x:\"\\", "{\"name\":\"odd\"}"), OUTCOME_OK, 1);
    root = render(observed);
    assert_int_equal(json_object_array_length(at(root, "items")), 2);
    struct json_object *item = json_object_array_get_idx(at(root, "items"), 0);
    assert_text(item, "kind", "tool");
    assert_text(item, "name", "echo");
    assert_number(item, "ok", 1);
    assert_number(item, "error", 1);
    assert_number(item, "cancelled", 0);
    assert_text(item, "seconds", "0.003000");
    assert_text(json_object_array_get_idx(at(root, "items"), 1), "name", "x:\"\\");
    assert_int_equal(json_object_array_length(at(root, "certificates")), 2);
    assert_text(json_object_array_get_idx(at(root, "certificates"), 0), "listener", "127.0.0.1:8443");
    assert_text(json_object_array_get_idx(at(root, "certificates"), 0), "expires", "1970-01-01T00:01:30.000Z");
    json_object_put(root);
}

static void test_phase_and_time(void **state)
{
    struct observed *observed = *state;
    static const char *const phases[] = {"starting", "ready", "leaving", "draining", "stopped"};
    clock_fake(0, 90 * 1000 + 999);
    observed->gateway->started_wall_ms = 1000;
    for (int phase = 0; phase < (int)ARRAY_SIZE(phases); phase++) {
        atomic_store(&observed->gateway->phase, phase);
        struct json_object *root = render(observed);
        assert_text(root, "phase", phases[phase]);
        assert_text(root, "started", "1970-01-01T00:00:01.000Z");
        assert_number(root, "uptime_seconds", 89);
        json_object_put(root);
    }
    clock_fake(0, 0); /* the clock was set back */
    struct json_object *root = render(observed);
    assert_number(root, "uptime_seconds", 0);
    json_object_put(root);
    clock_fake_end();
}

static void test_authentication(void **state)
{
    struct observed *observed = *state;
    char url[] = "https://i.example/\"", audience[] = "https://gw.example", keys[] = "http://127.0.0.1:1/jwks";
    struct issuer_settings issuer = {.issuer = url, .audience = audience, .jwks = keys};
    struct json_object *root = render(observed);
    assert_null(at(root, "authentication"));
    json_object_put(root);
    observed->settings.auth = (struct auth_settings){
        .issuer = &issuer, .issuers = 1, .cache_ms = 60000, .jwks_ttl_ms = 60000, .max_cached = 10};
    observed_reload(observed);
    root = render(observed);
    assert_number(root, "authentication cache entries", 0);
    assert_number(root, "authentication cache evicted", 0);
    assert_int_equal(json_object_array_length(at(root, "authentication issuers")), 1);
    struct json_object *first = json_object_array_get_idx(at(root, "authentication issuers"), 0);
    assert_text(first, "issuer", "https://i.example/\"");
    assert_number(first, "keys", 0);
    assert_null(at(first, "last_success"));
    json_object_put(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_idle_gateway, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_counted, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_items_and_certificates, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_phase_and_time, observed_setup, observed_teardown),
        cmocka_unit_test_setup_teardown(test_authentication, observed_setup, observed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

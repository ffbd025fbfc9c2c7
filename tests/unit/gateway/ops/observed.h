/* A gateway with two reactors that do not run, and a page rendered from it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/core/gateway.h"
#include "gateway/core/guard.h"
#include "gateway/core/page.h"
#include "gateway/core/provider.h"
#include "gateway/ops/sources.h"

struct observed {
    struct settings settings;
    struct gateway *gateway;
    struct sources sources;
    struct text body;
    int status;
};

static inline void observed_release(struct settings *settings)
{
    (void)settings; /* part of the struct observed */
}

static inline struct snapshot *observed_snapshot(struct observed *observed)
{
    struct settings_holder *holder = NULL;
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct snapshot *snapshot = NULL;
    struct guard *guard = NULL;
    unsigned changed;
    assert_int_equal(settings_holder_new(&observed->settings, observed_release, &holder), 0);
    assert_int_equal(guard_new(&observed->settings, NULL, &guard), 0);
    settings_holder_set_guard(holder, guard);
    assert_int_equal(catalogue_builder_new(NULL, &builder), 0);
    assert_int_equal(catalogue_builder_finish(builder, &catalogue, &changed), 0);
    catalogue_builder_free(builder);
    assert_int_equal(snapshot_new(holder, catalogue, &snapshot), 0);
    return snapshot;
}

static inline int observed_setup(void **state)
{
    struct observed *observed = calloc(1, sizeof(*observed));
    assert_non_null(observed);
    observed->settings.threads = 2;
    observed->settings.limits.max_connections = 100;
    observed->settings.limits.max_sessions = 10;
    observed->settings.limits.max_streams = 20;
    observed->settings.limits.max_in_flight = 5;
    observed->settings.limits.max_tasks = UINT64_MAX;
    observed->body = TEXT(1024 * 1024);
    assert_int_equal(gateway_new(observed_snapshot(observed), &observed->gateway), 0);
    observed->sources.gateway = observed->gateway;
    atomic_store(&observed->gateway->phase, GATEWAY_READY);
    *state = observed;
    return 0;
}

static inline int observed_teardown(void **state)
{
    struct observed *observed = *state;
    text_done(&observed->body);
    gateway_free(observed->gateway);
    free(observed);
    return 0;
}

/* From now on callers are asked who they are, as settings.auth says. The guard's. */
static inline struct authenticator *observed_reload(struct observed *observed)
{
    struct snapshot *snapshot = observed_snapshot(observed);
    struct authenticator *authenticator = guard_authenticator(snapshot->guard);
    assert_int_equal(gateway_publish(observed->gateway, snapshot, 0), 0);
    return authenticator;
}

/* A provider that only offers. */
static inline void observed_free_provider(struct provider *provider)
{
    free(provider);
}

static inline struct provider *observed_provider(void)
{
    static const struct provider_ops ops = {.name = "observed", .free = observed_free_provider};
    struct provider *provider = malloc(sizeof(*provider));
    assert_non_null(provider);
    provider_init(provider, &ops);
    return provider;
}

struct observed_offer {
    enum item_kind kind;
    const char *key;
    const char *definition;
    struct item *item; /* borrowed from the catalogue */
};

static inline int observed_edit(struct catalogue_builder *builder, void *data)
{
    struct observed_offer *offer = data;
    CLEANUP(text_done) struct text problem = TEXT(1024);
    struct provider *provider = observed_provider();
    struct json_object *definition = json_tokener_parse(offer->definition);
    int r = item_new(
        &(struct item_definition){
            .kind = offer->kind, .key = offer->key, .definition = definition, .provider = provider},
        &offer->item, &problem);
    assert_int_equal(r, 0);
    json_object_put(definition);
    provider_unref(provider);
    return catalogue_builder_add(builder, offer->item);
}

/* Offers an item, and returns it: the catalogue's. */
static inline struct item *observed_offer(struct observed *observed, enum item_kind kind, const char *key,
                                          const char *definition)
{
    struct observed_offer offer = {.kind = kind, .key = key, .definition = definition};
    assert_int_equal(gateway_edit_catalogue(observed->gateway, observed_edit, &offer, 0), 0);
    return offer.item;
}

static inline struct counters *observed_counters(struct observed *observed, unsigned reactor)
{
    return reactor_counters(observed->gateway->reactor[reactor]);
}

/* The page's text, NUL-terminated. */
static inline const char *observed_render(struct observed *observed,
                                          int (*render)(void *context, struct text *body, int *ret_status))
{
    text_clear(&observed->body);
    assert_int_equal(render(&observed->sources, &observed->body, &observed->status), 0);
    text_terminate(&observed->body);
    return observed->body.at;
}
